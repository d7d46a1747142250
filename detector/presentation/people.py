"""Judged subjects: table, chips and scores over time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from detector.messages import states
from detector.messages.format import (
    clock,
    limit,
    lower_first,
    percent,
    score,
    stretch,
    whole_percent,
)
from detector.presentation import Block, Cell, Curve, CurveChart, Grid, Section, Text, lead, series
from detector.presentation.models import plain
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Label, Modality, Subject, Thresholds, Verdict
from detector.sentences import _, join

DRAWN = 4  # whose score over time is drawn, the most suspicious first
MANY_GAPS = 2  # that are named under lanes; more are counted


def section(analysis: Analysis) -> Section:
    """Return the table of subjects and their scores over time."""
    of_sound = analysis.media.kind == "audio"
    title = _("The voice") if of_sound else _("The people") if analysis.people else _("The picture")
    blocks: list[Block] = [table(analysis)]
    if analysis.media.kind == "image":
        return Section("people", title, tuple(blocks))
    for subject in analysis.judged[:DRAWN]:
        if any(look.score is not None for look in subject.looks):
            asked = f": {states.question(subject.question)}" if subject.question else ""
            name = states.subject_name(subject.modality.value, subject.id)
            blocks.append(replace(over_time(analysis, subject), title=f"{name}{asked}"))
    text = _(
        "Bold: all counted models together. Thin: each model of the question. The band: "
        "can’t tell; a gap in a line is a gap in the clip."
    )
    if of_sound:
        text = _(
            "A line is one window: all counted models together. The band: can’t tell; where "
            "there is no line, nothing was scored."
        )
    return Section("people", title, (*blocks, Text(text, "note")))


def reading(subject: Subject) -> Cell:
    """Return a subject's label."""
    return Cell(states.state(subject.label, subject.question, short=True), state=subject.label)


def chip(subject: Subject, verdict: Verdict) -> Cell:
    """Return a subject's label with its score, or the reason for none."""
    said, detail = reading(subject).text, lead.why_not(subject.reason)
    if subject.label is verdict.label is Label.INCONCLUSIVE and subject.id == verdict.subject:
        said = states.headline(verdict.label, verdict.question)
    if subject.probability is not None:
        detail = percent(subject.probability, verdict.thresholds.edges)
    return Cell(join(said, detail, by=" · "), state=subject.label)


def spoken(analysis: Analysis) -> str:
    """Return the text alternative of a player."""
    what = {
        "video": _("The analyzed video."),
        "image": _("The analyzed image."),
        "animation": _("The analyzed animation."),
        "audio": _("The analyzed sound."),
    }[analysis.media.kind]
    said = "; ".join(
        f"{lead.name(one)}: {lower_first(states.state(one.label, one.question))}"
        for one in analysis.judged
    )
    return f"{what} {said}."


def at_moment(analysis: Analysis, lane: Lane, place: int) -> Cell:
    """Return the score at a moment of a lane, noted with its subject, time and reading, or with the
    reason for none."""
    who, when = lead.name(lane.track), clock(lane.times[place], tenths=True)
    value, limits = lane.score[place], analysis.verdict.thresholds
    label = series.label_at(value, limits)
    if value is None:
        seen = next((face for face in lane.track.frames if face.index == place), None)
        return Cell("–", ", ".join((who, when, series.why(seen))), label)
    number = score(value, limits.edges)
    said = _("{person}, {time}, score {number}, {state}").format(
        person=who, time=when, number=number, state=states.zone(label, lane.track.question)
    )
    return Cell(number, said, label)


def together(subject: Subject, limits: Thresholds) -> tuple[str, str]:
    """Return a subject's likelihood and its name, or the reason for none."""
    if subject.probability is None:
        return "", series.words(subject.reason or series.Missing.NO_SCORE)
    return percent(subject.probability, limits.edges), _("combined")


OVER_TIME = _("Score over time")
OWN_LIMITS = _("Drawn with your thresholds.")


def unit(tiles: int, moments: int) -> str:
    """Return what the tiles of a strip show of the moments."""
    return _("score, 0 to 100") if moments <= tiles else _("highest score, 0 to 100")


# --- scores over time -----------------------------------------------------------------------------


def lines(analysis: Analysis) -> dict[str, str]:
    """Return the names of the models with lines, by id."""
    scored = {id for subject in analysis.judged for look in subject.looks for id in look.scores}
    return {model.id: plain(model) for model in analysis.models if model.id in scored}


def keys(analysis: Analysis) -> tuple[str, list[str], str]:
    """Return the legend: the combined line, each model's line, the band."""
    counted = {model.id for model in analysis.models if model.counted}
    out = _("{model} (not counted)")
    named = lines(analysis).items()
    models = [name if id in counted else out.format(model=name) for id, name in named]
    limits = analysis.verdict.thresholds
    band = _("can’t tell, {low} to {high}\u00a0%")
    band = band.format(low=limit(limits.unsuspicious), high=limit(limits.suspect))
    return _("combined"), models, band


def gaps(lanes: Sequence[Lane]) -> str:
    """Return the hatched gaps of lanes; empty without any."""
    named = [
        " ".join([lead.name(lane.track)] * (len(lanes) > 1) + [series.gap_words(gap)])
        for lane in lanes
        for gap in lane.gaps
    ]
    if not named:
        return ""
    text = _("Hatched, no score: {gaps}.")
    if (more := len(named) - MANY_GAPS) > 0:
        text = _("Hatched, no score: {gaps}; {number} more.")
    return text.format(gaps="; ".join(named[:MANY_GAPS]), number=more)


def scores(analysis: Analysis, lanes: Iterable[Lane]) -> tuple[list[str], list[dict[str, object]]]:
    """Return a table of scores over time: the columns of scores, and a row for each moment or
    window with whole percents or the reason for none."""
    named, rows, limits = lines(analysis), list[dict[str, object]](), analysis.verdict.thresholds
    for lane in lanes:
        none = (None,) * len(lane.times)
        columns = {_("Combined"): lane.score}
        columns |= {name: lane.models.get(id, none) for id, name in named.items()}
        for place, (_start, when) in enumerate(series.moments(lane)):
            label = series.label_at(lane.score[place], limits)
            says = lane.gap_at[place] or states.state(label, lane.track.question, short=True)
            row: dict[str, object] = {_("Subject"): lead.name(lane.track), _("Time"): when}
            for name, line in columns.items():
                value = line[place]
                row[name] = None if value is None else whole_percent(value)
            rows.append(row | {_("Reading"): str(Cell(says, state=label))})
    return [_("Combined"), *named.values()], rows


def over_time(analysis: Analysis, subject: Subject) -> CurveChart:
    """Return a subject's score over time: combined bold, thin between the moments that a model
    looks at, models thin; a voice by windows."""
    limits = analysis.verdict.thresholds
    lane, end = series.lane(analysis, subject), series.length(analysis)
    lines = [
        Curve([(span.start, span.score), (span.end, span.score)], 0.9 if over else 0.55,
              Label.FAKE if over else None)
        for span in subject.spans if span.score is not None
        for over in [span.score > limits.suspect]
    ]  # fmt: skip
    if subject.frames:
        lines = [
            Curve(lane.joined(lane.models[model.id]), 0.15, muted=True)
            for model in analysis.models
            if model.id in lane.models and model.question is subject.question
        ]
        lines += [Curve(pair, 0.3) for pair in lane.bridges]
        lines.append(Curve(lane.points))
    return series.chart(lines, end, limits)


def table(analysis: Analysis) -> Grid:
    """Return a row for each subject, the most suspicious first."""
    who = _("Person") if analysis.people else _("Subject")
    heads = who, _("Seen"), _("Frames scored"), _("Face width"), _("Said"), _("Likelihood")
    if analysis.media.kind == "audio":
        heads = _("Voice"), _("Heard"), _("Windows scored"), "", _("Said"), _("Likelihood")
    return Grid(heads, [_cells(analysis, subject) for subject in analysis.judged])


def _cells(analysis: Analysis, subject: Subject) -> tuple[str | Cell, ...]:
    scored = sum(look.score is not None for look in subject.looks)
    faces = subject.frames if subject.modality is Modality.FACE else ()
    widths = sorted(face.quality.width for face in faces)
    still, share = analysis.media.kind == "image", subject.probability
    said, label = states.state(subject.label, subject.question), subject.label
    return (
        lead.placed(subject),
        "" if still else stretch(subject.start, subject.end),
        _("{count} of {number}").format(count=scored, number=len(subject.looks)),
        f"{widths[len(widths) // 2]:.0f} px" if widths else "",
        Cell(said, state=label),
        "" if share is None else percent(share, analysis.verdict.thresholds.edges),
    )
