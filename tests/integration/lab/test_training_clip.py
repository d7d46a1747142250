"""The CLIP recipe on made clips of a real face, with a tiny trunk.

A model of one's own: learned from features, judged by people left out, offered at once.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cli import main
from detector import paths, vision
from detector.errors import InputError, WeightsError
from detector.evaluation import metrics
from detector.evaluation.labels import Item, read_labels
from detector.models import registry, user_models
from detector.models.families import clip_vit
from detector.models.families.clip_vit import ClipBlocks, tuned
from detector.schema.analysis import Analysis
from detector.vision.alignment import placement
from lab.evaluation import groups
from lab.training import augment, fit, own
from lab.training.clip import families, feed, generated
from lab.training.clip import run as network
from lab.training.clip.feed import ClipRecipe, Feed
from lab.training.clip.run import train
from lab.training.fit import TrainingOptions
from lab.training.own import OwnRecipe, fit_layer
from tests.conftest import camera
from tests.support import pages
from tests.support.clips import face_clip

SOURCES = {"one/a": "sources-1", "two/b": "sources-2", "three/c": "sources-3"}
TINY = ClipRecipe(
    images=1600, batch=16, size=64, rate=4e-3, head_rate=2e-2, average=0.9,
    check_every=20, pseudo=2, altered=5, generated=0, metric=0.0, rank=4, seen=140,
)  # fmt: skip


def tiny():
    config = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "image_size": 64,
        "num_attention_heads": 4, "patch_size": 16, "hidden_act": "quick_gelu",
    }  # fmt: skip
    return ClipBlocks(config, (2, 4))


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """20 pictures of a face and a fake of each, whose face is checkered."""
    folder = tmp_path_factory.mktemp("labels")
    picture = camera((360, 300))
    rows = ["file,label,group,source,method,note"]
    for number in range(20):
        source = list(SOURCES)[number % 3]
        real = (picture(9 * number) * (0.7 + 0.03 * (number % 10))).astype(np.uint8)
        fake = real.copy()
        y, x = np.indices(real.shape[:2])
        squares = (y // 6 + x // 6) % 2 == 0
        fake[squares] = fake[squares] * 0.75
        for name, rgb, label in (("a", real, "real"), ("b", fake, "fake")):
            file = f"{number}{name}.png"
            cv2.imwrite(str(folder / file), rgb[..., ::-1])
            rows.append(f"{file},{label},g{number}x,{source},{label},")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture(autouse=True)
def folds(monkeypatch):
    monkeypatch.setattr(groups, "fold_of", lambda item, file=None: SOURCES[item.source])
    torch.set_num_threads(1)


def item(method, note="", label=1):
    return Item(Path("x"), "x", label, "video", method, "g", "s", note=note)


@pytest.mark.parametrize(
    ("wanted", "method", "note"),
    [
        (feed.ALTERED, "face swap (SimSwap)", ""),
        (feed.ALTERED, "LatentSync lip-sync", ""),
        (feed.GENERATED, "Hallo2", ""),
        (feed.GENERATED, "StyleGAN2", ""),
        (feed.ALTERED, "a portrait tool", "region of the mouth"),
        (feed.GENERATED, "face swap", "whole head"),
        (feed.ALTERED, "unknown", ""),
    ],
)
def test_the_note_and_then_the_method_say_which_class(wanted, method, note):
    assert feed.class_of(item(method, note)) == wanted
    assert feed.class_of(item(method, note, label=0)) == feed.REAL


@pytest.mark.parametrize("k", [0.5, 2.0])
def test_a_cut_shows_so_many_units_around_the_face(k):
    """Landmarks come back where the template says, whatever the size of the face."""
    frame = cv2.resize(camera((480, 480))(0), (1200, 1200))
    landmarks = feed.TEMPLATE * k + (400, 300)
    x, y, scale = placement(landmarks, feed.SPEC.crop)
    assert (x, y) == pytest.approx((400 + 56 * k, 300 + 64 * k)) and scale == pytest.approx(112 * k)
    shown = vision.cut(frame, (0, 0, 1, 1), feed.SPEC.crop, landmarks.tolist())
    assert shown.shape == (320, 320, 3)
    side = round(feed.UNITS * k)
    x0, y0 = round(x - side / 2), round(y - side / 2)
    direct = cv2.resize(frame[y0 : y0 + side, x0 : x0 + side], (320, 320))
    assert np.abs(shown.astype(int) - direct).mean() < 4


def test_a_pair_gets_the_same_quality():
    first = camera((64, 64))(0)
    second = first[:, ::-1].copy()
    changed = [augment.degraded(first, np.random.default_rng(seed)) for seed in range(6)]
    for seed, once in enumerate(changed):
        rng = np.random.default_rng(seed)
        np.testing.assert_array_equal(once, augment.degraded(first, rng))
        used = np.random.default_rng(seed)
        augment.degraded(second, used)
        assert used.random() == rng.random()  # what is drawn does not depend on the picture
    assert len({once.mean() for once in changed}) > 3


@pytest.mark.parametrize("kind", [feed.SAME, feed.FRAME, feed.PERSON])
def test_a_pseudo_fake_changes_the_face_and_not_its_surroundings(kind):
    base = camera((128, 128))(0)
    points = feed.TEMPLATE * 128 / 200 + 28
    other = base[:, ::-1].copy()
    made = np.stack(
        [
            feed.pseudo(base, points, other, points, kind, np.random.default_rng([kind, number]))
            for number in range(24)
        ]
    )
    off = np.abs(made / 255 - base / 255).mean(3)
    assert (off[:, 50:100, 44:84].mean((1, 2)) > 0.002).mean() > 0.6
    # What lies beyond the region changes only where the target itself is degraded.
    assert (off[:, :8].mean((1, 2)) < 1e-3).mean() > 0.5


def test_it_learns_and_its_folds_are_of_networks_that_never_saw_them(
    labels, cut, tmp_path, monkeypatch
):
    seen: list[set[str]] = []

    class Watched(Feed):
        def __init__(self, entries, plan):
            super().__init__(entries, plan)
            seen.append({entry.source for entry in entries})
            drawn = [one for step in range(20) for one in self.draw(step)]
            names = {one.entry.name for one in drawn}
            names |= {one.blended.entry.name for one in drawn if one.blended}
            assert names <= {entry.name for entry in entries}

    monkeypatch.setattr("lab.training.clip.run.Feed", Watched)
    told: dict[str, float] = {}

    def progress(stage, done, total, figures):
        if "auc" in figures:
            told[stage] = figures["auc"]

    wanted = ["sources-1", "sources-2"]
    run = TrainingOptions(tmp_path / "run", on_progress=progress)
    file = train(TINY, labels, run, cache=cut, folds=wanted, trunk=seeded(tiny))
    assert file.is_file()
    assert seen == [{"two/b", "three/c"}, {"one/a", "three/c"}, set(SOURCES)]
    rows = rows_of(tmp_path / "run" / "left_out.csv")
    items = {one.name: one for one in read_labels(labels)}
    assert len(rows) == 28 and all(SOURCES[items[r["file"]].source] == r["fold"] for r in rows)
    scores = np.array([float(r["logit"]) for r in rows])
    assert metrics.auc(scores, np.array([r["label"] == "fake" for r in rows])) > 0.7
    assert set(told) == set(wanted)
    losses = [float(r["loss"]) for r in rows_of(tmp_path / "run" / "curve.csv")]
    assert losses[-1] < 0.95 * losses[0]  # A CPU with AMX trains in bf16: 0.932 there


def interrupt(stage, done, total, figures):
    if stage == "training" and done == 3:
        raise KeyboardInterrupt


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def seeded(make):
    def trunk():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return make()

    return trunk


def test_a_resumed_run_gives_the_same_numbers(labels, cut, tmp_path, monkeypatch):
    plan = TINY.model_copy(update={"images": 96, "metric": 0.1})

    def run(out, **how):
        options = TrainingOptions(tmp_path / out, **how)
        return train(plan, labels, options, cache=cut, trunk=seeded(tiny))

    whole = run("whole")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "SAVE_EVERY", 0)
        run("parts", on_progress=interrupt)
    parts = run("parts", resume=True)
    once, twice = load_file(whole), load_file(parts)
    assert once.keys() == twice.keys() and all(torch.equal(once[n], twice[n]) for n in once)
    assert {n.split(".")[-1] for n in once} == {"weight", "bias", "lora_a", "lora_b", "scale"}
    assert once["head.weight"].shape == (3, 128) and once["head.weight"].dtype == torch.float16
    assert once["vision.encoder.layers.0.self_attn.q_proj.lora_a"].shape == (4, 64)
    assert "vision.encoder.layers.0.self_attn.k_proj.bias" in once
    assert "vision.encoder.layers.0.self_attn.k_proj.weight" not in once
    # Trained on from that file, the first scores are its own.
    again = network.tunable(seeded(tiny)(), *network.adapters_of(once))
    network.begin_with(again, once)
    with pytest.raises(WeightsError, match="do not fit"):
        network.begin_with(again, {**once, "more": once["scale"]})


def test_what_is_trained_scores_as_the_family_that_loads_it(tmp_path):
    trunk = seeded(tiny)
    net = network.tunable(trunk(), ["q_proj", "fc1"], 3).eval()
    for name, parameter in net.named_parameters():
        if "lora_b" in name or "layer_norm" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    network.save(net, tmp_path / "tuned.safetensors")
    network.begin_with(net, load_file(tmp_path / "tuned.safetensors"))  # as fp16 has them
    loaded = trunk().eval()
    loaded.load_state_dict(tuned(loaded.state_dict(), load_file(tmp_path / "tuned.safetensors")))
    x = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (network.MEAN, network.STD))
    with torch.no_grad():
        logits, features = network.read(net, x)
        torch.testing.assert_close(features, loaded.features((x - mean) / std))
        torch.testing.assert_close(logits, loaded((x - mean) / std))


def test_training_can_begin_with_the_shipped_weights():
    tuned = network.tuned_weights(paths.bundled() / "clip.safetensors")
    net = network.tunable(network.load_trunk(), *network.adapters_of(tuned))
    network.begin_with(net, tuned)
    assert torch.equal(net.head.weight.float(), tuned["head.weight"].float())


def test_a_trunk_of_another_network_is_refused(tmp_path):
    stored = load_file(paths.bundled() / "clip_b16.safetensors")
    stored.pop("vision.pre_layrnorm.weight")
    save_file(stored, tmp_path / "trunk.safetensors")
    with pytest.raises(WeightsError, match="pre_layrnorm"):
        network.load_trunk(tmp_path / "trunk.safetensors")


def test_what_cannot_be_trained_is_refused(labels, cut, tmp_path, capsys):
    originals = labels.with_name("originals.csv")
    rows = labels.read_text().splitlines()
    originals.write_text("\n".join(r for r in rows if ",fake," not in r))
    with pytest.raises(InputError, match="both labels"):
        train(TINY, originals, TrainingOptions(tmp_path / "run"), cache=cut, trunk=tiny)
    run = TrainingOptions(tmp_path / "run")
    with pytest.raises(WeightsError, match="weights to begin with do not fit"):  # a tiny trunk
        train(TINY, labels, run, cache=cut, begin="shipped", trunk=tiny)
    out = ["--data", str(labels), "--out", str(tmp_path / "run")]
    assert main(["train", "clip", *out, "--begin", str(tmp_path / "none.safetensors")]) != 0
    assert "no weights" in capsys.readouterr().err
    assert main(["train", "clip", *out, "--tune", "head"]) == 2
    assert main(["train", "finetune", *out, "--folds", "sources"]) == 2


def test_a_source_is_judged_by_a_layer_that_never_saw_it(tmp_path):
    """The fake's checkered face is told from faces of other sources, without the trunk's tuning."""
    picture = camera((360, 300))
    rows = ["file,label,source,method"]
    for number in range(12):
        real = (picture(9 * number) * (0.7 + 0.03 * (number % 10))).astype(np.uint8)
        squares = np.indices(real.shape[:2]).sum(0) // 5 % 2 == 0
        made = np.where(squares[..., None], real * 0.75, real).astype(np.uint8)
        for rgb, label, method in ((real, "real", "none"), (made, "fake", "StyleGAN2")):
            cv2.imwrite(str(tmp_path / f"{number}{label}.png"), rgb[..., ::-1])
            source = list(SOURCES)[number % 3]
            rows.append(f"{number}{label}.png,{label},{source},{method}")
    cv2.imwrite(str(tmp_path / "swap.png"), made[..., ::-1])
    rows.append(f"swap.png,fake,{source},face swap")  # is the other question's
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    run = TrainingOptions(tmp_path / "run")
    file = generated.train(
        generated.GeneratedRecipe(), tmp_path / "labels.csv", run, folds=list(SOURCES.values())
    )
    told = rows_of(tmp_path / "run" / "left_out.csv")
    assert len(told) == 48 and {row["version"] for row in told} == {"as it is", "copy"}
    items = {one.name: one for one in read_labels(tmp_path / "labels.csv")}
    assert all(SOURCES[items[row["file"]].source] == row["fold"] for row in told)
    logits = np.array([float(row["logit"]) for row in told])
    assert metrics.auc(logits, np.array([row["label"] == "fake" for row in told])) > 0.9
    assert "[ensembles.synthesis]" in (tmp_path / "run" / "calibration.toml").read_text()
    trunk = clip_vit.read_trunk(paths.bundled() / "clip_b16.safetensors")
    assert clip_vit.build(trunk | load_file(file)).head.weight[2].any()
    with pytest.raises(InputError, match="originals and fakes"):
        (tmp_path / "one.csv").write_text("\n".join(rows[:2]))
        generated.train(generated.GeneratedRecipe(), tmp_path / "one.csv", run)


def test_a_family_is_judged_by_sources_and_families_left_out(tmp_path, monkeypatch):
    methods = {"Wav2Lip": 0, "SimSwap": 1, "SadTalker": 2, "Veo 3": 3, "STIT (face editing)": 4}
    clips = [(method, number) for method in methods for number in range(12)]
    rows = [f"{m}{n}.mp4,fake,{list(SOURCES)[n % 3]},{m}" for m, n in clips]
    rows += [f"real{n}.mp4,real,{list(SOURCES)[n % 3]},none" for n in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,source,method", *rows]))
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.02, (2, len(rows), 40))
    for row, (method, _number) in enumerate(clips):
        features[:, row, methods[method]] += 0.3
    monkeypatch.setattr(
        generated, "read_features", lambda items, plan, run: (*features, np.arange(len(items)))
    )
    plan, run = families.FamilyRecipe(inverse_decay=1.0), TrainingOptions(tmp_path / "run")
    file = families.train(plan, tmp_path / "labels.csv", run, folds=list(SOURCES.values()))
    layer = load_file(file)
    assert layer["weight"].shape == (5, 40) and layer["bias"].shape == (5,)
    with (tmp_path / "run" / "families.csv").open() as stream:
        told = [row for row in csv.DictReader(stream) if row["named"] == "lip-sync"]
    known = [row for row in told if not row["without"]]
    assert [(row["version"], row["clips"], row["right"]) for row in known] == [
        ("as it is", "12", "1.000"), ("copy", "12", "1.000"),
    ]  # fmt: skip
    assert {row["without"] for row in told} == {"", *families.FAMILIES} - {"lip-sync"}
    assert all(row["of lip-sync"] == "12/12" and row["of face swap"] == "0/12" for row in known)


def made(files=200, noise=False):
    """Features of two halves of the files, of which one in forty tells real from fake; with `noise`
    in the first half alone."""
    rng = np.random.default_rng(1)
    labels = np.arange(2 * files) % 2
    x = rng.standard_normal((2 * files, 40)).astype(np.float32)
    x[:, 7] += 3 * labels
    if noise:
        rng.shuffle(labels[files:])
    wanted = torch.from_numpy(labels).float()
    return own.ViewFeatures(torch.from_numpy(x), wanted, np.arange(2 * files), labels >= 0)


@pytest.mark.parametrize("loss", get_args(own.Loss))
def test_every_loss_learns_a_layer_that_tells_new_files_apart(loss, tmp_path):
    views = made()
    run = TrainingOptions(tmp_path)
    layer = fit_layer(OwnRecipe(loss=loss), views, range(100), range(100, 200), run)
    figures = own._figures(layer(views.x[200:].numpy()), views.labels[200:].numpy())
    assert figures["auc"] > 0.85 and figures["accuracy"] > 0.75, figures
    assert layer.weights.shape == (40,)


def test_training_ends_once_the_held_out_loss_does_not_fall(tmp_path):
    plan = OwnRecipe(patience=5)
    fit_layer(plan, made(noise=True), range(200), range(200, 400), TrainingOptions(tmp_path))
    steps = [int(row["step"]) for row in rows_of(tmp_path / "curve.csv")]
    assert steps[-1] < 60 < plan.steps


def test_a_layer_begins_with_what_is_known(tmp_path):
    """As one layer it is what the bottleneck computes."""
    views, prior = made(), torch.nn.functional.one_hot(torch.tensor(7), 40).float()
    network = own.Bottleneck(views.x, 8, prior)
    torch.nn.init.normal_(network.head.weight)
    expected = network(views.x)[0].detach().numpy()
    np.testing.assert_allclose(network.linear()(views.x.numpy()), expected, atol=1e-4)
    torch.nn.init.zeros_(network.head.weight)
    assert metrics.auc(network.linear()(views.x.numpy()), views.labels.numpy()) > 0.9


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

    with pages.quiet(tmp_path / "data"):
        assert spec.title in pages.texts(pages.page("models"))
    capsys.readouterr()
    assert main(["analyze", str(clip), "--models", "clip,mine", "--json", "-"]) == 0
    results = {m.id: m for m in Analysis.model_validate_json(capsys.readouterr().out).models}
    assert results["mine"].counted and results["mine"].probability is not None
    registry.unload(spec.id)
    user_models.remove(spec.id)


def test_too_few_people_are_refused(tmp_path):
    faces = [
        own.Faces(Path("a"), "a", label, "video", "m", f"g{n % 3}", "s", f"p{label}{n % 3}")
        for n, label in enumerate([0, 1] * 6)
    ]
    with pytest.raises(InputError, match="Only 3 people"):
        own._folds(faces)
