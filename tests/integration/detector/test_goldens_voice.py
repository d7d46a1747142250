"""AASIST with its real weights, held against the original's outputs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detector.models import registry
from detector.models.families import aasist

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "goldens/voice/aasist.json").read_text()
)
IDS = {"AASIST": "aasist", "AASIST-L": "aasist:l"}


def sounds():
    """The golden's inputs before they are brought to length: its formula, `input`."""
    t = np.arange(100_000) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (120 * t + 40 * t * t))
    tone = 0.1 * np.sin(2 * np.pi * 1333 * t) * np.sin(2 * np.pi * 3 * t)
    high = 0.05 * np.sin(2 * np.pi * 5210 * t + 2 * np.sin(2 * np.pi * 7 * t))
    sound = chirp + tone + high
    made = [sound[:64_600], sound[:20_000], sound * np.linspace(1, 0.2, 100_000), np.zeros(64_600)]
    return [x.astype(np.float32) for x in made]


@pytest.mark.shared
@pytest.mark.parametrize("name", IDS)
def test_aasist_is_the_original(name, shared, tmp_path):
    golden = GOLDEN["variants"][name]
    file = Path(shutil.copy(shared / f"weights/aasist/{name}.pth", tmp_path))
    model = registry.load_model(IDS[name], weights=file)
    x = torch.stack([model.preprocess(sound) for sound in sounds()])
    for item, output in zip(x, golden["outputs"].values(), strict=True):
        wanted = output["input"]
        np.testing.assert_allclose(item[wanted["at"]], wanted["values"], atol=1e-5)
    # One that is whole and silence: what the others would add is how they are brought to length.
    at = [0, -1]
    found = model.forward(x[at])
    outputs = [list(golden["outputs"].values())[i] for i in at]
    wanted = torch.tensor([output["output"][0] for output in outputs])
    assert float(((found - wanted).abs().amax(1) / wanted.abs().amax(1)).max()) < 1e-4
    scores = [output["P(spoof) softmax[:,0]"] for output in outputs]
    assert model.p_fake(found).tolist() == pytest.approx(scores, abs=1e-5)
    assert model.score(x[:1].numpy())[0] == pytest.approx(float(wanted[0, 0] - wanted[0, 1]), 1e-4)


def test_the_filters_are_the_originals():
    wanted = GOLDEN["variants"]["AASIST"]["filters"]
    found = aasist.filters()[:, 0]
    assert list(found.shape) == wanted["shape"]
    np.testing.assert_allclose(found.flatten()[wanted["at"]], wanted["values"], atol=1e-6)


@pytest.mark.shared
def test_what_is_no_mono_sound_is_refused(shared):
    model = registry.load_model("aasist:l", weights=shared / "weights/aasist/AASIST-L.pth")
    with pytest.raises(ValueError, match=r"takes float32 .N, 64600., got uint8"):
        model.score(np.zeros((1, 224, 224, 3), np.uint8))
    with pytest.raises(ValueError, match="takes mono sound"):
        model.preprocess(np.zeros((2, 64_600), np.float32))
