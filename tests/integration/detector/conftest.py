"""Fixtures that tests of the detector share."""

from pathlib import Path

import pytest

from bench.clips import face_clip
from detector import vision
from detector.pipeline import Analyzer
from detector.samples import Sample
from tests.support.portrait import footage, write
from tests.support.samples import samples


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(device="cpu")


@pytest.fixture(scope="module")
def mtcnn() -> vision.FaceDetector:
    return vision.load_detector()


@pytest.fixture(scope="module")
def clip() -> Path:
    """3 s of a real face."""
    return face_clip(3, 640, 360, 25)


@pytest.fixture(scope="module")
def gallery() -> dict[str, Sample]:
    """The samples of the first screen by their id."""
    return {sample.id: sample for sample in samples()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Footage of a portrait, which copies are compared with."""
    return write(tmp_path_factory.mktemp("original") / "original.mp4", footage())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a data folder of the test's own, which is not there yet."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
