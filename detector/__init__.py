"""Unmask: was a face in this video or picture made or altered by a machine?

    from detector import analyze

    analysis = analyze("clip.mp4")
    print(analysis.verdict.label, analysis.verdict.probability)

Importing this package is quick: torch and the models are loaded when they are first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from detector import _torchvision
from detector._version import __version__

if TYPE_CHECKING:
    from detector.models.registry import list_models, load_model
    from detector.pipeline import Analyzer, analyze

__all__ = ["Analyzer", "__version__", "analyze", "list_models", "load_model"]

_torchvision.install()

_HOMES = {
    "Analyzer": "detector.pipeline",
    "analyze": "detector.pipeline",
    "list_models": "detector.models.registry",
    "load_model": "detector.models.registry",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
