"""Published classifiers of pictures as ONNX files, compared with their authors' steps on made
weights (`tests/goldens/onnx/made_vit.json`)."""

import json

import numpy as np
import pytest
import torch

from detector.errors import WeightsError
from detector.explain import ways
from detector.explain.occlusion import occlude
from detector.models import registry
from tests.support.golden import FOLDER, near, picture

GRAPH = FOLDER / "onnx" / "made_vit.onnx"
WANTED = json.loads(GRAPH.with_suffix(".json").read_text())["outputs"]


def shown(name):
    whole = picture(name.split(",")[0])
    return whole[:, :300] if "300 px" in name else whole


@pytest.fixture(params=WANTED)
def model(request):
    yield registry.load_model(request.param, weights=GRAPH)
    registry.unload(request.param)


def test_inputs_and_logits_are_those_of_its_authors_steps(model):
    for name, wanted in WANTED[model.spec.id].items():
        x = model.preprocess(shown(name))
        near(x, wanted["input"])
        logits = model.forward(torch.stack([x, x]))
        assert logits.shape == (2, 1)
        np.testing.assert_allclose(logits.flatten(), wanted["logit"], rtol=1e-4)
        assert model.p_fake(logits)[0] == pytest.approx(1 / (1 + np.exp(-wanted["logit"])), 1e-4)


def test_it_scores_whole_pictures_and_is_explained_by_occlusion(model):
    crops = np.stack([shown("input_face_380.png")] * 3)
    scores = model.score(crops)
    wanted = WANTED[model.spec.id]["input_face_380.png"]["logit"]
    np.testing.assert_allclose(scores, [wanted] * 3, rtol=1e-4)
    assert ways.methods(model) == ("occlusion",)
    maps = occlude(model, crops[:1])
    assert maps.shape == (1, 7, 7) and maps.max() == 1


def test_another_file_is_refused(tmp_path):
    (path := tmp_path / "weights.onnx").write_bytes(b"<!doctype html>")
    with pytest.raises(WeightsError, match=r"weights\.onnx is not an ONNX network"):
        registry.load_model("sieve", weights=path)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(GRAPH.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=r"cut\.onnx is not an ONNX network"):
        registry.load_model("sieve", weights=cut)
