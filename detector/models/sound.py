"""Models that hear: a torch network fed with windows of samples."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detector.models.base import Image, repeated
from detector.models.network import TorchModel


class TorchSoundModel(TorchModel):
    """A network in evaluation mode that takes [N, samples] of mono sound and gives logits."""

    BATCH = 8

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Return float32 [samples], mono -1..1 at the recipe's rate, repeated to fill; raise
        ValueError."""
        samples = np.asarray(picture)
        if samples.ndim != 1 or not samples.size or samples.dtype.kind != "f":
            raise ValueError(
                f"{self.spec.id} takes mono sound as float32 [samples], "
                f"got {samples.dtype} {list(samples.shape)}"
            )
        assert self.spec.sound
        window = repeated(samples, self.spec.sound.samples)
        if self.spec.sound.normalize:
            window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
        return torch.from_numpy(window.astype(np.float32))

    def trials(self) -> list[Image | Sequence[Image]]:
        """Return three windows that have nothing in common: noise, a rising tone, near silence."""
        assert self.spec.sound
        time = np.arange(self.spec.sound.samples) / self.spec.sound.sample_rate
        noise = np.random.default_rng(0).normal(0, 0.1, len(time))
        tone = 0.3 * np.sin(2 * np.pi * (120 * time + 40 * time**2))
        return [x.astype(np.float32) for x in (noise, tone, 1e-4 * noise)]
