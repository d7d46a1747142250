"""Who and what was judged."""

from dataclasses import replace

from detector.messages import states
from detector.messages.format import percent, stretch
from detector.presentation import Block, Cell, Curve, CurveChart, Grid, Section, Text, lead, series
from detector.schema.analysis import Analysis, Label, Modality, Subject
from detector.sentences import _

DRAWN = 4  # whose score over time is drawn, the most suspicious first


def section(analysis: Analysis) -> Section:
    """Return who was judged, and each one's score over time."""
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


def over_time(analysis: Analysis, subject: Subject) -> CurveChart:
    """Return a subject's score over time: of all models bold, of each thin, of a voice by
    windows."""
    limits = series.limits(analysis, subject.question)
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
        lines.append(Curve(lane.joined(lane.score)))
    lines += [
        Curve([(0.0, edge), (end, edge)], 0.2, muted=True, dashed=True)
        for edge in (limits.unsuspicious, limits.suspect)
    ]
    return series.chart(lines, end, limits)


def table(analysis: Analysis) -> Grid:
    """Return a row for each, the most suspicious first."""
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
    return (
        lead.placed(subject),
        "" if still else stretch(subject.start, subject.end),
        _("{count} of {number}").format(count=scored, number=len(subject.looks)),
        f"{widths[len(widths) // 2]:.0f} px" if widths else "",
        Cell(states.state(subject.label, subject.question), label=subject.label),
        "" if share is None else percent(share),
    )
