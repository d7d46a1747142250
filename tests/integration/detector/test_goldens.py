"""Every published detector on a CNN, held against its original: see `golden.py`."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detector import vision
from detector.errors import WeightsError
from detector.explain import ways
from detector.models import registry, user_models
from detector.models.pictures import fit
from tests.support.golden import FOLDER, Golden, near, picture
from tests.support.golden import save as written

IDS = sorted(path.stem for path in FOLDER.glob("*.json"))
LOGITS = 1e-4  # Relative to the largest logit, as the goldens ask
SCORES = 1e-5  # Largest difference of a score, a tenth of what its logit may differ by
WRAPPED = {"sbi_efficientnetb4": "model", "selimsef_b7": "state_dict"}
"""Under which key the published file holds its weights; the others are bare."""
PREFIXED = {"selimsef_b7": "module."}  # What stands before the published names
SMALL = "dfb_meso4"
LIKE_ANOTHER = {"selimsef_b7", "sbi_efficientnetb4", "dfb_efficientnetb4", "dfb_core"}
"""Their score and heatmap come about as in the rest of their family."""


def save(path, state, *, key=None, prefix=""):
    state = {prefix + name: tensor for name, tensor in state.items()}
    return written({key: state, "epoch": 3} if key else state, path)


def files(golden, folder):
    """The golden's weights as they are published."""
    state = golden.state()
    if golden.id == "capsule_forensics_v2":  # torchvision's trunk has a file of its own
        parts = {"capnet.": "", "vgg_ext.vgg_1.": "features."}
        return [
            save(
                folder / f"{number}.pth",
                {new + k.removeprefix(old): t for k, t in state.items() if k.startswith(old)},
            )
            for number, (old, new) in enumerate(parts.items())
        ]
    key, prefix = WRAPPED.get(golden.id), PREFIXED.get(golden.id, "")
    return [save(folder / "weights.pth", state, key=key, prefix=prefix)]


def shown(golden, model, name):
    """The picture that the original prepared: the whole of it, or the face in a given box."""
    boxes = golden.data["preprocess"].get("boxes (x0,y0,x1,y1)")
    whole = picture(name)
    return vision.cut(whole, tuple(boxes[name]), model.spec.crop) if boxes else whole


ELSEWHERE = {
    "aasist", "antideepfake", "classnseg", "hub", "lrnet", "mesonet", "ssl_aasist",
}  # fmt: skip
"""Families that other files hold against their originals, or load in the published layout."""


def test_every_published_detector_is_held_against_its_original():
    held = {path.stem for path in FOLDER.rglob("*.json")}
    published = [spec for spec in registry.list_models() if not (spec.bundled or spec.own)]
    missing = {spec.id for spec in published if spec.id.partition(":")[0] not in held}
    assert {registry.get_spec(id).family for id in missing} <= ELSEWHERE
    assert {spec.family for spec in published} >= ELSEWHERE


@pytest.fixture(scope="module", params=IDS)
def case(request, tmp_path_factory):
    """A golden, and the model that the loader makes of its file."""
    golden = Golden(request.param)
    saved = files(golden, tmp_path_factory.mktemp("golden"))
    yield golden, registry.load_model(golden.id, weights=saved)
    registry.unload(golden.id)
    for path in saved:
        path.unlink()


def far(logits, wanted):
    """The largest deviation, relative to the largest logit."""
    expected = torch.tensor(wanted)
    assert logits.shape == expected.shape
    return float((logits - expected).abs().max() / expected.abs().max())


def test_pictures_are_prepared_as_the_original_does(case):
    golden, model = case
    assert golden.inputs
    for name, wanted in golden.inputs.items():
        near(model.preprocess(shown(golden, model, name))[None], wanted)


def test_logits_and_scores_are_the_originals(case):
    golden, model = case
    # What a third picture would add is how it is resized, which the test above sees.
    for name, wanted in list(golden.outputs.items())[:2]:
        logits = model.forward(model.preprocess(shown(golden, model, name))[None])
        assert far(logits, wanted["logits"]) < LOGITS
        # Of the same logits the same score; of ours, whose last digits are the processor's, as near
        # as these are.
        same = model.p_fake(torch.tensor(wanted["logits"]))
        assert same.tolist() == pytest.approx([wanted["p_fake"]], abs=1e-6)
        assert model.p_fake(logits).tolist() == pytest.approx([wanted["p_fake"]], abs=SCORES)


def test_none_is_taken_for_one_with_a_single_answer(case, monkeypatch):
    """Untrained they tell pictures apart the least, and still by far more than would be refused."""
    _, model = case
    logits: list[Tensor] = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x: (logits.append(forward(x)), logits[-1])[1])
    user_models.dry_run(model)
    odds = [model.log_odds(each).item() for each in logits]
    assert len(odds) == len(model.trials())
    assert max(odds) - min(odds) > 20 * user_models.SAME


def test_a_heatmap_and_a_score_come_of_a_crop(case):
    golden, model = case
    if golden.id in LIKE_ANOTHER:
        return
    name, wanted = next(iter(golden.outputs.items()))
    crop = fit(shown(golden, model, name), model.spec.crop)[None]
    odds = torch.tensor(model.score(crop))
    assert odds.sigmoid().tolist() == pytest.approx([wanted["p_fake"]], abs=SCORES)
    maps = ways.draw(ways.methods(model)[0], model, crop)
    assert maps.ndim == 3 and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() <= 1


@pytest.mark.parametrize("id", [i for i in IDS if "autoatt" in i])
def test_the_networks_own_attention_is_the_heatmap(id, tmp_path):
    golden = Golden(id)
    model: Any = registry.load_model(id, weights=files(golden, tmp_path))
    crop = picture("input_face_224.png")
    wanted = golden.outputs["input_face_224.png"]["features"]["attention map"]
    found = model.attention(model.preprocess(crop)[None])
    assert list(found.shape) == wanted["shape"]
    np.testing.assert_allclose(found.flatten()[wanted["at"]], wanted["values"], atol=1e-5)
    shown = model.explain(crop[None])
    assert shown.shape == (1, 28, 28) and (shown.min(), shown.max()) == (0, 1)
    # The same places, only stretched.
    assert np.corrcoef(shown.ravel(), found.ravel())[0, 1] > 0.9999
    registry.unload(id)


@pytest.mark.parametrize(
    ("id", "name"),
    [
        (SMALL, "backbone.fc1.bias"),
        ("ispl_efficientnetb4", "efficientnet._blocks.17._se_reduce.bias"),
        ("ispl_efficientnetautoattb4st", "feat_ext.efficientnet.attconv.bias"),
        ("dfb_xception", "backbone.last_linear.bias"),
        ("dfb_recce", "model.decoder3.2.bias"),
        ("dfb_capsule", "fea_ext.capsules.7.4.bias"),
    ],
)
def test_one_missing_extra_or_misshapen_tensor_is_named_as_in_the_file(tmp_path, id, name):
    state = {k: torch.zeros(s, dtype=Golden.kind(k)) for k, s in Golden(id).shapes.items()}
    without = {k: t for k, t in state.items() if k != name}
    size = len(state[name])
    for changed, says in (
        (without, f"1 missing ({name})."),
        ({**state, f"{name}x": state[name]}, f"1 unexpected ({name}x)."),
        ({**state, name: torch.zeros(size + 1)}, f"{name} [{size + 1}] instead of [{size}]"),
    ):
        with pytest.raises(WeightsError, match=re.escape(says)):
            registry.load_model(id, weights=save(tmp_path / "x.pth", changed))


def test_efficientnet_of_one_repository_is_not_taken_for_anothers(tmp_path):
    path = save(tmp_path / "x.pth", Golden("ispl_efficientnetb4").state())
    for id in ("dfb_efficientnetb4", "sbi_efficientnetb4", "ispl_efficientnetautoattb4"):
        with pytest.raises(WeightsError, match="do not fit"):
            registry.load_model(id, weights=path)
