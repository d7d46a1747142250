"""Ensembles that the person here put together and named, for every page."""

from __future__ import annotations

from detector.schema.analysis import CustomEnsemble
from service import backend


def load() -> dict[str, CustomEnsemble]:
    """All presets by name."""
    return backend.records().presets(backend.owner())


def save(mix: CustomEnsemble) -> None:
    """Keep a preset under its name, in place of another of that name.

    Raises
    ------
    InputError
        It has no name, or there are too many.
    """
    backend.records().save_preset(backend.owner(), mix)


def delete(name: str) -> None:
    """Forget a preset; nothing happens if there is none."""
    backend.records().delete_preset(backend.owner(), name)
