"""How a classifier of voices from the hub is fed, as its `preprocessor_config.json` says."""

from collections.abc import Mapping
from typing import Any

from detector.errors import ModelError
from detector.models.base import SoundRecipe

SAMPLE_RATE, WINDOW = 16_000, 4
"""Hz, and s of a window: these networks take any length, and learn from clips about as long."""
SAMPLES = "Wav2Vec2FeatureExtractor"
"""The processor that leaves samples as they are, but for their mean and variance."""


def sound_recipe(preprocessor: Mapping[str, Any] | None) -> SoundRecipe:
    """Return a sample processor's recipe; raise ModelError for spectrograms or other rates."""
    steps = preprocessor or {}
    kind = steps.get("feature_extractor_type", SAMPLES)
    if kind != SAMPLES or steps.get("sampling_rate", SAMPLE_RATE) != SAMPLE_RATE:
        raise ModelError(
            f"Its processor is {kind} at {steps.get('sampling_rate', SAMPLE_RATE)} Hz, and Unmask "
            f"feeds {SAMPLE_RATE} samples a second as they are.",
            code="not_supported",
        )
    normalize = bool(steps.get("do_normalize", True))
    return SoundRecipe(samples=WINDOW * SAMPLE_RATE, normalize=normalize)
