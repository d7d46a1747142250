"""The same file under worse conditions: what an upload, a messenger or a screen recording does.

A condition makes a new file, the whole clip or picture, and the pipeline then runs on that. Blur,
noise and the compression levels are those of DeeperForensics-1.0 (Jiang et al., CVPR 2020;
github.com/EndlessSora/DeeperForensics-1.0); its "JPEG" shrinks and enlarges, ours is JPEG.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from detector import media
from detector.errors import UsageError
from detector.media.limits import WORKER_PASS_SECONDS
from detector.schema.analysis import Media
from detector.vision import Detection

_LEVELS: dict[str, tuple[float, ...]] = {
    "jpeg": (30, 50, 75, 95),
    "crf": (23, 30, 32, 35, 38, 40),
    "resize": (0.25, 0.5, 0.75),
    "blur": (1, 2, 3, 4, 5),
    "noise": (1, 2, 3, 4, 5),
    "crop": (0.05, 0.1, 0.2),
    "mirror": (),
}
_WORDS = {
    "none": "as it is",
    "jpeg": "JPEG quality {:g}",
    "crf": "h264 CRF {:g}",
    "resize": "scaled to {:.0%}",
    "blur": "blur, level {:g}",
    "noise": "noise, level {:g}",
    "crop": "{:.0%} cut off each side",
    "mirror": "mirrored",
}
_KERNELS = (7, 9, 13, 17, 21)
"""px of the Gaussian at the five levels; its sigma is a sixth."""
_VARIANCES = (0.001, 0.002, 0.005, 0.01, 0.05)
"""of the noise in each of Y, Cb, Cr at the five levels, for values in 0..1."""
_MIRRORED = (1, 0, 2, 4, 3)
"""Which point of a face stands for which in a mirror: left is as seen."""
_FINE = 18
"""CRF at which everything but `crf` is written: hardly a change, and fast with noise."""
_CLOCK = 90_000
_HD = 720
"""px of height from which colors without a label are read as BT.709 (`detector.media.upright`)."""
_BT709, _BT601 = 1, 6


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes
    ----------
    kind : str
        "none", "jpeg", "crf", "resize", "blur", "noise", "crop" or "mirror".
    level : float
        JPEG quality, CRF, share of the sides that is left (`crop`: cut off), or level 1..5.
    """

    kind: str
    level: float = 0.0

    @property
    def name(self) -> str:
        """As on the command line, such as "crf-32"; "none" for the file as it is."""
        return f"{self.kind}-{self.level:g}" if _LEVELS.get(self.kind) else self.kind

    @property
    def title(self) -> str:
        """For a person, such as "h264 CRF 32"."""
        return _WORDS[self.kind].format(self.level).replace("%", " %")

    def fits(self, kind: str) -> bool:
        """Whether it can be put on an "image" or a "video": a picture has no video compression."""
        return self.kind != "crf" or kind == "video"


NONE = Condition("none")
ALL = (
    NONE,
    *(
        Condition(kind, level)
        for kind, levels in _LEVELS.items()
        for level in levels
        if kind not in ("crop", "mirror")
    ),
)
"""Those of a benchmark: what takes quality away."""
FEW = (
    NONE,
    Condition("crf", 32),
    Condition("resize", 0.5),
    Condition("jpeg", 50),
    Condition("blur", 3),
    Condition("noise", 3),
)
"""One level of each kind: affordable on two cores."""


def parse(text: str) -> tuple[Condition, ...]:
    """Conditions of a comma-separated list, "few" or "all". The file as it is always comes first.

    Raises
    ------
    UsageError
        There is no such condition, or the level is out of range.
    """
    if text in ("few", "all"):
        return FEW if text == "few" else ALL
    found = [NONE]
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, level = part.partition("-")
        try:
            found.append(_known(kind, float(level) if level else None))
        except ValueError:
            ranges = "; ".join(
                f"{name}-{min(levels):g} to {name}-{max(levels):g}" if levels else name
                for name, levels in _LEVELS.items()
            )
            raise UsageError(f"There is no condition {part!r}.", hint=f"Known: {ranges}.") from None
    return tuple(dict.fromkeys(found))


def _known(kind: str, level: float | None) -> Condition:
    """ValueError unless there is such a kind and the level is within its range."""
    if level is None and (kind == "none" or _LEVELS.get(kind) == ()):
        return Condition(kind)
    levels = _LEVELS.get(kind)
    if not levels or level is None or not min(levels) <= level <= max(levels):
        raise ValueError
    if kind in ("jpeg", "blur", "noise") and level != int(level):
        raise ValueError
    return Condition(kind, level)


def apply(
    path: Path,
    condition: Condition,
    folder: Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    turned: int = 0,
    cancel: Event | None = None,
) -> Path:
    """Write a file as this condition leaves it.

    Clips keep their times and their sound, and stand upright: a rotation is applied, not noted.
    Noise is the same each time for the same file name.

    Parameters
    ----------
    path : Path
        A clip or a picture.
    condition : Condition
        Not `NONE`.
    folder : Path
        Where to put the new file, named after the old one and the condition.
    start, end : float
        Only this part of a clip is written, in seconds.
    turned : int
        Degrees clockwise beyond what the file's tags say, as `Media.turned`.
    cancel : threading.Event, optional
        Once set, the next frame raises `Canceled`.

    Raises
    ------
    MediaError
        The file can't be read.
    Canceled
    """
    made: Path = media.run_isolated(
        _apply,
        path,
        condition,
        folder,
        start,
        end,
        turned,
        returns=Path,
        writes=folder,
        timeout=WORKER_PASS_SECONDS,
        cancel=cancel,
    )
    return made


def _apply(
    path: Path,
    condition: Condition,
    folder: Path,
    start: float,
    end: float | None,
    turned: int = 0,
    *,
    cancel: Event | None = None,
) -> Path:
    """What `apply` does, in this process."""
    info = media.turned(media.probe(path), turned)
    change = _change(condition, zlib.crc32(path.name.encode()))
    if info.kind == "image":
        (frame,) = media.decode(path, info, [0.0], notes=[])
        if condition.kind == "jpeg":
            target = folder / f"{path.stem}-{condition.name}.jpg"
            Image.fromarray(frame.rgb).save(target, quality=int(condition.level))
        else:
            target = folder / f"{path.stem}-{condition.name}.png"
            Image.fromarray(np.ascontiguousarray(change(frame.rgb))).save(target)
        return target
    target = folder / f"{path.stem}-{condition.name}.mkv"  # Matroska takes any sound as it is
    crf = condition.level if condition.kind == "crf" else _FINE
    preset = "medium" if condition.kind == "crf" else "veryfast"
    with _sound(path, start, end) as (template, sound), av.open(str(target), "w") as out:
        stream = None
        track = out.add_stream_from_template(template) if template else None
        first = None
        for frame in _frames(path, info, start, end, cancel):
            rgb = change(frame.rgb)
            rgb = rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2]  # h264 halves the color
            if stream is None:
                rate = Fraction(info.fps or 25).limit_denominator(1001)
                stream = out.add_stream("libx264", rate=rate)
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": f"{crf:g}", "preset": preset}
                stream.codec_context.time_base = Fraction(1, _CLOCK)
                space = _BT709 if rgb.shape[0] >= _HD else _BT601
                convert = VideoReformatter()
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
            picture = convert.reformat(picture, format="yuv420p", dst_colorspace=space)
            first = frame.time if first is None else first
            picture.pts = round((frame.time - first) * _CLOCK)
            picture.time_base = Fraction(1, _CLOCK)
            out.mux(stream.encode(picture))
            for packet in sound(frame.time):
                packet.stream = track
                out.mux(packet)
        if stream is not None:
            out.mux(stream.encode(None))
        for packet in sound(float("inf")):
            packet.stream = track
            out.mux(packet)
    return target


def _frames(
    path: Path, info: Media, start: float, end: float | None, cancel: Event | None
) -> Iterator[media.Frame]:
    """Every frame: asking twice per frame time finds each, and each is given once."""
    step = 0.5 / (info.fps or 25.0)
    last = min(info.duration or 0.0, math.inf if end is None else end)
    times = np.arange(start, last + step, step).tolist()
    return media.decode(path, info, times, notes=[], cancel=cancel)


@contextmanager
def _sound(
    path: Path, start: float, end: float | None
) -> Iterator[tuple[av.AudioStream | None, Callable[[float], Iterator[Packet[Any]]]]]:
    """The first sound stream, and a function that gives its packets up to a time, as they are but
    for their times, which count from `start`."""
    with media.open_media(path) as container:
        source = container.streams.audio[0] if container.streams.audio else None
        first = container.streams.video[0] if container.streams.video else None
        origin = float((first.start_time or 0) * (first.time_base or 0)) if first else 0.0
        packets = iter(container.demux(source)) if source else iter(())
        waiting: list[Packet[Any]] = []

        def until(time: float) -> Iterator[Packet[Any]]:
            while packet := waiting.pop() if waiting else next(packets, None):
                if packet.dts is None or source is None or source.time_base is None:
                    return
                at = float(packet.dts * source.time_base) - origin
                if at > min(time, math.inf if end is None else end):
                    waiting.append(packet)
                    return
                if at < start:
                    continue
                shift = round((origin + start) / source.time_base)
                packet.dts -= shift
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                yield packet

        yield source, until


def change(condition: Condition, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """What happens to one picture, uint8 [H, W, 3] to the same or a smaller one.

    Parameters
    ----------
    condition : Condition
        Compression of a video happens over time: "crf" leaves a picture as it is here.
    name : str
        Of the file: noise is the same each time for the same one.
    """
    return _change(condition, zlib.crc32(name.encode()))


def size_after(condition: Condition, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a changed picture."""
    height, width = _change(condition, 0)(np.zeros((size[1], size[0], 3), np.uint8)).shape[:2]
    return width, height


def moved(
    condition: Condition, found: Sequence[Detection], size: tuple[int, int]
) -> list[Detection]:
    """Where faces are in the changed picture. Faces whose middle was cut off are gone.

    Parameters
    ----------
    condition : Condition
    found : sequence of Detection
        In the picture as it was.
    size : (width, height)
        Of that.
    """
    width, height = size_after(condition, size)
    x, y = 0, 0
    scale = (1.0, 1.0)
    if condition.kind == "crop":
        x, y = round(condition.level * size[0]), round(condition.level * size[1])
    elif condition.kind == "resize":
        scale = width / size[0], height / size[1]
    out = []
    for face in found:
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


def _change(condition: Condition, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """What happens to one picture; `seed` is of the noise."""
    kind, level = condition.kind, condition.level
    if kind == "jpeg":
        return lambda rgb: _jpeg(rgb, int(level))
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
        return _GrainNoise(_VARIANCES[int(level) - 1], seed)
    return lambda rgb: rgb


def _cropped(rgb: np.ndarray, share: float) -> np.ndarray:
    y, x = round(share * rgb.shape[0]), round(share * rgb.shape[1])
    return rgb[y : rgb.shape[0] - y, x : rgb.shape[1] - x]


def _jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


class _GrainNoise:
    """White noise in Y, Cb and Cr of the narrow range, as DeeperForensics adds it.

    One sheet of noise is drawn and laid elsewhere on each frame: drawing it anew would take longer
    than the networks do.
    """

    ROOM = 64
    """px by which the sheet is larger than a frame."""

    def __init__(self, variance: float, seed: int) -> None:
        # The narrow range has 219 steps of luma and 224 of color where the full one has 255.
        self.scale = 255 * np.sqrt(variance) * np.array([255 / 219, 255 / 224, 255 / 224])
        self.rng = np.random.default_rng(seed)
        self.sheet: np.ndarray | None = None

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        if self.sheet is None:
            drawn = self.rng.standard_normal((height + self.ROOM, width + self.ROOM, 3), np.float32)
            self.sheet = drawn * self.scale.astype(np.float32)
        y, x = self.rng.integers(0, self.ROOM, 2)
        noise = self.sheet[y : y + height, x : x + width]
        planes = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb) + noise / 255
        return (cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB) * 255).clip(0, 255).astype(np.uint8)
