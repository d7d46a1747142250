"""A model of voices that says what it is told to, and what makes its scores a verdict."""

import numpy as np
from scipy import signal

from detector.models.base import Model
from detector.schema.analysis import (
    Calibration,
    Ensemble,
    FileKind,
    Likelihood,
    ReasonCode,
    Thresholds,
)
from tests.support.speech import RATE, speech

SPEC: dict[str, object] = {
    "id": "loud", "title": "Loud", "family": "loud", "kind": "audio", "task": "voice",
    "summary": "", "files": [], "fake_output": "", "license_code": "", "license_weights": "",
    "source": "", "sound": {"samples": 32_000},
}  # fmt: skip
CALIBRATED: dict[str, object] = {
    "calibration": Calibration(scale=1, offset=0, data="made", clips=100)
}
MEASURED = Ensemble(
    models=["loud"], calibration=Calibration(scale=1, offset=0, data="made", clips=100)
)
HEARD = {FileKind.SOUND: Likelihood(thresholds=Thresholds(low=0.3, high=0.8))}
"""By which a sound is judged."""

NOISE = np.random.default_rng(0).standard_normal(13 * RATE).astype(np.float32)
TIME = np.arange(8 * RATE) / RATE
MUSIC = (1 + 0.3 * np.sin(4 * np.pi * TIME)) * sum(
    0.1 * np.sin(2 * np.pi * f * TIME) for f in (262, 330, 392, 523)
)
SHORT = np.concatenate([np.zeros(2 * RATE), speech(1.2), np.zeros(2 * RATE)])
TOO_LITTLE_SPEECH = {
    "noise": (0.1 * NOISE[: 8 * RATE], ReasonCode.NO_SPEECH),
    "silence": (np.zeros(5 * RATE), ReasonCode.NO_SPEECH),
    "constant": (np.full(5 * RATE, 0.5), ReasonCode.NO_SPEECH),
    "music": (MUSIC, ReasonCode.MUSIC),
    "short": (SHORT, ReasonCode.SPEECH_TOO_SHORT),
}
"""What is too little to be scored, and the reason that is given."""
PHONE = signal.sosfilt(signal.butter(10, 3_400, fs=RATE, output="sos"), speech(12.5))
PAUSED = np.concatenate([speech(6), np.zeros(RATE), speech(5, seed=2)])
NOISY = PAUSED + 0.06 * NOISE[: len(PAUSED)]


class Loud(Model):
    """Takes what is loud for cloned."""

    def __init__(self, spec, logit=0.0):
        super().__init__(spec)
        self.fed: list[np.ndarray] = []
        self.logit = logit

    def preprocess(self, picture):
        raise NotImplementedError

    def forward(self, batch):
        raise NotImplementedError

    def score(self, batch):
        self.fed.extend(batch)
        return np.full(len(batch), self.logit, np.float32)
