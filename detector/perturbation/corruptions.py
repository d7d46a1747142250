"""Corruptions of pictures and clips, as by an upload, a messenger or a screen recording.

A condition writes a new file, which the pipeline then analyzes. Blur, noise and the compression
levels are those of DeeperForensics-1.0 (Jiang et al., CVPR 2020;
github.com/EndlessSora/DeeperForensics-1.0), except for "JPEG", which is real JPEG here.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from PIL import Image

from detector import media
from detector.media.container import clock_origin
from detector.media.limits import WORKER_PASS_SECONDS
from detector.media.stills import recompressed
from detector.media.writer import VideoWriter
from detector.perturbation import sounds
from detector.perturbation.conditions import Condition
from detector.vision import Detection

_KERNELS = (7, 9, 13, 17, 21)  # px of the Gaussian at the five levels; its sigma is a sixth
_VARIANCES = (0.001, 0.002, 0.005, 0.01, 0.05)
"""of the noise in each of Y, Cb, Cr at the five levels, for values in 0..1"""
_MIRRORED = (1, 0, 2, 4, 3)  # Order of a face's landmarks in a mirrored picture
_FINE = 18  # CRF for conditions other than `crf`: nearly lossless, and fast with noise


def apply(
    path: Path,
    condition: Condition,
    folder: Path,
    *,
    part: tuple[float, float | None] = (0.0, None),
    turned: int = 0,
    cancel: Event | None = None,
) -> Path:
    """Write a clip, picture or sound under a condition (not `NONE`) into a folder, named after
    both; of a clip only the `part` (start, end), s.

    Clips keep their times and their sound and are upright, turned by `turned` degrees clockwise
    beyond their rotation tag. Noise is seeded by the file name. Raise MediaError, Canceled."""
    if condition.fits("audio"):
        return sounds.apply(path, condition, folder, part=part, cancel=cancel)
    return media.run_isolated(
        _apply, path, condition, folder, part[0], math.inf if part[1] is None else part[1], turned,
        returns=Path, writes=folder, timeout=WORKER_PASS_SECONDS, cancel=cancel,
    )  # fmt: skip


def _apply(
    path: Path,
    condition: Condition,
    folder: Path,
    start: float,
    end: float,
    turned: int,
    *,
    cancel: Event | None = None,
) -> Path:
    info = media.turned(media.probe(path), turned)
    if info.kind == "image":
        (frame,) = media.decode(path, info, [0.0], notes=[])
        if condition.kind == "jpeg":
            target = folder / f"{path.stem}-{condition.name}.jpg"
            Image.fromarray(frame.rgb).save(target, quality=int(condition.level))
        else:
            target = folder / f"{path.stem}-{condition.name}.png"
            rgb = change(condition, path.name)(frame.rgb)
            Image.fromarray(np.ascontiguousarray(rgb)).save(target)
        return target
    target = folder / f"{path.stem}-{condition.name}.mkv"  # Matroska takes any sound as it is
    # Two timestamps per frame interval find every frame, and each is yielded once.
    step = 0.5 / (info.fps or 25.0)
    times = np.arange(start, min(info.duration or 0.0, end) + step, step).tolist()
    frames = media.decode(path, info, times, notes=[], cancel=cancel)
    crf = condition.level if condition.kind == "crf" else _FINE
    preset = "medium" if condition.kind == "crf" else "veryfast"
    changed = change(condition, path.name)
    with _sound(path, start, end) as (template, sound), av.open(str(target), "w") as out:
        track = out.add_stream_from_template(template) if template else None
        writer: VideoWriter | None = None
        first = 0.0
        for frame in frames:
            rgb = changed(frame.rgb)
            rgb = rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2]  # h264 halves the color
            if writer is None:
                size, options = rgb.shape[1::-1], {"crf": f"{crf:g}", "preset": preset}
                writer = VideoWriter(out, "libx264", size, info.fps or 25, options)
                first = frame.time
            writer.add(rgb, frame.time - first)
            out.mux(list(sound(frame.time, track)))
        if writer is not None:
            writer.close()
        out.mux(list(sound(math.inf, track)))
    return target


@contextmanager
def _sound(
    path: Path, start: float, end: float
) -> Iterator[tuple[av.AudioStream | None, Callable[[float, Any], Iterator[Packet[Any]]]]]:
    """Yield the first sound stream, and a function that returns its packets up to a time."""
    with media.open_media(path) as container:
        source = container.streams.audio[0] if container.streams.audio else None
        origin = clock_origin(container)
        packets = iter(container.demux(source)) if source else iter(())
        waiting: list[Packet[Any]] = []

        def until(time: float, track: Any) -> Iterator[Packet[Any]]:
            while packet := waiting.pop() if waiting else next(packets, None):
                if packet.dts is None or source is None or source.time_base is None:
                    return
                at = float(packet.dts * source.time_base) - origin
                if at > min(time, end):
                    waiting.append(packet)
                    return
                if at < start:
                    continue
                shift = round((origin + start) / source.time_base)
                packet.dts -= shift
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                packet.stream = track
                yield packet

        yield source, until


def change(condition: Condition, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function of a condition on one frame, uint8 [H, W, 3]; `name` seeds the noise,
    "crf" is the identity."""
    kind, level = condition.kind, condition.level
    if kind == "jpeg":
        return lambda rgb: recompressed(rgb, int(level))
    if kind == "resize":
        return lambda rgb: cv2.resize(rgb, None, fx=level, fy=level, interpolation=cv2.INTER_AREA)
    if kind == "crop":
        return lambda rgb: _cropped(rgb, level)
    if kind == "mirror":
        return lambda rgb: rgb[:, ::-1]
    if kind == "blur":
        size = _KERNELS[int(level) - 1]
        return lambda rgb: cv2.GaussianBlur(rgb, (size, size), size / 6)
    if kind == "noise":
        return _GrainNoise(_VARIANCES[int(level) - 1], zlib.crc32(name.encode()))
    return lambda rgb: rgb


def size_after(condition: Condition, size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a changed picture."""
    height, width = change(condition, "")(np.zeros((size[1], size[0], 3), np.uint8)).shape[:2]
    return width, height


def moved(
    condition: Condition, faces: Sequence[Detection], size: tuple[int, int]
) -> list[Detection]:
    """Return the faces of a picture of `size` after the change, without those cut off."""
    width, height = size_after(condition, size)
    x, y = 0, 0
    scale = (1.0, 1.0)
    if condition.kind == "crop":
        x, y = round(condition.level * size[0]), round(condition.level * size[1])
    elif condition.kind == "resize":
        scale = width / size[0], height / size[1]
    out = []
    for face in faces:
        box = (np.array(face.box).reshape(2, 2) - (x, y)) * scale
        points = (np.array(face.landmarks).reshape(-1, 2) - (x, y)) * scale
        if condition.kind == "mirror":
            box[:, 0] = width - box[::-1, 0]
            points[:, 0] = width - 1 - points[:, 0]
            points = points[list(_MIRRORED)] if len(points) == len(_MIRRORED) else points
        middle = box.mean(axis=0)
        if (middle >= 0).all() and (middle < (width, height)).all():
            (x0, y0), (x1, y1) = box.tolist()
            five = tuple((float(a), float(b)) for a, b in points)
            out.append(Detection((x0, y0, x1, y1), five, face.confidence))
    return sorted(out, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


def _cropped(rgb: np.ndarray, share: float) -> np.ndarray:
    y, x = round(share * rgb.shape[0]), round(share * rgb.shape[1])
    return rgb[y : rgb.shape[0] - y, x : rgb.shape[1] - x]


class _GrainNoise:
    """DeeperForensics' white noise in Y, Cb, Cr: one field, at another offset in each frame."""

    MARGIN = 64  # px by which the sheet is larger than a frame

    def __init__(self, variance: float, seed: int) -> None:
        # The narrow range has 219 steps of luma and 224 of color where the full one has 255.
        spread = 255 * np.sqrt(variance) * np.array([255 / 219, 255 / 224, 255 / 224])
        self.scale = spread.astype(np.float32)
        self.rng = np.random.default_rng(seed)
        self.sheet: np.ndarray | None = None

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        if self.sheet is None:
            shape = (height + self.MARGIN, width + self.MARGIN, 3)
            self.sheet = self.rng.standard_normal(shape, np.float32) * self.scale
        y, x = self.rng.integers(0, self.MARGIN, 2)
        noise = self.sheet[y : y + height, x : x + width]
        planes = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb) + noise / 255
        return (cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB) * 255).clip(0, 255).astype(np.uint8)
