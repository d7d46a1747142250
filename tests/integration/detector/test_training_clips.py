"""Training of clip models: faces that hold together, and faces that change from frame to frame."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file

from detector import weights
from detector.errors import UsageError
from detector.models import registry
from detector.models.base import CropRecipe
from detector.models.families import videomae
from detector.training import blend_clip, clips, masking, motion, pool, sample
from detector.training.cache import FaceCache, Faces
from detector.training.fit import TrainingOptions
from detector.training.job import TrainingJob
from detector.training.recipe import Part, Pretrain, Recipe

POINTS = [(70.0, 74.0), (106.0, 74.0), (88.0, 98.0), (74.0, 116.0), (102.0, 116.0)]
FRAMES = 6
SHAPES: dict[str, dict[str, str | int | float | bool]] = {
    "videomae": {"hidden": 32, "layers": 2, "heads": 2},
}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The astronaut's face as a tight crop, 160 px."""
    return cv2.resize(skimage.data.astronaut()[40:220, 140:320], (160, 160))


def moving(face: np.ndarray, frames: int, seed: int) -> np.ndarray:
    """The face under a camera that moves a little."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.7, 1.0)
    x = np.cumsum(rng.integers(-1, 2, frames))
    return np.stack([np.roll((face * light).astype(np.uint8), int(dx), 1) for dx in x])


def made_cache(folder: Path, made: np.ndarray) -> FaceCache:
    """A cache of an original and a fake a person, uint8 [people, 2, T, 160, 160, 3]."""
    count = made.shape[2]
    entries = [
        Faces(
            name=f"{who}-{label}", label=label, kind="video", method="m", group=f"g{who}",
            source="s", person=f"s:g{who}", start=(2 * n + label) * count, count=count,
            points=POINTS, face=100.0,
        )
        for n, who in enumerate("abcdefgh"[: len(made)])
        for label in (0, 1)
    ]  # fmt: skip
    np.save(folder / "crops.npy", made.reshape(-1, *made.shape[3:]))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    return FaceCache(folder)


@pytest.fixture(scope="module")
def cache(face: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> FaceCache:
    """Eight people: a clip each, and one of it that is striped in every second frame."""
    made = []
    stripes = (np.indices(face.shape[:2])[0] // 10 % 2 * 70).astype(np.uint8)[..., None]
    for person in range(8):
        real = np.minimum(moving(face, 10, person), 180)
        fake = real.copy()
        fake[::2] += stripes
        made.append([real, fake])
    return made_cache(tmp_path_factory.mktemp("cache"), np.array(made))


@pytest.fixture(scope="module")
def trunk() -> Path:
    """The weights of the bundled frame model."""
    ours = [s for s in registry.list_models() if s.bundled and s.family == "mobilenet"]
    return weights.resolve(ours[0])[0]


def recipe(shape: str = "videomae", **changes: object) -> Recipe:
    given: dict[str, object] = {
        "name": "made",
        "family": "videomae",
        "images": 480,
        "pairs": 6,
        "rate": 3e-3,
        "soften": 0.0,
        "average": 0.8,
        "check_every": 10,
        "clip_frames": FRAMES,
        "crop": CropRecipe(scale=0.9, size=64),
        "options": {"pool": 24, **SHAPES[shape]},
        "parts": [Part(name="made", kind="video", share=1.0)],
    }
    return Recipe.model_validate(given | changes)


def job(plan: Recipe, cache: FaceCache, out: Path, begin: Path) -> TrainingJob:
    people = {"s:ga", "s:ge"}
    parts = [sample.gather(part, cache, people) for part in plan.parts]
    held = [sample.gather(part, cache, people, held=True) for part in plan.parts]
    return TrainingJob(plan, parts, held, people, TrainingOptions(out), begin)


def curve(out: Path) -> list[dict[str, str]]:
    with (out / "curve.csv").open() as stream:
        return list(csv.DictReader(stream))


# --- self-blended clips --------------------------------------------------------------------------


@pytest.mark.parametrize("way", sorted(blend_clip.WAYS))
def test_a_blended_clip_is_false_in_its_motion(face: np.ndarray, way: str) -> None:
    clip = moving(face, 16, 1)
    own = np.abs(np.diff(clip.astype(int), axis=0)).mean((1, 2, 3))
    differs = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        out = blend_clip.blend_clip(clip, POINTS, rng, way=way)
        assert out.shape == clip.shape and out.dtype == np.uint8
        # What was added is not the same from frame to frame: it is no fault of a single picture.
        added = out.astype(int) - clip
        differs.append(np.abs(np.diff(added, axis=0)).mean())
        again = blend_clip.blend_clip(clip, POINTS, np.random.default_rng(seed), way=way)
        np.testing.assert_array_equal(out, again)
    assert np.median(differs) > 0.05 * own.mean() and np.median(differs) > 0.1


def test_a_mouth_that_moves_by_itself_leaves_the_eyes_alone(face: np.ndarray) -> None:
    still = np.broadcast_to(face, (12, *face.shape))
    out = blend_clip.blend_clip(still, POINTS, np.random.default_rng(2), way="mouth")
    change = np.abs(out.astype(int) - still).mean((0, 3))
    assert change[110:125, 80:100].mean() > 10 * change[60:80].mean()


def test_nothing_is_frozen_in_a_still_picture(face: np.ndarray) -> None:
    still = np.broadcast_to(face, (8, *face.shape))
    for seed in range(12):
        out = blend_clip.blend_clip(still, POINTS, np.random.default_rng(seed))
        assert not np.array_equal(out, still)


def test_a_pair_of_equals_stays_equal_whatever_is_done_to_it(
    face: np.ndarray, tmp_path: Path
) -> None:
    clip = moving(face, 8, 0)
    cache = made_cache(tmp_path, np.stack([np.stack([clip, clip])] * 2))
    plan = recipe(h264=0.5)
    source = sample.gather(plan.parts[0], cache, set())
    seen = []
    for index in range(8):
        chosen, first, second, rng = motion.pick([source], plan, index)
        real, fake = motion.one_pair(chosen, first, second, plan, rng)
        assert real.shape == (FRAMES, 64, 64, 3)
        np.testing.assert_array_equal(real, fake)
        seen.append(real)
    assert any(not np.array_equal(seen[0], other) for other in seen[1:])


def test_a_clip_with_somebody_elses_face(face: np.ndarray, tmp_path: Path) -> None:
    bright = np.stack([moving(face, 8, n) for n in range(3)])
    cache = made_cache(tmp_path, np.stack([bright, bright], 1))
    part = Part(name="made", kind="video", share=1.0, mode="people")
    plan = recipe(parts=[part])
    source = sample.gather(part, cache, set())
    chosen, first, second, rng = motion.pick([source], plan, 0)
    assert second is None
    real, fake = motion.one_pair(chosen, first, second, plan, rng)
    assert not np.array_equal(real, fake)


# --- pools ---------------------------------------------------------------------------------------


def test_a_pool_of_maps_goes_on_where_it_stopped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = videomae.HybridVideoMae(32, 4, hidden=16, layers=1, heads=2)

    def make(index: int) -> list[np.ndarray]:
        rng = np.random.default_rng(index)
        return [rng.integers(0, 255, (4, 32, 32, 3), np.uint8) for _ in range(2)]

    whole = pool.fill(make, 4, network, tmp_path / "a.npy")
    assert whole.shape == (4, 2, 4, 96, 2, 2)
    pool.fill(make, 4, network, tmp_path / "b.npy")
    broken = np.lib.format.open_memmap(tmp_path / "b.npy", "r+")
    broken[2:] = 0
    broken.flush()
    (tmp_path / "b.done").write_text("2")
    again = pool.fill(make, 4, network, tmp_path / "b.npy", resume=True)
    np.testing.assert_array_equal(whole, again)
    pool.set_scale(network, whole)
    scaled = network.scale(torch.from_numpy(np.asarray(whole[:, 0], np.float32)))
    assert scaled.mean().abs() < 0.3
    x, labels = pool.draw_pairs(whole, recipe(), 0)
    assert x.shape == (8, 4, 96, 2, 2) and labels.tolist() == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(x, pool.draw_pairs(whole, recipe(), 0)[0])
    assert pool.draw_any(whole, recipe(), 0)[0].shape == (4, 4, 96, 2, 2)


# --- whole runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_run_learns(shape: str, cache: FaceCache, trunk: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    clips.train(job(recipe(shape), cache, tmp_path, trunk))
    lines = curve(tmp_path)
    assert float(lines[-1]["loss"]) < 0.9 * float(lines[0]["loss"])
    assert float(lines[-1]["made auc"]) > 0.7
    assert float(lines[-1]["made pairs won"]) > 0.7


def test_pretraining_lowers_its_loss_and_moves_the_encoder(
    cache: FaceCache, trunk: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    asked = Pretrain(images=400, clips=8, pool=24, rate=2e-3, masked=0.75)
    plan = recipe("videomae", images=12, pretrain=asked)
    torch.manual_seed(1)
    before = clips.network_of(plan).state_dict()
    torch.manual_seed(1)
    trained = clips.train(job(plan, cache, tmp_path, trunk))
    lines = curve(tmp_path / "pretrain")
    assert float(lines[-1]["held-out loss"]) < 0.98 * float(lines[0]["held-out loss"])
    after = trained.state_dict()
    name = "mae.videomae.encoder.layer.0.mlp.fc1.weight"
    name = name if name in before else next(n for n in before if n.endswith("dense.weight"))
    assert (after[name] - before[name]).abs().mean() > 1e-3


def test_pretraining_that_was_stopped_goes_on(
    cache: FaceCache, trunk: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    asked = Pretrain(images=48, clips=8, pool=8, rate=1e-3, masked=0.75)
    plan = recipe("videomae", pretrain=asked)
    maps = np.random.default_rng(0).normal(0, 1, (8, 1, FRAMES, 96, 4, 4)).astype(np.float16)
    states = []
    for parts in ((None,), (2, None)):
        torch.manual_seed(5)
        network = clips.network_of(plan)
        assert isinstance(network, videomae.HybridVideoMae)
        first = {name: value.clone() for name, value in network.state_dict().items()}
        for stop in parts:
            network.load_state_dict(first)
            torch.manual_seed(6)
            run = TrainingOptions(tmp_path / str(len(parts)), resume=True, stop_after=stop)
            masking.pretrain(network, plan, maps, run)
        states.append(network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_masks_are_tubes() -> None:
    network = videomae.HybridVideoMae(64, FRAMES, hidden=32, layers=1, heads=2)
    mask = masking.Masked(network, 0.75).mask(5).view(5, FRAMES // 2, 4)
    assert (mask == mask[:, :1]).all()
    assert (mask.sum(2) == 3).all()


def test_options_that_fit_no_family_are_refused() -> None:
    with pytest.raises(UsageError, match="fit no videomae"):
        clips.network_of(recipe(options={"head": "gru"}))


def test_a_run_ends_in_weights_that_load(face: np.ndarray, trunk: Path, tmp_path: Path) -> None:
    from detector.training.run import train

    rows = ["file,label,group,source,kind"]
    for person in range(3):
        for label in ("real", "fake"):
            name = f"{person}-{label}.jpg"
            light = 0.6 + 0.1 * person + 0.1 * (label == "fake")
            cv2.imwrite(str(tmp_path / name), (face * light).astype(np.uint8)[..., ::-1])
            rows.append(f"{name},{label},p{'abc'[person]},made,image")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    plan = recipe(
        images=24, holdout_images=0.4,
        parts=[Part(name="stills", kind="image", tight=True, share=1.0)],
        options={"pool": 4, **SHAPES["videomae"]},
    )  # fmt: skip
    out = train(plan, tmp_path / "labels.csv", tmp_path / "run", begin=trunk)
    assert out is not None
    options = {"size": 64, "frames": FRAMES, **SHAPES["videomae"]}
    assert videomae.build(load_file(out), **options).training is False
