"""The large published transformers, held against their originals: see `golden.py`."""

import gc
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from detector.explain import cam
from detector.models import registry
from tests.support.golden import Golden, clip, near, picture
from tests.support.golden import save as written

pytestmark = [pytest.mark.large, pytest.mark.timeout(900)]
LOGITS = 1e-4  # Relative to the largest logit, as the goldens ask

State = dict[str, Tensor]


def safetensors(state, folder):
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


def wrapped(key="", prefix="", **company):
    """As training scripts save: the weights under a key, beside other things."""

    def save(state, folder):
        named: dict[str, Any] = {prefix + name: tensor for name, tensor in state.items()}
        return written({key: named, **company} if key else named, folder / "weights.pth")

    return save


def beside_its_config(**config):
    """As the hub's repositories do."""

    def save(state, folder):
        (folder / "config.json").write_text(json.dumps({"model_type": "videomae", **config}))
        return safetensors(state, folder)

    return save


SAVED: dict[str, Callable[[State, Path], Path]] = {
    "gend_clip_l14": safetensors,
    "gend_pe_l": safetensors,
    "gend_dinov3_l": safetensors,
    "lnclip_v1": wrapped("state_dict", hyper_parameters={"backbone": "clip"}, epoch=3),
    "effort_clip_l14": wrapped("state_dict", "module.", epoch=3),
    "effort_ufdbench": wrapped("model", optimizer={}, total_steps=3),
    "fsfm_vit_l": wrapped("model", optimizer={}, epoch=3),
    "videomae_base": beside_its_config(num_frames=16, id2label={0: "LABEL_0", 1: "LABEL_1"}),
    "videomae_large_32": safetensors,
}


@pytest.fixture
def load(tmp_path):
    """load(id, path or paths), let go after the test with its gigabyte of files."""
    ids = []

    def loaded(id, path):
        ids.append(id)
        return registry.load_model(id, weights=path)

    yield loaded
    for id in ids:
        registry.unload(id)
    gc.collect()
    for path in tmp_path.iterdir():
        path.unlink()


def golden(id):
    return Golden(f"transformers/{id}")


def inputs(original, model, shown):
    """All inputs, prepared as the original prepares them."""
    found = [model.preprocess(shown(name))[None] for name in original.inputs]
    for x, wanted in zip(found, original.inputs.values(), strict=True):
        near(x, wanted)
    return found


def held(model, x, wanted):
    """What the network makes of each of `x` is what the original made of it."""
    found = model.forward(x)
    expected = torch.tensor([output["logits"][0] for output in wanted])
    assert found.shape == expected.shape
    difference = (found - expected).abs().amax(1) / expected.abs().amax(1)
    assert float(difference.max()) < LOGITS
    scores = [output["p_fake"] for output in wanted]
    assert model.p_fake(found).tolist() == pytest.approx(scores, abs=1e-5)


def explained(model, crop, *shape):
    maps = cam.draw(model, crop[None])
    assert maps.shape == (1, *shape)
    assert maps.min() >= 0 and maps.max() == pytest.approx(1)


FRAMES = [id for id in SAVED if not id.startswith("videomae")]


@pytest.mark.parametrize("id", FRAMES)
def test_pictures_logits_and_scores_are_the_originals(id, tmp_path, load):
    original = golden(id)
    model = load(id, SAVED[id](original.state(), tmp_path))
    first, *_ = inputs(original, model, picture)
    held(model, first, list(original.outputs.values())[:1])
    crop = picture("input_face_256.png" if not model.spec.crop.final else FACE)
    explained(model, crop, model.spec.crop.size, model.spec.crop.size)


FACE = "input_face_224.png"


@pytest.mark.shared
def test_universal_fake_detect_with_its_real_layer(shared, tmp_path, load):
    original = golden("univfd_clip_l14")
    trunk = wrapped()(original.state(), tmp_path)
    model = load(original.data["id"], [trunk, shared / "weights/univfd_head/fc_weights.pth"])
    first, *_ = inputs(original, model, picture)
    held(model, first, list(original.outputs.values())[:1])
    explained(model, picture(FACE), 224, 224)


def test_videomae_as_its_processor_prepares_it(tmp_path, load):
    original = golden("videomae_base")
    model = load("videomae_base", SAVED["videomae_base"](original.state(), tmp_path))
    first, *_ = inputs(original, model, partial(clip, frames=16))
    held(model, first, list(original.outputs.values())[:1])
    backwards = model.forward(model.preprocess(clip(FACE, 16)[::-1])[None])
    expected = torch.tensor(original.outputs[FACE]["logits"])
    assert float((backwards - expected).abs().max() / expected.abs().max()) > 10 * LOGITS
    explained(model, clip(FACE, 16), 8, 14, 14)


def test_videomae_large_squeezes_whole_frames(tmp_path, load):
    original = golden("videomae_large_32")
    (wanted,) = original.data["outputs_other_preprocessing"].values()
    model = load("videomae_large_32", SAVED["videomae_large_32"](original.state(), tmp_path))
    x = model.preprocess(clip("input_odd_313x277.png", 32))[None]
    near(x, wanted["tensor"])
    fake, real = wanted["logits"][0]
    held(model, x, [{**wanted, "p_fake": 1 / (1 + math.exp(real - fake))}])
