"""What made the bundled weights, and fine-tuning: recipes, faces cut once, the loop.

Public: `train` and `read_recipe`. Heavy imports wait for the call. Uses `evaluation` (labels,
splits, metrics), which knows nothing of training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.training.recipe import read_recipe
    from detector.training.run import train

__all__ = ["read_recipe", "train"]

_PLACES = {
    "train": "run",
    "read_recipe": "recipe",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"detector.training.{_PLACES[name]}"), name)
