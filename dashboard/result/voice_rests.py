"""What the score of a window rests on: drawn on demand, since it runs the network 41 times."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard import labels
from dashboard.components import controls, typography
from dashboard.components.timeline import sound
from dashboard.i18n import _
from dashboard.result.cards.voice import voice_of
from dashboard.result.linked import ResultViewState
from detector.decision import sigmoid
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, ModelResult, SpanSegment

if TYPE_CHECKING:
    from detector.explain.sound import SoundMap


def draw(analysis: Analysis, linked: ResultViewState) -> dict[str, Any] | None:
    """Draw the button, or what came of it; return what is laid over the spectrogram."""
    model = next((m for m in analysis.models if m.kind == "audio" and m.counted), None)
    window = window_at(analysis, linked.time, model.id) if model else None
    if model is None or window is None or not linked.path.is_file():
        return None
    asked = linked.widget("rests.window")
    span = (window.start, window.end)
    if st.session_state.get(asked) != span:
        when = labels.stretch(*span)
        controls.button(
            _("Show what the score rests on, {when}").format(when=when),
            "grid_on",
            linked.widget("rests"),
            partial(st.session_state.__setitem__, asked, span),
            kind="tertiary",
            help=_("Hides one part of this window after another and scores it again: 41 runs."),
        )
        return None
    place = st.empty()
    bar = place.progress(0.0, _("Hiding one part after another"))
    try:
        drawn = _map(linked.path, analysis.media.sha256, span, model.id, bar)
    except (UnmaskError, OSError, ValueError):
        typography.caption(_("This window can’t be looked into."), at=place)
        return None
    place.empty()
    text = finding(drawn, model)
    typography.caption(text)
    return sound.rests_on(drawn.map, *span, alt=text)


def window_at(analysis: Analysis, time: float, model: str) -> SpanSegment | None:
    """Return the window of a model whose middle is nearest to a moment."""
    subject = voice_of(analysis)
    spans = [span for span in subject.spans if model in span.logits] if subject else []
    return min(spans, key=lambda span: abs(span.center - time), default=None)


def finding(drawn: SoundMap, model: ModelResult) -> str:
    """Return what was found, in words: the text alternative of the map."""
    row, column = drawn.strongest
    when = labels.stretch(float(drawn.times[0]), float(drawn.times[-1]))
    limits = _("Places, not proof: hiding by itself moves a score too.")
    if drawn.falls[row, column] <= 0:
        text = _("{when}: hiding no part lowers the likelihood.").format(when=when)
        return f"{text} {limits}"
    text = _(
        "{when}: hiding {low} to {high}\u00a0Hz from {part} lowers the likelihood most, from "
        "{before} to {after}."
    ).format(
        when=when,
        low=f"{drawn.bands[row]:,.0f}",
        high=f"{drawn.bands[row + 1]:,.0f}",
        part=labels.stretch(float(drawn.times[column]), float(drawn.times[column + 1])),
        before=labels.percent(_likelihood(drawn.before, model)),
        after=labels.percent(_likelihood(drawn.before - float(drawn.falls[row, column]), model)),
    )
    return f"{text} {limits}"


def _likelihood(logit: float, model: ModelResult) -> float:
    fit = model.calibration
    return sigmoid(fit.scale * logit + fit.offset) if fit else sigmoid(logit)


@st.cache_data(max_entries=32, show_spinner=False)
def _map(path: Path, sha256: str, span: tuple[float, float], model: str, _bar: Any) -> SoundMap:
    """Return the map of a window. The hash is part of the key: a path may come to hold another
    file."""
    from detector.explain.sound import window_map  # on demand: it imports scipy.signal

    return window_map(path, span, model, lambda done: _bar.progress(done))
