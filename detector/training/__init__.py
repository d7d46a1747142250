"""What made the bundled weights: data, training, evaluation, calibration.

Public: `train`, `evaluate`, `calibrate`, and `read_recipe`. Heavy imports wait for the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.evaluation.calibration import calibrate
    from detector.evaluation.evaluate import evaluate
    from detector.training.recipe import read_recipe
    from detector.training.run import train

__all__ = ["calibrate", "evaluate", "read_recipe", "train"]

_PLACES = {
    "train": "run",
    "evaluate": "evaluation",
    "calibrate": "calibration",
    "read_recipe": "recipe",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"detector.training.{_PLACES[name]}"), name)
