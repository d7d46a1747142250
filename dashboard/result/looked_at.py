"""How much of the file was looked at, and how good the material is: under the player."""

from __future__ import annotations

from markupsafe import Markup

from dashboard import labels, series
from dashboard.components import figures
from dashboard.components.markup import show, tag
from dashboard.i18n import _, speech
from dashboard.labels import NBSP
from detector import messages
from detector.messages.coverage import covered
from detector.schema.analysis import Analysis, Evidence, Subject

RATING_ICON = {"good": "check", "fair": "help", "poor": "help"}


def draw(analysis: Analysis) -> None:
    """Draw both into the container at hand."""
    material = ticks(analysis) + evidence(analysis)
    if material:
        show(tag("div", material, cls="um-material"))


def ticks(analysis: Analysis) -> Markup:
    """Return the scored moments on the clip's axis; a gap is a gap."""
    if analysis.media.kind == "image" or not analysis.moments:
        return Markup()
    top = next((t for t in analysis.judged if t.id == analysis.verdict.subject), None)
    scored = _scored(top) if top else []
    end = series.length(analysis)
    length = labels.took(end) if end >= 10 else f"{end:.1f}{NBSP}s"
    spoken = _("{scored} scored moments over {length}").format(scored=len(scored), length=length)
    rest = _("the gap: no score for them") if len(scored) < len(analysis.moments) else ""
    return figures.marks(
        _("Looked at"),
        _("of {length}").format(length=length),
        [time / end for time in scored],
        spoken,
        (said(analysis), rest),
    )


def said(analysis: Analysis) -> str:
    """How much of it, and how far apart: "32 of 6,000 frames, every shot seen (4), one each
    7.5 s"."""
    looked = len(analysis.moments)
    many = covered(analysis.coverage, speech()) or labels.count(looked, "frame", "frames")
    step = series.length(analysis) / looked
    if looked < 2 or step < 1 or analysis.settings.sampling == "closer":
        return many
    return _("{many}, one each {step}").format(many=many, step=f"{step:.2g}{NBSP}s")


def _scored(track: Subject) -> list[float]:
    return [face.time for face in track.frames if face.score is not None]


def evidence(analysis: Analysis) -> Markup:
    """Return how good the material is, in a row."""
    return figures.ratings(_cell(item) for item in analysis.evidence)


def _cell(item: Evidence) -> tuple[str, str, str, str]:
    name, value = messages.wording(item, speech())
    return item.rating, RATING_ICON[item.rating], name, labels.unbroken(value)
