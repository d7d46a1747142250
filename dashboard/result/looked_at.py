"""How much of the file was looked at, and how good the material is: under the player."""

from __future__ import annotations

import streamlit as st

from dashboard import labels, series
from dashboard.i18n import _, speech
from dashboard.labels import NBSP
from detector import messages
from detector.messages.coverage import covered
from detector.schema.analysis import Analysis, Evidence, Subject

RATING_ICON = {"good": "check", "fair": "help", "poor": "help"}


def draw(analysis: Analysis) -> None:
    """Draw both into the container at hand."""
    html = ticks(analysis) + evidence(analysis)
    if html:
        st.html(f"<div class='um-material'>{html}</div>")


def ticks(analysis: Analysis) -> str:
    """HTML of the scored moments on the clip's axis; a gap is a gap."""
    if analysis.media.kind == "image" or not analysis.moments:
        return ""
    top = next((t for t in analysis.judged if t.id == analysis.verdict.subject), None)
    scored = _scored(top) if top else []
    end = series.length(analysis)
    marks = "".join(f"<i style='left:{100 * time / end:.2f}%'></i>" for time in scored)
    length = labels.took(end) if end >= 10 else f"{end:.1f}{NBSP}s"
    name = _("Looked at")
    spoken = _("{scored} scored moments over {length}").format(scored=len(scored), length=length)
    rest = _("the gap: no score for them") if len(scored) < len(analysis.moments) else ""
    return (
        f"<div class='um-looked'><div><b>{name}</b><span class='um-caption'>"
        f"{_('of {length}').format(length=length)}</span></div>"
        f"<div class='axis' role='img' aria-label='{labels.escape(spoken)}'>{marks}</div>"
        f"<div class='um-caption'><span>{said(analysis)}</span><span>{rest}</span></div></div>"
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


def evidence(analysis: Analysis) -> str:
    """HTML of how good the material is, in a row."""
    if not analysis.evidence:
        return ""
    cells = "".join(_cell(item) for item in analysis.evidence)
    return f"<div class='um-evidence'>{cells}</div>"


def _cell(item: Evidence) -> str:
    name, value = messages.wording(item, speech())
    return (
        f"<div><span class='{item.rating}'><span class='um-icon' aria-hidden='true'>"
        f"{RATING_ICON[item.rating]}</span>{labels.escape(name)}</span>"
        f"<b>{labels.escape(labels.unbroken(value))}</b></div>"
    )
