"""The autoencoder of untouched faces: it learns faces, and finds what is none harder to draw."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from safetensors.torch import load_file

from detector.models.base import CropRecipe
from detector.training import augment
from detector.training.recipe import Part, Recipe
from detector.training.run import train
from research.families import autoencoder

SHAPE = {"width": 8, "code": 16}


def test_a_run_learns_faces_from_originals_alone(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (160, 160))
    rows = ["file,label,group,source"]
    for person in range(5):
        lit = (face * (0.6 + 0.08 * person)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{person}.jpg"), lit[..., ::-1])
        rows.append(f"{person}.jpg,real,p{'abcde'[person]},made")
    # A fake that can't be read: it is never asked for.
    rows.append("none.jpg,fake,pa,made")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    plan = Recipe(
        name="made", family="autoencoder", images=400, pairs=8, rate=3e-3, average=0.9,
        holdout_images=0.4, check_every=5, crop=CropRecipe(scale=0.9, size=32), options={**SHAPE},
        parts=[Part(name="stills", kind="image", mode="blend", tight=True, share=1.0)],
    )  # fmt: skip
    out = train(plan, tmp_path / "labels.csv", tmp_path / "run")
    assert out is not None
    lines = list(csv.DictReader((tmp_path / "run" / "curve.csv").read_text().splitlines()))
    assert float(lines[-1]["held-out error"]) < 0.7 * float(lines[0]["held-out error"])
    network = autoencoder.build(load_file(out), size=32, **SHAPE)
    small = cv2.resize(face[20:140, 20:140], (32, 32), interpolation=cv2.INTER_AREA)
    other = cv2.resize(skimage.data.coffee()[100:300, 200:400], (32, 32))
    batch = torch.from_numpy(augment.batch_to_array([small, other]))
    known, strange = network(batch)
    assert network.reconstruct(batch).shape == batch.shape
    assert strange > known
