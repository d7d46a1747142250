"""The timeline of a sound: waveform with speech, a picture of its frequencies, and the score."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from dashboard.components.markup import tag
from dashboard.components.timeline import PLAYER, layers, versioned
from dashboard.components.timeline.layers import Point
from dashboard.images import data_url, encode
from detector.presentation import voice
from detector.schema.analysis import Analysis
from detector.sentences import _, say

RAMP = ((255, 255, 255), (201, 222, 240), (86, 152, 206), (0, 92, 158), (3, 30, 56))
"""from quiet to loud: one hue, darker as it grows, so that it is read in gray too"""
RAMP_AT_NIGHT = ((27, 30, 33), (3, 56, 100), (0, 106, 176), (110, 178, 230), (236, 246, 255))
"""the same on a dark page: lighter as it grows"""
RESTS = (230, 120, 0)
"""of what a score rests on, the stronger the denser: over blue, by day and by night"""

WAVE, SCORE = 72, 92
"""height of a lane, px"""


def view_data(
    analysis: Analysis,
    peaks: np.ndarray,
    picture: str,
    *,
    mfcc: bool = False,
    time: float,
    seek: int = 0,
    rests: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the view shows: the waveform's peaks, float [C, 2] in -1..1, the address of
    the spectrogram or MFCCs, the moment in s, and what a window's score rests on. `seek` grows
    when the server moved the moment."""
    heard = analysis.media.audio.speech if analysis.media.audio else None
    end = max(analysis.media.duration or 0.0, 0.1)
    spoken = [
        layers.button(name=name, title=name, data_time=str(a), style=layers.across(a, b, end))
        for a, b in (heard.spans if heard else [])
        for name in [voice.stretch_of_speech(a, b)]
    ]
    waveform, (named, note) = voice.waveform(len(spoken)), map(say, voice.WAVEFORM)
    score, by_window = map(say, voice.BY_WINDOW)
    lanes = (
        layers.lane(
            tag("div", *spoken, cls="speech"),
            layers.marks([{"css": "wave", "paths": _wave(peaks, end)}], WAVE, end, waveform),
            name=named,
            note=note,
        ),
        _frequencies(end, picture, None if mfcc else rests, mfcc=mfcc),
        layers.lane(*_scores(analysis, end), name=score, note=by_window),
    )
    body = {
        "id": f"sound-{analysis.id}",
        "player": {"place": f".st-key-{PLAYER}", "leads": False},
        "end": end,
        "html": str(layers.plot(_("Moment in the sound"), end, lanes)),
    }
    return versioned(body, time=time, seek=seek)


def _frequencies(
    end: float, picture: str, rests: Mapping[str, Any] | None, *, mfcc: bool
) -> Markup:
    name, note, alt = voice.frequencies(end, mfcc=mfcc)
    drawn = [("picture", picture, 0.0, end, alt)]
    if rests:
        drawn.append(("rests", rests["picture"], rests["start"], rests["end"], rests["alt"]))
    return layers.lane(
        *(tag("img", cls=cls, src=source, alt=text, style=layers.across(start, stop, end))
          for cls, source, start, stop, text in drawn),
        name=name, note=note,
    )  # fmt: skip


def _wave(peaks: np.ndarray, end: float) -> list[list[Point]]:
    """Return an upright line for each column of the waveform, the loudest as high as the lane."""
    values = np.nan_to_num(peaks)
    top = max(0.05, float(np.abs(values).max(initial=0.0)))
    levels = 0.5 + values * 0.47 / top
    levels[:, 1] = np.maximum(levels[:, 1], levels[:, 0] + 0.8 / WAVE)
    times = (np.arange(len(peaks)) + 0.5) * end / max(1, len(peaks))
    return [
        [(float(t), float(low)), (float(t), float(high))]
        for t, (low, high) in zip(times.round(3), levels.round(4), strict=True)
    ]


def _scores(analysis: Analysis, end: float) -> list[Markup]:
    """Return the score by windows and its limits; where there is none all of it is shaded."""
    chart, gaps = voice.over_time(analysis, end)
    shaded = [(gap.start, gap.end) for gap in gaps]
    return [layers.curves(chart, SCORE, shaded), layers.ticks(chart, SCORE)]


def rests_on(shares: np.ndarray, start: float, end: float, alt: str) -> dict[str, Any]:
    """Return what a window's score rests on: `shares` 0..1, lowest row first, 0 is not drawn."""
    values = np.kron(shares[::-1], np.ones((80 // len(shares), 8)))
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = RESTS
    rgba[..., 3] = np.round(200 * values)
    return {"start": start, "end": end, "picture": data_url(encode(rgba, "PNG"), "png"), "alt": alt}


def as_picture(values: np.ndarray, low: float, high: float, *, dark: bool = False) -> str:
    """Return values [rows, columns], the first row lowest, as a PNG's data address."""
    share = np.nan_to_num((values - low) / max(high - low, 1e-9), nan=0.0).clip(0, 1)
    places = np.linspace(0, 1, len(RAMP))
    ramp = np.array(RAMP_AT_NIGHT if dark else RAMP, float)
    rgb = np.stack([np.interp(share, places, ramp[:, c]) for c in range(3)], -1)
    return data_url(encode(rgb[::-1].round().astype(np.uint8), "PNG"), "png")
