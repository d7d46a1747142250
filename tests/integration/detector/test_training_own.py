"""A model of one's own: learned from features, judged by people left out, offered at once."""

import hashlib
import json
import shutil
from typing import get_args

import numpy as np
import pytest
import torch

from bench.clips import face_clip
from cli import main
from detector.errors import InputError
from detector.models import registry, user_models
from detector.schema.analysis import Analysis
from detector.training import own
from detector.training.own import OwnRecipe, Rows, fit_layer
from tests.support import pages


def made(files=200, seed=0):
    """Features of which one in forty tells real from fake."""
    rng = np.random.default_rng(seed)
    labels = np.arange(files) % 2
    x = rng.standard_normal((files, 40)).astype(np.float32)
    x[:, 7] += 3 * labels
    return Rows(x, labels.tolist(), list(range(files)), [True] * files)


@pytest.mark.parametrize("loss", get_args(own.Loss))
def test_every_loss_learns_a_layer_that_tells_new_files_apart(loss):
    plan = OwnRecipe(loss=loss)
    taught, stop, new = (made(seed=seed) for seed in (1, 2, 3))
    files = np.arange(200)
    weights, bias, best = fit_layer(plan, taught.of(files), stop=stop.of(files))
    figures = own._figures(own._judge(new, weights, bias, files), new.labels.numpy())
    assert figures["auc"] > 0.85 and figures["accuracy"] > 0.75, figures
    assert 1 <= best <= plan.steps and weights.shape == (40,)


def test_training_ends_once_the_held_out_loss_does_not_fall():
    files = np.arange(200)
    taught, other = made(seed=1).of(files), made(seed=2).of(files)
    noise = (other[0], other[1][torch.randperm(200)])
    _, _, best = fit_layer(OwnRecipe(patience=5), taught, stop=noise)
    assert best < 60


def test_figures_are_those_of_the_classes():
    figures = own._figures(np.array([2.0, 1.0, -1.0, -2.0, 3.0]), np.array([1, 0, 1, 0, 1]))
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["specificity"] == pytest.approx(1 / 2)
    assert figures["f1"] == pytest.approx(2 * 2 / (3 + 3))


def test_a_model_is_trained_offered_and_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    clip = face_clip(1, 320, 240, 10)
    for label in ("real", "fake"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(4):
            shutil.copy(clip, tmp_path / "set" / label / f"{number}.mp4")
    data, out = str(tmp_path / "set"), str(tmp_path / "mine")
    arguments = ["train", "own", "--data", data, "--out", out, "--patience", "3"]
    assert main([*arguments, "--device", "cpu", "--runs", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out.strip() == "mine"
    (spec,) = user_models.own_models()
    assert spec.calibration.clips == 8
    assert (tmp_path / "mine" / "left_out.csv").read_text().count("\n") == 9

    (run,) = (tmp_path / "runs").glob("*/*/")
    told = json.loads((tmp_path / "mine" / "figures.json").read_text())
    kept = {p.name: float(p.read_text().split()[1]) for p in (run / "metrics").iterdir()}
    assert {name: kept[name] for name in told} == told
    weights = (tmp_path / "mine" / "model.safetensors").read_bytes()
    digest = (run / "params" / "sha256.model.safetensors").read_text()
    assert digest == hashlib.sha256(weights).hexdigest()

    assert spec.title in pages.texts(pages.page("models"))
    capsys.readouterr()
    assert main(["analyze", str(clip), "--models", "clip,mine", "--json", "-"]) == 0
    results = {m.id: m for m in Analysis.model_validate_json(capsys.readouterr().out).models}
    assert results["mine"].counted and results["mine"].probability is not None
    registry.unload(spec.id)
    user_models.remove(spec.id)


def test_too_few_people_are_refused(tmp_path):
    faces = [
        own.Faces("a", label, "video", "m", f"g{n % 3}", "s", f"p{label}{n % 3}", 0, 1)
        for n, label in enumerate([0, 1] * 6)
    ]
    with pytest.raises(InputError, match="Only 3 people"):
        own._folds(faces)
