"""Copies of a clip whose truth is known: what was done to the face, and to the whole picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

SEEN = 4.0
"""gray levels inside the region, before it is encoded, from which a manipulation counts as one"""

Frames = list[np.ndarray]
Points = Sequence[np.ndarray | None]
"""five points of a face for each frame, float [5, 2], or None"""


ALSO = (
    "letterbox", "turn", "quarter", "cut", "insert", "speed", "gray", "grain", "sharpen", "inset",
)  # fmt: skip
"""What else people and platforms do to a clip."""
LATER = ("vignette", "fade", "watermark", "fields", "mixed", "curve", "hue", "report")
"""More of it: `fields` are two frames line by line, `mixed` has a mixture of both between any two
frames, `report` shows other footage before and after."""


@dataclass(frozen=True)
class Way:
    """How a copy was written: what happens to it on its way."""

    crf: int = 23
    scale: float = 1.0
    fps: float | None = None
    crop: tuple[float, float, float, float] | None = None
    """parts cut off at the left, top, right, bottom"""
    mirror: bool = False
    grade: tuple[float, float, float] | None = None
    """gamma, gain of red, gain of blue"""
    screen: int | None = None
    """seed of the hand that films a screen"""
    also: str | None = None
    """one of `ALSO` or `LATER`"""
    seed: int = 0

    @property
    def easy(self) -> bool:
        """Whether it is in the range that the target is set for."""
        return self.crf <= 32 and self.scale >= 0.5


def drawn(kind: str, rng: np.random.Generator) -> Way:
    """Return a way of one kind: plain, crop, mirror, grade, rate, screen, size or hard."""
    way = {"crf": int(rng.integers(18, 33)), "scale": 1.0}
    if kind == "hard":
        way |= {"crf": int(rng.integers(33, 41))}
    if kind == "size":
        way |= {"scale": float(rng.uniform(0.5, 2.0))}
    more: dict[str, object] = {}
    if kind == "crop":
        x, y = rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.4)
        left, top = rng.uniform(0, x), rng.uniform(0, y)
        more["crop"] = (left, top, x - left, y - top)
    if kind == "mirror":
        more["mirror"] = True
    if kind == "grade":
        more["grade"] = (rng.uniform(0.7, 1.4), rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15))
    if kind == "rate":
        more["fps"] = float(rng.choice([15, 24, 30, 50, 60]))
    if kind == "screen":
        more["screen"] = int(rng.integers(1 << 30))
    if kind in ALSO + LATER:
        more |= {"also": kind, "seed": int(rng.integers(1 << 30))}
    return Way(**way, **more)  # type: ignore[arg-type]


def written(
    path: Path, frames: Frames, fps: float, way: Way, text: np.random.Generator | None = None
) -> Path:
    """Write frames as an H.264 file, changed on the way; `text` draws a caption laid over it. Of a
    screen the caption is filmed with the rest: laid over the film, it would lie on the wall."""
    out = [_changed(frame, way, i) for i, frame in enumerate(_played(frames, way))]
    fps = 2 * fps if way.also == "mixed" else fps
    if text is not None:
        out = caption(out, text)
    if way.screen is not None:
        out = [_filmed(rgb, way.screen, i) for i, rgb in enumerate(out)]
    if way.fps is not None:
        count = max(2, round(len(out) / fps * way.fps))
        out = [out[min(len(out) - 1, int((i + 0.5) * fps / way.fps))] for i in range(count)]
        fps = way.fps
    height, width = (max(32, round(n * way.scale)) // 2 * 2 for n in out[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(way.crf), "preset": "veryfast"}
        for rgb in out:
            sized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(sized, "rgb24")))
        container.mux(stream.encode())
    return path


def _changed(rgb: np.ndarray, way: Way, index: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    if way.crop is not None:
        left, top, right, bottom = way.crop
        rgb = rgb[
            int(top * height) : int((1 - bottom) * height),
            int(left * width) : int((1 - right) * width),
        ]
    if way.mirror:
        rgb = rgb[:, ::-1]
    if way.grade is not None:
        gamma, red, blue = way.grade
        table = 255 * (np.arange(256) / 255) ** gamma
        rgb = np.clip(table[rgb] * [red, 1.0, blue], 0, 255).astype(np.uint8)
    if way.also is not None:
        rgb = _also(np.ascontiguousarray(rgb), way.also, np.random.default_rng(way.seed), index)
    return np.ascontiguousarray(rgb)


def _played(frames: Frames, way: Way) -> Frames:
    """Return the frames that are left, or shown, by cuts and another speed."""
    third = len(frames) // 3
    if way.also == "cut":
        return frames[:third] + frames[-third:]
    if way.also == "insert":  # a plain title between
        title = cv2.GaussianBlur(frames[0][::-1], (0, 0), frames[0].shape[0] / 8)
        return frames[:third] + [title] * (third // 2) + frames[third:]
    if way.also == "speed":
        rate = float(np.random.default_rng(way.seed).choice([0.8, 1.25, 1.5]))
        return [frames[int(i * rate)] for i in range(int(len(frames) / rate))]
    if way.also == "fade":  # from black and to it
        slow, last = 0.3 * len(frames), len(frames) - 1
        shares = [min(1.0, i / slow, (last - i) / slow) for i in range(len(frames))]
        return [(f * share).astype(np.uint8) for f, share in zip(frames, shares, strict=True)]
    if way.also == "fields":
        lines = [frame.copy() for frame in frames]
        for lower, later in pairwise(lines):
            lower[1::2] = later[1::2]
        return lines
    if way.also == "mixed":
        both = [cv2.addWeighted(a, 0.5, b, 0.5, 0.0) for a, b in pairwise(frames)]
        return [frame for pair in zip(frames[:-1], both, strict=True) for frame in pair]
    if way.also == "report":
        about = _elsewhere(frames[0].shape, len(frames) // 2)
        return [*about, *frames, *about[::-1]]
    return frames


def _elsewhere(shape: tuple[int, ...], count: int) -> Frames:
    """Return frames of other footage: a camera that moves over a picture of public domain."""
    height, width = shape[:2]
    picture = cv2.resize(data.coffee(), (width * 3 // 2, height * 3 // 2))
    shifts = [int(width / 2 * i / max(1, count - 1)) for i in range(count)]
    return [np.ascontiguousarray(picture[:height, x : x + width]) for x in shifts]


def _also(rgb: np.ndarray, kind: str, rng: np.random.Generator, index: int) -> np.ndarray:
    """Return a picture as one of `ALSO` leaves it."""
    height, width = rgb.shape[:2]
    if kind == "letterbox":
        bar = round(width * rng.uniform(0.1, 0.4))
        high, wide = (bar, 0) if rng.random() < 0.5 else (0, bar)
        return np.pad(rgb, ((high, high), (wide, wide), (0, 0)))
    if kind == "turn":
        middle = (width / 2, height / 2)
        turned = cv2.getRotationMatrix2D(middle, float(rng.uniform(-8, 8)), rng.uniform(0.9, 1.2))
        return cv2.warpAffine(rgb, turned, (width, height))
    if kind == "quarter":
        return np.rot90(rgb, int(rng.choice([1, 3])))
    if kind == "gray":
        return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if kind == "grain":
        noise = np.random.default_rng(index).normal(0, rng.uniform(3, 8), (height, width, 1))
        return (rgb + noise).clip(0, 255).astype(np.uint8)
    if kind == "sharpen":
        soft = cv2.GaussianBlur(rgb, (0, 0), 1.5)
        return cv2.addWeighted(rgb, 1.8, soft, -0.8, 0)
    if kind == "vignette":
        rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        dark = 1 - rng.uniform(0.2, 0.4) * (rows**2 + columns**2)
        return np.asarray(rgb * dark[..., None], np.uint8)
    if kind == "watermark":
        drawn = np.zeros_like(rgb)
        text, size = (
            str(rng.choice(["AGENCY AGENCY AGENCY", "sample - sample - sample"])),
            width / 500,
        )
        for row in range(height // 8, height, height // 4):
            cv2.putText(drawn, text, (5, row), cv2.FONT_HERSHEY_SIMPLEX, size, (255,) * 3, 2)
        return np.clip(rgb + rng.uniform(0.15, 0.4) * drawn, 0, 255).astype(np.uint8)
    if kind == "curve":
        steep = rng.uniform(28, 45)
        table = 255 / (1 + np.exp((rng.uniform(110, 145) - np.arange(256)) / steep))
        return np.asarray(table.astype(np.uint8)[rgb])
    if kind == "hue":
        turned = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
        turned[..., 0] = (turned[..., 0].astype(int) + int(rng.integers(10, 35))) % 180
        return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB)
    if kind == "inset":  # as in a film about it
        side = rng.uniform(0.45, 0.7)
        frame = cv2.GaussianBlur(rgb[:, ::-1], (0, 0), width / 20)
        inner = cv2.resize(rgb, None, fx=side, fy=side, interpolation=cv2.INTER_AREA)
        y, x = (int(rng.random() * (n - inner.shape[k])) for k, n in enumerate((height, width)))
        frame[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
        return frame
    return rgb


def _filmed(rgb: np.ndarray, seed: int, index: int) -> np.ndarray:
    """Return a picture as a camera held before a screen sees it: at an angle, on a dark wall, with
    a shaking hand."""
    rng = np.random.default_rng(seed)
    height, width = rgb.shape[:2]
    edge = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inner = edge * 0.86 + 0.07 * np.array([width, height])
    tilt = rng.uniform(-0.04, 0.04, (4, 2)) * [width, height]
    shake = 0.004 * width * np.array([np.sin(index / 7 + seed % 7), np.cos(index / 9)])
    matrix = cv2.getPerspectiveTransform(edge, (inner + tilt + shake).astype(np.float32))
    wall = np.full_like(rgb, 28)
    return cv2.warpPerspective(
        rgb, matrix, (width, height), wall, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )  # fmt: skip


def _ellipse(shape: tuple[int, ...], points: np.ndarray, part: str) -> np.ndarray:
    """Return a soft mask of a face or its mouth, float32 [H, W, 1]."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    span = float(np.linalg.norm(points[1] - points[0]))
    drop = float(np.linalg.norm(mouth - eyes))
    mask = np.zeros(shape[:2], np.float32)
    if part == "mouth":
        center, axes = mouth, (0.75 * span, 0.38 * drop)
    else:
        center, axes = (eyes + mouth) / 2, (1.0 * span, 1.05 * drop)
    angle = float(np.degrees(np.arctan2(*(points[1] - points[0])[::-1])))
    at = round(center[0]), round(center[1])
    size = max(2, round(axes[0])), max(2, round(axes[1]))
    cv2.ellipse(mask, at, size, angle, 0, 360, 1.0, -1)
    soft: np.ndarray = cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.08 * span))[:, :, None]
    return soft


def self_blend(frames: Frames, points: Points, rng: np.random.Generator) -> Frames:
    """Return frames whose face is their own, moved, resized and recolored a little (Shiohara and
    Yamasaki 2022)."""
    shift, zoom = rng.uniform(-0.06, 0.06, 2), rng.uniform(0.96, 1.05)
    color = rng.uniform(-14, 14, 3)
    out = []
    for rgb, five in zip(frames, points, strict=True):
        if five is None:
            out.append(rgb)
            continue
        center, span = five.mean(0), float(np.linalg.norm(five[1] - five[0]))
        move = np.array([[zoom, 0, 0], [0, zoom, 0]])
        move[:, 2] = center - zoom * center + shift * span
        other = cv2.warpAffine(rgb, move, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        mask = _ellipse(rgb.shape, five, "face")
        out.append(_blend(rgb, other.astype(np.float32) + color, mask))
    return out


def swap(frames: Frames, points: Points, donors: Frames, donor_points: Points) -> Frames:
    """Return frames with the faces of another clip, laid on by their five points."""
    theirs = [(f, p) for f, p in zip(donors, donor_points, strict=True) if p is not None]
    out = []
    for i, (rgb, five) in enumerate(zip(frames, points, strict=True)):
        if five is None:
            out.append(rgb)
            continue
        donor, of_donor = theirs[i % len(theirs)]
        move, _ = cv2.estimateAffinePartial2D(of_donor, five, method=cv2.LMEDS)
        if move is None:
            out.append(rgb)
            continue
        other = cv2.warpAffine(donor, move, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        mask = _ellipse(rgb.shape, five, "face")
        inner = mask[:, :, 0] > 0.5
        # Of the same mean and deviation as the face it covers, as swappers do.
        a, b = other.astype(np.float32), rgb.astype(np.float32)
        a = (a - a[inner].mean(0)) / np.maximum(a[inner].std(0), 4) * b[inner].std(0)
        out.append(_blend(rgb, a + b[inner].mean(0), mask))
    return out


def mouth(frames: Frames, points: Points) -> Frames:
    """Return frames whose mouth is that of another moment, as lip-sync does."""
    known = [i for i, five in enumerate(points) if five is not None]
    out = []
    for i, (rgb, five) in enumerate(zip(frames, points, strict=True)):
        if five is None:
            out.append(rgb)
            continue
        j = known[(known.index(i) + len(known) // 2) % len(known)]
        of_other = points[j]
        assert of_other is not None
        move, _ = cv2.estimateAffinePartial2D(of_other, five, method=cv2.LMEDS)
        if move is None:
            out.append(rgb)
            continue
        other = cv2.warpAffine(frames[j], move, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        out.append(_blend(rgb, other.astype(np.float32), _ellipse(rgb.shape, five, "mouth")))
    return out


def caption(frames: Frames, rng: np.random.Generator) -> Frames:
    """Return frames with a line of text below the face."""
    height, width = frames[0].shape[:2]
    size = max(0.35, width / 640)
    text = str(rng.choice(["BREAKING NEWS TODAY", "live from the square", "@channel follow"]))
    low = round(0.95 * height)
    out = []
    for rgb in frames:
        copy = rgb.copy()
        cv2.rectangle(copy, (0, low - round(26 * size)), (width, low + 6), (20, 20, 60), -1)
        cv2.putText(copy, text, (6, low), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1)
        out.append(copy)
    return out


def seen(frames: Frames, changed: Frames, points: Points, what: str) -> bool:
    """Return whether a manipulation is one: a mouth that is as it was two seconds ago is none."""
    part = "mouth" if what == "mouth" else "face"
    apart = []
    for before, after, five in zip(frames, changed, points, strict=True):
        if five is not None:
            inside = _ellipse(before.shape, five, part)[:, :, 0] > 0.5
            apart.append(np.abs(before[inside].astype(float) - after[inside]).mean())
    return float(np.median(apart)) >= SEEN


def _blend(rgb: np.ndarray, other: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = np.clip(rgb * (1 - mask) + other * mask, 0, 255).astype(np.uint8)
    return mixed


Make = Callable[[Frames, Points, np.random.Generator], Frames]
MADE: dict[str, tuple[str, Make]] = {
    "nothing": ("none", lambda frames, points, rng: frames),
    "self-blend": ("face", self_blend),
    "mouth": ("mouth", lambda frames, points, rng: mouth(frames, points)),
    "caption": ("caption", lambda frames, points, rng: frames),
}
"""What is done -> (truth, how); a swap needs another clip beside."""
