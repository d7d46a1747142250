"""What `research` brings is known in its own tests alone."""

from __future__ import annotations

import pytest

import research
from detector.models import registry
from detector.training import recipe, run
from tests.integration.detector.test_training_clips import cache, face, trunk  # noqa: F401


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library knows the families, recipes and trainers of `research`."""
    monkeypatch.setattr(registry, "FAMILY_PACKAGES", [*registry.FAMILY_PACKAGES])
    monkeypatch.setattr(recipe, "FOLDERS", [*recipe.FOLDERS])
    monkeypatch.setattr(run, "TRAINERS", {**run.TRAINERS})
    research.register()
