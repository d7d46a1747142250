"""Training on made data: real faces (scikit-image's astronaut), small pictures, few steps."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file

from detector.errors import InputError, UsageError, WeightsError
from detector.evaluation.labels import Item, pairs, read_labels
from detector.models.base import CropRecipe
from detector.models.families import mobilenet
from detector.training import augment, blend, fit, sample, start
from detector.training.cache import FaceCache, Faces
from detector.training.pretrained import open_start
from detector.training.recipe import FOLDER, Part, Recipe, read_recipe
from detector.training.run import faces, train

ROOT = Path(__file__).resolve().parents[3]
POINTS = [(70.0, 74.0), (106.0, 74.0), (88.0, 98.0), (74.0, 116.0), (102.0, 116.0)]


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The astronaut's face as a tight crop, 160 px."""
    return cv2.resize(skimage.data.astronaut()[40:220, 140:320], (160, 160))


def recipe(**changes: object) -> Recipe:
    given: dict[str, object] = {
        "name": "made",
        "family": "mobilenet",
        "images": 160,
        "pairs": 4,
        "rate": 2e-3,
        "soften": 0.0,
        "average": 0.9,
        "holdout_images": 0.25,
        "check_every": 10,
        "crop": CropRecipe(scale=0.9, size=48),
        "parts": [Part(name="made", kind="image", tight=True, share=1.0)],
    }
    return Recipe.model_validate(given | changes)


def item(name: str, label: int, group: str, source: str = "a/b", kind: str = "image") -> Item:
    return Item(Path(name), name, label, kind, "swap" if label else "none", group, source)


def write_labels(folder: Path, face: np.ndarray, people: int = 8) -> Path:
    """Originals and "fakes" of them: a checkered face, that any network can learn to see."""
    rng = np.random.default_rng(0)
    checker = (np.indices(face.shape[:2]).sum(0) // 8 % 2)[..., None] * 90
    rows = [["file", "label", "group", "source", "method"]]
    for person in range(people):
        picture = (face * rng.uniform(0.7, 1.1)).clip(0, 160).astype(np.uint8)
        for label, pixels in (("real", picture), ("fake", picture + checker.astype(np.uint8))):
            name = f"{label}_{person}.jpg"
            cv2.imwrite(str(folder / name), pixels[..., ::-1])
            rows.append([name, label, f"person-{chr(97 + person)}", "made/made", label])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "labels.csv"


def made_cache(folder: Path, clips: np.ndarray, tight: bool = False) -> FaceCache:
    """A cache of (original, fake) clips, uint8 [people, 2, T, S, S, 3]."""
    people, _, count = clips.shape[:3]
    entries = []
    for person in range(people):
        for label in (0, 1):
            points = [(x * clips.shape[3] / 160, y * clips.shape[3] / 160) for x, y in POINTS]
            entries.append(
                Faces(
                    name=f"{person}-{label}",
                    label=label,
                    kind="video",
                    method="m",
                    group=f"g{chr(97 + person)}",
                    source="s",
                    person=f"s:g{chr(97 + person)}",
                    start=(2 * person + label) * count,
                    count=count,
                    points=points,
                    face=100.0,
                    tight=tight,
                )
            )
    folder.mkdir(exist_ok=True)
    np.save(folder / "crops.npy", clips.reshape(-1, *clips.shape[3:]))
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    return FaceCache(folder)


# --- data ----------------------------------------------------------------------------------------


def test_labels_are_read_and_faults_named(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("file,label\nx.mp4,REAL\ny.jpg,fake\n")
    first, second = read_labels(file)
    assert (first.label, first.kind, first.group, first.file) == (
        0,
        "video",
        "x.mp4",
        tmp_path / "x.mp4",
    )
    assert (second.label, second.kind, second.method) == (1, "image", "unknown")
    file.write_text("file,label\nx.mp4,true\n")
    with pytest.raises(InputError, match="Line 2"):
        read_labels(file)
    file.write_text("name\nx.mp4\n")
    with pytest.raises(InputError, match="columns"):
        read_labels(file)


def test_pairs_are_within_a_group_of_a_source() -> None:
    items = [
        item("r", 0, "g"),
        item("f1", 1, "g"),
        item("f2", 1, "g"),
        item("other", 1, "h"),
        item("elsewhere", 1, "g", source="c/d"),
    ]
    assert pairs(items) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.toml")))
def test_our_recipes_can_be_run_and_are_told_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_recipe(name)
    assert plan.name == name
    root = FOLDER.parents[2]
    monkeypatch.chdir(root)
    if plan.start:
        found = open_start(plan.start)
        assert isinstance(found, Path) and start.is_trained(found)
    assert f"`{name}`" in (root / "docs" / "training.md").read_text()


def test_the_synthesis_model_begins_with_pairs() -> None:
    assert read_recipe("synthesis").start == "weights/pairs.safetensors"


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UsageError, match="no recipe"):
        read_recipe("nothing")


def test_texture_alone_holds_in_what_is_far_from_usual(tmp_path: Path) -> None:
    """Its file holds the bound; tables of counts have no place for one."""
    changed = tmp_path / "changed.toml"
    for name, line in (("grain", "decay = 0.01\nbound = 2.0"), ("texture", "decay = 0.01")):
        text = (FOLDER / f"{name}.toml").read_text()
        changed.write_text(text.replace("\nbound = 2.0", "").replace("decay = 0.01", line))
        with pytest.raises(UsageError, match="`texture`, and no other, names a `bound`"):
            read_recipe(changed)


# --- augmentation --------------------------------------------------------------------------------


def test_a_pair_gets_the_same_changes(face: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    looks = [augment.draw_augmentation(rng) for _ in range(30)]
    changed = [augment.apply(face, look) for look in looks]
    for look, once in zip(looks, changed, strict=True):
        np.testing.assert_array_equal(once, augment.apply(face.copy(), look))
    assert sum(not np.array_equal(once, face) for once in changed) > 20


def test_a_drawn_pair_of_equals_is_equal(face: np.ndarray, tmp_path: Path) -> None:
    clips = np.broadcast_to(face, (2, 2, 4, *face.shape))
    cache = made_cache(tmp_path, clips)
    plan = recipe(parts=[Part(name="c", kind="video", share=1.0)])
    source = sample.gather(plan.parts[0], cache, set())
    x, labels = sample.draw([source], plan, 5)
    np.testing.assert_array_equal(x[:4], x[4:])
    assert labels.tolist() == [0] * 4 + [1] * 4
    again, _ = sample.draw([source], plan, 5)
    np.testing.assert_array_equal(x, again)
    other, _ = sample.draw([source], plan, 6)
    assert not np.array_equal(x, other)


def test_held_out_people_are_not_drawn(face: np.ndarray, tmp_path: Path) -> None:
    cache = made_cache(tmp_path, np.broadcast_to(face, (3, 2, 2, *face.shape)))
    part = Part(name="c", kind="video", share=1.0)
    kept = {"s:gb"}
    people = {c[0].person for g in sample.gather(part, cache, kept).groups for c in g}
    assert people == {"s:ga", "s:gc"}
    held = {c[0].person for g in sample.gather(part, cache, kept, held=True).groups for c in g}
    assert held == kept


def test_framing_cuts_as_the_pipeline_does(face: np.ndarray) -> None:
    """Zoom 1 without a shift is `cut` with the recipe on the box that the crop was made for."""
    from detector.vision import cut

    frame = skimage.data.astronaut()
    box = (175.0, 60.0, 275.0, 180.0)
    plan = CropRecipe(scale=0.9, size=64)
    cached = cut(frame, box, CropRecipe(scale=1.4, size=168))
    shown = augment.frame(cached, augment.Framing(1.0, 0.0, 0.0, False), plan, False)
    direct = cut(frame, box, plan)
    assert np.abs(shown.astype(int) - direct).mean() < 2.0


def test_pairs_stay_aligned_when_another_recipe_asks_for_more(tmp_path: Path) -> None:
    """A fake is cut with the boxes of its original, whoever else shares the cache."""
    picture = skimage.data.astronaut()
    shown = {"real.png": picture, "fake.png": np.roll(picture, 12, 1), "other.png": picture[::, 9:]}
    for name, pixels in shown.items():
        cv2.imwrite(str(tmp_path / name), pixels[..., ::-1])
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,group\nreal.png,real,a\nfake.png,fake,a\nother.png,fake,b\n")
    items = read_labels(labels)
    paired = recipe(parts=[Part(name="p", kind="image", share=1.0, match=["real", "fake"])])
    mixed = recipe(parts=[Part(name="m", kind="image", mode="any", share=1.0)])

    def cut_fake(plan: Recipe) -> np.ndarray:
        cache = faces(plan, items, tmp_path / "faces", lambda *_: None)["image"]
        (entry,) = [e for e in cache.entries if e.name == "fake.png"]
        return cache.frames(entry).copy()

    alone = faces(mixed, items, tmp_path / "apart", lambda *_: None)["image"]
    (unaligned,) = [e for e in alone.entries if e.name == "fake.png"]
    first = cut_fake(paired)
    assert not np.array_equal(first, alone.frames(unaligned))
    np.testing.assert_array_equal(first, cut_fake(mixed))
    assert {e.name for e in FaceCache(tmp_path / "faces" / "image").entries} == set(shown)


# --- self-blending -------------------------------------------------------------------------------


def test_blending_changes_only_what_is_inside_its_mask(face: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(60):
        drawn = blend.draw(rng)
        region = blend.mask(face.shape[:2], POINTS, drawn)
        assert region.min() >= 0 and region.max() <= drawn.strength + 1e-6
        if drawn.outside:
            continue
        seen += 1
        out = blend.apply(face, POINTS, drawn)
        np.testing.assert_array_equal(out[region == 0], face[region == 0])
    assert seen > 20


def test_blending_changes_something_and_keeps_the_face(face: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    off = [
        np.abs(blend.apply(face, POINTS, blend.draw(rng)).astype(int) - face).mean()
        for _ in range(40)
    ]
    assert np.median(off) > 0.5
    assert np.max(off) < 40


def test_black_beyond_the_picture_stays_black(face: np.ndarray) -> None:
    cut_off = face.copy()
    cut_off[:20] = 0
    rng = np.random.default_rng(2)
    for _ in range(40):
        drawn = blend.draw(rng)
        if drawn.outside:
            assert not blend.apply(cut_off, POINTS, drawn)[:15].any()


# --- the loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["detail", "stills", "pairs"])
def test_a_shipped_recipe_learns_in_small(name: str, face: np.ndarray, tmp_path: Path) -> None:
    """Its part of tight stills, on a made set: from a trunk without its last layer, the loss
    falls and people that were held out are told apart better than by chance."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(5)
    rows = ["file,label,group,source,method"]
    for person in range(24):
        tinted = np.clip(face * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20), 0, 255)
        real = np.roll(cv2.resize(tinted.astype(np.uint8), (224, 224)), person % 5, 1)
        fake = blend.apply(
            real, [], replace(blend.draw(rng), strength=1.0, soft=2.5, outside=False)
        )
        for label, picture in (("real", real), ("fake", fake)):
            file = f"DFDC_faces_{label}_{person}.png"
            cv2.imwrite(str(tmp_path / file), picture[..., ::-1])
            rows.append(f"{file},{label},p{person},made,{'none' if label == 'real' else 'swap'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    trunk = {
        key: value
        for key, value in load_file(ROOT / "weights" / "detail.safetensors").items()
        if key.startswith("features.")
    }
    save_file(trunk, tmp_path / "trunk.safetensors")
    plan = read_recipe(name)
    tight = [part for part in plan.parts if part.tight and part.mode != "people"]
    judged = [
        *tight,
        tight[0].model_copy(update={"name": "judged", "mode": "pairs", "share": 1e-9}),
    ]
    small = plan.model_copy(
        update={
            "images": 640, "parts": judged, "holdout_images": 0.3, "check_every": 10,
            "average": 0.8, "crop": plan.crop.model_copy(update={"size": 64}),
        }
    )  # fmt: skip
    train(small, tmp_path / "labels.csv", tmp_path / "run", begin=tmp_path / "trunk.safetensors")
    curve = list(csv.DictReader((tmp_path / "run" / "curve.csv").read_text().splitlines()))
    assert float(curve[-1]["loss"]) < float(curve[0]["loss"])
    assert float(curve[-1]["judged auc"]) > 0.6


def test_a_run_learns_and_leaves_its_record(face: np.ndarray, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    labels = write_labels(tmp_path, face)
    told = []
    model = train(
        recipe(images=240),
        labels,
        fit.TrainingOptions(
            tmp_path / "run",
            on_progress=lambda stage, done, total, figures: told.append(
                (stage, done, total, figures)
            ),
        ),
    )
    curve = list(csv.DictReader((tmp_path / "run" / "curve.csv").read_text().splitlines()))
    losses = [float(line["loss"]) for line in curve]
    assert len(losses) == 3
    assert losses[2] < losses[0] * 0.9
    assert "made auc" in curve[0]
    steps = [(done, bool(figures)) for stage, done, _, figures in told if stage == "training"]
    assert steps == [(n, n in (10, 20, 30)) for n in range(1, 31)]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["seed"] == 1
    assert model is not None
    assert mobilenet.build(load_file(model)).training is False


def test_a_resumed_run_is_the_run(face: np.ndarray, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    labels = write_labels(tmp_path, face, people=4)
    plan = recipe(images=48, average=0.5)
    faces = tmp_path / "faces"
    whole = train(plan, labels, tmp_path / "whole", cache=faces)
    run = fit.TrainingOptions(tmp_path / "parts", stop_after=3)
    assert train(plan, labels, run, cache=faces) is None
    parts = train(plan, labels, fit.TrainingOptions(tmp_path / "parts", resume=True), cache=faces)
    assert whole is not None and parts is not None
    first, second = load_file(whole), load_file(parts)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_refitted_statistics_leave_the_function_as_it_was() -> None:
    torch.manual_seed(0)
    network = mobilenet.MobileNetV2()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    network.eval()
    x = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        before = network.features(x)
        start.refit_statistics(network, x)
        after = network.features(x)
    assert torch.allclose(before, after, atol=1e-4)
    moved = [m.running_mean for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert any(mean.abs().max() > 0.01 for mean in moved if mean is not None)


def test_the_loss_wants_the_fake_of_a_pair_above_its_original() -> None:
    plan = recipe(smoothing=0.0)
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    right = fit.loss_of(torch.tensor([-2.0, -2.0, 2.0, 2.0]), labels, plan)
    wrong = fit.loss_of(torch.tensor([2.0, 2.0, -2.0, -2.0]), labels, plan)
    assert right < 0.2 < wrong
    assert fit.rate_at(0, 100, plan) < fit.rate_at(5, 100, plan)
    assert fit.rate_at(99, 100, plan) < 0.05 * plan.rate


def test_kernels_stay_where_only_norms_are_tuned(tmp_path: Path) -> None:
    plan = recipe(images=16, average=0.0, options={"tune": "norms"})
    network = start.frame_network(plan, None)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def draw(step: int) -> tuple[np.ndarray, np.ndarray]:
        x = np.random.default_rng(step).normal(0, 1, (8, 3, 64, 64)).astype(np.float32)
        return x, np.repeat(np.array([0, 1], np.float32), 4)

    trained = fit.fit(network, plan, draw, fit.TrainingOptions(tmp_path)).state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, trained[name])}
    kernels = {name for name, value in before.items() if value.ndim == 4}
    assert kernels and not kernels & moved
    assert "classifier.1.weight" in moved
    assert any(name.endswith("bias") and "features" in name for name in moved)


def test_a_clip_model_needs_a_trained_frame_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="stands on"):
        start.trunk_state(None)
    bad = tmp_path / "x.safetensors"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="can't be read"):
        start.frame_network(recipe(), bad)
