"""Do the lips move with the sound? How the mouth moves from frame to frame, held against speech.

Movement of the mouth's region beyond that of the face above it, in faces laid over each other by
their five points, is correlated with how loud speech is and how fast that rises, over shifts of up
to `MOST_LAG` s. Five points say where a mouth is and not how far it is open, so nothing here reads
lips: it tells whether movement and sound come at the same moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from detector import media
from detector.audio import sound
from detector.audio.sound import SAMPLE_RATE
from detector.schema.analysis import Media
from detector.vision.types import Detection

RATE = 25.0
"""moments a second"""
LONGEST, SHORTEST = 20.0, 9.0
"""s that are read of a clip, and that it takes: of less, chance gives lags as sure as true ones."""
FULL_SPAN_PIXELS = 1280 * 720
"""Of larger pictures less is read, down to `SHORTEST`: decoding them takes longer."""
MOST_LAG = 0.6
"""s"""
APART = 1.5
"""s by which the same sound is shifted at least, to tell what chance gives."""
WINDOW, STEP = 4.0, 1.0
"""s of a window, and between two."""
SURE = 4.0
"""Strength from which on lips and sound move together (`docs/signals.md`)."""
GAP = 1.0
"""s between two looks at a face, in between which its place is taken to move evenly."""
SEARCH_EVERY = 0.4
"""s between two searches, where the analysis looked more rarely."""
SIDE = 96
"""px of the faces laid over each other"""
TEMPLATE = np.array([[30, 32], [66, 32], [48, 52], [34, 70], [62, 70]], np.float32)
"""Eyes, nose, corners of the mouth in these."""
MOUTH, ABOVE = (slice(60, 90), slice(24, 72)), (slice(20, 54), slice(18, 78))
"""Rows and columns of the mouth with the chin, and of eyes and nose."""

Landmarks = Sequence[tuple[float, np.ndarray]]
"""(s, five landmarks [5, 2])"""
FindFace = Callable[[np.ndarray], Detection | None]


@dataclass(frozen=True)
class TalkingClip:
    """A file with sound in which one person is seen.

    Attributes
    ----------
    speech : sequence of (start, end)
        s
    find : callable
        Searches a face in a frame, uint8 [H, W, 3].
    """

    path: Path
    media: Media
    speech: Sequence[tuple[float, float]]
    find: FindFace
    cancel: Event | None = None


@dataclass(frozen=True)
class Sync:
    """How lips and sound lie together.

    Attributes
    ----------
    lag : float
        s by which the sound is late; below 0 it is early.
    strength : float
        How far their correlation stands above that with other moments of the same sound, in
        standard deviations of those.
    windows : tuple of (start, lag, strength)
        Of each window, s.
    """

    lag: float
    strength: float
    windows: tuple[tuple[float, float, float], ...]


def measure(clip: TalkingClip, landmarks: Landmarks) -> Sync | None:
    """Read the stretch of a clip in which most is spoken; None where a face is not there for
    `SHORTEST` s of it.

    Raises
    ------
    MediaError, Canceled
    """
    start, end = stretch(clip)
    if end - start < SHORTEST:
        return None
    times = np.arange(start, end, 1 / RATE)
    places = _places(clip, landmarks, times)
    if places is None:
        return None
    moved = movement(clip, places, times)
    loud = loudness(clip, times)
    return sync(moved, loud, float(times[0]))


def stretch(clip: TalkingClip) -> tuple[float, float]:
    """Return where most is spoken, s."""
    pixels = max(clip.media.width * clip.media.height, 1)
    most = float(np.clip(LONGEST * FULL_SPAN_PIXELS / pixels, SHORTEST + 2, LONGEST))
    whole = clip.media.duration or 0.0
    starts = sorted({0.0, *(min(a, max(0.0, whole - most)) for a, _ in clip.speech)})
    spoken = [
        sum(max(0.0, min(b, at + most) - max(a, at)) for a, b in clip.speech) for at in starts
    ]
    best = starts[int(np.argmax(spoken))]
    return best, min(whole, best + most)


def _places(clip: TalkingClip, landmarks: Landmarks, times: np.ndarray) -> np.ndarray | None:
    """Return the landmarks at each time, float [N, 5, 2]; None where the face is not known often
    enough."""
    known = {round(t, 3): points for t, points in landmarks if points.shape == (5, 2)}
    if not _often_enough(known, times):
        searched = np.arange(times[0], times[-1], SEARCH_EVERY).tolist()
        for frame in media.decode(clip.path, clip.media, searched, notes=[], cancel=clip.cancel):
            face = clip.find(frame.rgb)
            if face is not None and len(face.landmarks) == 5:
                known[round(frame.time, 3)] = np.asarray(face.landmarks, float)
        if not _often_enough(known, times):
            return None
    at = np.array(sorted(known))
    points = np.stack([known[t] for t in at]).reshape(len(at), 10)
    columns = [np.interp(times, at, column) for column in points.T]
    return np.stack(columns, 1).reshape(-1, 5, 2)


def _often_enough(known: Iterable[float], times: np.ndarray) -> bool:
    """Whether no two looks that follow on each other beside these times are too far apart."""
    first, last = float(times[0]) - GAP, float(times[-1]) + GAP
    inside = sorted(t for t in known if first <= t <= last)
    return bool(np.diff([first, *inside, last]).max() <= 2 * GAP)


def movement(clip: TalkingClip, places: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return how the mouth moves beyond the face above it: float [N], NaN where nothing new was
    shown."""
    out = np.full(len(times), np.nan)
    above = np.full(len(times), np.nan)
    last: np.ndarray | None = None
    last_time = -1.0
    for frame in media.decode(clip.path, clip.media, times.tolist(), notes=[], cancel=clip.cancel):
        n = max(0, int(np.searchsorted(times, frame.time + 1e-3)) - 1)
        if frame.time <= last_time:
            continue
        face = laid(frame.rgb, places[n])
        if last is not None and frame.time - last_time < 3 / RATE:
            change = np.abs(face - _settled(last, face))
            out[n], above[n] = change[MOUTH].mean(), change[ABOVE].mean()
        last, last_time = face, frame.time
    return _beyond(out, above)


def laid(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the face laid over the template, gray, its light taken out: float32 [96, 96]."""
    rgb, points = _shrunk(rgb, points)
    matrix, _ = cv2.estimateAffinePartial2D(points.astype(np.float32), TEMPLATE, method=cv2.LMEDS)
    if matrix is None:
        return np.zeros((SIDE, SIDE), np.float32)
    face = cv2.warpAffine(rgb, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    gray = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    upper = gray[ABOVE]
    return np.asarray((gray - upper.mean()) / max(float(upper.std()), 1.0))


def _shrunk(rgb: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring what is around a face near to the template's size: to leave out pixels would make fine
    detail shimmer, which is movement too."""
    eyes = float(np.linalg.norm(points[1] - points[0]))
    scale = 1.2 * float(TEMPLATE[1, 0] - TEMPLATE[0, 0]) / max(eyes, 1.0)
    if scale > 0.8:
        return rgb, points
    middle = points.mean(0)
    corner = np.maximum(middle - 2 * eyes, 0).astype(int)
    end = np.minimum(middle + 2 * eyes + 1, rgb.shape[1::-1]).astype(int)
    if (end - corner).min() < 2:
        return rgb, points
    part = rgb[corner[1] : end[1], corner[0] : end[0]]
    size = np.maximum(np.round((end - corner) * scale), 1).astype(int)
    small = cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA)
    return small, (points - corner) * (size / (end - corner))


def _settled(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Shift a face so that eyes and nose lie where they do now: places between two looks are
    guessed."""
    (dx, dy), _ = cv2.phaseCorrelate(
        np.ascontiguousarray(before[ABOVE], np.float32),
        np.ascontiguousarray(now[ABOVE], np.float32),
    )
    if max(abs(dx), abs(dy)) > 4:
        return before
    shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(before, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)


def _beyond(mouth: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Take out of the mouth's movement what the face above it explains, and cap its jumps."""
    good = ~np.isnan(mouth)
    if good.sum() < 2:
        return mouth
    x, y = above[good] - above[good].mean(), mouth[good] - mouth[good].mean()
    slope = max(0.0, float(x @ y / max(float(x @ x), 1e-9)))
    rest = mouth - slope * above
    low, high = np.nanpercentile(rest, [2, 98])
    return np.asarray(np.clip(rest, low, high))


def loudness(clip: TalkingClip, times: np.ndarray) -> np.ndarray:
    """Return how loud speech is and how fast it rises, summed up: float [N]."""
    spans = [(float(times[0]), float(times[-1] + 1 / RATE))]
    samples = np.zeros(int((spans[0][1] - spans[0][0] + 1) * SAMPLE_RATE), np.float32)
    for block in sound.read(clip.path, spans, notes=[], cancel=clip.cancel):
        at = max(0, round((block.start - spans[0][0]) * SAMPLE_RATE))
        part = block.samples[: max(0, len(samples) - at)]
        samples[at : at + len(part)] = part
    return envelope(samples, len(times))


def envelope(samples: np.ndarray, count: int) -> np.ndarray:
    """Return the same of samples at 16 kHz, for `count` moments at `RATE`: float [count]; each is
    of the time between a frame and the one before, as movement is."""
    hop = round(SAMPLE_RATE / RATE)
    padded = np.pad(samples, (3 * hop // 2, max(0, (count + 1) * hop - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[: count * hop : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(2 * hop))) ** 2
    band = np.fft.rfftfreq(2 * hop, 1 / SAMPLE_RATE)
    level = 10 * np.log10(power[:, (band >= 200) & (band <= 4000)].sum(1) + 1e-9)
    level = np.maximum(level, level.max() - 40)
    rise = np.maximum(np.diff(level, prepend=level[0]), 0)
    return np.asarray(_scaled(level) + _scaled(rise))


def sync(moved: np.ndarray, loud: np.ndarray, start: float = 0.0) -> Sync | None:
    """Return how two rows of moments at `RATE` lie together; None where too little was seen."""
    if np.isnan(moved).mean() > 0.5 or len(moved) < SHORTEST * RATE:
        return None
    moved = np.where(np.isnan(moved), np.nanmedian(moved), moved)
    lag, peak = _peak(moved, loud)
    away = round(APART * RATE)
    shifts = range(away, len(loud) - away, round(RATE / 5))
    chance = np.array([_peak(moved, np.roll(loud, shift))[1] for shift in shifts])
    spread = max(float(chance.std()), 1e-6)
    strength = (peak - float(chance.mean())) / spread
    size, step = round(WINDOW * RATE), round(STEP * RATE)
    windows = []
    for first in range(0, len(moved) - size + 1, step):
        part = slice(first, first + size)
        there, high = _peak(moved[part], loud[part])
        windows.append((start + first / RATE, there, (high - float(chance.mean())) / spread))
    return Sync(lag, float(strength), tuple(windows))


def _peak(moved: np.ndarray, loud: np.ndarray) -> tuple[float, float]:
    """Return the shift at which two rows are most alike, s, and how much: a correlation."""
    most = round(MOST_LAG * RATE)
    shifts = range(-most, most + 1)
    curve = np.array([_alike(moved, loud, shift) for shift in shifts])
    best = int(curve.argmax())
    bend = 0.0
    if 0 < best < len(curve) - 1:
        a, b, c = curve[best - 1 : best + 2]
        bend = float(np.clip((a - c) / (2 * min(a - 2 * b + c, -1e-9)), -0.5, 0.5))
    return float((shifts[best] + bend) / RATE), float(curve[best])


def _alike(moved: np.ndarray, loud: np.ndarray, shift: int) -> float:
    """Correlation of `moved` with what is heard `shift` moments later."""
    a = moved[max(0, -shift) : len(moved) - max(0, shift)]
    b = loud[max(0, shift) : len(loud) + min(0, shift)]
    a, b = _scaled(a), _scaled(b)
    return float(a @ b / len(a))


def _scaled(row: np.ndarray) -> np.ndarray:
    return np.asarray((row - row.mean()) / max(float(row.std()), 1e-9))
