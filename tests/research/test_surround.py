"""Training on faces with their surroundings, sources drawn alike and left out in groups."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from detector.evaluation import groups
from detector.evaluation.groups import held_out_people
from detector.training import sample
from detector.training.cache import FaceCache
from detector.training.recipe import read_recipe
from detector.training.run import train
from research.families import lite
from tests.support.shelf import CACHED, SIDE, SOURCES, shelf  # noqa: F401


def test_sources_are_drawn_alike_whatever_they_hold(shelf: Path) -> None:  # noqa: F811
    cache = FaceCache(shelf / "faces" / f"video-1.8-{CACHED}")
    parts = read_recipe("surround").parts
    assert [part.each for part in parts] == ["source", "source"]
    for part in parts:
        assert sorted(len(g) for g in sample.gather(part, cache, set()).groups) == [4, 4, 16]
    by_person = parts[0].model_copy(update={"each": "person"})
    assert [len(g) for g in sample.gather(by_person, cache, set()).groups] == [1] * 24


def test_a_fold_is_held_out_and_nobody_else(shelf: Path) -> None:  # noqa: F811
    cache = FaceCache(shelf / "faces" / f"video-1.8-{CACHED}")
    plan = read_recipe("surround")
    assert held_out_people(cache.entries, plan) == set()
    kept = held_out_people(cache.entries, plan.model_copy(update={"leave_out": "live-swaps"}))
    assert kept == {e.person for e in cache.entries if e.source == "iperov/DeepFaceLive"}
    several = plan.model_copy(update={"leave_out": "live-swaps,heads"})
    rest = {
        e.source for e in cache.entries if e.person not in held_out_people(cache.entries, several)
    }
    assert rest == {"cnnlstm/cnnlstm.github.io"}


def test_the_recipe_learns_in_small_and_tells_a_fold_it_never_saw(shelf: Path) -> None:  # noqa: F811
    torch.set_num_threads(1)
    torch.manual_seed(0)
    trunk = {n: t for n, t in lite.LiteNet().state_dict().items() if n.startswith("features.")}
    save_file(trunk, shelf / "trunk.safetensors")
    plan = read_recipe("surround")
    small = plan.model_copy(
        update={
            "images": 720, "pairs": 6, "rate": 2e-3, "h264": 0.0, "average": 0.8, "check_every": 20,
            "without": ["size", "blur", "noise", "jpeg"], "soften": 0.0,
            "crop": plan.crop.model_copy(update={"size": SIDE}),
        }
    )  # fmt: skip
    made = train(
        small.model_copy(update={"leave_out": "face-edits"}), shelf / "labels.csv", shelf / "run",
        cache=shelf / "faces", begin=shelf / "trunk.safetensors",
    )  # fmt: skip
    curve = list(csv.DictReader((shelf / "run" / "curve.csv").read_text().splitlines()))
    # Without an opinion it stands at 1.04: ln 2, and half of that for the order within pairs.
    assert float(curve[-1]["loss"]) < 0.9
    assert float(curve[-1]["pairs auc"]) > 0.7
    assert made is not None
    state = load_file(made)
    assert lite.build(state).training is False
    # Statistics began with the trunk's and are not those of one batch.
    assert state["features.bn1.running_var"].dtype == torch.float32
    config = json.loads((shelf / "run" / "config.json").read_text())
    assert config["recipe"]["leave_out"] == "face-edits" in groups.names()
