"""MTCNN (Zhang et al. 2016) with the networks and weights of facenet-pytorch (MIT).

The three networks are theirs. The cascade around them is ours, for two reasons: theirs resamples
each level of the pyramid from the whole frame in float and runs the networks in the memory layout
that is slow on CPUs (`bench/faces.py` runs both side by side; ours takes about half the time), and
at the edge of the picture it squeezes what is left of a face into the square, which moves box and
points, where the networks were trained with the missing part black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector.vision.types import Detection

if TYPE_CHECKING:
    import torch

FIELD = 12
"""px. What one output of P-Net sees, and so the width of the smallest face there is."""
STRIDE = 2
"""px between two outputs of P-Net."""
PYRAMID = 0.709
"""One level of the pyramid to the next: half the area (facenet-pytorch's own)."""
CANDIDATE = (0.6, 0.7)
"""What P-Net and R-Net must reach to be looked at further (facenet-pytorch's own)."""
CONFIDENCE = 0.9
"""What O-Net must reach to be a face. Of 87 single faces of web clips all reach it at 18 px and
more; 358 frames whose faces were painted over give none at 40 px and three at 20."""
SMALLEST_SEEN = 24
"""px. The frame is shrunk until the smallest face looked for is as wide as R-Net's input. At 40 px
that takes a quarter off the time, and the faces agree with the full frame's as well as those agree
with facenet-pytorch's (mean IoU .95)."""
STRIP = 256
"""Rows of P-Net's output computed at once, so that memory is bounded by the width of a picture."""
BATCH = 512
"""Candidates given to R-Net or O-Net at once."""


class Mtcnn:
    """The cascade: P-Net proposes over a pyramid, R-Net and O-Net refine, O-Net adds the points.

    Parameters
    ----------
    device : str
        A torch device.
    """

    name = "mtcnn"

    def __init__(self, device: str = "cpu") -> None:
        import torch
        from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

        self._device = torch.device(device)
        self._propose, self._refine, self._output = (
            network().eval().to(self._device, memory_format=torch.channels_last)
            for network in (PNet, RNet, ONet)
        )

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        """See `FaceDetector.detect`."""
        height, width = rgb.shape[:2]
        scale = min(1.0, SMALLEST_SEEN / min_face)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        boxes, confidences, points = self._cascade(small, max(FIELD, min_face * scale))
        stretch = np.array([width / size[0], height / size[1]])
        boxes = boxes.reshape(-1, 2, 2) * stretch
        points = points * stretch
        found = [
            Detection(
                (float(box[0, 0]), float(box[0, 1]), float(box[1, 0]), float(box[1, 1])),
                tuple((float(x), float(y)) for x, y in five),
                min(1.0, float(confidence)),
            )
            for box, five, confidence in zip(boxes, points, confidences, strict=True)
            if confidence >= CONFIDENCE
        ]
        return sorted(found, key=lambda face: (face.box[0] + face.box[2], face.box[1]))

    def _cascade(
        self, rgb: np.ndarray, min_face: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes [N, 4], confidences [N], points [N, 5, 2], in pixels of `rgb`."""
        none = np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        boxes = _square(self._proposals(rgb, min_face))
        if not len(boxes):
            return none
        offsets, faces = self._run(self._refine, _patches(rgb, boxes, 24))
        likely = faces[:, 1] > CANDIDATE[1]
        boxes, offsets, faces = boxes[likely], offsets[likely], faces[likely, 1]
        kept = _suppress(boxes, faces, 0.7)
        boxes = _square(_shift(boxes[kept], offsets[kept]))
        if not len(boxes):
            return none

        offsets, points, faces = self._run(self._output, _patches(rgb, boxes, 48))
        likely = faces[:, 1] > CANDIDATE[1]
        boxes, offsets, faces = boxes[likely], offsets[likely], faces[likely, 1]
        extent = boxes[:, 2:] - boxes[:, :2] + 1
        # O-Net gives five x, then five y, in shares of its square.
        five = points[likely].reshape(-1, 2, 5).transpose(0, 2, 1)
        five = boxes[:, None, :2] + five * extent[:, None] - 1
        boxes = _shift(boxes, offsets)
        kept = _suppress(boxes, faces, 0.7, of_smaller=True)
        return boxes[kept], faces[kept], five[kept]

    def _proposals(self, rgb: np.ndarray, min_face: float) -> np.ndarray:
        """P-Net over the pyramid: boxes [N, 4]."""
        height, width = rgb.shape[:2]
        boxes, faces, offsets = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros((0, 4))]
        scale = FIELD / min_face
        while min(height, width) * scale >= FIELD:
            size = (int(width * scale + 1), int(height * scale + 1))
            level = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            outputs = (size[1] - FIELD) // STRIDE + 1
            for top in range(0, outputs, STRIP):
                rows = level[STRIDE * top : STRIDE * (top + STRIP - 1) + FIELD]
                offset, face = self._run(self._propose, rows[None])
                y, x = np.nonzero(face[0, 1] >= CANDIDATE[0])
                corner = STRIDE * np.stack([x, y + top], axis=1)
                found = np.hstack([corner + 1, corner + FIELD]) / scale
                likelihood = face[0, 1, y, x]
                kept = _suppress(found, likelihood, 0.5)
                boxes.append(np.floor(found[kept]))
                faces.append(likelihood[kept])
                offsets.append(offset[0][:, y, x].T[kept])
            scale *= PYRAMID
        everything = np.vstack(boxes)
        kept = _suppress(everything, np.hstack(faces), 0.7)
        everything = everything[kept]
        extent = np.tile(everything[:, 2:] - everything[:, :2], 2)
        corrected: np.ndarray = everything + np.vstack(offsets)[kept] * extent
        return corrected

    def _run(self, network: torch.nn.Module, patches: np.ndarray) -> tuple[np.ndarray, ...]:
        """Run a network over uint8 [N, H, W, 3], N at least 1."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(patches), BATCH):
                # Channels last in memory, as the pictures are: nothing is moved.
                batch = torch.from_numpy(patches[start : start + BATCH]).to(self._device)
                values = (batch.permute(0, 3, 1, 2).float() - 127.5) * 0.0078125
                parts.append([output.float().cpu().numpy() for output in network(values)])
        return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))


def _patches(rgb: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut and resize candidates: uint8 [N, size, size, 3]; black outside the picture."""
    height, width = rgb.shape[:2]
    patches = np.zeros((len(boxes), size, size, 3), np.uint8)
    for patch, (x0, y0, x1, y1) in zip(patches, np.trunc(boxes).astype(int), strict=True):
        # The networks' boxes count pixels from 1 and include both ends.
        x0, y0 = x0 - 1, y0 - 1
        if min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0):
            continue
        part = rgb[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
        if part.shape[:2] != (y1 - y0, x1 - x0):
            whole = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
            top, left = max(-y0, 0), max(-x0, 0)
            whole[top : top + part.shape[0], left : left + part.shape[1]] = part
            part = whole
        cv2.resize(part, (size, size), dst=patch, interpolation=cv2.INTER_AREA)
    return patches


def _shift(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move box edges by offsets in shares of the box."""
    shifted: np.ndarray = boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return shifted


def _square(boxes: np.ndarray) -> np.ndarray:
    """Return the squares about the boxes' centers, as wide as their longer sides."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = extent.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + extent / 2 - side / 2
    return np.hstack([corner, corner + side])


def _suppress(
    boxes: np.ndarray, scores: np.ndarray, limit: float, *, of_smaller: bool = False
) -> np.ndarray:
    """Greedy non-maximum suppression: indices of what stays, best first.

    The overlap is a share of the union, or, with `of_smaller`, of the smaller box, which also
    drops a box inside another.
    """
    x0, y0, x1, y1 = boxes.T
    area = (x1 - x0) * (y1 - y0)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        across = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        down = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = across.clip(0) * down.clip(0)
        both = area[best] + area[rest] - shared
        whole = np.minimum(area[best], area[rest]) if of_smaller else both
        order = rest[shared <= limit * whole]
    return np.array(kept, dtype=int)
