"""MTCNN (Zhang et al. 2016) with the networks and weights of facenet-pytorch (MIT).

The cascade around the three networks is reimplemented for two reasons: the original resamples each
level of the pyramid from the full frame in float and uses a memory layout that is slow on CPUs; and
at the border it squeezes the visible part of a face into the square, which moves box and points,
although the networks were trained with the missing part black."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from detector import runtime
from detector.large_frames import LARGE_FRAME
from detector.vision import mtcnn_networks
from detector.vision.crops import window
from detector.vision.detection import Detection, from_left_to_right
from detector.vision.mtcnn_networks import TILE

FIELD = 12  # px. P-Net's receptive field, the width of the smallest detectable face.
STRIDE = 2  # px between two outputs of P-Net
PYRAMID = 0.709  # One level of the pyramid to the next: half the area (facenet-pytorch's own)
CANDIDATE = (0.6, 0.7)
"""Score thresholds of P-Net and R-Net (facenet-pytorch's own)."""
CONFIDENCE = 0.9
"""Score threshold of O-Net. All of 87 single faces of web clips reach it at 18 px and more; 358
frames whose faces were painted over give none at 40 px and three at 20."""
SMALLEST_SEEN = 24
"""px. The frame is shrunk until the smallest requested face is as wide as R-Net's input. At 40 px
that saves a quarter of the time, and faces agree with the full frame's as well as those agree with
facenet-pytorch's (mean IoU .95)."""
STRIP = 65_536
"""Outputs of P-Net computed at once, in whole rows: bounds memory, with identical results."""
BATCH = 512  # Candidates in a batch of R-Net or O-Net
SUPPRESSED = 64  # Boxes compared with all others at a time, so that memory is bounded
ALIAS = 0.5  # px. Standard deviation of the blur before a picture is shrunk by less than half.
NEAR = (0.3, 1.8)
"""Pyramid levels in which a followed face is searched: those whose `FIELD` is this many times its
longer side. In 290 of 290 frames boxes and points were identical to a full search; from 0.45 in 93
%, from 0.6 in 55 %."""


class Mtcnn:
    """MTCNN cascade: P-Net proposes on an image pyramid, R-Net and O-Net refine, O-Net adds
    landmarks."""

    name = "mtcnn"

    def __init__(self, device: str = "cpu") -> None:
        self._propose, self._refine, self._output = mtcnn_networks.load(device)

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        frame = _Shrunk(rgb, min_face)
        return self._faces(frame, self._everywhere(frame))

    def follow(self, rgb: np.ndarray, min_face: int, faces: Sequence[Detection]) -> list[Detection]:
        """See `FaceDetector.follow`; measured results are those of a full search (`NEAR`)."""
        frame = _Shrunk(rgb, min_face)
        return self._faces(frame, self._about(frame, faces))

    def refine(self, rgb: np.ndarray, faces: Sequence[Detection]) -> list[Detection]:
        """Update faces of a similar frame by O-Net alone, a tenth of the work of a search, for
        faces that moved by less than about a quarter of their width. Lost faces are left out."""
        if not faces:
            return []
        boxes, confidences, points = self._settled(rgb, _square(np.array([f.box for f in faces])))
        return _detections(boxes, confidences, points, np.ones(2))

    def _faces(self, frame: _Shrunk, candidates: Iterator[_Candidates]) -> list[Detection]:
        boxes, confidences, points = self._cascade(frame.rgb, candidates)
        return _detections(boxes, confidences, points, frame.stretch)

    def _cascade(
        self, rgb: np.ndarray, candidates: Iterator[_Candidates]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return boxes [N, 4], confidences [N] and points [N, 5, 2], in pixels of `rgb`."""
        none = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        nobody = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4))
        levels = zip(nobody, *candidates, strict=True)
        boxes, likelihoods, offsets = (np.concatenate(parts) for parts in levels)
        keep = _suppress(boxes, likelihoods, 0.7)
        boxes, offsets = boxes[keep], offsets[keep]
        boxes = _square(boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2))
        if not len(boxes):
            return none
        offsets, faces = _run(self._refine, _patches(rgb, boxes, 24))
        likely = faces[:, 1] > CANDIDATE[1]
        boxes, offsets, faces = boxes[likely], offsets[likely], faces[likely, 1]
        keep = _suppress(boxes, faces, 0.7)
        boxes = _square(_shift(boxes[keep], offsets[keep]))
        return self._settled(rgb, boxes) if len(boxes) else none

    def _settled(
        self, rgb: np.ndarray, boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        offsets, points, faces = _run(self._output, _patches(rgb, boxes, 48))
        likely = faces[:, 1] > CANDIDATE[1]
        boxes, offsets, faces = boxes[likely], offsets[likely], faces[likely, 1]
        extent = boxes[:, 2:] - boxes[:, :2] + 1
        # O-Net gives five x, then five y, in shares of its square.
        five = points[likely].reshape(-1, 2, 5).transpose(0, 2, 1)
        five = boxes[:, None, :2] + five * extent[:, None] - 1
        boxes = _shift(boxes, offsets)
        keep = _suppress(boxes, faces, 0.7, of_smaller=True)
        return boxes[keep], faces[keep], five[keep]

    def _everywhere(self, frame: _Shrunk) -> Iterator[_Candidates]:
        for scale in frame.scales():
            level = frame.level(scale)
            high, wide = ((side - FIELD) // STRIDE + 1 for side in level.shape[:2])
            strip = max(1, STRIP // wide)
            tops = range(0, high, strip)
            rows = STRIDE * (strip - 1) + FIELD
            parts = [(0, STRIDE * top, level[STRIDE * top :][:rows]) for top in tops]
            yield self._candidates(parts, scale)

    def _about(self, frame: _Shrunk, faces: Sequence[Detection]) -> Iterator[_Candidates]:
        """Run P-Net around each face, in the levels that match its size."""
        boxes = np.array([face.box for face in faces]) / np.tile(frame.stretch, 2)
        centers, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1)
        for scale in frame.scales():
            times = FIELD / scale / sides
            near = centers[(times >= NEAR[0]) & (times <= NEAR[1])] * scale
            if not len(near):
                continue
            level = frame.level(scale)
            room = np.array([level.shape[1], level.shape[0]]) - TILE
            # Even pixels keep the pooling grid of the whole level.
            corners = np.ceil(np.clip(near - TILE / 2, 0, room.clip(0)) / 2).astype(int) * 2
            parts = [(x, y, level[y : y + TILE, x : x + TILE]) for x, y in corners.tolist()]
            yield self._candidates(parts, scale)

    def _candidates(
        self, parts: Sequence[tuple[int, int, np.ndarray]], scale: float
    ) -> _Candidates:
        """Run P-Net on parts (left, top, picture) of one level."""
        boxes, likelihoods, offsets = [], [], []
        for left, top, picture in parts:
            offset, face = _run(self._propose, picture[None])
            y, x = np.nonzero(face[0, 1] >= CANDIDATE[0])
            corner = np.stack([left + STRIDE * x, top + STRIDE * y], axis=1)
            boxes.append(np.hstack([corner + 1, corner + FIELD]) / scale)
            likelihoods.append(face[0, 1, y, x])
            offsets.append(offset[0, :, y, x])
        everything, likelihood = np.vstack(boxes), np.hstack(likelihoods)
        keep = _suppress(everything, likelihood, 0.5)
        return np.floor(everything[keep]), likelihood[keep], np.vstack(offsets)[keep]


_Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes [N, 4], likelihoods [N] and offsets [N, 4] in shares of the box."""


class _Shrunk:
    """Image pyramid of a frame shrunk to R-Net's input; `stretch` maps back."""

    def __init__(self, rgb: np.ndarray, min_face: int) -> None:
        height, width = rgb.shape[:2]
        scale = min(1.0, SMALLEST_SEEN / min_face)
        if scale > 0.5 and height * width > LARGE_FRAME:  # finds as many of 20 px
            scale = 0.5
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self.rgb = _smaller([rgb], size) if scale < 1 else rgb
        self.stretch = np.array([width / size[0], height / size[1]])
        self._smallest = max(FIELD, min_face * scale)
        self._halves = [self.rgb]

    def scales(self) -> Iterator[float]:
        scale = FIELD / self._smallest
        while min(self.rgb.shape[:2]) * scale >= FIELD:
            yield scale
            scale *= PYRAMID

    def level(self, scale: float) -> np.ndarray:
        height, width = self.rgb.shape[:2]
        size = (int(width * scale + 1), int(height * scale + 1))
        return _smaller(self._halves, size)


def _smaller(halves: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Shrink to (width, height) by cached halving, which is fast, then interpolation."""
    times = min(side // wanted for side, wanted in zip(halves[0].shape[1::-1], size, strict=True))
    last = max(1, times).bit_length() - 1
    while len(halves) <= last:
        height, width = halves[-1].shape[:2]
        half = ((width + 1) // 2, (height + 1) // 2)
        halves.append(cv2.resize(halves[-1], half, interpolation=cv2.INTER_AREA))
    # Without blur fine detail aliases, and faces of 60 px are sometimes missed.
    nearest = cv2.GaussianBlur(halves[last], (3, 3), ALIAS)
    if nearest.shape[1::-1] == size:
        return nearest
    smaller: np.ndarray = cv2.resize(nearest, size, interpolation=cv2.INTER_LINEAR)
    return smaller


def _detections(
    boxes: np.ndarray, confidences: np.ndarray, points: np.ndarray, stretch: np.ndarray
) -> list[Detection]:
    return from_left_to_right(
        Detection.of(box * np.tile(stretch, 2), five * stretch, min(1.0, sure))
        for box, five, sure in zip(boxes, points, confidences.tolist(), strict=True)
        if sure >= CONFIDENCE
    )


def _run(network: runtime.Runner, pictures: np.ndarray) -> tuple[np.ndarray, ...]:
    """Run a network on uint8 [N, H, W, 3] in batches, N at least 1."""
    parts = [network(pictures[n : n + BATCH]) for n in range(0, len(pictures), BATCH)]
    return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))


def _patches(rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crop candidates to uint8 [N, size, size, 3], black outside the picture."""
    height, width = rgb.shape[:2]
    patches = np.zeros((len(boxes), size, size, 3), np.uint8)
    for patch, (x0, y0, x1, y1) in zip(patches, np.trunc(boxes).astype(int), strict=True):
        # The networks' boxes count pixels from 1 and include both ends.
        x0, y0 = x0 - 1, y0 - 1
        if min(x1, width) > max(x0, 0) and min(y1, height) > max(y0, 0):
            part = window(rgb, x0, y0, x1, y1)
            cv2.resize(part, (size, size), dst=patch, interpolation=cv2.INTER_AREA)
    return patches


def _shift(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    shifted: np.ndarray = boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return shifted


def _square(boxes: np.ndarray) -> np.ndarray:
    extent = boxes[:, 2:] - boxes[:, :2]
    side = extent.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + extent / 2 - side / 2
    return np.hstack([corner, corner + side])


def _suppress(
    boxes: np.ndarray, scores: np.ndarray, limit: float, *, of_smaller: bool = False
) -> np.ndarray:
    """Return the indices after non-maximum suppression by IoU, or by the smaller box."""
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = np.ascontiguousarray(boxes[order].T)
    area = (x1 - x0) * (y1 - y0)
    stays = np.ones(len(order), bool)
    for start in range(0, len(order), SUPPRESSED):
        # Compared with all that follow at once: the call costs more than a row of it.
        block = start + np.flatnonzero(stays[start : start + SUPPRESSED])
        a, b = block[:, None], slice(start, None)
        across = np.minimum(x1[a], x1[b]) - np.maximum(x0[a], x0[b])
        down = np.minimum(y1[a], y1[b]) - np.maximum(y0[a], y0[b])
        shared = across.clip(0) * down.clip(0)
        whole = np.minimum(area[a], area[b]) if of_smaller else area[a] + area[b] - shared
        apart = shared <= limit * whole
        for best, others in zip(block.tolist(), apart, strict=True):
            if stays[best]:
                stays[best + 1 :] &= others[best + 1 - start :]
    return order[stays]
