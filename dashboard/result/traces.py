"""What the pixels of one face hold: spectrum, DCT bands, noise, error level."""

import streamlit as st

from dashboard import theme
from dashboard.charts import traces
from dashboard.components import controls, figures
from dashboard.i18n import LazyDict, _
from dashboard.images import jpeg
from dashboard.labels import NBSP
from dashboard.result import pictures
from dashboard.result.linked import ResultViewState
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, FrameSegment, Subject
from detector.signals import frequency, reference
from detector.signals.views import Traces

VIEWS: LazyDict[str, str] = LazyDict(
    lambda: {
        "spectrum": _("Spectrum"),
        "bands": _("DCT bands"),
        "picture": _("Spectrum, picture"),
        "noise": _("Noise"),
        "error": _("Error level"),
    }
)
FINE_BANDS = slice(9, 14)
"""The finer third of the DCT's diagonals."""


def draw(analysis: Analysis, track: Subject, face: FrameSegment, linked: ResultViewState) -> None:
    """Draw the chosen view of the face at this moment."""
    view = st.session_state.get(linked.widget("traces"), "spectrum")
    try:
        seen = pictures.traces(
            linked.path, analysis.media.sha256, face.time, face, track.id, analysis
        )
    except (UnmaskError, OSError):
        figures.missing(_("The frame can’t be read any more."))
        return
    kind = "image" if analysis.media.kind == "image" else "video"
    small = view in ("spectrum", "bands", "picture") and seen.profile is None
    if small:
        least = f"{frequency.SMALLEST:.0f}{NBSP}px"
        text = _("The face is too small: a spectrum needs {least}, all of them in the frame.")
        figures.missing(text.format(least=least))
    elif view in ("spectrum", "bands"):
        _chart(view, seen, kind)
    else:
        _picture(view, seen)
    controls.select(_("Traces of this face"), VIEWS, linked.widget("traces"))


def _chart(view: str, seen: Traces, kind: str) -> None:
    spectrum = view == "spectrum"
    values = seen.profile if spectrum else seen.bands
    assert values is not None
    untouched = reference.curve("profile" if spectrum else "bands", kind)
    finding = traces.finding(values, untouched, frequency.FINE if spectrum else FINE_BANDS)
    figure = traces.frequency_figure(values, untouched, theme.palette())
    figures.chart(figure, f"traces-{view}", f"{VIEWS[view]}: {finding}")
    if untouched:
        text = (
            _("{finding}, beside {number} untouched clips")
            if kind == "video"
            else _("{finding}, beside {number} untouched pictures")
        )
        finding = text.format(finding=finding, number=untouched.files)
    figures.caption(figures.titled(VIEWS[view], finding))


def _picture(view: str, seen: Traces) -> None:
    rgb, text = {
        "picture": (
            seen.spectrum,
            _("log power, coarse in the middle; a lone dot is a regular pattern"),
        ),
        "noise": (
            seen.noise,
            _("what a high-pass filter leaves; face and surroundings should match"),
        ),
        "error": (
            seen.error,
            _("what one more JPEG changes; edges always do, patches may be pasted"),
        ),
    }[view]
    assert rgb is not None
    alt = _("{view} of the face").format(view=VIEWS[view])
    st.image(jpeg(rgb, 92), width="stretch", alt=alt)
    figures.caption(figures.titled(VIEWS["spectrum" if view == "picture" else view], text))
