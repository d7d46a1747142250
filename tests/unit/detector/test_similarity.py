"""Two files of one footage, and two of different footage."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data

from detector import media
from detector.comparison.similarity import Likeness, perceptual_similarity


def write(path: Path, picture: np.ndarray, crf: int, *, seconds: int = 2) -> Path:
    """A clip in which the picture moves to the side."""
    height, width = (n // 2 * 2 for n in picture.shape[:2])
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for n in range(seconds * 10):
            shown = np.roll(picture[:height, :width], 4 * n * width // 320, axis=1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("likeness")
    face = skimage.data.astronaut()[:240, :320]
    altered = face.copy()
    altered[60:110, 180:230] = altered[60:110, 180:230][:, ::-1]
    return {
        "original": write(folder / "a.mp4", face, 18),
        "copy": write(folder / "b.mp4", face, 32),
        "recoded": write(folder / "f.mp4", face, 23),
        "altered": write(folder / "c.mp4", altered, 23),
        "small": write(folder / "d.mp4", face[::2, ::2], 23),
        "other": write(folder / "e.mp4", skimage.data.coffee()[:240, :320], 23),
    }


def held(clips: dict[str, Path], a: str, b: str) -> Likeness:
    first, second = clips[a], clips[b]
    return perceptual_similarity(first, media.probe(first), second, media.probe(second))


def test_a_file_is_like_itself(clips: dict[str, Path]) -> None:
    found = held(clips, "original", "original")
    assert len(found.times) == 12 and found.same_footage
    assert set(found.psnr) == {100.0} and set(found.hash_bits) == {0}
    assert min(found.ssim) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["copy", "altered", "small"])
def test_a_copy_is_the_same_footage(clips: dict[str, Path], name: str) -> None:
    found = held(clips, "original", name)
    assert found.same_footage
    assert 20 < np.median(found.psnr) < 60 and np.median(found.ssim) > 0.7


def test_other_footage_is_not(clips: dict[str, Path]) -> None:
    found = held(clips, "original", "other")
    assert not found.same_footage
    assert np.median(found.psnr) < 20 and np.median(found.ssim) < 0.5


def test_a_change_in_the_face_costs_more_than_the_encoder(clips: dict[str, Path]) -> None:
    recoded, altered = held(clips, "original", "recoded"), held(clips, "original", "altered")
    assert np.median(altered.ssim) < np.median(recoded.ssim) - 0.01
    assert np.median(altered.psnr) < np.median(recoded.psnr) - 3


def test_nothing_in_common_is_not_the_same() -> None:
    assert not Likeness((), (), (), ()).same_footage
