"""What the pixels of one face hold: spectrum, DCT bands, noise, error level."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import charts, theme, trace_charts
from dashboard.result import pictures
from dashboard.result.heat_view import missing
from dashboard.result.linked import Linked
from dashboard.words import NBSP
from detector.errors import UnmaskError
from detector.results import Analysis, FaceFrame, Track
from detector.signals import frequency, reference
from detector.signals.views import Traces

VIEWS = {
    "spectrum": "Spectrum",
    "bands": "DCT bands",
    "picture": "Spectrum, picture",
    "noise": "Noise",
    "error": "Error level",
}
FINE_BANDS = slice(9, 14)
"""The finer third of the DCT's diagonals."""


def draw(path: Path, analysis: Analysis, track: Track, face: FaceFrame, linked: Linked) -> None:
    """Draw the chosen view of the face at this moment."""
    view = st.session_state.get(linked.widget("traces"), "spectrum")
    try:
        seen = pictures.traces(path, analysis.media.sha256, face.time, face, track.id, analysis)
    except (UnmaskError, OSError):
        st.html(missing("The frame can’t be read any more."))
        return
    kind = "image" if analysis.media.kind == "image" else "video"
    small = view in ("spectrum", "bands", "picture") and seen.profile is None
    if small:
        st.html(
            missing(
                f"The face is too small: a spectrum needs {frequency.SMALLEST:.0f}{NBSP}px, all of "
                "them in the frame."
            )
        )
    elif view in ("spectrum", "bands"):
        _chart(view, seen, kind)
    else:
        _picture(view, seen)
    st.selectbox(
        "Traces of this face",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key=linked.widget("traces"),
        label_visibility="collapsed",
    )


def _chart(view: str, seen: Traces, kind: str) -> None:
    spectrum = view == "spectrum"
    values = seen.profile if spectrum else seen.bands
    assert values is not None
    beside = reference.curve("profile" if spectrum else "bands", kind)
    said = trace_charts.apart(values, beside, frequency.FINE if spectrum else FINE_BANDS)
    st.plotly_chart(
        trace_charts.frequency_figure(values, beside, theme.palette()),
        theme=None,
        config=charts.CONFIG,
        key=f"traces-{view}",
        alt=f"{VIEWS[view]}: {said}",
    )
    of = (
        f", beside {beside.files} untouched {'clips' if kind == 'video' else 'pictures'}"
        if beside
        else ""
    )
    st.html(f"<div class='um-figcaption'><b>{VIEWS[view]}</b> {said}{of}</div>")


def _picture(view: str, seen: Traces) -> None:
    rgb, text = {
        "picture": (
            seen.spectrum,
            "log power, coarse in the middle; a lone dot is a regular pattern",
        ),
        "noise": (seen.noise, "what a high-pass filter leaves; face and surroundings should match"),
        "error": (seen.error, "what one more JPEG changes; edges always do, patches may be pasted"),
    }[view]
    assert rgb is not None
    st.image(pictures.jpeg(rgb, 92), width="stretch", alt=f"{VIEWS[view]} of the face")
    st.html(f"<div class='um-figcaption'><b>{VIEWS[view].split(',')[0]}</b> {text}</div>")
