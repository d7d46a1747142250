"""No step makes a narrow picture large: what brings its shorter side to a size has a bound."""

import threading
import tracemalloc
from functools import partial

import numpy as np
import pytest

from detector import colors, media
from detector.comparison import compare
from detector.errors import MediaError, UsageError
from detector.media import Frame
from detector.models.base import CropRecipe
from detector.models.pictures import fit
from detector.pipeline.frozen import averaged
from detector.pipeline.modalities.full_frame import full_frame_segment
from detector.provenance import MarkSearch
from detector.provenance.hashes import phash
from detector.schema.media import Media
from detector.signals.patch import cut_patch
from detector.vision.blazeface import tiles
from detector.vision.mtcnn import _Shrunk
from service.live.viewers import letterbox, padded
from service.records.thumbnails import small

MOST = 32 * 1024**2  # bytes; at 360 px of its shorter side a picture of 2 x 30,000 px has 2 GB


def marks(rgb):
    search = MarkSearch()
    search.begin((0.0,))
    search.add(Frame(0, 0.0, rgb), (0.0,))


def levels(rgb):
    shrunk = _Shrunk(rgb, 20)
    for scale in shrunk.scales():
        shrunk.level(scale)


def recipe(**how):
    return partial(lambda recipe, rgb: fit(rgb, recipe), CropRecipe(kind="whole", **how))


STEPS = {
    "marks": marks,
    "cover": recipe(fit="cover", size=384, short=512),
    "pad": recipe(fit="pad"),
    "pad-small": recipe(fit="pad-small"),
    "middle": recipe(fit="middle", tile=128),
    "stretch": recipe(),
    "colors": colors.small,
    "perceptual hash": phash,
    "sharpness": partial(full_frame_segment, time=0.0, index=0),
    "frozen": averaged,
    "pyramid": levels,
    "tiles": lambda rgb: [rgb[y:, x:].copy() for x, y in tiles(*rgb.shape[:2])[0]],
    "patch": lambda rgb: cut_patch(rgb, (0.0, 0.0, 60.0, 60.0)),
    "thumbnail": small,
    "live": letterbox,
    "window": padded,
}


@pytest.mark.parametrize("size", [(2, 30_000), (30_000, 2)], ids=["tall", "wide"])
@pytest.mark.parametrize("step", STEPS)
def test_a_narrow_picture_stays_small(step, size):
    rgb = np.full((size[1], size[0], 3), 127, np.uint8)
    tracemalloc.start()
    try:
        STEPS[step](rgb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST


@pytest.mark.parametrize(
    ("width", "height", "narrow"),
    [
        (1, 1, True), (15, 15, True), (16, 16, False), (16, 320, False), (16, 321, True),
        (321, 16, True), (7680, 4320, False), (0, 0, True),
    ],
)  # fmt: skip
def test_the_one_limit(width, height, narrow):
    assert about(width, height).too_narrow is narrow
    assert not about(width, height, kind="audio").too_narrow


def test_a_narrow_video_gets_no_playable_copy(tmp_path):
    with pytest.raises(MediaError, match="no playable copy"):
        media.playable(tmp_path / "a.mov", about(1, 2000), tmp_path, cancel=threading.Event())


def test_a_narrow_picture_is_not_compared():
    with pytest.raises(UsageError, match="1 × 2000 pixels"):
        compare("a", "b", copy_media=about(640, 480), original_media=about(1, 2000))


def about(width, height, kind="video"):
    return Media(
        name="a", sha256="", kind=kind, size=1, width=width, height=height, container="", codec=""
    )
