"""Plugins: models, signals (docs/adding-a-model.md), executors, downloads of pages and stores of
media by other installed packages, such as unmask-published."""

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
    return [signal for _name, signal in _loaded("unmask.signals")]


@cache
def executors() -> dict[str, Any]:
    """Return the `Executor` classes of the entry points `unmask.executors`, by name."""
    return dict(_loaded("unmask.executors"))


@cache
def pages() -> list[Any]:
    """Return the functions of the entry points `unmask.pages`, which download the video of a web
    page (`ytdlp.downloader.download`)."""
    return [download for _name, download in _loaded("unmask.pages")]


@cache
def stores() -> list[Any]:
    """Return the functions of the entry points `unmask.stores`, which open the uploads of a data
    folder in a store of their own, or return None where that is not configured."""
    return [open_store for _name, open_store in _loaded("unmask.stores")]


def _loaded(group: str) -> list[tuple[str, Any]]:
    """Return the name and the object of each entry point: packages may choose the same name."""
    return [(point.name, point.load()) for point in entry_points(group=group)]
