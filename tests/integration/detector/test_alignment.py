"""Faces aligned by five points, and widened boxes, as the detectors' originals cut them."""

import json

import cv2
import numpy as np
import pytest

from detector.models.base import CropRecipe
from detector.vision import alignment, blazeface, box_for, cut, load_detector
from tests.support.golden import FOLDER, picture

ALIGNED = CropRecipe(kind="points", template="arcface", scale=1.3, size=256, resize="cubic")
CASES = json.loads((FOLDER / "crops" / "dfb_aligner.json").read_text())["cases"]
FRAME = picture("input_odd_313x277.png")
BOX = (100.0, 60.0, 200.0, 180.0)


@pytest.mark.parametrize("size", [256, 224])
@pytest.mark.parametrize("name", CASES)
def test_the_benchmarks_alignment(name, size):
    """Its matrix, and its crop but for one gray level: OpenCV has changed how it rounds."""
    points = np.array(CASES[name]["points (x,y)"], np.float64)
    wanted = CASES[name][f"res {size}"]
    matrix = alignment.similarity(points, alignment.goal(ALIGNED, size))
    np.testing.assert_allclose(matrix, wanted["M"], atol=1e-4)
    recipe = ALIGNED.model_copy(update={"size": size})
    crop = cut(FRAME, BOX, recipe, [tuple(p) for p in points.tolist()])
    expected = wanted["crop"]
    assert list(crop.shape) == expected["shape"]
    np.testing.assert_allclose(crop.ravel()[expected["at"]], expected["values"], atol=1)
    assert crop.mean() == pytest.approx(expected["mean"], abs=0.05)
    assert crop.std() == pytest.approx(expected["std"], abs=0.05)


def test_centers_become_the_points_dlib_would_give():
    centers = np.array([[40.0, 50], [80, 50], [60, 70], [45, 95], [75, 95]])
    lids_and_lips = alignment.to_dlib(centers) - centers
    (left, right, nose, upper, lower) = lids_and_lips
    assert left[0] < 0 < right[0] and left[1] == pytest.approx(right[1]) and left[1] < 0
    assert (nose == 0).all()
    assert upper[0] > 0 > upper[1] and lower[0] < 0 < lower[1]
    # The face turned by a right angle takes its points along.
    turned = alignment.to_dlib(centers[:, ::-1] * (1, -1)) - centers[:, ::-1] * (1, -1)
    np.testing.assert_allclose(turned, lids_and_lips[:, ::-1] * (1, -1), atol=1e-9)


def test_landmarks_of_our_detector_lie_alike_at_any_size_and_tilt(astronaut):
    (face,) = load_detector().detect(astronaut, 40)
    recipe = ALIGNED.model_copy(update={"landmarks": "dlib"})
    upright = cut(astronaut, face.box, recipe, face.landmarks)
    turn = cv2.getRotationMatrix2D((220, 120), 20, 0.8)
    frame = cv2.warpAffine(astronaut, turn, (512, 512))
    points = [tuple(turn @ (x, y, 1)) for x, y in face.landmarks]
    tilted = cut(frame, face.box, recipe, points)
    middle = np.s_[64:192, 64:192]
    apart = np.abs(upright[middle].astype(int) - tilted[middle])
    assert apart.mean() < 8


@pytest.mark.parametrize("points", [None, [], [(1.0, 1.0)] * 5, [(float("nan"), 1.0)] * 5])
def test_an_alignment_needs_five_points(points):
    with pytest.raises(ValueError, match="five landmarks"):
        cut(FRAME, BOX, ALIGNED, points)


def test_widened_boxes():
    sides = CropRecipe(kind="box", margins=(0.125,) * 4, size=0)
    # github.com/mapooon/SelfBlendedImages: int(low), int(high) + 1
    assert cut(FRAME, BOX, sides).shape == (151, 126, 3)
    assert np.array_equal(cut(FRAME, BOX, sides), FRAME[45:196, 87:213])
    height = CropRecipe(kind="box", margins=(0.2, 0.4, 0.2, 0.2), margin_of="height", size=0)
    assert np.array_equal(cut(FRAME, (100.0, 80.0, 180.0, 160.0), height), FRAME[48:176, 84:196])
    # github.com/polimi-ispl/icpr2020dfdc: the top's margin is twice the rounded one, so of 107 px
    # 2 x 21 and not 43; a half is rounded to the even number, as torch does.
    for side, margin in ((107.0, 21), (62.5, 12), (67.5, 14)):
        found = cut(FRAME, (100.0, 80.0, 100.0 + side, 80.0 + side), height)
        low, far = 100 - margin, int(100 + side + margin)
        assert np.array_equal(found, FRAME[80 - 2 * margin : far - 20, low:far])
    # It ends where the frame ends; beside the frame there is still a pixel.
    assert np.array_equal(cut(FRAME, (-20.0, -20.0, 40.0, 40.0), height), FRAME[:52, :52])
    assert cut(FRAME, (900.0, 900.0, 950.0, 960.0), sides).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="finite"):
        cut(FRAME, (float("inf"), 0.0, 1.0, 1.0), sides)


def test_a_box_becomes_that_of_the_recipes_detector():
    recipe = CropRecipe(kind="box", margins=(0.2,) * 4, boxes="blazeface")
    tall = (100.0, 60.0, 200.0, 200.0)
    x0, y0, x1, y1 = box_for(recipe, tall, "mtcnn")
    assert x1 - x0 == pytest.approx(y1 - y0) == pytest.approx(0.82 * 140)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((150, 144))
    assert box_for(recipe, tall, "blazeface") == tall
    assert box_for(recipe.model_copy(update={"boxes": "mtcnn"}), tall) == tall
    assert box_for(CropRecipe(), tall) == tall


@pytest.mark.shared
def test_a_converted_box_is_near_the_other_detectors(shared, astronaut):
    weights = shared / "weights" / "blazeface" / "blazeface.pth"
    (own,) = blazeface.BlazeFace(weights=weights).detect(astronaut, 40)
    (ours,) = load_detector().detect(astronaut, 40)
    recipe = CropRecipe(kind="box", boxes="blazeface")
    width = own.box[2] - own.box[0]
    raw = np.abs(np.subtract(ours.box, own.box)).max()
    converted = np.abs(np.subtract(box_for(recipe, ours.box), own.box)).max()
    assert converted < 0.12 * width and converted < 0.7 * raw
