"""The recipe of the sequence models on a few made clips, with colors in place of CLIP."""

import shutil

import cv2
import numpy as np
import pytest
import torch

from cli import main
from detector import weights
from detector.errors import InputError
from detector.models import registry
from detector.models.families import videomae
from detector.models.families.sequence_heads import FEATURES, GRID, HEADS, PATCH
from detector.weights import load_state, load_strict
from lab.evaluation import groups
from lab.training.fit import TrainingOptions
from lab.training.sequences import videomae as recipe
from lab.training.sequences import windows
from lab.training.sequences.recipe import SequenceRecipe, train
from lab.training.sequences.videomae import VideoMaeRecipe
from tests.conftest import camera, write_clip

SOURCES = {"one/a": "sources-1", "two/b": "sources-2"}
SHORT = SequenceRecipe(images=64, batch=8, check_every=4)


class Colors:
    """In place of the trunk: small pictures of the crops."""

    def __init__(self, device):
        pass

    def __call__(self, crops):
        small = np.stack([cv2.resize(crop, (32, 32)) for crop in crops]) / np.float32(255)
        tokens = small.reshape(len(crops), FEATURES)
        grid = np.stack([cv2.resize(one, (GRID, GRID)) for one in small])
        return tokens / np.linalg.norm(tokens, axis=1)[:, None], np.tile(grid, PATCH // 3)


@pytest.fixture(autouse=True)
def without_trunk(monkeypatch):
    monkeypatch.setattr(windows, "CropReader", Colors)
    monkeypatch.setattr(groups, "fold_of", lambda item, file: SOURCES[item.source])
    torch.set_num_threads(1)


@pytest.fixture
def labels(tmp_path):
    """Eight clips, the fakes darker, one of them too short for a window."""
    rows = ["file,label,group,source,method,note"]
    for number in range(8):
        fake = number % 2
        source = list(SOURCES)[number // 4]
        move = camera((320, 240))

        def picture(n, move=move, shift=40 * number, light=1 - 0.4 * fake):
            return (move(n + shift) * light).astype(np.uint8)

        write_clip(tmp_path / f"{number}.mp4", seconds=0.4 if number == 7 else 0.8, picture=picture)
        label, method = ("fake", "face swap") if fake else ("real", "none")
        rows.append(f"{number}.mp4,{label},g{number}x,{source},{method},")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "labels.csv"


def test_all_heads_are_trained_and_judged_by_sources_left_out(labels, tmp_path, monkeypatch):
    out, cache = tmp_path / "run", tmp_path / "cache"
    train(SHORT, labels, TrainingOptions(out), cache=cache, folds=list(SOURCES.values()))
    for name in SHORT.heads:
        load_strict(HEADS[name](), load_state(out / f"{name}.safetensors"), name)
        told = (out / name / "left_out.csv").read_text().splitlines()[1:]
        assert len(told) == 7  # one clip has no window
        assert "[models.calibration]" in (out / name / "calibration.toml").read_text()
    table = (out / "left_out.md").read_text()
    assert all(f"| {name} |" in table for name in SHORT.heads)
    assert "| mean of the frames, face |" in table and "## generated heads" in table
    added = table.split("## added to both layers")[1]
    assert all(f"| {name} |" in added for name in SHORT.heads)
    # A second run takes its windows from the cache.
    monkeypatch.setattr(windows, "faces", lambda *_: pytest.fail("read again"))
    one = SHORT.model_copy(update={"heads": ("lrcn",)})
    train(one, labels, TrainingOptions(tmp_path / "again"), cache=cache)
    first, second = (load_state(f / "lrcn.safetensors") for f in (out, tmp_path / "again"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_window_holds_the_face_in_consecutive_frames(labels, tmp_path):
    items = [i for i in windows.read_clips(labels) if i.name == "0.mp4"]
    (item,), (window,) = windows.read(items, tmp_path / "w", TrainingOptions(tmp_path))
    assert item.name == "0.mp4" and window.face.shape == (8, FEATURES)
    assert window.around.shape == (8, FEATURES) and window.grid.shape == (8, GRID, GRID, 64)
    # The camera moves over the portrait, and the face stays where it is in the crop.
    shown = windows.faces(item)
    centers = np.array([np.mean(face.landmarks, 0) for _, face in shown])
    assert np.ptp(centers, axis=0).max() > 3
    moved = np.linalg.norm(np.diff(window.face.astype(float), axis=0), axis=1)
    assert 0 < moved.max() < 0.2


def test_videomae_learns_from_labels_and_from_a_layer_on_clip(labels, tmp_path, monkeypatch):
    rows = labels.read_text().splitlines()
    for source, fold in (("three/c", "sources-3"), ("four/d", "sources-2")):
        monkeypatch.setitem(SOURCES, source, fold)
        for row in rows[1:5]:
            shutil.copy(tmp_path / row[:5], tmp_path / f"{fold}{row[:5]}")
            rows.append(f"{fold}{row}".replace("one/a", source))
    labels.write_text("\n".join(rows))
    cache, folds = tmp_path / "cache", ["sources-1", "sources-2", "sources-3"]
    plan, run = VideoMaeRecipe(), TrainingOptions(tmp_path / "run")
    file = recipe.train(plan, labels, run, cache=cache, folds=folds)
    judged = (run.out / "left_out.csv").read_text().splitlines()[1:]
    assert (
        len(judged) == 15 and "[models.calibration]" in (run.out / "calibration.toml").read_text()
    )
    untaught = recipe.train(
        plan.model_copy(update={"taught": 0.0}), labels, TrainingOptions(tmp_path / "alone"),
        cache=cache,
    )  # fmt: skip
    layer, alone = load_state(file), load_state(untaught)
    assert not torch.equal(layer["classifier.weight"], alone["classifier.weight"])
    spec = registry.get_spec("videomae")
    model = videomae.load(spec, [weights.resolve(spec)[0], file], "cpu")
    items = windows.read_clips(labels)
    shown = sorted(filter(len, map(recipe._pixels, items)), key=lambda clip: float(clip.mean()))
    dark, light = model.score(np.stack([shown[0], shown[-1]]))
    assert dark > light  # the fakes are the darker ones


def test_what_cannot_be_trained_is_refused(labels, tmp_path):
    rows = labels.read_text().splitlines()
    real = labels.with_name("real.csv")
    real.write_text("\n".join(row for row in rows if ",fake," not in row))
    with pytest.raises(InputError, match="originals and fakes"):
        train(SHORT, real, TrainingOptions(tmp_path / "run"))
    out = ["--data", str(labels), "--out", str(tmp_path / "run")]
    assert main(["train", "sequences", *out, "--tune", "head"]) == 2
