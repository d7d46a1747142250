"""Fixtures that tests of the detector share."""

import pytest

from detector import vision
from detector.pipeline import Analyzer
from tests.support.clips import face_clip
from tests.support.portrait import footage, write
from tests.support.samples import samples


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(device="cpu")


@pytest.fixture(scope="module")
def mtcnn():
    return vision.load_detector()


@pytest.fixture(scope="module")
def clip():
    """3 s of a real face."""
    return face_clip(3, 640, 360, 25)


@pytest.fixture(scope="module")
def gallery():
    """The samples of the first screen by their id."""
    return {sample.id: sample for sample in samples()}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Footage of a portrait, which copies are compared with."""
    return write(tmp_path_factory.mktemp("original") / "original.mp4", footage())
