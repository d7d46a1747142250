"""Where faces are looked for: the same boxes as by a search everywhere, and nobody overlooked."""

import numpy as np
import pytest

from detector.vision import Detection
from detector.vision.mtcnn import Mtcnn
from detector.vision.tracking import EVERYWHERE_LOOKS, EVERYWHERE_SECONDS, FaceSearch
from tests.integration.detector.test_faces import face_at, head, scene, shot


@pytest.mark.parametrize("width", [45, 80, 150, 300])
@pytest.mark.parametrize("size", [(1280, 720), (853, 480)])
def test_a_followed_face_is_the_one_that_a_search_finds(mtcnn, size, width):
    x, y = size[0] / 2, size[1] / 2
    frame = shot(size, ((x, y), head(width)))
    moved = shot(size, ((x + 0.2 * width, y - 0.1 * width), head(width)))
    before = mtcnn.detect(frame, 40)
    assert len(before) == 1
    assert mtcnn.follow(moved, 40, before) == mtcnn.detect(moved, 40)


@pytest.mark.parametrize("place", [(16, 130), (630, 300), (320, 25), (20, 330)])
def test_a_face_at_the_edge_is_followed(mtcnn, place):
    frame = shot((640, 360), (place, head(80)))
    found = mtcnn.detect(frame, 40)
    assert len(found) == 1
    assert mtcnn.follow(frame, 40, found) == found


@pytest.mark.parametrize("width", [30, 80, 150])
def test_a_face_that_moved_little_is_refined(width):
    cascade = Mtcnn()
    frame = shot((640, 360), ((320, 180), head(width)))
    moved = shot((640, 360), ((320 + 0.2 * width, 180 - 0.1 * width), head(width)))
    [refined] = cascade.refine(moved, cascade.detect(frame, 20))
    [searched] = cascade.detect(moved, 20)
    assert np.abs(np.subtract(refined.landmarks, searched.landmarks)).max() < 0.08 * width
    assert cascade.refine(scene((640, 360)), [refined]) == []
    assert cascade.refine(frame, []) == []


def test_only_what_is_near_is_seen(mtcnn):
    frame = shot((1280, 720), *(((x, 360), head(70)) for x in (200, 640, 1080)))
    left, _, right = mtcnn.detect(frame, 40)
    assert mtcnn.follow(frame, 40, [left]) == [left]
    assert mtcnn.follow(frame, 40, [right, left]) == [left, right]


def test_who_is_gone_is_missing(mtcnn):
    frame = shot((640, 360), ((320, 180), head(80)))
    assert mtcnn.follow(scene((640, 360)), 40, mtcnn.detect(frame, 40)) == []


@pytest.mark.parametrize("size", [(1, 1), (10, 10), (11, 300)])
def test_a_frame_too_small_to_follow_in(mtcnn, size):
    assert mtcnn.follow(np.zeros((*size, 3), np.uint8), 20, [face_at(5, 5, 20)]) == []


class Seen:
    """A detector that knows who is where, and notes how it was asked."""

    name = "seen"

    def __init__(self):
        self.here: list[Detection] = []
        self.asked = ""

    def detect(self, rgb, min_face):
        self.asked += "E"
        return list(self.here)

    def follow(self, rgb, min_face, faces):
        self.asked += "f"
        centers = [face.box[0] + face.box[2] for face in faces]
        return [f for f in self.here if min(abs(f.box[0] + f.box[2] - c) for c in centers) < 60]


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def search(seen):
    return FaceSearch(seen, 40)


ROOM = scene((320, 180))
ELSEWHERE = np.full_like(ROOM, (200, 30, 60))


def test_who_stays_is_followed_and_everywhere_is_searched_now_and_then(seen, search):
    seen.here = [face_at(100)]
    for n in range(2 * EVERYWHERE_LOOKS):
        assert search.find(0.01 * n, ROOM) == seen.here
    assert seen.asked == 2 * ("E" + (EVERYWHERE_LOOKS - 1) * "f")
    for n in range(1, 4):  # frames far apart
        search.find(n * EVERYWHERE_SECONDS + 1, ROOM)
    assert seen.asked.endswith("fEEE")


def test_without_a_face_every_frame_is_searched(seen, search):
    for n in range(3):
        assert search.find(0.04 * n, ROOM) == []
    seen.here = [face_at(100)]
    assert search.find(0.12, ROOM) == seen.here
    assert seen.asked == "EEEE"


def test_who_comes_is_found_in_time(seen, search):
    seen.here = [face_at(60)]
    search.find(0.0, ROOM)
    seen.here = [face_at(60), face_at(250)]
    times = np.arange(1, 20) * EVERYWHERE_SECONDS / 5
    first = next(t for t in times if len(search.find(float(t), ROOM)) == 2)
    assert first <= EVERYWHERE_SECONDS


def test_who_is_lost_is_searched_everywhere_at_once(seen, search):
    seen.here = [face_at(60), face_at(250)]
    search.find(0.0, ROOM)
    seen.here = [face_at(60), face_at(160)]
    assert search.find(0.04, ROOM) == seen.here
    assert seen.asked == "EfE"
    seen.here = [face_at(60)]
    assert search.find(0.08, ROOM) == seen.here
    assert search.find(0.12, ROOM) == seen.here
    assert seen.asked == "EfEfEf"


@pytest.mark.parametrize(
    ("before", "after", "frame", "asked"),
    [((100, 120), (110,), ROOM, "EfE"), ((100,), (100, 220), ELSEWHERE, "EE")],
    ids=["one face does not stand for two", "after a cut"],
)
def test_everywhere_is_searched_anew(seen, search, before, after, frame, asked):
    seen.here = [face_at(x) for x in before]
    search.find(0.0, ROOM)
    seen.here = [face_at(x) for x in after]
    assert search.find(0.04, frame) == seen.here
    assert seen.asked == asked
