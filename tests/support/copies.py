"""Copies of clips that were re-encoded, resized, cropped, mirrored or graded, and known fakes."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

WHOLE = ("whole", "src cap4d", "driv", "eat", "hyperreenact (self-reenactment)")
"""In a note, or as a method: the whole picture is generated."""
Row = dict[str, str]


def clips_of(data: Path) -> list[Row]:
    """Return the rows of `train.csv` that are clips."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["file"].startswith("clips/")]


def fakes_of(rows: list[Row]) -> Iterator[tuple[Row, Row, bool]]:
    """Yield each fake with an original of its group, of the same window where there is one, and
    whether the whole picture was generated."""
    for row in rows:
        group = [r for r in rows if r["label"] == "real" and r["group"] == row["group"] != ""]
        if row["label"] != "fake" or not group:
            continue
        window = Path(row["file"]).stem.rpartition("_w")[2]
        same = [r for r in group if Path(r["file"]).stem.endswith(f"_w{window}")]
        text = f"{row['note']} {row['method']}".lower()
        yield row, (same or group)[0], any(word in text for word in WHOLE)


@dataclass(frozen=True)
class CopyOptions:
    """How a copy differs from its source."""

    crf: int = 23
    scale: float = 1.0
    fps: float | None = None
    crop: tuple[float, float, float, float] | None = None
    """shares cut off at the left, top, right and bottom"""
    mirror: bool = False
    grade: tuple[float, float, float] | None = None
    """gamma, gain of red, gain of blue"""


def write_copy(path: Path, frames: list[np.ndarray], fps: float, options: CopyOptions) -> Path:
    """Write frames as an H.264 file with these changes."""
    out = [_changed(frame, options) for frame in frames]
    if options.fps is not None:
        count = max(2, round(len(out) / fps * options.fps))
        out = [out[min(len(out) - 1, int((i + 0.5) * fps / options.fps))] for i in range(count)]
        fps = options.fps
    height, width = (max(32, round(n * options.scale)) // 2 * 2 for n in out[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.thread_count = 1  # with more, x264 writes other bytes now and then
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(options.crf), "preset": "veryfast"}
        for rgb in out:
            sized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(sized, "rgb24")))
        container.mux(stream.encode())
    return path


def _changed(rgb: np.ndarray, options: CopyOptions) -> np.ndarray:
    height, width = rgb.shape[:2]
    if options.crop is not None:
        left, top, right, bottom = options.crop
        rgb = rgb[
            int(top * height) : int((1 - bottom) * height),
            int(left * width) : int((1 - right) * width),
        ]
    if options.mirror:
        rgb = rgb[:, ::-1]
    if options.grade is not None:
        gamma, red, blue = options.grade
        table = 255 * (np.arange(256) / 255) ** gamma
        rgb = np.clip(table[rgb] * [red, 1.0, blue], 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rgb)
