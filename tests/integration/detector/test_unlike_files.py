"""Files unlike all that was tested end as not judged; what is like them keeps its answer."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from detector import messages
from detector.media.writer import write_mp4
from detector.pipeline.analyzer import Analyzer
from detector.schema.analysis import Label, Modality, ReasonCode
from lab.bench import graphics


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(device="cpu")


def judged(analyzer, path):
    return analyzer.analyze(path, scores_only=True)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["face_mosaic.mp4", "fake_face_mosaic.mp4"])
def test_a_pixelated_face_is_neither_cleared_nor_accused(analyzer, shared, name):
    out = judged(analyzer, shared / "bugs5" / name)
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.PIXELATED
    assert messages.text(out.verdict.reasons[0]) == "Not judged: the face is pixelated."


def astronaut(path, change):
    picture = data.astronaut()[:480]
    frames = ((change(np.roll(picture, n // 4, axis=1)), n / 12) for n in range(12))
    write_mp4(path, frames, {"crf": "23"}, 12)
    return path


def test_a_mosaic_below_a_clear_face_silences_nobody(analyzer, tmp_path):
    def change(rgb):
        small = cv2.resize(rgb[330:430, 60:360], (20, 7), interpolation=cv2.INTER_AREA)
        out = rgb.copy()
        out[330:430, 60:360] = cv2.resize(small, (300, 100), interpolation=cv2.INTER_NEAREST)
        return out

    out = judged(analyzer, astronaut(tmp_path / "plate.mp4", change))
    assert out.verdict.label is not Label.NOT_APPLICABLE and out.people[0].probability is not None


@pytest.mark.parametrize("kind", ["wheel", "checkerboard", "bars", "street_map", "text_page"])
def test_a_graphic_is_not_judged(analyzer, tmp_path, kind):
    path = tmp_path / "made.png"
    graphics.make(getattr(graphics, kind), seed=77).save(path)
    out = judged(analyzer, path)
    assert out.verdict.label is Label.NOT_APPLICABLE
    assert out.verdict.reasons[0].code is ReasonCode.GRAPHIC


def test_a_photograph_is_judged(analyzer, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(data.rocket()).save(path)
    out = judged(analyzer, path)
    (picture,) = (s for s in out.subjects if s.modality is Modality.PICTURE)
    assert picture.unlike < 0 > picture.frames[0].graphic
    assert out.verdict.label is not Label.NOT_APPLICABLE
