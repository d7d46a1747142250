"""Signal: lip sync, the correlation of the mouth's opening with the sound's energy, on request.

Lip-sync fakes follow the sound a little more closely than people do, dubs and voice-overs less, so
both sides are unusual. It does not separate fakes from genuine clips well enough to vote
(`docs/signals.md`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from detector.audio.recording import Recording
from detector.audio.sound import SAMPLE_RATE, Span
from detector.decision.numbers import sigmoid
from detector.schema.analysis import LIPS as ID
from detector.schema.analysis import Media, Signal, Subject
from detector.sentences import _, join, numeral
from detector.signals.measure import material, on_request
from detector.signals.reference import SignalSpec, lips_fit, usual

STEP = 0.02  # s from one figure to the next, of the mouth and of the sound
SMOOTH = 5  # steps over which the opening is averaged: landmarks tremble
FRAME = 0.025  # s of sound whose energy is taken
WINDOW, HOP = 1.5, 0.5  # s that are compared at a time: a phrase
MOST, NEAR = 20, 5  # maximum shift of the lips in steps, and that of a match: 0.1 s
GAP = 0.2  # s without a face beyond which nothing is interpolated
SPOKEN = 0.5  # Share of a window that has to be speech
MOVING = 0.008
"""of the height of the face, by which the lips have to move in a window (standard deviation): less
is no talking, and not much more than the error of landmarks"""
FEWEST = 2  # windows
INNER, FACE = (13, 14), (10, 152)  # Of the 478 points: the lips' inner edges; forehead and chin


@dataclass(frozen=True)
class LipsMeasurement:
    """How the lips follow the voice."""

    series: list[tuple[float, float]]  # middle of a window, s, and its highest correlation `NEAR`
    near: float  # highest mean correlation of the windows with a lag of at most 0.1 s
    peak: float  # the same with one of at most 0.4 s
    lag: float  # s by which the lips lag the sound there
    spread: float  # standard deviation of `series`

    @property
    def features(self) -> list[float]:
        """Return the features of the score."""
        return [self.near, self.peak, abs(self.lag), self.spread]


LIPS = SignalSpec(
    id=ID,
    title="Lips and voice",
    unit="correlation",
    side="both",
    say="correlation {value:.2f}",
    means="How closely the opening of the mouth follows the loudness of the voice.",
    low="The lips follow the voice less than those of most people, as in dubs and where somebody "
    "else speaks; music and noise do this too.",
    high="The lips follow the voice more closely than those of most people, as in lip-sync and "
    "talking portraits; clear, slow speech does this too.",
    purpose="Points to a mouth that was drawn anew for a sound, and to a sound that is not its.",
)
SIGNAL = on_request(LIPS, rank=95)
SILENT = _("The file has no sound.")
NOBODY = _("Nobody is seen talking for long enough: that takes three seconds of speech.")


def signal(
    path: str | Path,
    about: Media,
    times: np.ndarray,
    mouth: np.ndarray,
    person: Subject,
    cancel: Event | None = None,
) -> Signal:
    """Return how a person's mouth, its opening at times, s, follows the sound of the file; raise
    MediaError or Canceled."""
    if about.audio is None:
        return LIPS.absent(SILENT, person.id)
    found = measure(path, about, times, mouth, cancel)
    if found is None:
        return LIPS.absent(NOBODY, person.id)
    lowest = min(found.series, key=lambda at: at[1])[0]
    known = usual(ID, material(about, person))
    shown = LIPS.signal(found.near, person.id, times=[lowest], known=known)
    return shown.model_copy(
        update={
            "series": [(time, round(value, 4)) for time, value in found.series],
            "how_to_read": join(_lag(found.lag), _share(found), shown.how_to_read),
        }
    )


def measure(
    path: str | Path,
    about: Media,
    times: np.ndarray,
    mouth: np.ndarray,
    cancel: Event | None = None,
) -> LipsMeasurement | None:
    """Read the sound of these times and `compare`."""
    audio = about.audio
    if audio is None or len(times) < 2:
        return None
    span = (float(times[0]), float(times[-1]))
    heard = Recording.of(path, [span], notes=[], cancel=cancel, source=audio.source)
    if not heard.stretches:
        return None
    start, samples = heard.stretches[0]
    return compare(times, mouth, (start, samples / np.float32(32_768)), heard.speech)


def _lag(lag: float) -> str:
    if abs(lag) < STEP / 2:
        return _("The lips fit the voice best without a lag.")
    text = _("The lips fit the voice best {seconds} s after it.")
    if lag < 0:
        text = _("The lips fit the voice best {seconds} s before it.")
    return text.format(seconds=numeral(abs(lag), ".2f"))


def _share(found: LipsMeasurement) -> str:
    """Return the fraction of fakes among such clips, by a fit with left-out calibration."""
    text = _(
        "Of 100 clips whose lips follow the voice like this, {share} were fake in our tests, with "
        "as many fakes as genuine talks."
    )
    return text.format(share=round(100 * likelihood(found.features)))


def likelihood(features: Sequence[float]) -> float:
    """Return the share of fakes among clips with such `LipsMeasurement.features`, 0..1, with as
    many fakes as genuine talks."""
    return sigmoid(float(log_odds(np.array(features), lips_fit())))


def log_odds(features: np.ndarray, layer: Mapping[str, Any]) -> np.ndarray:
    """Return the log odds of features, float [..., features], by a fitted layer (`lips_fit`)."""
    x = squared((features - layer["mean"]) / layer["scale"])
    return np.asarray(x @ layer["weights"] + layer["bias"])


def squared(features: np.ndarray) -> np.ndarray:
    """Return features and their squares: a value may be too low or too high."""
    return np.concatenate([features, features**2], axis=-1)


def openness(points: np.ndarray) -> float:
    """Return the gap between the lips over the height of the face, from 478 points."""
    gap, height = (float(np.linalg.norm(points[a] - points[b])) for a, b in (INNER, FACE))
    return gap / max(height, 1e-6)


def compare(
    times: np.ndarray, mouth: np.ndarray, sound: tuple[float, np.ndarray], speech: Sequence[Span]
) -> LipsMeasurement | None:
    """Correlate a mouth's opening at ascending times, s, with a sound: its start, s, and samples,
    float32 [n]; None with too little visible speech. `speech`: segments, s."""
    grid = np.arange(times[0], times[-1], STEP)
    padded = np.pad(np.interp(grid, times, mouth), SMOOTH // 2, "edge")
    opening = np.convolve(padded, np.ones(SMOOTH) / SMOOTH, "valid")
    level = _energy(grid, *sound)
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    valid = np.isfinite(level) & (times[after] - times[after - 1] <= GAP)
    spoken = np.any([(grid >= a) & (grid < b) for a, b in speech] or [np.zeros(len(grid), bool)], 0)
    size, curves, middles = round(WINDOW / STEP), [], []
    for first in range(MOST, len(grid) - size - MOST + 1, round(HOP / STEP)):
        window = slice(first, first + size)
        wide = slice(first - MOST, first + size + MOST)
        talking = spoken[window].mean() >= SPOKEN and opening[window].std() >= MOVING
        if talking and valid[wide].all():
            curves.append(_correlations(opening[wide], level[window]))
            middles.append(float(grid[first] + WINDOW / 2))
    if len(curves) < FEWEST:
        return None
    mean, near = np.mean(curves, 0), slice(MOST - NEAR, MOST + NEAR + 1)
    series = [(round(t, 3), float(c[near].max())) for t, c in zip(middles, curves, strict=True)]
    return LipsMeasurement(
        series,
        float(mean[near].max()),
        float(mean.max()),
        float((mean.argmax() - MOST) * STEP),
        float(np.std([value for _, value in series])),
    )


def _energy(grid: np.ndarray, start: float, samples: np.ndarray) -> np.ndarray:
    """Return the log RMS around each time, NaN without sound."""
    total = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    half = FRAME / 2
    edges = ((grid - start + side) * SAMPLE_RATE for side in (-half, half))
    first, last = (np.round(edge).astype(int) for edge in edges)
    first, last = (np.clip(edge, 0, len(samples)) for edge in (first, last))
    power = (total[last] - total[first]) / np.maximum(last - first, 1)
    inside = last - first > FRAME * SAMPLE_RATE / 4  # at both ends half a frame is heard
    return np.where(inside, np.log(np.sqrt(np.maximum(power, 0)) + 1e-4), np.nan)


def _correlations(opening: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the correlation at each lag of -`MOST` to `MOST` steps: float [2 MOST + 1]."""
    shifted = np.lib.stride_tricks.sliding_window_view(opening, len(level))
    shifted = shifted - shifted.mean(1, keepdims=True)
    level = level - level.mean()
    sizes = np.linalg.norm(shifted, axis=1) * np.linalg.norm(level)
    return np.asarray(shifted @ level / np.maximum(sizes, 1e-9))
