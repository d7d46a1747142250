"""Who and what was judged."""

from dataclasses import dataclass, replace

from detector.messages import states
from detector.messages.format import percent, score, stretch
from detector.presentation import Block, Line, Lines, Points, Section, Table, Text, lead
from detector.schema.analysis import Analysis, Label, Modality, Subject, Thresholds
from detector.sentences import _


@dataclass(frozen=True)
class SubjectRow:
    """A person, the whole picture or a voice; a text is empty where there is nothing to say."""

    name: str
    seen: str  # "00:01 to 00:14"
    scored: str  # "12 of 32" looks
    width: str  # of the face, the median
    label: Label
    says: str
    likelihood: str


DRAWN = 4  # whose score over time is drawn, the most suspicious first


def section(analysis: Analysis) -> Section:
    """Return who was judged, and each one's score over time."""
    of_sound = analysis.media.kind == "audio"
    title = _("The voice") if of_sound else _("The people") if analysis.people else _("The picture")
    table = [
        (row.name, row.seen, row.scored, row.width, f"{states.GLYPHS[row.label]} {row.says}",
         row.likelihood)
        for row in rows(analysis)
    ]  # fmt: skip
    blocks: list[Block] = [Table(heads(analysis), table)]
    if analysis.media.kind == "image":
        return Section(title, tuple(blocks))
    for subject in analysis.judged[:DRAWN]:
        if any(look.score is not None for look in subject.looks):
            asked = f": {states.question(subject.question)}" if subject.question else ""
            name = states.subject_name(subject.modality.value, subject.id)
            blocks.append(replace(over_time(analysis, subject), title=f"{name}{asked}"))
    text = _(
        "Bold: all counted models together. Thin: each model of the question. The band is "
        "inconclusive; a gap in a line is a gap in the clip."
    )
    if of_sound:
        text = _(
            "A line is one window: all counted models together. The band is inconclusive; where "
            "there is no line, nothing was scored."
        )
    return Section(title, (*blocks, Text(text, "note")))


def over_time(analysis: Analysis, subject: Subject) -> Lines:
    """Return a subject's score over time: of all models bold, of each thin, of a voice by
    windows."""
    answer = subject.question and analysis.verdict.answers.get(subject.question)
    limits: Thresholds = answer.thresholds if answer else analysis.verdict.thresholds
    end = max(analysis.media.duration or 0.0, subject.end, 0.1)
    faces = {face.index: face for face in subject.frames}
    looks = [faces.get(index) for index in range(len(analysis.timestamps))]

    def curve(model: str | None) -> Points:
        scored = (look and (look.scores.get(model) if model else look.score) for look in looks)
        return [
            (look.time, value) if look is not None and isinstance(value, float) else None
            for look, value in zip(looks, scored, strict=True)
        ]

    lines = [
        Line(curve(model.id), 0.15, muted=True)
        for model in analysis.models
        if faces and model.question is subject.question
    ]
    lines += [Line(curve(None))] if faces else [
        Line([(span.start, span.score), (span.end, span.score)])
        for span in subject.spans if span.score is not None
    ]  # fmt: skip
    edges = [value for value in (limits.unsuspicious, limits.suspect) if 0 < value < 1]
    lines += [
        Line([(0.0, edge), (end, edge)], 0.2, muted=True, dashed=True)
        for edge in (limits.unsuspicious, limits.suspect)
    ]
    ticks = tuple((value, score(value)) for value in (*edges, 0.0, 1.0))
    band = [(0.0, limits.suspect), (end, limits.suspect)]
    return Lines(tuple(lines), end, 0.0, 1.0, ticks, band, limits.unsuspicious)


def rows(analysis: Analysis) -> list[SubjectRow]:
    """Return a row for each, the most suspicious first."""
    return [_row(analysis, subject) for subject in analysis.judged]


def _row(analysis: Analysis, subject: Subject) -> SubjectRow:
    scored = sum(look.score is not None for look in subject.looks)
    faces = subject.frames if subject.modality is Modality.FACE else ()
    widths = sorted(face.quality.width for face in faces)
    still, share = analysis.media.kind == "image", subject.probability
    return SubjectRow(
        name=lead.placed(subject),
        seen="" if still else stretch(subject.start, subject.end),
        scored=_("{count} of {number}").format(count=scored, number=len(subject.looks)),
        width=f"{widths[len(widths) // 2]:.0f} px" if widths else "",
        label=subject.label,
        says=states.state(subject.label, subject.question),
        likelihood="" if share is None else percent(share),
    )


def heads(analysis: Analysis) -> tuple[str, str, str, str, str, str]:
    """Return what stands over the columns of the rows."""
    if analysis.media.kind == "audio":
        return _("Voice"), _("Heard"), _("Windows scored"), "", _("Said"), _("Likelihood")
    who = _("Person") if analysis.people else _("Subject")
    return who, _("Seen"), _("Frames scored"), _("Face width"), _("Said"), _("Likelihood")
