"""How many faces are still found where only some frames are searched everywhere.

    python -m bench.recall LABELS.csv [--frames 32] [--every 1]

Of each clip the frames that an analysis samples are searched twice: every one of them everywhere,
and as an analysis does it (`detector.vision.FaceSearch`). A face counts as found where the boxes
overlap by more than half; of those the overlap, and how far widths and centers differ, in widths.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from detector import media, vision
from detector.errors import MediaError
from detector.schema.analysis import Settings
from detector.vision.types import Detection, iou

FOUND = 0.5


class Counted:
    """A detector that counts what it is asked."""

    def __init__(self, detector: vision.FaceDetector) -> None:
        self._detector, self.name = detector, detector.name
        self.calls = {"detect": 0, "follow": 0}

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        self.calls["detect"] += 1
        return self._detector.detect(rgb, min_face)

    def follow(self, rgb: np.ndarray, min_face: int, faces: Sequence[Detection]) -> list[Detection]:
        self.calls["follow"] += 1
        return self._detector.follow(rgb, min_face, faces)


class Tally:
    """Faces of all frames, found and missed."""

    def __init__(self) -> None:
        self.faces = self.missed = self.more = self.frames = 0
        self.overlaps: list[float] = []
        self.widths: list[float] = []
        self.centers: list[float] = []
        self.seconds: dict[str, float] = defaultdict(float)

    def add(self, wanted: list[Detection], found: list[Detection]) -> int:
        """Compare one frame's faces; returns how many were missed."""
        self.frames += 1
        boxes = np.array([face.box for face in found]).reshape(-1, 4)
        matched, missed = set(), 0
        for face in wanted:
            self.faces += 1
            box = np.array(face.box)
            overlaps = iou(box, boxes) if len(boxes) else np.zeros(1)
            best = int(overlaps.argmax())
            if overlaps[best] <= FOUND:
                missed += 1
                continue
            matched.add(best)
            other, width = boxes[best], box[2] - box[0]
            self.overlaps.append(float(overlaps[best]))
            self.widths.append(abs((other[2] - other[0]) / width - 1))
            moved = (other[:2] + other[2:] - box[:2] - box[2:]) / 2
            self.centers.append(float(np.linalg.norm(moved)) / width)
        self.missed += missed
        self.more += len(found) - len(matched)
        return missed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--frames", type=int, default=Settings().frames)
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with args.labels.open(newline="") as file:
        files = [row["file"] for row in csv.DictReader(file) if row["kind"] == "video"]
    detector = Counted(vision.load_detector())
    settings, tally = Settings(frames=args.frames), Tally()
    for name in files[:: args.every]:
        path = args.labels.parent / name
        try:
            missed = compare(path, detector, settings, tally)
        except MediaError as error:
            print(f"{name}: {error.message}")
            continue
        if missed:
            print(f"{name}: {missed} missed")
    report(tally, detector)


def compare(path: Path, detector: Counted, settings: Settings, tally: Tally) -> int:
    """Search one clip both ways; returns how many faces were missed."""
    info = media.probe(path)
    times = media.plan(info, settings).timestamps
    search = vision.FaceSearch(detector, settings.min_face)
    missed = 0
    for frame in media.decode(path, info, times, notes=[]):
        begun = time.process_time()
        wanted = detector._detector.detect(frame.rgb, settings.min_face)
        middle = time.process_time()
        found = search.find(frame.time, frame.rgb)
        tally.seconds["everywhere"] += middle - begun
        tally.seconds["search"] += time.process_time() - middle
        missed += tally.add(wanted, found)
    return missed


def report(tally: Tally, detector: Counted) -> None:
    """Print what came out."""
    print(
        f"{tally.frames} frames, {tally.faces} faces everywhere, {tally.missed} missed: "
        f"recall {1 - tally.missed / max(1, tally.faces):.4%}; {tally.more} more"
    )
    for name, values in (
        ("overlap", tally.overlaps),
        ("width", tally.widths),
        ("center", tally.centers),
    ):
        at = np.percentile(values, [1, 5, 50, 95, 99])
        shown = " ".join(f"{value:.4f}" for value in at)
        print(f"{name:8} mean {np.mean(values):.4f}; percentiles 1 5 50 95 99: {shown}")
    within = np.mean(np.array(tally.widths) <= 0.02)
    print(f"widths within 2 %: {within:.2%}")
    calls, seconds = detector.calls, tally.seconds
    print(
        f"searched everywhere {calls['detect']}, followed {calls['follow']}; processor "
        f"{seconds['everywhere'] / tally.frames * 1e3:.1f} ms a frame everywhere, "
        f"{seconds['search'] / tally.frames * 1e3:.1f} as an analysis does it"
    )


if __name__ == "__main__":
    main()
