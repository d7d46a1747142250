"""Training on faces with their surroundings, sources drawn alike and left out in groups."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detector.evaluation import groups
from detector.evaluation.splits import held_out_people
from detector.training import sample, train
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import read_recipe
from research.families import lite

SIDE = 64
CACHED = 77
"""px: what `OwnSight` caches for 64 px that show 1.5 of a box."""
SOURCES = ("iperov/DeepFaceLive", "yuangan/eat", "cnnlstm/cnnlstm.github.io")


@pytest.fixture()
def shelf(tmp_path: Path) -> Path:
    """Faces of 24 people with their surroundings, and labels of the files they would be of. Two
    thirds of the people are of the first source. A fake's face is checkered, what is around it
    isn't."""
    rng = np.random.default_rng(0)
    checker = (np.indices((CACHED, CACHED)).sum(0) // 5 % 2)[..., None] * 90
    inside = np.zeros((CACHED, CACHED, 1), np.int64)
    inside[17:-17, 17:-17] = 1
    crops, entries, rows = [], [], ["file,label,kind,group,source,method"]
    for person in range(24):
        source = SOURCES[max(0, person - 16) // 4 + (person >= 16)] if person >= 16 else SOURCES[0]
        colors = rng.integers(40, 160, (4, 4, 3)).astype(np.uint8)
        real = cv2.resize(colors, (CACHED, CACHED), interpolation=cv2.INTER_CUBIC)
        fake = (real + inside * checker).clip(0, 255).astype(np.uint8)
        for label, picture in ((0, real), (1, fake)):
            name = f"{person}-{label}.mp4"
            method = "swap" if label else "none"
            k = CACHED / 1.8
            box = [(CACHED - k) / 2, (CACHED - k) / 2, (CACHED + k) / 2, (CACHED + k) / 2]
            points = [(30.0, 33.0), (47.0, 33.0), (38.0, 41.0), (32.0, 50.0), (45.0, 50.0)]
            entries.append(
                Faces(
                    name=name, label=label, kind="video", method=method, group=f"g{person}x",
                    source=source, person=f"{source}:g{person}x", start=len(crops), count=1,
                    points=points, face=k, places=[[*box, *np.ravel(points).tolist()]],
                )
            )  # fmt: skip
            crops.append(picture)
            rows.append(f"{name},{'fake' if label else 'real'},video,g{person}x,{source},{method}")
    folder = tmp_path / "faces" / f"video-1.8-{CACHED}"
    folder.mkdir(parents=True)
    np.save(folder / "crops.npy", np.stack(crops))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    (folder / "tried.json").write_text(json.dumps([entry.name for entry in entries]))
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


def test_sources_are_drawn_alike_whatever_they_hold(shelf: Path) -> None:
    cache = FaceCache(shelf / "faces" / f"video-1.8-{CACHED}")
    parts = read_recipe("surround").parts
    assert [part.each for part in parts] == ["source", "source"]
    for part in parts:
        assert sorted(len(g) for g in sample.gather(part, cache, set()).groups) == [4, 4, 16]
    by_person = parts[0].model_copy(update={"each": "person"})
    assert [len(g) for g in sample.gather(by_person, cache, set()).groups] == [1] * 24


def test_a_fold_is_held_out_and_nobody_else(shelf: Path) -> None:
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


def test_the_recipe_learns_in_small_and_tells_a_fold_it_never_saw(shelf: Path) -> None:
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
        small, shelf / "labels.csv", shelf / "run", cache=shelf / "faces",
        begin=shelf / "trunk.safetensors", leave_out="face-edits",
    )  # fmt: skip
    curve = list(csv.DictReader((shelf / "run" / "curve.csv").open()))
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
