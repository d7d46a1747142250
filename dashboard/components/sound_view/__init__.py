"""The own component of a sound: waveform with speech, spectrogram or MFCCs, and the score over
time, with one cursor over all of them.

Python says what is there (`view_data`); `view.js` draws it, follows the player without any rerun,
moves it where a person clicks, and reports that moment.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from dashboard import labels
from dashboard._compat import component_key
from dashboard.components import reports
from dashboard.i18n import _
from detector.schema.analysis import Analysis, Modality, Question

HERE = Path(__file__).parent
RAMP = ((255, 255, 255), (201, 222, 240), (86, 152, 206), (0, 92, 158), (3, 30, 56))
"""from quiet to loud: one hue, darker as it grows, so that it is read in gray too"""
RAMP_AT_NIGHT = ((27, 30, 33), (3, 56, 100), (0, 106, 176), (110, 178, 230), (236, 246, 255))
"""the same on a dark page: lighter as it grows"""
RESTS = (230, 120, 0)
"""of what a score rests on, the stronger the denser: over blue, by day and by night"""

_component = st.components.v2.component(
    "unmask_sound_view",
    html='<div class="sound"></div>',
    css=(HERE / "view.css").read_text("utf-8"),
    js=(HERE / "view.js").read_text("utf-8"),
)


def sound_view(data: Mapping[str, Any], *, key: str, on_moment: Callable[[], None]) -> None:
    """Mount the view. `on_moment` runs before the next rerun."""
    _component(key=component_key(key), data=dict(data), on_moment_change=on_moment)


def reported(key: str) -> float | None:
    """Return the moment that the view reported for this run, s."""
    report = reports.reported(key, "moment")
    return None if report is None else float(report["time"])


def view_data(
    analysis: Analysis,
    peaks: np.ndarray,
    pictures: Mapping[str, str],
    *,
    time: float,
    seek: int = 0,
    rests: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return everything the view needs.

    Parameters
    ----------
    peaks : float [C, 2]
        Of the waveform, -1..1.
    pictures : mapping
        "mel" and "mfcc" as data addresses.
    time, seek
        The moment, s, and a number that grows when the server (not the view) moved it.
    rests : mapping, optional
        What a window's score rests on (`rests_on`).
    """
    heard = analysis.media.audio.heard if analysis.media.audio else None
    end = max(analysis.media.duration or 0.0, 0.1)
    answer = analysis.verdict.answers.get(Question.VOICE)
    limits = answer.thresholds if answer else analysis.verdict.thresholds
    voice = next((s for s in analysis.subjects if s.modality is Modality.VOICE), None)
    scored = [span for span in voice.spans if span.score is not None] if voice else []
    spoken = [
        {"start": a, "end": b, "name": _("Speech, {stretch}").format(stretch=labels.stretch(a, b))}
        for a, b in (heard.speech if heard else [])
    ]
    score = labels.percent(voice.probability) if voice and voice.probability is not None else ""
    return {
        "end": end,
        "time": time,
        "seek": seek,
        "rests": dict(rests) if rests else None,
        "peaks": [[round(float(v), 3) if np.isfinite(v) else 0 for v in pair] for pair in peaks],
        "speech": spoken,
        "pictures": dict(pictures),
        "scores": [[span.start, span.end, span.score] for span in scored],
        "low": limits.low if scored else None,
        "high": limits.high if scored else None,
        "words": {
            "waveform": _("Waveform"),
            "speech": _("speech marked"),
            "mel": _("Spectrogram"),
            "mfcc": "MFCC",
            "bands": _("80 bands, 0 to 8 kHz"),
            "coefficients": _("20 coefficients; no model of ours scores this picture"),
            "score": _("Score"),
            "windows": _("voice models, by window"),
            "inconclusive": _("inconclusive"),
            "none": _("No model that counts scored this sound."),
            "hatched": _("Gray: no speech, or too little of it to score."),
            "move": _("Moment in the sound"),
            "alt": {
                "mel": _("Spectrogram of {length}, low tones below, loud is dark.").format(
                    length=labels.took(end)
                ),
                "mfcc": _("Mel-frequency cepstral coefficients of {length}.").format(
                    length=labels.took(end)
                ),
                "waveform": _("Waveform with {count}.").format(
                    count=labels.count(len(spoken), "stretch of speech", "stretches of speech")
                ),
                "score": _("Score over time; of the whole sound {score}.").format(
                    score=score or _("none")
                ),
            },
        },
    }


def rests_on(shares: np.ndarray, start: float, end: float, alt: str) -> dict[str, Any]:
    """Return what a window's score rests on, as the view draws it over the spectrogram.

    Parameters
    ----------
    shares : float [rows, columns]
        0..1, the first row lowest; nothing is drawn where it is 0.
    """
    values = np.kron(shares[::-1], np.ones((80 // len(shares), 8)))
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = RESTS
    rgba[..., 3] = np.round(200 * values)
    return {"start": start, "end": end, "picture": _png(rgba), "alt": alt}


def as_picture(values: np.ndarray, low: float, high: float, *, dark: bool = False) -> str:
    """Return values [rows, columns], the first row lowest, as a PNG's data address."""
    share = np.nan_to_num((values - low) / max(high - low, 1e-9), nan=0.0).clip(0, 1)
    places = np.linspace(0, 1, len(RAMP))
    ramp = np.array(RAMP_AT_NIGHT if dark else RAMP, float)
    rgb = np.stack([np.interp(share, places, ramp[:, c]) for c in range(3)], -1)
    return _png(rgb[::-1].round().astype(np.uint8))


def _png(values: np.ndarray) -> str:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
