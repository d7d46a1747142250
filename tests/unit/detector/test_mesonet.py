"""MesoNet and ClassNSeg: published files give the published answers; made ones are read right."""

import json
import shutil

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from detector.errors import ModelError, WeightsError
from detector.explain import cam
from detector.models import registry, user_models
from detector.models.network import TorchFrameModel
from detector.pipeline import analyze
from detector.schema.analysis import ReasonCode, Settings
from published import mesonet
from tests.support.golden import picture

VARIANTS = {
    "meso4-df": "Meso4_DF",
    "meso4-f2f": "Meso4_F2F",
    "mesoinception4-df": "MesoInception_DF",
    "mesoinception4-f2f": "MesoInception_F2F",
}
# Layer numbers of the published files: Keras went on counting from network to network.
FIRST = {"meso4": (5, 5, 3), "mesoinception4": (1, 1, 1)}
# kernels (height, width, in, out) in the order of their numbers
CONVS = {
    "meso4": [(3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16)],
    "mesoinception4": [
        *[(1, 1, 3, 1), (1, 1, 3, 4), (3, 3, 4, 4), (1, 1, 3, 4), (3, 3, 4, 4)],
        *[(1, 1, 3, 2), (3, 3, 2, 2)],
        *[(1, 1, 11, 2), (1, 1, 11, 4), (3, 3, 4, 4), (1, 1, 11, 4), (3, 3, 4, 4)],
        *[(1, 1, 11, 2), (3, 3, 2, 2)],
        *[(5, 5, 12, 16), (5, 5, 16, 16)],
    ],
}
NORMS = {"meso4": [8, 8, 16, 16], "mesoinception4": [11, 12, 16, 16]}


def write_keras(path, variant, seed=0):
    """A file with the published layer names and shapes, and random weights."""
    rng = np.random.default_rng(seed)
    conv, norm, dense = FIRST[variant]
    arrays = {}

    def add(layer, **tensors):
        for key, value in tensors.items():
            arrays[f"{layer}/{layer}/{key}:0"] = value.astype(np.float32)

    for i, shape in enumerate(CONVS[variant], start=conv):
        scale = np.sqrt(2 / np.prod(shape[:3]))
        bias = rng.normal(size=shape[3]) * 0.1
        add(f"conv2d_{i}", kernel=rng.normal(size=shape) * scale, bias=bias)
    for i, size in enumerate(NORMS[variant], start=norm):
        add(
            f"batch_normalization_{i}",
            gamma=rng.uniform(0.5, 1.5, size),
            beta=rng.normal(size=size) * 0.1,
            moving_mean=rng.normal(size=size) * 0.1,
            moving_variance=rng.uniform(0.5, 1.5, size),
        )
    add(f"dense_{dense}", kernel=rng.normal(size=(1024, 16)) * 0.05, bias=rng.normal(size=16))
    add(f"dense_{dense + 1}", kernel=rng.normal(size=(16, 1)), bias=rng.normal(size=1))
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            file[key] = value
    return arrays


def keras_meso4(arrays, crop):
    """Meso4 in NumPy as the paper and Keras's documentation state it: P(real) of one crop."""
    x = crop.astype(np.float64) / 255  # height, width, channel
    for i, pool in zip(range(5, 9), (2, 2, 2, 4), strict=True):
        kernel = arrays[f"conv2d_{i}/conv2d_{i}/kernel:0"]
        edge = kernel.shape[0] // 2
        padded = np.pad(x, ((edge, edge), (edge, edge), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (0, 1))
        x = np.einsum("hwcij,ijco->hwo", views, kernel, optimize=True)
        x = np.maximum(x + arrays[f"conv2d_{i}/conv2d_{i}/bias:0"], 0)
        norm = {
            k: arrays[f"batch_normalization_{i}/batch_normalization_{i}/{k}:0"]
            for k in ("gamma", "beta", "moving_mean", "moving_variance")
        }
        x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3)
        x = x * norm["gamma"] + norm["beta"]
        height, width, channels = x.shape
        x = x.reshape(height // pool, pool, width // pool, pool, channels).max((1, 3))
    x = x.reshape(-1) @ arrays["dense_3/dense_3/kernel:0"] + arrays["dense_3/dense_3/bias:0"]
    x = np.where(x > 0, x, 0.1 * x)
    x = x @ arrays["dense_4/dense_4/kernel:0"] + arrays["dense_4/dense_4/bias:0"]
    return float(1 / (1 + np.exp(-x[0])))


@pytest.fixture(scope="module")
def crops():
    from skimage.data import astronaut

    face = Image.fromarray(astronaut()[30:250, 100:320]).resize((256, 256))
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    return np.stack([np.asarray(face), noise])


def load_made(path, variant):
    write_keras(path, variant)
    return mesonet.load(registry.get_spec(f"{variant}-df"), [path], "cpu")


def test_meso4_computes_what_keras_computes(tmp_path, crops):
    arrays = write_keras(tmp_path / "x.h5", "meso4")
    model = mesonet.load(registry.get_spec("meso4-df"), [tmp_path / "x.h5"], "cpu")
    real = [keras_meso4(arrays, crop) for crop in crops]
    assert 1 / (1 + np.exp(model.score(crops))) == pytest.approx(real, abs=1e-5)
    assert abs(real[0] - real[1]) > 1e-3  # the two crops tell a right network from a wrong one


@pytest.mark.parametrize("variant", CONVS)
def test_scores_are_the_same_one_by_one_and_again(tmp_path, crops, variant):
    model = load_made(tmp_path / "x.h5", variant)
    many = np.concatenate([crops] * (TorchFrameModel.BATCH // 2 + 1))
    scores = model.score(many)
    assert scores.dtype == np.float32 and scores.shape == (len(many),)
    np.testing.assert_array_equal(scores, model.score(many))
    np.testing.assert_allclose(
        scores[:2], np.concatenate([model.score(c[None]) for c in crops]), atol=1e-5
    )
    assert model.score(many[:0]).shape == (0,)
    assert cam.draw(model, crops).max() > 0.9  # its maps are those of the target layer


def test_a_crop_of_the_wrong_size_is_refused(tmp_path):
    model = load_made(tmp_path / "x.h5", "meso4")
    for batch in (np.zeros((1, 224, 224, 3), np.uint8), np.zeros((1, 256, 256, 3), np.float32)):
        with pytest.raises(ValueError, match="meso4-df takes uint8"):
            model.score(batch)


def test_files_of_another_network_are_refused(tmp_path):
    path, kernel = tmp_path / "x.h5", "conv2d_6/conv2d_6/kernel:0"
    for gone, shape, says in (
        ("conv2d_6", None, "3 conv2d layers, the network has 4"),
        (kernel, (3, 3, 8, 8), r"\[8, 8, 3, 3\] instead of \[8, 8, 5, 5\]"),
        (kernel, None, "kernel"),
    ):
        write_keras(path, "meso4")
        with h5py.File(path, "a") as file:
            del file[gone]
            if shape:
                file[gone] = np.zeros(shape, np.float32)
        with pytest.raises(WeightsError, match=says):
            mesonet.load(registry.get_spec("meso4-df"), [path], "cpu")
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match="can't be read"):
        mesonet.load(registry.get_spec("meso4-df"), [path], "cpu")


def test_an_unknown_variant_is_refused():
    with pytest.raises(ModelError, match="'meso5'"):
        mesonet.MesoNet("meso5")


def test_parameters_are_as_many_as_the_paper_states():
    def trained(variant):
        return sum(p.numel() for p in mesonet.MesoNet(variant).parameters())

    assert trained("meso4") == 27_977
    assert trained("mesoinception4") == 28_615


@pytest.mark.shared
@pytest.mark.parametrize(("id", "name"), VARIANTS.items())
def test_published_weights_give_the_published_scores(shared, tmp_path, monkeypatch, id, name):
    """Through the registry, from the cache folder: sha256, label order, resize, every layer."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "weights" / "mesonet").mkdir(parents=True)
    shutil.copy(shared / "weights" / "mesonet" / f"{name}.h5", tmp_path / "weights" / "mesonet")
    golden = json.loads((shared / "goldens" / "mesonet_keras.json").read_text())["variants"][name]
    model = registry.load_model(id)

    wanted = golden["output P(real), NEAREST"]
    assert len(wanted) == 4
    pictures = [Image.open(shared / "weights" / "testimgs" / f).convert("RGB") for f in wanted]
    batch = np.stack([np.asarray(p.resize((256, 256), Image.Resampling.NEAREST)) for p in pictures])
    logits = model.score(batch)
    np.testing.assert_allclose(1 / (1 + np.exp(logits)), list(wanted.values()), atol=1e-6)
    # The golden gives the logit of P(real); ours is of P(fake).
    key = "logit of the first image (log(p/(1-p)))"
    assert logits[0] == pytest.approx(-golden[key], abs=1e-3)
    if name.endswith("_DF"):
        # The authors' two fakes and two untouched faces: the side is right.
        assert [logit > 0 for logit in logits] == ["df" in f for f in wanted]

    face = np.asarray(Image.open(shared / "goldens" / "input_face_256.png").convert("RGB"))
    score = 1 / (1 + torch.tensor(model.score(face[None])).exp().item())
    assert score == pytest.approx(golden["output P(real), input_face_256.png"], abs=1e-6)


@pytest.mark.shared
def test_brought_as_a_person_brings_it_it_is_scored_and_answers_nothing_without_skill(
    shared, face_clip, tmp_path, monkeypatch
):
    """`unmask models add`, then `--models meso4-df`: scores stand, the skill check decides."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    user_models.add(shared / "weights" / "mesonet" / "Meso4_DF.h5", "mesonet_keras")
    found = analyze(face_clip, Settings(models=["meso4-df"], frames=4))
    (model,) = found.models
    assert model.scored and model.error is None
    assert (model.operating_point, model.label_order) == (0.5, "proven")
    assert "compute_accuracy" in model.operating_point_source
    # The published network shows no skill on the bundled pictures (`pipeline.skill`).
    assert model.skill is not None and not model.skill.passed
    assert not model.counted and found.verdict.probability is None
    codes = {r.code for r in found.verdict.reasons}
    assert ReasonCode.NO_SKILL in codes and ReasonCode.NO_MODEL not in codes


PARTS = {"full": 46, "finetune": 26}


def published(shared, variant):
    folder, number = shared / "weights" / "classnseg", PARTS[variant]
    return [folder / f"{variant}_{part}_{number}.pt" for part in ("encoder", "decoder")]


@pytest.mark.shared
@pytest.mark.parametrize("variant", PARTS)
def test_published_weights_give_the_published_code_scores_and_maps(shared, variant):
    golden = json.loads((shared / "goldens" / "classnseg.json").read_text())
    wanted = golden["variants"][variant]["outputs"]["input_face_256.png"]
    model = registry.load_model("classnseg", weights=published(shared, variant))
    crop = picture("input_face_256.png")
    x = model.preprocess(crop)[None]

    logits = model.forward(x)
    np.testing.assert_allclose(logits[0], [wanted["zero"], wanted["one"]], rtol=1e-5)
    # The shipped files mean untouched by class 1.
    assert float(model.p_fake(logits)) == pytest.approx(wanted["softmax"][0][0], abs=1e-6)
    assert model.spec.label_order == "unverified"

    drawn = model.network.segment(x)
    places = wanted["segmentation [1,2,256,256]"]
    assert list(drawn.shape) == places["shape"]
    np.testing.assert_allclose(drawn.flatten()[places["at"]], places["values"], atol=1e-5)
    maps = model.explain(crop[None])
    assert maps is not None
    torch.testing.assert_close(torch.from_numpy(maps), drawn[:, 1])


@pytest.mark.shared
def test_a_decoder_alone_is_not_enough(shared):
    encoder, decoder = published(shared, "full")
    for two in ([encoder, encoder], [decoder, decoder]):
        with pytest.raises(WeightsError, match="missing"):
            registry.load_model("classnseg", weights=two)
