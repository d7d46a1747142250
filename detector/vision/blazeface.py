"""BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047), front-camera model, over tiles of a frame.

The tiling is that of github.com/polimi-ispl/icpr2020dfdc, whose networks were trained on its boxes:
square, ending at the brows and the chin. It detects faces from about a tenth of the frame's shorter
side. Weights from github.com/hollance/BlazeFace-PyTorch (Apache-2.0), downloaded on request."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.vision.detection import Detection, FaceDetector, from_left_to_right, iou
from detector.weights import auxiliary, load_state, load_strict, resolve

SIDE = 128  # px. Side of the network's input.
LARGEST_TILE = 720  # px
CONFIDENCE = 0.75
OVERLAP = 0.3  # IoU above which detections are of one face
GRIDS = ((16, 2), (8, 6))  # Cells on a side, anchors in a cell
MOUTH = 0.446
"""Distance from the middle of the mouth to its corners in eye distances, on the mean face; the
network gives the middle only."""


class Block(nn.Module):
    """A convolution per channel, a mix of channels, and a short cut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        padding = 0 if stride == 2 else 1
        self.convs = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs),
            nn.Conv2d(inputs, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        short = F.max_pool2d(x, 2) if self.stride == 2 else x
        x = F.pad(x, (0, 2, 0, 2)) if self.stride == 2 else x
        return (self.convs(x) + F.pad(short, (0, 0, 0, 0, 0, self.more))).relu()


class Network(nn.Module):
    """float [N, 3, 128, 128] in -1..1 -> coordinates [N, 896, 16] and scores [N, 896], raw."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone1 = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2),
            nn.ReLU(),
            *(Block(24, 24), Block(24, 28), Block(28, 32, 2)),
            *(Block(32, 36), Block(36, 42), Block(42, 48, 2)),
            *(Block(48, 56), Block(56, 64), Block(64, 72), Block(72, 80), Block(80, 88)),
        )
        self.backbone2 = nn.Sequential(Block(88, 96, 2), *(Block(96, 96) for _ in range(4)))
        self.classifier_8, self.classifier_16 = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)
        self.regressor_8, self.regressor_16 = nn.Conv2d(88, 32, 1), nn.Conv2d(96, 96, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.backbone1(F.pad(x, (1, 2, 1, 2)))
        coarse = self.backbone2(fine)
        scores = (self.classifier_8(fine), self.classifier_16(coarse))
        places = (self.regressor_8(fine), self.regressor_16(coarse))
        return (
            torch.cat([p.permute(0, 2, 3, 1).reshape(len(x), -1, 16) for p in places], 1),
            torch.cat([s.permute(0, 2, 3, 1).flatten(1) for s in scores], 1),
        )


class BlazeFace(FaceDetector):
    """BlazeFace on overlapping square tiles; detections of several tiles are merged. Raise
    WeightsError for weights that were not downloaded or are not the published ones."""

    name = "blazeface"

    def __init__(self, device: str = "cpu", weights: Path | None = None) -> None:
        network = Network()
        model = auxiliary()[self.name]
        load_strict(network, load_state(weights or resolve(model)[0]), model.title)
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        faces = []
        for face in merge(self.find(rgb)):
            # Eyes (the picture's left one first), nose, middle of the mouth, ears.
            left, right, nose, mouth = face[4:12].reshape(4, 2)
            half = MOUTH * (right - left)
            if face[2] - face[0] >= min_face:
                points = np.array([left, right, nose, mouth - half, mouth + half])
                faces.append(Detection.of(face[:4], points, float(face[-1])))
        return from_left_to_right(faces)

    def find(self, rgb: np.ndarray) -> np.ndarray:
        """Return all detections of all tiles: x0, y0, x1, y1, six points x, y, score; pixels. [N,
        17]."""
        corners, size = tiles(*rgb.shape[:2])
        parts = np.stack([rgb[y : y + size, x : x + size] for x, y in corners])
        small = [cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for part in parts]
        places, scores = self.raw(np.stack(small))
        likely = scores >= CONFIDENCE
        boxes = decode(places)
        # Every second number is an x.
        boxes = boxes * size + np.tile(corners, 8)[:, None]
        return np.concatenate([boxes[likely], scores[likely][:, None]], 1)

    def raw(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return undecoded boxes [N, 896, 16] and scores [N, 896] of uint8 [N, 128, 128, 3]."""
        x = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            places, scores = self._network(x)
        return places.cpu().numpy(), scores.clamp(-100, 100).sigmoid().cpu().numpy()


def tiles(height: int, width: int) -> tuple[np.ndarray, int]:
    """Return corners x, y [N, 2] and side of the squares in which a frame is searched."""
    size = min(height, width, LARGEST_TILE)

    def starts(length: int) -> range:
        step = (length - size) // 2
        return range(0, length - size + 1, step) if step else range(1)

    return np.array([(x, y) for y in starts(height) for x in starts(width)]), size


def anchors() -> np.ndarray:
    """Return the anchor centers, x, y in 0..1: [896, 2]."""
    centers = []
    for side, repeats in GRIDS:
        steps = (np.arange(side) + 0.5) / side
        x, y = np.meshgrid(steps, steps)
        centers.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), repeats, 0))
    return np.concatenate(centers)


def decode(places: np.ndarray) -> np.ndarray:
    """Decode raw coordinates [..., 896, 16] to x0, y0, x1, y1 and six points, as fractions of the
    tile."""
    places = places.astype(np.float64) / SIDE
    around = anchors()
    center, extent = places[..., :2] + around, places[..., 2:4]
    points = places[..., 4:] + np.tile(around, 6)
    return np.concatenate([center - extent / 2, center + extent / 2, points], -1)


def merge(detections: np.ndarray) -> np.ndarray:
    """Return one detection a face, best first: the mean of those that overlap, weighed by their
    scores. Its score is their mean."""
    left = detections[np.argsort(-detections[:, -1], kind="stable")]
    merged = [np.zeros((0, 17))]
    while len(left):
        same = iou(left[0, :4], left[:, :4]) > OVERLAP
        group, left = left[same], left[~same]
        weights = group[:, -1:]
        place = (group[:, :-1] * weights).sum(0) / weights.sum()
        merged.append(np.append(place, weights.mean())[None])
    return np.concatenate(merged)
