"""How far models agree: moment by moment, pair by pair, one against another."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, labels, series
from dashboard.components import cards, controls, figures, typography
from dashboard.components.cards import Mark
from dashboard.pages.compare import state
from dashboard.pages.compare.state import Selection
from dashboard.series import Lane
from dashboard.theme import AXIS, Palette
from detector.correlation import correlation
from detector.messages import states
from detector.schema.analysis import Label, Question, Thresholds
from detector.schema.codes import Side
from detector.sentences import _, ngettext

ROW = 26
"""px of a model in the strip."""
Line = tuple[str, Lane, Thresholds]
"""A model: its name, its scores, and what they are read by."""
Questions = Mapping[str, Question | None]
"""What each model answers, by its id: two that answer different things neither agree nor differ."""
_OUTER = {Side.FAKE: Label.FAKE, Side.REAL: Label.REAL}
ORDER = (Label.REAL, Label.INCONCLUSIVE, Label.FAKE)
SHORT = 10.0
"""s of a clip below which times have tenths."""
FAR = 0.3
"""Distance of two scores of one moment from which models differ, though neither is sure."""


@dataclass(frozen=True)
class Pair:
    """Two models on the moments that both scored.

    Attributes
    ----------
    sure, same, opposite : int
        Moments at which a model is over or under its thresholds; of these, at which the other reads
        the same; with one over and one under.
    apart : float
        Mean distance of their scores.
    correlation : float or None
        Of their scores (Pearson); None with fewer than three moments or a flat line.
    """

    first: str
    second: str
    both: int
    sure: int
    same: int
    opposite: int
    apart: float
    correlation: float | None


@dataclass(frozen=True)
class Difference:
    """A stretch of time in which models part."""

    start: float
    end: float
    text: str


def readings(lane: Lane, thresholds: Thresholds) -> list[Label]:
    """Return which way each moment is read, of the bands the outer one: FAKE, INCONCLUSIVE or REAL;
    NOT_APPLICABLE where there is no score."""
    bands = (series.label_at(value, thresholds) for value in lane.score)
    return [_OUTER[band.side] if band.side else band for band in bands]


def pairs(
    labelled: Mapping[str, Sequence[Label]], lanes: Mapping[str, Lane], questions: Questions
) -> list[Pair]:
    """Return every pair of models of one question, by the readings and the scores of each."""
    out = []
    for a, b in itertools.combinations(labelled, 2):
        if questions[a] is not questions[b]:
            continue
        read = list(zip(labelled[a], labelled[b], strict=True))
        both = [i for i, pair in enumerate(read) if Label.NOT_APPLICABLE not in pair]
        sure = [i for i in both if set(read[i]) != {Label.INCONCLUSIVE}]
        same = sum(read[i][0] is read[i][1] for i in sure)
        opposite = sum(set(read[i]) == {Label.FAKE, Label.REAL} for i in both)
        x, y = (np.array([lanes[id].score[i] for i in both], float) for id in (a, b))
        steady = len(both) < 3 or min(x.std(), y.std()) < 1e-6
        linear = None if steady else correlation(x, y)
        apart = float(np.abs(x - y).mean()) if both else 0.0
        out.append(Pair(a, b, len(both), len(sure), same, opposite, apart, linear))
    return out


def differences(
    labelled: Mapping[str, Sequence[Label]],
    lanes: Mapping[str, Lane],
    titles: Mapping[str, str],
    questions: Questions,
) -> list[Difference]:
    """Return stretches in which one model is over the thresholds and another of its question under
    them, longest first; then those in which one is sure and another is not, then those in which
    neither is and their scores lie far apart."""
    texts = {
        Label.REAL: _("{other} finds no sign where {model} says {reading}"),
        Label.INCONCLUSIVE: _("{other} stays inconclusive where {model} says {reading}"),
    }
    stretches: list[tuple[int, int, Difference]] = []
    for a, b in itertools.permutations(labelled, 2):
        if questions[a] is not questions[b]:
            continue
        times, names = lanes[a].times, {"model": titles[a], "other": titles[b]}
        reading = states.zone(Label.FAKE, questions[a])
        for rank, (other, text) in enumerate(texts.items()):
            pairs = zip(labelled[a], labelled[b], strict=True)
            sentence = text.format(reading=reading, **names)
            for run in _runs(i for i, pair in enumerate(pairs) if pair == (Label.FAKE, other)):
                stretch = Difference(times[run[0]], times[run[-1]], sentence)
                stretches.append((rank, -len(run), stretch))
        for run in _runs(_far(labelled[a], labelled[b], lanes[a].score, lanes[b].score)):
            scores = (np.mean([lanes[id].score[i] for i in run]) for id in (a, b))
            high, low = (labels.score(float(value)) for value in scores)
            text = _("{model} scores {high} where {other} scores {low}; neither is sure")
            sentence = text.format(high=high, low=low, **names)
            stretch = Difference(times[run[0]], times[run[-1]], sentence)
            stretches.append((len(texts), -len(run), stretch))
    stretches.sort(key=lambda item: item[:2])
    return [stretch for *_, stretch in stretches]


def _runs(places: Iterable[int]) -> Iterator[list[int]]:
    """Yield stretches of places that stand next to each other."""
    # These have the same distance from their place in the list.
    for _gap, group in itertools.groupby(enumerate(places), lambda item: item[1] - item[0]):
        yield [i for _place, i in group]


def _far(
    labels_a: Sequence[Label],
    labels_b: Sequence[Label],
    a: Sequence[float | None],
    b: Sequence[float | None],
) -> Iterator[int]:
    """Yield where both are inconclusive and the first has by far the higher score."""
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        unsure = labels_a[i] is labels_b[i] is Label.INCONCLUSIVE
        if unsure and x is not None and y is not None and x - y >= FAR:
            yield i


def summary(selection: Selection) -> str:
    """Return what the models say of the whole file in a line: "2 of 4 models say fake; scores from
    29 to 93"."""
    track = selection.track
    given = [(m, track.models[m.id]) for m in selection.models if track and m.id in track.models]
    verdict = selection.analysis.verdict
    sides = [Label(score.label).side for m, score in given if not verdict.undecided(m.question)]
    scores = [score.probability for m, score in given]
    text = ngettext(
        "{fake} of {count} model says fake; scores from {low} to {high}.",
        "{fake} of {count} models say fake; scores from {low} to {high}.",
        len(given),
    )
    return text.format(
        fake=sides.count(Side.FAKE), count=len(given),
        low=labels.score(min(scores)), high=labels.score(max(scores)),
    )  # fmt: skip


def stated(selection: Selection, lanes: Mapping[str, Lane]) -> str:
    """Return the agreement in words: the summary, and the longest difference or that there is
    none."""
    titles = {m.id: labels.plain(m) for m in selection.models}
    questions = {m.id: m.question for m in selection.models}
    labelled = {
        id: readings(lane, state.limits(selection.analysis, id)) for id, lane in lanes.items()
    }
    parts = [summary(selection)]
    stretches = differences(labelled, lanes, titles, questions)
    if stretches:
        text = _("They differ most from {time} on: {difference}.")
        time = labels.clock(stretches[0].start)
        parts.append(text.format(time=time, difference=stretches[0].text))
    elif any(pair.sure for pair in pairs(labelled, lanes, questions)):
        parts.append(_("Where one model is sure, the others of its question are too."))
    return " ".join(parts)


def strip(
    labelled: Mapping[str, Sequence[Label]],
    times: Sequence[float],
    time: float,
    titles: Mapping[str, str],
    questions: Questions,
    palette: Palette,
) -> go.Figure:
    """Return a cell a model and moment, in the state's color with its glyph."""
    rows = list(labelled)[::-1]
    at = min(range(len(times)), key=lambda i: abs(times[i] - time))
    frame = {
        "type": "rect", "x0": at - 0.5, "x1": at + 0.5, "y0": -0.5, "y1": len(rows) - 0.5,
        "line": {"color": palette.accent, "width": 2},
    }  # fmt: skip
    step = max(1, len(times) // 5)  # as many as a phone has room for
    layout = charts.layout(
        palette,
        ROW * len(rows) + 34,
        shapes=[frame],
        xaxis={
            **charts.PLAIN,
            "tickvals": list(range(0, len(times), step)),
            "ticktext": [labels.clock(t, tenths=times[-1] < SHORT) for t in times[::step]],
            "tickangle": 0,
        },
        yaxis={**charts.PLAIN, "automargin": True},
        margin={"l": 90, "r": 6, "t": 4, "b": 28},
    )
    colors = [palette.state(label).fill for label in ORDER]
    hover = _("{model} at {time}: {reading}")
    cells = {
        "type": "heatmap",
        "x": list(range(len(times))),
        "y": [titles[id] for id in rows],
        "z": [[ORDER.index(x) if x in ORDER else None for x in labelled[id]] for id in rows],
        "zmin": -0.5,
        "zmax": 2.5,
        "colorscale": [(e, colors[i]) for i in range(3) for e in (i / 3, (i + 1) / 3)],
        "showscale": False,
        "text": [[_glyph(label) for label in labelled[id]] for id in rows],
        "texttemplate": "%{text}",
        "textfont": {"size": AXIS, "color": "#FFFFFF"},
        "customdata": [
            [
                hover.format(
                    model=labels.escape(titles[id]),
                    time=labels.clock(t),
                    reading=labels.state(label, questions[id]).short,
                )
                for t, label in zip(times, labelled[id], strict=True)
            ]
            for id in rows
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "xgap": 2,
        "ygap": 3,
    }
    return go.Figure(cells, layout)


def scatter(a: Line, b: Line, palette: Palette) -> go.Figure:
    """Return one model against another: a dot a moment, over both models' thresholds."""
    (name_a, lane_a, limits_a), (name_b, lane_b, limits_b) = a, b
    both = [
        (t, x, y)
        for t, x, y in zip(lane_a.times, lane_a.score, lane_b.score, strict=True)
        if x is not None and y is not None
    ]
    dots = charts.scatter(
        [x for t, x, y in both],
        [y for t, x, y in both],
        hover=f"%{{text}}: {labels.escape(name_a)} %{{x:.0%}}, {labels.escape(name_b)} %{{y:.0%}}",
        mode="markers",
        marker={"size": 8, "color": palette.accent, "opacity": 0.75},
        text=[labels.clock(t) for t, x, y in both],
    )
    edge = palette.edge
    layout = charts.layout(
        palette,
        300,
        shapes=[
            *(charts.rule(edge, "dot", x0=level, x1=level, y0=0, y1=1, yref="y domain")
              for level in (limits_a.low, limits_a.high)),
            *(charts.rule(edge, "dot", y0=level, y1=level, x0=0, x1=1, xref="x domain")
              for level in (limits_b.low, limits_b.high)),
        ],
        xaxis=_scores_of(name_a, limits_a, palette),
        yaxis=_scores_of(name_b, limits_b, palette),
        margin={"l": 52, "r": 10, "t": 8, "b": 40},
    )  # fmt: skip
    return go.Figure(dots, layout)


def _scores_of(name: str, thresholds: Thresholds, palette: Palette) -> charts.Part:
    values, texts = charts.score_ticks(thresholds)
    title = _("{name}, score").format(name=labels.escape(name))
    return {
        **charts.PLAIN, "range": [-0.02, 1.02], "tickvals": values, "ticktext": texts,
        "title": {"text": title, "font": {"size": AXIS}},
        "linecolor": palette.edge,
    }  # fmt: skip


def draw(selection: Selection, lanes: dict[str, Lane], palette: Palette) -> None:
    """Draw the card."""
    titles = {m.id: labels.plain(m) for m in selection.models}
    thresholds = {m.id: state.limits(selection.analysis, m.id) for m in selection.models}
    questions = {m.id: m.question for m in selection.models}
    labelled = {id: readings(lane, thresholds[id]) for id, lane in lanes.items()}
    times = list(next(iter(lanes.values())).times)
    with st.container(border=True, key="card-agree"):
        cards.head(_("Agreement"), cards.legend(_keys({questions[id] for id in lanes})))
        compared = pairs(labelled, lanes, questions)
        figures.chart(
            strip(labelled, times, selection.time, titles, questions, palette),
            "compare-strip",
            _finding(compared, titles),
        )
        left, right = st.columns(2, gap="medium")
        with left:
            if compared:
                _pairs(compared, titles)
                _differences(differences(labelled, lanes, titles, questions), compared)
            else:
                text = _("These models answer different questions: they neither agree nor differ.")
                typography.caption(text)
        with right:
            _scatter(
                {id: (titles[id], lane, thresholds[id]) for id, lane in lanes.items()},
                second(questions, lanes),
                palette,
            )


def _keys(questions: Collection[Question | None]) -> list[Mark]:
    """Return what each color stands for, in the words of every question that is shown."""
    marks = []
    for label in reversed(ORDER):
        shown = [labels.state(label, q) for q in (*Question, None) if q in questions]
        words = " · ".join(dict.fromkeys(labels.lower_first(one.short) for one in shown))
        marks.append(Mark(f"cell {shown[0].slug}", f"{_glyph(label)} {words}".strip()))
    return marks


def _glyph(label: Label) -> str:
    """Return the sign of a reading; empty for one that is unsure, of which most cells may be."""
    return labels.state(label).glyph if label in _OUTER.values() else ""


def _pairs(compared: Sequence[Pair], titles: Mapping[str, str]) -> None:
    same, apart = _("Same reading"), _("Points apart")
    about = _("Of the moments at which at least one of the two is sure; empty where neither is")
    percent = st.column_config.ProgressColumn(
        format="%d %%", min_value=0, max_value=100, help=about
    )
    st.dataframe(
        [
            {
                _("Pair"): labels.listed([titles[p.first], titles[p.second]]),
                same: round(100 * p.same / p.sure) if p.sure else None,
                apart: round(100 * p.apart) if p.both else None,
                _("Moments"): p.both,
                _("Opposite"): p.opposite,
                _("Correlation"): None if p.correlation is None else round(p.correlation, 2),
            }
            for p in compared
        ],
        hide_index=True,
        column_config={same: percent},
    )


def _differences(stretches: Sequence[Difference], compared: Sequence[Pair]) -> None:
    typography.chapter(_("Where they differ"))
    if not stretches:
        none = _("No model is sure of any moment, and no two scores are {points} points apart.")
        if any(pair.sure for pair in compared):
            none = _("Nowhere: where one model is sure, the others are too.")
        typography.caption(none.format(points=round(100 * FAR)))
    for number, stretch in enumerate(stretches[:4]):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", key=f"differ-{number}", wrap=False
        ):
            typography.paragraph(stretch.text, width="stretch")
            go_there, time = partial(state.go, stretch.start), labels.clock(stretch.start)
            controls.button(time, "play_arrow", f"differ-go-{number}", go_there, kind="tertiary")


def second(questions: Questions, ids: Iterable[str]) -> int:
    """Return which model is compared with the first by default: the next that answers the same."""
    first, *rest = (questions[id] for id in ids)
    return 1 + next((n for n, question in enumerate(rest) if question is first), 0)


def _scatter(lines: Mapping[str, Line], up: int, palette: Palette) -> None:
    ids = list(lines)

    def title(id: str) -> str:
        return lines[id][0]

    with st.container(horizontal=True):
        a = st.selectbox(_("Across"), ids, 0, format_func=title, key="scatter-a")
        b = st.selectbox(_("Up"), ids, up, format_func=title, key="scatter-b")
    alt = _("{first} against {second}, a dot a moment").format(first=title(a), second=title(b))
    figures.chart(scatter(lines[a], lines[b], palette), "compare-scatter", alt)


def _finding(compared: Sequence[Pair], titles: Mapping[str, str]) -> str:
    return "; ".join(
        (
            _("{models}: {apart} points apart on average; {same} of {sure} sure moments alike")
            if p.sure
            else _("{models}: {apart} points apart on average; neither is sure of any moment")
        ).format(
            models=labels.listed([titles[p.first], titles[p.second]]),
            apart=round(100 * p.apart),
            same=p.same,
            sure=p.sure,
        )
        for p in compared
    )
