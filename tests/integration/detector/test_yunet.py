"""YuNet with its published weights, through OpenCV, and the choice of a face detector."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.errors import WeightsError
from detector.schema.analysis import Settings
from detector.vision import detection, load_detector, mtcnn
from detector.vision.yunet import YuNet
from tests.support.golden import picture

WEIGHTS = Path("weights/yunet/yunet_n_dynamic.onnx")


@pytest.fixture(scope="module")
def face():
    return picture("input_face_380.png")


@pytest.mark.shared
def test_it_finds_the_face_that_mtcnn_finds(shared, face):
    (found,) = YuNet(weights=shared / WEIGHTS).detect(face, 40)
    (known,) = mtcnn.Mtcnn().detect(face, 40)
    assert detection.iou(np.array(found.box), np.array([known.box]))[0] > 0.7
    width = known.box[2] - known.box[0]
    apart = np.linalg.norm(np.subtract(found.landmarks, known.landmarks), axis=1)
    assert (apart < 0.12 * width).all()
    assert YuNet(weights=shared / WEIGHTS).detect(face, 300) == []


@pytest.mark.shared
def test_places_are_those_of_the_whole_frame(shared, face):
    """A frame of 1920 px is searched smaller."""
    frame = np.full((1080, 1920, 3), 127, np.uint8)
    frame[300:680, 1200:1580] = face
    (small,) = YuNet(weights=shared / WEIGHTS).detect(face, 40)
    (large,) = YuNet(weights=shared / WEIGHTS).detect(frame, 40)
    np.testing.assert_allclose(np.subtract(large.box, (1200, 300, 1200, 300)), small.box, atol=12)


@pytest.mark.shared
def test_settings_choose_it_once_it_is_fetched(shared, face, analyzer, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    picked = tmp_path / "face.png"
    cv2.imwrite(str(picked), face[..., ::-1])
    settings = Settings(faces="yunet", models=["texture"])
    with pytest.raises(WeightsError, match="not on this computer") as caught:
        analyzer.analyze(picked, settings)
    assert "unmask fetch yunet" in caught.value.hint
    (tmp_path / WEIGHTS).parent.mkdir(parents=True)
    shutil.copy(shared / WEIGHTS, tmp_path / WEIGHTS)
    analysis = analyzer.analyze(picked, settings)
    (person,) = analysis.seen
    (known,) = load_detector("yunet").detect(face, 40)
    np.testing.assert_allclose(person.frames[0].box, known.box, atol=1)
    assert analyzer.analyze(picked, Settings(models=["texture"])).id != analysis.id
