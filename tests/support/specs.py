"""Entries of made models."""

from detector.models.base import CropRecipe, ModelSpec, Normalization
from detector.weights.entry import WeightFile

SIDE = 64


def spec(family, **changes):
    """Return an entry of a frame model of 64 px, or of what `changes` say."""
    half = Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    usual: dict[str, object] = {
        "id": "own", "title": "Own", "kind": "frame", "summary": "",
        "files": [WeightFile(path="x", sha256="0" * 64, size=1)],
        "fake_output": "the one logit is P(fake)", "crop": CropRecipe(size=SIDE, scale=1.5),
        "normalization": half, "license_code": "", "license_weights": "", "source": "",
    }  # fmt: skip
    return ModelSpec(**usual | {"family": family} | changes)
