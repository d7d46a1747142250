"""BlazeFace with its published weights, step by step as its original ran."""

import json
import shutil

import cv2
import numpy as np
import pytest

from detector.errors import WeightsError
from detector.models import registry
from detector.models.network import normalize
from detector.models.pictures import fit
from detector.vision import blazeface, cut, load_detector
from tests.support.golden import picture

ODD = "input_odd_313x277.png"
RECIPE = registry.get_spec("ispl_efficientnetb4").crop


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "goldens" / "ispl_blazeface.json").read_text())


@pytest.fixture(scope="module")
def detector(shared):
    return blazeface.BlazeFace(weights=shared / "weights" / "blazeface" / "blazeface.pth")


def agree(values, wanted, tolerance):
    assert list(values.shape) == wanted["shape"]
    np.testing.assert_allclose(values.ravel()[wanted["at"]], wanted["values"], atol=tolerance)
    assert values.mean() == pytest.approx(wanted["mean"], abs=tolerance)


def frames():
    canvas = np.full((360, 640, 3), 127, np.uint8)
    canvas[30:307, 10:323] = picture(ODD)
    canvas[60:337, 327:640] = picture(ODD)[:, ::-1]
    names = (ODD, "input_face_380.png")
    flat = np.full((240, 320, 3), 127, np.uint8)
    return {n: picture(n) for n in names} | {"canvas_640x360": canvas, "flat_grey": flat}


@pytest.mark.shared
def test_the_network_gives_the_original_numbers(golden, detector, shared):
    wanted = golden["raw"]
    small = cv2.resize(picture("input_face_256.png"), (128, 128), interpolation=cv2.INTER_AREA)
    places, scores = detector.raw(small[None])
    agree(places, wanted["regressors [1,896,16]"], 1e-4)
    with np.errstate(divide="ignore"):
        raw = np.log(scores / (1 - scores))[..., None]
    likely = np.array(wanted["scores before sigmoid [1,896,1]"]["values"])
    at = wanted["scores before sigmoid [1,896,1]"]["at"]
    np.testing.assert_allclose(raw.ravel()[at], likely, atol=2e-2)
    own = np.load(shared / "weights" / "blazeface" / "anchors.npy")
    np.testing.assert_allclose(blazeface.anchors(), own[:, :2], atol=1e-6)
    assert (own[:, 2:] == 1).all()


@pytest.mark.shared
@pytest.mark.parametrize("name", frames())
def test_tiles_detections_margins_and_crops(golden, detector, name):
    frame, wanted = frames()[name], golden["frames"][name]
    corners, size = blazeface.tiles(*frame.shape[:2])
    across, down, side, *_ = wanted["tiles (num_h,num_v,size,x_step,y_step)"]
    assert (len(corners), size) == (across * down, side)

    found = detector.find(frame)
    assert len(found) == wanted["detections before NMS"]
    merged = blazeface.merge(found)
    key = "detections after weighted NMS, pixels (ymin,xmin,ymax,xmax,6x(x,y),score)"
    assert len(merged) == len(wanted[key])
    for face, expected in zip(merged, wanted[key], strict=True):
        y0, x0, y1, x1, *rest = expected
        np.testing.assert_allclose(face, [x0, y0, x1, y1, *rest], atol=2e-2)

    faces = sorted(detector.detect(frame, 40), key=lambda face: -face.confidence)
    for face, expected in zip(faces, wanted["crops"], strict=True):
        transformed = expected["tensor after the ISPL transform"]
        tensor = normalize(cut(frame, face.box, RECIPE), registry.get_spec("ispl_efficientnetb4"))[
            None
        ]
        # The crop's edges are whole pixels; its values go through OpenCV's own rounding.
        agree(tensor.numpy(), transformed, 0.02)


@pytest.mark.shared
def test_small_crops_are_padded_not_grown(golden):
    spec = registry.get_spec("ispl_efficientnetb4")
    for words, rows, columns in (
        ("transform of a crop smaller than 224", slice(60, 210), slice(90, 220)),
        ("transform of rows 60..159, columns 10..299", slice(60, 160), slice(10, 300)),
    ):
        (wanted,) = (value for key, value in golden.items() if key.startswith(words))
        small = fit(np.ascontiguousarray(picture(ODD)[rows, columns]), spec.crop)
        agree(normalize(small, spec)[None].numpy(), wanted, 1e-5)


@pytest.mark.shared
def test_points_are_the_eyes_nose_and_mouth(detector):
    (face,) = detector.detect(picture("input_face_380.png"), 40)
    left, right, nose, mouth_left, mouth_right = np.array(face.landmarks)
    assert left[0] < nose[0] < right[0] and mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    x0, y0, x1, y1 = face.box
    assert all(x0 < x < x1 and y0 < y < y1 for x, y in face.landmarks)
    assert 0.75 <= face.confidence <= 1
    assert detector.detect(picture("input_face_380.png"), 300) == []


@pytest.mark.shared
def test_it_is_a_detector_by_name_once_fetched(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    with pytest.raises(WeightsError, match="not on this computer") as caught:
        load_detector("blazeface")
    assert "unmask fetch blazeface" in caught.value.hint
    (tmp_path / "weights" / "blazeface").mkdir(parents=True)
    shutil.copy(shared / "weights" / "blazeface" / "blazeface.pth", tmp_path / "weights/blazeface")
    assert len(load_detector("blazeface").detect(frames()["canvas_640x360"], 40)) == 2


def test_tiles_cover_the_frame():
    for height, width in ((1080, 1920), (720, 720), (480, 481), (1, 9), (2000, 500)):
        corners, size = blazeface.tiles(height, width)
        assert size == min(height, width, 720) and len(corners) <= 16
        assert corners.min() == 0
        assert (corners[:, 0] + size).max() >= width - 1 and corners[:, 1].max() + size <= height
