"""Plugins: models and signals of other installed packages, unmask-published among them
(docs/adding-a-model.md)."""

from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def detectors() -> dict[str, Path]:
    """Return the packages of the entry points `unmask.detectors`, each with its folder. A package
    has a module for each family; entries and cards of their weights are in its `catalog/`."""
    found = {
        point.value: find_spec(point.value) for point in entry_points(group="unmask.detectors")
    }
    return {name: Path(spec.origin).parent for name, spec in found.items() if spec and spec.origin}


@cache
def signals() -> list[Any]:
    """Return the `SignalMeasure` objects of the entry points `unmask.signals`."""
    return [point.load() for point in entry_points(group="unmask.signals")]
