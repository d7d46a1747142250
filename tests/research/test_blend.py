"""Blend no longer ships: whoever wants it has it again, and results that name it still open."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import research
from detector.decision import decide
from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Settings
from detector.training.recipe import read_recipe

WEIGHTS = research.FOLDER / "weights"


def test_a_result_that_names_it_opens_without_it(
    tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "blend" not in {spec.id for spec in registry.list_models()}
    data = tmp_path / "data"
    (data / "weights").mkdir(parents=True)
    shutil.copy(WEIGHTS / "blend.toml", data / "models.toml")
    shutil.copy(WEIGHTS / "blend.safetensors", data / "weights")
    monkeypatch.setenv("UNMASK_DATA", str(data))
    cv2.imwrite(str(tmp_path / "face.png"), astronaut[..., ::-1])
    result = Analyzer().analyze(tmp_path / "face.png", Settings(models=["pairs", "blend"]))
    scores = {model.id: model.probability for model in result.models}
    assert scores["blend"] is not None and scores["blend"] != scores["pairs"]

    kept = result.model_dump_json()
    (data / "models.toml").unlink()
    assert "blend" not in {spec.id for spec in registry.list_models()}
    opened = Analysis.model_validate_json(kept)
    assert opened.verdict == result.verdict
    again = decide(opened)
    assert {model.id: model.probability for model in again.models} == scores
    alone = decide(opened, models=["pairs"])
    assert [m.id for m in alone.models] == ["pairs", "blend"]


def test_its_recipe_learns_from_no_fakes() -> None:
    assert {part.mode for part in read_recipe("blend").parts} == {"blend", "people"}
