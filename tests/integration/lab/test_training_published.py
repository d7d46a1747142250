"""Training on from published detectors: fed as they are, changed where asked, read back as such."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from detector import media, vision, weights
from detector.errors import ModelError, UsageError, WeightsError
from detector.evaluation.labels import Item
from detector.models import registry, user_models
from detector.models.base import CropRecipe
from detector.schema.analysis import Calibration
from detector.weights.entry import WeightFile
from lab.training import cache, fit, published
from lab.training.fit import TrainingOptions
from lab.training.published import train
from lab.training.recipe import FinetuneRecipe
from published.classnseg import ClassNSeg
from tests.conftest import camera
from tests.support.golden import Golden
from tests.unit.detector.test_hub import HALF, VIT, entry, saved
from tests.unit.detector.test_mesonet import write_keras

pytestmark = pytest.mark.usefixtures("data")
POINTS = {"kind": "points", "landmarks": "dlib", "resize": "cubic"}
RECIPES = {
    "square": CropRecipe(scale=1.2, size=128),
    "box": CropRecipe(kind="box", margins=(0.3, 0.3, 0.3, 0.3), size=128, fit="pad"),
    "blazeface": CropRecipe(
        kind="box", margins=(0.2, 0.4, 0.2, 0.2), margin_of="height", boxes="blazeface", size=128
    ),
    "points": CropRecipe.model_validate(POINTS | {"size": 128}),
    "native": CropRecipe(kind="points", template="gend", native=True, fit="cover", size=128),
}


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """Pictures of a face, and "fakes" of them: checkered where the face is."""
    folder = tmp_path_factory.mktemp("labels")
    picture = camera((480, 360))
    rows = [["file", "label", "group", "source"]]
    for number in range(8):
        real = picture(9 * number)
        fake = real.copy()
        rows_, columns = np.indices(real.shape[:2])
        fake[(rows_ // 6 + columns // 6) % 2 == 0] //= 2
        for name, rgb, label in (("a", real, "real"), ("b", fake, "fake")):
            file = f"{number}{name}.png"
            cv2.imwrite(str(folder / file), rgb[..., ::-1])
            rows.append([file, label, f"g{number}x", "made"])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def cut_faces(tmp_path_factory):
    return tmp_path_factory.mktemp("faces")


def meso(folder):
    """A small published network with made weights, as its authors' file has them."""
    path = folder / "meso4_best.pth"
    torch.save({f"module.{name}": t for name, t in Golden("dfb_meso4").state().items()}, path)
    return path


def plan(**changes):
    given: dict[str, object] = {
        "images": 96, "batch": 8, "rate": 5e-3, "check_every": 6, "soften": 0.0, "h264": 0.0,
        "average": 0.8,
    }  # fmt: skip
    return FinetuneRecipe.model_validate(given | changes)


def losses(out):
    rows = csv.DictReader((out / "curve.csv").read_text().splitlines())
    return [float(row["loss"]) for row in rows]


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_cut_from_the_cache_is_what_is_cut_in_use(name, tmp_path):
    recipe = RECIPES[name]
    rgb = camera((640, 480))(3)
    file = tmp_path / "face.png"
    cv2.imwrite(str(file), rgb[..., ::-1])
    look = published.PretrainedInput(_Fed(recipe))
    item = Item(file, "face.png", 0, "image", "none", "g", "s")
    (entry,) = cache.open_cache(tmp_path, look.cached("image"), [item], TrainingOptions(tmp_path))
    (face,) = vision.load_detector().detect(rgb, 40)
    expected = vision.cut(rgb, vision.box_for(recipe, face.box), recipe, face.landmarks)
    shown = look.cut(entry, 0)
    assert shown.shape == expected.shape
    # The cache resizes once more, so pixels differ; the picture is the same, to within a pixel.
    gray = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float32) for x in (shown, expected)]
    (dx, dy), alike = cv2.phaseCorrelate(*gray)
    assert abs(dx) < 1 and abs(dy) < 1 and alike > 0.9


class _Fed:
    def __init__(self, crop):
        self.spec = registry.get_spec("dfb_meso4").model_copy(update={"crop": crop})


def test_a_published_detector_learns_and_loads_as_itself(labels, cut_faces, tmp_path):
    out = tmp_path / "run"
    file = train(
        plan(images=240),
        labels,
        TrainingOptions(out),
        cache=cut_faces,
        begin="dfb_meso4",
        weights=[meso(tmp_path)],
    )
    assert file == out / "model.safetensors"
    assert losses(out)[-1] < 0.85 * losses(out)[0]
    before, after = weights.load_state(meso(tmp_path)), load_file(file)
    # The very names and shapes of the published file, its batch statistics, and other weights.
    bare = {name.removeprefix("module."): tensor for name, tensor in before.items()}
    assert {n: t.shape for n, t in bare.items()} == {n: t.shape for n, t in after.items()}
    still = [n for n in after if "running" in n]
    assert still and all(torch.equal(bare[n], after[n]) for n in still)
    assert not torch.equal(bare["backbone.fc1.weight"], after["backbone.fc1.weight"])
    assert user_models.add(file, "dfb_meso4", id="mine", fake_index=1).label_order == "documented"
    real, fake = _scores(labels)
    assert fake > real + 1


def _scores(labels):
    """Mean logits of originals and fakes by the model "mine", cut and scored as in use."""
    model = registry.load_model("mine")
    found: dict[str, list[float]] = {"a": [], "b": []}
    for path in sorted(labels.parent.glob("*a.png")):
        original = _read(path)
        face = max(vision.load_detector().detect(original, 40), key=lambda f: f.box[2] - f.box[0])
        for kind, rgb in (("a", original), ("b", _read(path.with_name(f"{path.stem[0]}b.png")))):
            crop = vision.cut(rgb, face.box, model.spec.crop, face.landmarks)
            found[kind] += model.score(crop[None]).tolist()
    return float(np.mean(found["a"])), float(np.mean(found["b"]))


def _read(path):
    (frame,) = media.decode(path, media.probe(path), [0.0], notes=[])
    return frame.rgb


def interrupt(stage, done, total, figures):
    if stage == "training" and done == 3:
        raise KeyboardInterrupt


def test_a_head_alone_changes_nothing_else_and_resumes(labels, cut_faces, tmp_path, monkeypatch):
    def run(out, **how):
        return train(
            plan(images=32), labels, TrainingOptions(out, **how),
            cache=cut_faces, begin="dfb_meso4", weights=[meso(tmp_path)], tune="head",
        )  # fmt: skip

    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(fit, "SAVE_EVERY", 0)
        run(tmp_path / "parts", on_progress=interrupt)
    parts = run(tmp_path / "parts", resume=True)
    once, twice = load_file(whole), load_file(parts)
    assert all(torch.equal(once[name], twice[name]) for name in once)
    bare = weights.load_state(meso(tmp_path), registry.get_spec("dfb_meso4"))
    assert {n for n in once if not torch.equal(bare[n], once[n])} == {
        "backbone.fc2.weight", "backbone.fc2.bias",
    }  # fmt: skip


def test_norms_are_changed_with_the_head(labels, cut_faces, tmp_path):
    file = train(
        plan(images=16),
        labels,
        TrainingOptions(tmp_path / "run"),
        cache=cut_faces,
        begin="dfb_meso4",
        weights=[meso(tmp_path)],
        tune="norms",
    )
    assert file is not None
    bare, now = weights.load_state(meso(tmp_path)), load_file(file)
    changed = {n.rsplit(".", 2)[1] for n in now if not torch.equal(bare[n], now[n])}
    assert changed == {"bn1", "bn2", "fc2"}


def test_a_file_of_keras_becomes_one_of_ours(labels, cut_faces, tmp_path):
    write_keras(tmp_path / "Meso4_DF.h5", "meso4")
    file = train(
        plan(images=16),
        labels,
        TrainingOptions(tmp_path / "run"),
        cache=cut_faces,
        begin="meso4-df",
        weights=[tmp_path / "Meso4_DF.h5"],
    )
    assert file is not None
    spec = user_models.add(file, "meso4-df", id="mine", fake_index=0)
    assert spec.files[0].path.endswith("model.safetensors")
    assert np.isfinite(_scores(labels)).all()


def test_several_files_come_out_as_several(labels, cut_faces, tmp_path):
    spec = registry.get_spec("classnseg:full")
    names = [Path(file.path).name for file in spec.files]
    torch.manual_seed(0)
    network = ClassNSeg()
    shared, drawn = network.decoder.shared.state_dict(), network.decoder.segmenter.state_dict()
    halves = (
        {f"encoder.{name}": tensor for name, tensor in network.encoder.state_dict().items()},
        {f"shared.{name}": tensor for name, tensor in shared.items()}
        | {f"segmenter.{name}": tensor for name, tensor in drawn.items()}
        | {"decoder.0.weight": torch.ones(2, 2)},
    )
    files = [tmp_path / name for name in names]
    for file, half in zip(files, halves, strict=True):
        torch.save(half, file)
    out = tmp_path / "run"
    run = TrainingOptions(out)
    folder = train(
        plan(images=16), labels, run, cache=cut_faces, begin="classnseg:full", weights=files
    )
    assert folder == out
    model = registry.load_model("classnseg:full", weights=[out / name for name in names])
    assert model.spec.label_order == "unverified"
    old, new = weights.load_state(files[0], spec), weights.load_state(out / names[0], spec)
    assert any(not torch.equal(old[n], new[n]) for n in old)
    # What only draws takes no part in the score, and stays.
    old, new = weights.load_state(files[1], spec), weights.load_state(out / names[1], spec)
    assert all(torch.equal(old[n], new[n]) for n in old)
    with pytest.raises(UsageError, match="no last layer", check=lambda e: "--tune whole" in e.hint):
        train(
            plan(), labels, run, cache=cut_faces, begin="classnseg:full", weights=files, tune="head"
        )


def test_of_a_transformer_norms_and_head_are_trained(labels, cut_faces, tmp_path):
    size = {"size": {"height": 64, "width": 64}, "resample": 2, **HALF}
    paths = saved(tmp_path, VIT)
    spec = entry(VIT, {"image_processor_type": "ViTImageProcessor", **size})
    files = [WeightFile(path=str(p), sha256=weights.digest(p)) for p in paths]
    user_models.keep(spec.model_copy(update={"id": "tiny", "files": files}), paths)
    out = tmp_path / "run"
    run = TrainingOptions(out)
    assert train(plan(images=16), labels, run, cache=cut_faces, begin="tiny") == out
    bare, now = load_file(paths[1]), load_file(out / "model.safetensors")
    changed = {n for n in now if not torch.equal(bare[n], now[n])}
    assert changed == {n for n in now if "layernorm" in n or n.startswith("classifier")}
    assert (out / "config.json").read_text() == (tmp_path / "config.json").read_text()


def test_what_cannot_be_begun_with_is_refused(labels, tmp_path):
    run = TrainingOptions(tmp_path / "run")
    with pytest.raises(UsageError, match="mseo4-df", check=lambda e: "meso4-df" in e.hint):
        train(plan(), labels, run, begin="mseo4-df")
    with pytest.raises(ModelError) as license:
        train(plan(), labels, run, begin="dfb_xception")
    assert license.value.code == "license"
    with pytest.raises(WeightsError, check=lambda e: e.code == "weights_missing"):
        train(plan(), labels, run, begin="mesoinception4-df")
    with pytest.raises(UsageError, match="does not judge single faces"):
        (tmp_path / "npr.pth").write_bytes(b"never opened")
        files = [tmp_path / "npr.pth"]
        train(plan(), labels, run, begin="npr_resnet50", weights=files)
    with pytest.raises(UsageError, match="--begin"):
        train(plan(), labels, run)
    assert not (tmp_path / "run").exists()


def test_a_calibration_is_kept_with_an_own_model(tmp_path):
    spec = user_models.add(meso(tmp_path), "dfb_meso4", id="mine", fake_index=1)
    assert spec.calibration is None
    fitted = Calibration(scale=0.5, offset=-1.25, data="my clips", clips=40)
    assert user_models.keep_calibration("mine", fitted).calibration == fitted
    assert registry.get_spec("mine").calibration == fitted
    assert registry.get_spec("mine").files == spec.files
    with pytest.raises(UsageError, match="not one of your own"):
        user_models.keep_calibration("texture", fitted)


def test_the_loss_ranks_the_fake_of_a_pair_above_its_original():
    labels = torch.tensor([0.0, 0.0, 1.0, 1.0])
    right, wrong = (
        published.pair_loss(k * torch.tensor([-2.0, -2.0, 2.0, 2.0]), labels, plan(smoothing=0.0))
        for k in (1, -1)
    )
    assert right < 0.2 < wrong


def test_the_rate_rises_and_falls():
    whole = plan(images=800)
    rates = [fit.rate_at(step, whole) for step in range(whole.steps)]
    assert whole.steps == 100 and rates[0] < rates[3] < max(rates) == 1.0
    assert rates[-1] < 0.02


def test_people_of_one_side_are_never_drawn_for_the_other():
    items = [
        Item(Path(name), name, label, "image", "m", who, "s", who)
        for who in "abc"
        for label, name in enumerate((f"{who}0", f"{who}1"))
    ]
    faces = [cache.Faces(**vars(item)) for item in items]
    for held, people in ((False, {"a", "c"}), (True, {"b"})):
        source = published.gather("image", faces, {"b"}, held=held)
        assert {first.person for group in source.groups for first, _ in group} == people


def test_a_pair_gets_the_same_changes():
    picture = camera((150, 150))(0)
    for crf in (0, 30):
        changed = [published.degraded(picture, seed, crf) for seed in range(12)]
        for seed, once in enumerate(changed):
            np.testing.assert_array_equal(once, published.degraded(picture.copy(), seed, crf))
        assert sum(not np.array_equal(once, picture) for once in changed) > 6
    sharp, soft = (published.degraded(picture, 0, sigma=sigma) for sigma in (0.0, 1.4))
    lost = [cv2.Laplacian(x, cv2.CV_32F).std() for x in (sharp, soft)]
    assert lost[1] < 0.8 * lost[0]
