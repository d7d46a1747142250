"""Keyframes: one sharp picture of each scene."""

import io
import zipfile

import cv2
import numpy as np
import pytest
from skimage.data import astronaut, camera, coffee

from detector import media
from detector.provenance.hashes import archive, keyframes
from tests.conftest import write_clip


@pytest.fixture
def clip(tmp_path):
    """Three scenes of two seconds, mostly smeared, and one that is black."""
    gray = np.repeat(camera()[..., None], 3, axis=2)
    pictures = []
    for scene in (astronaut(), coffee(), gray, np.zeros((256, 256, 3), np.uint8)):
        sharp = cv2.resize(scene, (320, 240), interpolation=cv2.INTER_AREA)
        smeared = cv2.GaussianBlur(sharp, (0, 0), 4)
        pictures += [sharp if i in (6, 7, 8) else smeared for i in range(20)]
    return write_clip(tmp_path / "clip.mp4", seconds=8, fps=10, picture=pictures.__getitem__)


def test_each_scene_gives_its_sharpest_picture_and_a_blank_one_none(clip):
    frames = keyframes(clip, media.probe(clip))
    assert len(frames) == 3
    assert [int(frame.time // 2) for frame in frames] == [0, 1, 2]
    for frame in frames:
        assert frame.sharpness > 400, "the smeared ones have far less"


def test_the_archive_holds_them_by_their_times(clip):
    frames = keyframes(clip, media.probe(clip), most=2)
    names = zipfile.ZipFile(io.BytesIO(archive(frames))).namelist()
    assert len(frames) == 2 and names == [frame.name for frame in frames]
