"""Who and what was judged."""

from dataclasses import dataclass

from detector.messages import states
from detector.messages.format import percent, stretch
from detector.presentation import lead
from detector.schema.analysis import Analysis, Label, Modality, Subject
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
