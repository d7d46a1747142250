"""LRNet: two small recurrent networks over the motion of 68 face landmarks.

Sun et al., "Improving the Efficiency and Robustness of Deepfakes Detection Through Precise
Geometric Features", CVPR 2021, arXiv:2104.04480; github.com/frederickszk/LRNet (MIT). One network
reads the points, one their differences.

Landmarks are detected in each frame, tracked by optical flow from the frame before, and both are
merged by a Kalman filter, as the repository's tools do it. MediaPipe's mesh
(`detector.models.mesh`) replaces their landmark networks: the nearest of its points are used."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from detector.errors import ModelError
from detector.models.base import Files, Image, ModelSpec
from detector.models.mesh import LEFT_EYE, RIGHT_EYE, Mesh, load_mesh
from detector.models.network import TorchModel
from detector.sentences import _
from detector.weights import load_state, load_strict

FRAMES = 30  # In a block
NUMBERS = 136  # 68 points, x then y
POINTS = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # lips, outside
    78, 82, 13, 312, 308, 317, 14, 87,  # lips, inside
)  # fmt: skip
"""Indices of the mesh's 478 points nearest to dlib's 68, in their order."""
GUESSES = (0.0, 0.5, -0.5)  # Radians by which a head may lean, tried until the mesh finds a face
SIDE = 400  # px of the square in which the points are followed and by which they are divided
ROOM = 1.2  # Its side, in the longer extent of the points
STILL = 1.42  # px that the middle of the points may move before the square does
FLOW: dict[str, Any] = {
    "winSize": (15, 15),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03),
}
ASTRAY = 2
"""Maximum forward-backward error of the optical flow, px."""
DRIFT = 0.3  # Variance that a followed point gains with each frame


def landmarks(mesh: Mesh, crops: np.ndarray) -> np.ndarray | None:
    """Return the 68 points in every crop of a window, px, float [T, 68, 2]; None without a face.
    All are rotated alike, so that the eyes of the first are level. A frame without a face repeats
    its neighbor's points."""
    middle, side = np.array(crops.shape[2:0:-1]) / 2, max(crops.shape[1:3])
    turn: float | None = None
    out: list[np.ndarray] = []
    without = 0
    for crop in crops:
        if turn is None:
            found = (mesh.find(crop, middle, side, guess) for guess in GUESSES)
            if (seen := next((points for points in found if points is not None), None)) is not None:
                (rx, ry), (lx, ly) = (seen[list(eye)].mean(0) for eye in (RIGHT_EYE, LEFT_EYE))
                turn = float(np.arctan2(ly - ry, lx - rx))
        points = None if turn is None else mesh.find(crop, middle, side, turn)
        if points is not None:
            out.append(points[list(POINTS)])
        elif out:
            out.append(out[-1])
        else:
            without += 1  # frames before the first face take its points
    return np.stack([*out[:1] * without, *out]) if out else None


def track_landmarks(crops: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Track points (float [T, 68, 2], px) through crops (uint8 [T, H, W, 3]): float32 [T, 136] in
    about -1..1, the networks' input."""
    pictures, places = _squares(crops, points)
    track = [places[0]]
    spread = np.zeros(len(places[0]))
    for before, now, previous, new in zip(pictures, pictures[1:], places, places[1:], strict=False):
        here = track[-1].astype(np.float32)
        there, sure = _flow(before, now, here, new.astype(np.float32))
        back, sure_back = _flow(now, before, there, here)
        there, back = np.rint(there), np.rint(back)
        good = sure & sure_back & (np.linalg.norm(back - track[-1], axis=1) <= ASTRAY)
        # A Kalman filter: the prediction is the flow's, the measurement the landmark's.
        detected_step = np.linalg.norm(new - previous, axis=1)
        flow_step = np.linalg.norm(there - track[-1], axis=1)
        noise = detected_step / np.where(flow_step, flow_step, 1)
        spread = np.where(good, spread + DRIFT, spread)
        gain = np.divide(spread, spread + noise, out=np.ones_like(spread), where=good)
        merged = np.trunc(there + gain[:, None] * (new - there))  # whole px, as the original's
        track.append(np.where(good[:, None], merged, new))
        spread = np.where(good, (1 - gain) * spread, spread)
    return (np.stack(track) / (SIDE / 2) - 1).reshape(len(track), NUMBERS).astype(np.float32)


def _flow(
    first: np.ndarray, second: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Track points by pyramidal Lucas-Kanade: float32 [N, 2], bool [N]."""
    there, known, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, guess.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **FLOW
    )
    return np.asarray(there), np.asarray(known).ravel() == 1


def _squares(crops: np.ndarray, points: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return squares of one size around the points, [SIDE, SIDE, 3], and the points in whole px."""
    low, high = points.min(1), points.max(1)
    side = int(ROOM * float((high - low).max(1).mean())) // 2 * 2
    pictures, places = [], []
    middle = (low[0] + high[0]) // 2
    for crop, one, a, b in zip(crops, points, low, high, strict=True):
        moved = (a + b) // 2
        if np.linalg.norm(moved - middle) >= STILL:
            middle = moved
        x, y = (max(0, int(v) - side // 2) for v in middle)
        size = max(2, min(side, crop.shape[1] - x, crop.shape[0] - y))
        how = cv2.INTER_CUBIC if size < SIDE else cv2.INTER_AREA
        cut = crop[y : y + size, x : x + size]
        pictures.append(cv2.resize(cut, (SIDE, SIDE), interpolation=how))
        places.append(np.rint((one - (x, y)) * (SIDE / size)))
    return pictures, places


class LandmarkGru(nn.Module):
    """float [N, T, 136] -> probabilities of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_state = nn.Parameter(torch.zeros(2, 1, 32))
        self.gru = nn.GRU(NUMBERS, 32, batch_first=True, bidirectional=True)
        # Numbered as in the file, where dropouts are between.
        self.dense = nn.ModuleDict({"1": _Residual(), "3": nn.Linear(64, 2)})

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x, self.hidden_state.repeat(1, len(x), 1))
        features = self.dense["1"](last.transpose(0, 1).flatten(1))
        return self.dense["3"](features).softmax(1)


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        net = {"0": nn.Linear(64, 64), "3": nn.Linear(64, 64)}
        self.fn = nn.ModuleDict({"net": nn.ModuleDict(net)})

    def forward(self, x: Tensor) -> Tensor:
        net = self.fn["net"]
        return x + net["3"](net["0"](x).relu())


class LrNet(nn.Module):
    """float [N, 30, 136] -> probabilities of (real, fake) by both networks, [N, 2, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.points, self.steps = LandmarkGru(), LandmarkGru()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.points(x), self.steps(x.diff(dim=1))], 1)


class LrNetModel(TorchModel):
    """LRNet over crops or landmarks, with both networks' softmax, as the original's: [N, 2, 2]."""

    def trials(self) -> list[Image | Sequence[Image]]:
        """Return points that tremble, drift or are still, since pictures have no face."""
        random = np.random.default_rng(0)
        face = random.uniform(0.2, 0.8, NUMBERS)
        still = np.repeat(face[None], FRAMES, 0)
        tremble = still + random.normal(0, 0.02, still.shape)
        drift = still + np.linspace(0, 0.1, FRAMES)[:, None]
        return [tremble, drift, still]

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Return float32 [30, 136] of 30 crops or landmarks, [30, 136] or [30, 68, 2]; raise
        ModelError."""
        sequence = np.asarray(picture)
        if sequence.shape[:1] != (FRAMES,):
            raise ValueError(f"{self.spec.id} takes {FRAMES} frames, got {len(sequence)}")
        if sequence.dtype == np.uint8 and sequence.ndim == 4:
            points = landmarks(load_mesh(), sequence)
            if points is None:
                raise ModelError(_("No points of a face were found in a stretch of the clip."))
            sequence = track_landmarks(sequence, points)
        return torch.from_numpy(sequence.reshape(FRAMES, NUMBERS).astype(np.float32))

    def log_odds(self, logits: Tensor) -> Tensor:
        """Return the log odds of the mean of both P(fake)."""
        return logits[:, :, 1].double().mean(1).logit(eps=1e-12).float()


def load(spec: ModelSpec, files: Files, device: str) -> LrNetModel:
    """Load `g1.pth` (points) and `g2.pth` (steps)."""
    network = LrNet()
    state = {
        f"{name}.{key}": tensor
        for name, path in zip(("points", "steps"), files, strict=True)
        for key, tensor in load_state(path, spec).items()
    }
    load_strict(network, state, spec.id)
    return LrNetModel(spec, network, device)
