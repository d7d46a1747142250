"""A model of voices that says what it is told to, and what makes its scores a verdict."""

import numpy as np

from detector.models.base import Model, ModelSpec
from detector.schema.analysis import Calibration, Ensemble, Thresholds

SPEC: dict[str, object] = {
    "id": "loud", "title": "Loud", "family": "loud", "kind": "audio", "task": "voice",
    "summary": "", "files": [], "fake_output": "", "license_code": "", "license_weights": "",
    "source": "", "sound": {"samples": 32_000},
}  # fmt: skip
CALIBRATED: dict[str, object] = {
    "calibration": Calibration(scale=1, offset=0, data="made", clips=100)
}
MEASURED = Ensemble(
    models=["loud"],
    calibration=Calibration(scale=1, offset=0, data="made", clips=100),
    thresholds=Thresholds(low=0.3, high=0.8),
)


class Loud(Model):
    """Takes what is loud for cloned."""

    def __init__(self, spec: ModelSpec, logit: float = 0.0) -> None:
        super().__init__(spec)
        self.fed: list[np.ndarray] = []
        self.logit = logit

    def preprocess(self, picture: object) -> object:
        raise NotImplementedError

    def forward(self, batch: object) -> object:
        raise NotImplementedError

    def score(self, batch: np.ndarray) -> np.ndarray:
        self.fed.extend(batch)
        return np.full(len(batch), self.logit, np.float32)
