"""CLIP read at several depths: its tokens, what was tuned, its crop, and its two questions."""

import importlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from detector import weights
from detector.errors import WeightsError
from detector.models import ready, registry
from detector.models.families import clip_vit
from detector.models.network import TorchFrameModel, normalize
from detector.vision import cut

GOLDEN = Path(__file__).parents[2] / "goldens" / "clip" / "blocks.json"
SPEC = registry.get_spec("clip")
GENERATED = registry.get_spec("clip-generated")


def pictures():
    """Waves and noise, uint8 [2, 224, 224, 3]: those that the goldens are of."""
    y, x = np.mgrid[0:224, 0:224]
    ways = ((1, 2, 0), (3, -1, 1), (-2, 1, 2))
    waves = np.stack([127.5 + 127.5 * np.sin((a * x + b * y) / 37 + c) for a, b, c in ways], -1)
    noise = np.random.default_rng(7).integers(0, 256, (224, 224, 3))
    return np.stack([np.rint(waves), noise]).astype(np.uint8)


@pytest.fixture(scope="module")
def parts():
    """The trunk, and what was tuned, as they ship."""
    trunk, head = weights.resolve(SPEC)
    return clip_vit.read_trunk(trunk), weights.load_state(head)


Parts = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]


def test_class_tokens_are_those_of_another_implementation(parts):
    trunk, changes = parts
    head = {name: changes[name].float() for name in ("head.weight", "head.bias", "scale")}
    network = clip_vit.build({**trunk, **head})
    with torch.no_grad():
        tokens = network.class_tokens(normalize(pictures(), SPEC))
    for wanted in json.loads(GOLDEN.read_text("utf-8"))["tokens"]:
        at = clip_vit.BLOCKS.index(wanted["block"])
        token = tokens[at][("waves", "noise").index(wanted["picture"])]
        np.testing.assert_allclose(token[:8], wanted["first"], atol=1e-4)
        assert float(token.abs().mean()) == pytest.approx(wanted["mean_size"], abs=1e-4)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "extra"])
def test_files_that_do_not_fit_are_refused(parts, part, missing):
    both = [dict(parts[0]), dict(parts[1])]
    if missing:
        del both[part][("vision.pre_layrnorm.weight", "head.bias")[part]]
        if part == 0:  # both files hold it: a norm that was tuned
            both[1].pop("vision.pre_layrnorm.weight", None)
    else:
        both[part]["another.bias"] = torch.zeros(1)
    with pytest.raises(WeightsError):
        clip_vit.build(clip_vit.tuned(*both))


@pytest.mark.parametrize("spec", [SPEC, GENERATED], ids=lambda spec: spec.id)
def test_three_logits_become_one(spec):
    logits = np.random.default_rng(3).normal(0, 4, (2, 3)).astype(np.float32)
    real, altered, generated = torch.from_numpy(logits).T
    wanted = {
        "clip": torch.logaddexp(altered, generated) - real,
        "clip-generated": generated - torch.logaddexp(real, altered),
    }[spec.id]
    model = TorchFrameModel(spec, torch.nn.Identity())
    np.testing.assert_allclose(model.log_odds(torch.from_numpy(logits)), wanted, atol=1e-5)
    compiled = ready.ReadyModel(spec, lambda batch: [logits], 4, lambda: model)
    np.testing.assert_allclose(compiled.score(pictures()), wanted, atol=1e-5)


def test_the_generated_head_alone_speaks_in_its_file():
    """Its third logit alone is fitted; "altered" is never the answer."""
    head = weights.load_state(weights.resolve(GENERATED)[1])
    assert set(head) == {"head.weight", "head.bias", "scale"}
    assert not head["head.weight"][:2].any() and head["head.weight"][2].any()
    assert head["head.bias"][0] == 0 and head["head.bias"][1] < -20


LANDMARKS = [(140.0, 130.0), (190.0, 130.0), (165.0, 160.0), (145.0, 190.0), (186.0, 190.0)]


def moved(points, grow, x, y, turn=0.0):
    """Landmarks turned about their mean, then scaled and shifted."""
    all_ = np.array(points)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return [tuple(p) for p in ((all_ - all_.mean(0)) @ turned.T + all_.mean(0)) * grow + (x, y)]


def test_an_upright_crop_follows_size_and_place_and_does_not_turn():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255
    box = (0.0, 0.0, 1.0, 1.0)
    turned = cut(stripes, box, SPEC.crop, moved(LANDMARKS, 1, 0, 0, 0.4)).astype(float)
    assert turned.std(0).mean() < 1 < turned.std(1).mean(), "the stripes still stand"

    frame = cv2.resize(cv2.GaussianBlur(pictures()[1], (0, 0), 3), (400, 400))
    double = cv2.resize(frame, (800, 800), interpolation=cv2.INTER_CUBIC)
    one = cut(frame, box, SPEC.crop, LANDMARKS).astype(float)
    # Pixel centers of the doubled picture lie half a pixel further.
    two = cut(double, box, SPEC.crop, moved(LANDMARKS, 2, 0.5, 0.5)).astype(float)
    assert np.abs(one - two).mean() < 2


def test_an_upright_crop_is_reflected_at_the_border():
    frame = np.full((400, 400, 3), 200, np.uint8)
    crop = cut(frame, (0, 0, 1, 1), SPEC.crop, moved(LANDMARKS, 1, -140, -110))
    assert crop.min() > 190, "nothing is black beyond the edge"


@pytest.mark.shared
@pytest.mark.parametrize("grow", [0.4, 1.0, 2.6])
@pytest.mark.parametrize("at", [(0.0, 0.0), (-120.0, -90.0)], ids=["inside", "at an edge"])
def test_crops_are_those_of_training(
    shared, monkeypatch, astronaut,
    grow, at
):  # fmt: skip
    monkeypatch.syspath_prepend(str(shared / "gpu"))
    for name in ("data", "vit"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    data = importlib.import_module("data")

    for frame in (astronaut, cv2.resize(pictures()[1], (1400, 1400)), astronaut[:300, :260]):
        points = moved(LANDMARKS, grow, *at, turn=0.2)
        wide = data.cut(np.ascontiguousarray(frame), *data.place(points))
        half = 140 / data.UNITS
        view = F.grid_sample(
            torch.from_numpy(wide).permute(2, 0, 1)[None].float(),
            F.affine_grid(torch.tensor([[[half, 0, 0], [0, half, 0]]]), (1, 3, 224, 224),
                          align_corners=False),
            padding_mode="reflection", align_corners=False,
        )  # fmt: skip
        ours = cut(frame, (0, 0, 1, 1), SPEC.crop, points).astype(float)
        assert np.abs(ours - view[0].permute(1, 2, 0).numpy()).mean() <= 1
