"""The figures of an evaluation, its curves, and the files that were scored furthest from what they
are."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, theme, url_state
from dashboard.charts import evaluation as charts
from dashboard.components import cards, controls, figures, typography
from dashboard.components.markup import rich, show
from dashboard.i18n import _, ngettext, say
from detector.errors import InputError
from detector.evaluation import metrics, tables
from detector.evaluation.report import ENSEMBLE, KindReport, Share
from detector.evaluation.scores import Scored
from detector.models.registry import list_models
from detector.schema.analysis import Label, Question, Settings, Thresholds
from service.tasks.evaluations import Evaluation
from service.tasks.task import QueueFull

FURTHEST = 12
"""Files that are listed by their distance from the truth."""


def draw(run: Evaluation, kind: KindReport, thresholds: Mapping[Question, Thresholds]) -> None:
    """Draw what was measured on the clips, or on the pictures."""
    scored = [s for s in run.scored if s.kind == kind.kind]
    asked = {q: limits for q, limits in thresholds.items() if any(q in s.answers for s in scored)}
    # The first question's: those that most verdicts are given by.
    first = next(iter((asked or thresholds).values()), Thresholds(low=0.5, high=0.5))
    _headline(kind)
    _ranking(kind, scored)
    _probabilities(kind, scored, first)
    _confusion(scored, first, verdicts(kind, asked))
    _mistakes(run, scored)
    _tables(kind)


def _headline(kind: KindReport) -> None:
    first = kind.answers[0]
    auc, decisions = first.ranking.auc, first.decisions
    interval = _("{low} to {high}").format(low=f"{auc.low:.2f}", high=f"{auc.high:.2f}")
    cells = [
        (_("AUC"), f"{auc.value:.2f}", interval),
        (_("Pairs ranked rightly"), *_pairs(first.ranking.pairs, first.ranking.pairs_won.value)),
        (_("Originals called fake"), *_share(decisions.false_positives)),
        (_("Got a verdict"), *_share(decisions.decided)),
        (_("Of these, right"), *_share(decisions.right)),
        (_("Calibration error"), f"{first.calibration.error:.2f}", _("0 is best")),
    ]
    with st.container(horizontal=True):
        for name, value, note in cells:
            if value:
                st.metric(
                    name, value, note, delta_color="off", delta_arrow="off", border=True,
                    width="stretch",
                )  # fmt: skip
            else:
                st.metric(name, note, border=True, width="stretch")


def _pairs(count: int, won: float) -> tuple[str, str]:
    if not count:
        return "–", _("no groups with both")
    pairs = ngettext("of {number} pair", "of {number} pairs", count).format(number=count)
    if count < labels.FEW:
        return "", f"{round(won * count)} {pairs}"
    return labels.percent(won), pairs


def _share(share: Share) -> tuple[str, str]:
    """Return a share in percent with its count and interval; of few files the count alone."""
    if not share.of:
        return "–", _("none")
    part = _("{number} of {total}").format(number=share.count, total=share.of)
    interval = _("{low} to {high} %").format(
        low=round(100 * share.low), high=round(100 * share.high)
    )
    if share.of < labels.FEW:
        return part, interval
    return labels.percent(share.count / share.of), f"{part}, {interval}"


# --- curves ---------------------------------------------------------------------------------------


def _curve_card(name: str, title: str, figure: go.Figure, alt: str, *under: Markup) -> None:
    with st.container(border=True, key=f"card-{name}", height="stretch"):
        typography.title(title)
        figures.chart(figure, f"evaluate-{name}", alt)
        for part in under:
            show(part)


def columns(kind: KindReport, scored: Sequence[Scored]) -> dict[str, np.ndarray]:
    """Return each file's scores by name: combined first, then the best-ranking models."""
    together = [1.0 - s.label if s.probability is None else s.probability for s in scored]
    out = {_("All together"): np.array(together)}
    names = labels.plain_names(list_models())
    alone = [m for m in kind.models if m.id != ENSEMBLE]
    for model in sorted(alone, key=lambda m: -m.ranking.auc.value)[: charts.LINES - 1]:
        out[names.get(model.id, model.title)] = np.array(
            [s.highest.get(model.id, -1e6 if s.label else 1e6) for s in scored]
        )
    return out


def curves_left_out(kind: KindReport) -> str:
    """Return which models are drawn, where there are more than can be told apart."""
    models = sum(model.id != ENSEMBLE for model in kind.models)
    if models < charts.LINES:
        return ""
    text = _(
        "Beside all together, the {shown} of {models} models that rank these files best alone. The "
        "export has all."
    )
    return text.format(shown=charts.LINES - 1, models=models)


def _ranking(kind: KindReport, scored: Sequence[Scored]) -> None:
    colors, lines = theme.palette(), columns(kind, scored)
    truth = np.array([s.label for s in scored])
    groups = [f"{s.source}/{s.group}" for s in scored]
    auc, fakes = kind.answers[0].ranking.auc, float(truth.mean())
    key = cards.legend(
        cards.Mark(cls=f"line {dash}", words=name, color=color)
        for dash, color, name in charts.key(list(lines), colors)
    )
    left_out = [typography.small_print(text)] if (text := curves_left_out(kind)) else []
    left, right = st.columns(2, gap="medium")
    with left:
        rocs = {name: metrics.roc(column, truth, groups) for name, column in lines.items()}
        _curve_card(
            "roc",
            _("ROC, with its 95 % band"),
            charts.roc(rocs, colors),
            _("AUC {value}, between {low} and {high}").format(
                value=f"{auc.value:.2f}", low=f"{auc.low:.2f}", high=f"{auc.high:.2f}"
            ),
            key,
            *left_out,
        )
    with right:
        right_of = {name: metrics.precision_recall(column, truth) for name, column in lines.items()}
        share = _("Precision depends on how many files are fake: here {percent}.")
        _curve_card(
            "precision",
            _("Precision against recall"),
            charts.precision(right_of, fakes, colors),
            _("Precision at each recall, for each model"),
            key,
            typography.small_print(share.format(percent=labels.percent(fakes))),
        )


def _probabilities(kind: KindReport, scored: Sequence[Scored], thresholds: Thresholds) -> None:
    colors, calibration = theme.palette(), kind.answers[0].calibration
    judged = [(s.label, s.probability) for s in scored if s.probability is not None]
    error = f"{calibration.error:.2f}"
    left, right = st.columns(2, gap="medium")
    with left:
        by_chance = _(
            "Expected calibration error {error}; exactly right percentages would show "
            "{chance} on so few files."
        ).format(error=error, chance=f"{calibration.error_by_chance:.2f}")
        _curve_card(
            "reliability",
            _("Can the percentages be taken at their word?"),
            charts.reliability(calibration.bars, colors),
            _("Expected calibration error {error}").format(error=error),
            typography.small_print(by_chance),
        )
    with right:
        real, fake = ([value for label, value in judged if label == side] for side in (0, 1))
        count = _("{number} of {total} files were judged.")
        _curve_card(
            "histogram",
            _("Where the scores lie"),
            charts.histogram(real, fake, thresholds, colors),
            _("Scores of originals above the axis, of fakes below"),
            typography.small_print(count.format(number=len(judged), total=len(scored))),
        )


# --- files ----------------------------------------------------------------------------------------


def verdicts(kind: KindReport, asked: Mapping[Question, Thresholds]) -> str:
    """Return why a table at one threshold and the verdicts above it count differently."""
    given = kind.answers[0].decisions.decided
    text = _(
        "One threshold for all files. A verdict holds a file to the threshold of its question "
        "({thresholds}) and also asks how good the material is: {number} of {total} got one."
    )
    points = [
        _("{question} {percent}").format(
            question=labels.QUESTIONS[q].short,
            percent=_("none") if limits.never_decide else labels.percent(limits.high),
        )
        for q, limits in asked.items()
    ]
    return text.format(
        thresholds=", ".join(points) or _("none"), number=given.count, total=given.of
    )


@st.fragment
def _confusion(scored: Sequence[Scored], thresholds: Thresholds, note: str) -> None:
    """Draw what is called what at a threshold that can be moved; recomputed from the scores."""
    with st.container(border=True, key="card-confusion"):
        typography.title(_("At a threshold of your choice"))
        cut = st.slider(
            _("Called fake from"),
            0,
            100,
            round(thresholds.high * 100),
            format="%d %%",
            key="evaluate-cut",
        )
        rows = []
        for label, name in ((0, _("Originals")), (1, _("Fakes"))):
            values = [s.probability for s in scored if s.label == label]
            over = sum(value is not None and value * 100 >= cut for value in values)
            unjudged = values.count(None)
            rows.append(
                {
                    "": name,
                    _("Called fake"): f"{over} ({labels.percent(over / max(1, len(values)))})",
                    _("Not called fake"): str(len(values) - over - unjudged),
                    _("Not judged"): str(unjudged),
                    _("In all"): str(len(values)),
                }
            )
        controls.table(rows)
        typography.caption(note)


def _mistakes(run: Evaluation, scored: Sequence[Scored]) -> None:
    """Draw the files with the scores furthest from their label; undecided ones are no mistakes."""
    wrong = [
        (s, s.probability)
        for s in scored
        if s.probability is not None and (s.probability > 0.5) != bool(s.label)
    ]
    wrong.sort(key=lambda pair: -abs(pair[1] - 0.5))
    with st.container(border=True, key="card-mistakes"):
        typography.title(_("Furthest from the truth"))
        if not wrong:
            typography.caption(_("No file is on the wrong side of 50 %."))
        for number, (s, probability) in enumerate(wrong[:FURTHEST]):
            with controls.apart(f"mistake-{number}"):
                typography.paragraph(_mistake(s, probability), width="stretch")
                if controls.button(_("Look at it"), "search", f"look-{number}"):
                    _analyze(run, s)


def _mistake(s: Scored, probability: float) -> Markup:
    """Return a sentence: what a file is, what the models say, and which verdict came of that."""
    if s.label == 0:
        text = _(
            "<b>{file}</b> is an original; the models say {percent} likely manipulated. Verdict: "
            "{verdict}."
        )
    elif s.method == "unknown":
        text = _(
            "<b>{file}</b> is a fake; the models say {percent} likely manipulated. Verdict: "
            "{verdict}."
        )
    else:
        text = _(
            "<b>{file}</b> is a fake ({method}); the models say {percent} likely manipulated. "
            "Verdict: {verdict}."
        )
    decided = (question for question, label in s.answer_labels.items() if label == s.verdict)
    verdict = labels.state(Label(s.verdict), next(decided, None)).short
    percent = labels.percent(probability)
    name = given_name(s.name)
    return rich(text, file=name, method=s.method, percent=percent, verdict=verdict)


def given_name(name: str) -> str:
    """Return the person's name of a file: stored names are numbered to be unique."""
    return re.sub(r"^\d{4,}-(?=.)", "", Path(name).name)


def _analyze(run: Evaluation, scored: Scored) -> None:
    """Analyze the file as if it had been dropped, with the same models."""
    path = run.folder / scored.name
    try:
        with path.open("rb") as file:
            job = session.submit(file, given_name(path.name), Settings(models=run.models))
    except (QueueFull, InputError) as error:
        typography.alert(say(error.message))
    except OSError:
        typography.alert(_("This file is not kept here any more."))
    else:
        url_state.go_to("analyze", a=job.key)


def _tables(kind: KindReport) -> None:
    """Draw the figures by condition, method and source."""
    if kind.conditions:
        with st.container(border=True, key="card-conditions"):
            typography.title(_("When the files were passed on"))
            controls.table(
                {
                    _("Condition"): c.title,
                    _("AUC"): tables.figure_text(c.ranking.auc),
                    _("AUC lost"): f"{c.fall.value:.2f}",
                    _("Originals called fake"): _part(c.decisions.false_positives),
                    _("Fakes found"): _part(c.decisions.true_positives),
                }
                for c in kind.conditions
            )
    with st.expander(_("By method and source")):
        for name, rows in ((_("Method"), kind.methods), (_("Source"), kind.sources)):
            st.dataframe(
                [
                    {
                        name: row.name,
                        _("Originals"): row.real,
                        _("Fakes"): row.fake,
                        _("AUC"): tables.figure_text(row.auc) if row.auc else "–",
                        _("Originals called fake"): _part(row.false_positives),
                        _("Fakes found"): _part(row.true_positives),
                    }
                    for row in rows
                ],
                hide_index=True,
            )


def _part(share: Share | None) -> str:
    """Return "5 % [1, 17] (2 of 39)"; nothing for a share of none."""
    if share is None or not share.of:
        return ""
    return _("{percent} % [{low}, {high}] ({number} of {total})").format(
        percent=f"{100 * share.value:.0f}",
        low=round(100 * share.low),
        high=round(100 * share.high),
        number=share.count,
        total=share.of,
    )
