"""ClassNSeg with its published weights: what its authors' code gave, for both sets of files."""

import json

import numpy as np
import pytest
import torch

from detector.errors import WeightsError
from detector.models import registry
from tests.support.golden import picture

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
