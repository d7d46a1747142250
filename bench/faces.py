"""Milliseconds a frame that finding faces costs, beside facenet-pytorch's own cascade.

    python -m bench.faces [--rounds 5]

Both run the same weights on the same frames in turn, on one thread: ours as the pipeline calls it,
theirs on the full frame and on the frame shrunk as ours is. Then what the rest costs a face.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from bench.clips import face_clip
from detector import media, vision
from detector.models.base import CropRecipe
from detector.vision.mtcnn import SMALLEST_SEEN

SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
SMALLEST = (20, 40, 80)
FRAMES = 5


def frames_of(width: int, height: int) -> list[np.ndarray]:
    path = face_clip(2, width, height)
    info = media.probe(path)
    times = [0.3 * n for n in range(FRAMES)]
    return [frame.rgb for frame in media.decode(path, info, times, notes=[])]


def milliseconds(
    work: Callable[..., object], frames: list[np.ndarray], *arguments: object
) -> float:
    begun = time.perf_counter()
    for frame in frames:
        work(frame, *arguments)
    return (time.perf_counter() - begun) * 1000 / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    from facenet_pytorch import MTCNN  # here: `detector` has made torchvision importable by now

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    ours = vision.load_detector()
    theirs = MTCNN(keep_all=True, device=torch.device("cpu")).eval()

    def full(frame: np.ndarray, min_face: int) -> object:
        theirs.min_face_size = min_face
        return theirs.detect(frame, landmarks=True)

    def shrunk(frame: np.ndarray, min_face: int) -> object:
        scale = min(1.0, SMALLEST_SEEN / min_face)
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        theirs.min_face_size = min_face * scale
        return theirs.detect(small, landmarks=True)

    print("ms a frame, median of rounds; ratio = facenet-pytorch shrunk / ours")
    print(f"{'frame':>11} {'min face':>9} {'ours':>7} {'shrunk':>7} {'full':>7} {'ratio':>6}")
    for width, height in SIZES:
        frames = frames_of(width, height)
        for min_face in SMALLEST:
            ways = (ours.detect, shrunk, full)
            taken = [
                [milliseconds(way, frames, min_face) for way in ways] for _ in range(rounds + 1)
            ][1:]  # the first round warms up
            mine, small, large = (statistics.median(column) for column in zip(*taken, strict=True))
            print(
                f"{width:>6}x{height:<4} {min_face:>9} {mine:>7.1f} {small:>7.1f} {large:>7.1f} "
                f"{small / mine:>6.2f}"
            )

    frame = frames_of(1280, 720)[0]
    face = ours.detect(frame, 40)[0]
    tracker = vision.Tracker()
    rest: dict[str, Callable[[np.ndarray], object]] = {
        "assess": lambda rgb: vision.assess(rgb, face, 40),
        "Tracker.update": lambda rgb: tracker.update(0.0, rgb, [face]),
        "cut 224": lambda rgb: vision.cut(rgb, face.box, CropRecipe(size=224)),
    }
    print("\nms a face, 1280x720")
    for name, work in rest.items():
        print(f"{name:>16} {milliseconds(work, [frame] * 50):.2f}")


if __name__ == "__main__":
    main()
