"""Rendering of compared moments as registered pictures and difference maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from detector.comparison import align, measure, place
from detector.comparison.align import FootageReader
from detector.comparison.place import MomentPair
from detector.isolation import Frame
from detector.schema.comparison import ComparedMoment, Comparison
from detector.vision import Detection

SIDE = 720  # px of the longer side at which moments are shown
HEAT_LEVELS = 40
"""gray levels at the bright end of a map; the same for all clips, so that two can be compared"""


@dataclass(frozen=True)
class AlignedPictures:
    """Both pictures in the copy's coordinates."""

    copy: np.ndarray  # uint8 [H, W, 3]
    original: np.ndarray  # uint8 [H, W, 3]: where it lies in the copy, in the copy's colors
    valid: np.ndarray  # bool [H, W]: where the original has a picture
    difference: np.ndarray  # uint8 [H, W], gray levels

    def heat(self, most: float) -> np.ndarray:
        """Return where they differ, in the inferno colors over the darkened copy: uint8 [H, W, 3]
        RGB; brightest at `most` gray levels."""
        share = np.clip(self.difference.astype(np.float32) / most, 0, 1)
        steps = (255 * share).astype(np.uint8)
        colors = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        dark = 0.3 * cv2.cvtColor(self.copy, cv2.COLOR_RGB2GRAY)[:, :, None]
        over = colors + dark * (1 - share[:, :, None])
        shown: np.ndarray = np.clip(over, 0, 255).astype(np.uint8)
        return shown


def aligned(
    copy: str | Path,
    original: str | Path,
    comparison: Comparison,
    moments: Sequence[ComparedMoment],
    *,
    side: int = SIDE,
) -> list[AlignedPictures | None]:
    """Return the pictures of moments, `side` px of the longer side at most, each file read once;
    None for one that can't be shown. Raise MediaError where a file can't be read."""
    frames = [
        list(FootageReader(path, about, [], Event()).frames([t + 1e-3 for t in times], side))
        for path, about, times in (
            (copy, comparison.copy_media, [m.time for m in moments]),
            (original, comparison.original_media, sorted({m.original_time for m in moments})),
        )
    ]
    pictures: list[AlignedPictures | None] = []
    for moment in moments:
        ours, theirs = _at(frames[0], moment.time), _at(frames[1], moment.original_time)
        if ours is None or theirs is None:
            pictures.append(None)
        else:
            pictures.append(_laid(ours.rgb, theirs, comparison, moment))
    return pictures


def _at(frames: list[Frame], time: float) -> Frame | None:
    before = [frame for frame in frames if frame.time <= time + 2e-3]
    return before[-1] if before else (frames[0] if frames else None)


def _laid(
    ours: np.ndarray, theirs: Frame, comparison: Comparison, moment: ComparedMoment
) -> AlignedPictures:
    height, width = ours.shape[:2]
    full, base = comparison.copy_media, comparison.original_media
    matrix = align.moved_to(
        np.array(moment.transform).reshape(3, 3),
        ((base.width, base.height), theirs.rgb.shape[1::-1]),
        ((full.width, full.height), (width, height)),
    )
    to = (width / full.width, height / full.height) * 2
    faces = (Detection.of(np.multiply(f.box, to), np.zeros((5, 2)), 1.0) for f in moment.faces)
    pair = MomentPair(moment.time, ours, (theirs,), 0, matrix, tuple(enumerate(faces)))
    layers = measure.layers_at(pair, 1.0)
    layers = layers.lit(measure.fit_colors([layers])[0])
    # Softened as for measuring, by as many px of faces.
    soft = measure.SOFTENED * max(1.0, max(width, height) / 320)
    graded = np.clip(layers.original, 0, 255)
    a, b = (place.blurred(rgb, soft) for rgb in (graded, layers.copy))
    apart = np.abs(a - b).mean(2) * layers.valid
    return AlignedPictures(
        ours, graded.astype(np.uint8), layers.valid, np.clip(apart, 0, 255).astype(np.uint8)
    )
