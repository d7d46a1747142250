"""GenD's crop and its order of frames, held against the original."""

import json

import numpy as np
import pytest

from detector.models.base import CropRecipe
from detector.vision import alignment, cut
from tests.support.golden import FOLDER, picture

GOLDEN = json.loads((FOLDER / "transformers" / "gend_aligner.json").read_text())
RECIPE = CropRecipe(kind="points", template="gend", native=True, size=0)
BOX = (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("case", GOLDEN["cases"].values(), ids=GOLDEN["cases"])
def test_the_crop_is_the_originals(case):
    crop = cut(picture("input_odd_313x277.png"), BOX, RECIPE, case["points"])
    wanted = case["native"]["crop"]
    assert list(crop.shape) == wanted["shape"]
    # Newer versions of OpenCV round a few pixels otherwise.
    np.testing.assert_allclose(crop.flatten()[wanted["at"]], wanted["values"], atol=1)
    assert float(crop.mean()) == pytest.approx(wanted["mean"], abs=0.02)
    assert float(crop.std()) == pytest.approx(wanted["std"], abs=0.02)


def test_another_crop_is_another_picture():
    case = GOLDEN["cases"]["tilted 20 degrees"]
    wanted, frame = case["native"]["crop"], picture("input_odd_313x277.png")
    others = [
        cut(frame, BOX, RECIPE.model_copy(update={"template": "arcface"}), case["points"]),
        cut(frame, BOX, RECIPE.model_copy(update={"scale": 1.25}), case["points"]),
        cut(frame[..., ::-1], BOX, RECIPE, case["points"]),  # BGR
    ]
    for other in others:
        at = [index for index in wanted["at"] if index < other.size]
        values = wanted["values"][: len(at)]
        off = np.abs(other.flatten()[at].astype(float) - values).max()
        assert off > 2, "the golden is held to 1"


@pytest.mark.parametrize("points", [[(0.0, 0.0)] * 5, [(1.0, 2.0)] * 4, [(float("nan"), 1.0)] * 5])
def test_points_that_are_none_are_refused(points):
    with pytest.raises(ValueError, match="five landmarks"):
        alignment.align(picture("input_face_224.png"), points, RECIPE)
