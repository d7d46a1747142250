"""Faces: real detections on pictures and made scenes of scikit-image's public-domain portrait."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from detector import vision
from detector.errors import UsageError
from detector.models import registry
from detector.models.base import CropRecipe
from detector.models.pictures import fit
from detector.schema.analysis import ReasonCode
from detector.vision import Detection
from detector.vision.mtcnn import Mtcnn, _suppress
from detector.vision.quality import BLURRED, pose
from detector.vision.tracking import SEARCH_SAMPLES, SEARCH_SECONDS, FaceSearch

WIDTH = 85.0  # px. The portrait's face at full size.
CENTER = (225.0, 118.0)


def portrait():
    return data.astronaut()


def head(width, *, person=0):
    """A head with a face `width` px wide in its middle; persons differ in hue and side."""
    patch = portrait()[18:218, 145:305]
    patch = (patch, patch[:, ::-1, [1, 0, 2]], patch[..., [2, 1, 0]])[person]
    size = (round(160 * width / WIDTH), round(200 * width / WIDTH))
    way = cv2.INTER_AREA if width < WIDTH else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(patch), size, interpolation=way)


def scene(size, *, tone=120):
    width, height = size
    row = np.linspace(tone - 30, tone + 30, width)
    return np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2).astype(np.uint8)


def put(frame, patch, center):
    height, width = patch.shape[:2]
    x, y = round(center[0] - width / 2), round(center[1] - height / 2)
    left, top = max(0, -x), max(0, -y)
    target = frame[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    if target.size:
        target[:] = patch[top : top + target.shape[0], left : left + target.shape[1]]


def shot(size, *heads, tone=120):
    """A room with heads around these points, the later ones in front."""
    frame = scene(size, tone=tone)
    for center, patch in heads:
        put(frame, patch, center)
    return frame


def middle(face):
    x0, y0, x1, y1 = face.box
    return (x0 + x1) / 2, (y0 + y1) / 2


def width_of(face):
    return face.box[2] - face.box[0]


def face_at(x, y=100.0, width=60.0, confidence=1.0):
    height = width * 1.3
    five = [(-0.25, -0.12), (0.25, -0.12), (0.0, 0.08), (-0.2, 0.27), (0.2, 0.27)]
    return Detection(
        (x - width / 2, y - height / 2, x + width / 2, y + height / 2),
        tuple((x + dx * width, y + dy * height) for dx, dy in five),
        confidence,
    )


def test_cut_takes_the_square_about_the_longer_side_of_the_box():
    frame = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    crop = vision.cut(frame, (40, 30, 60, 50), CropRecipe(scale=2.0, size=40))
    np.testing.assert_array_equal(crop, frame[20:60, 30:70])
    crop = vision.cut(frame, (45, 30, 55, 50), CropRecipe(scale=1.0, size=20))
    np.testing.assert_array_equal(crop, frame[30:50, 40:60])


@pytest.mark.parametrize("offset", [0.0, 0.2, 0.49, 0.5, 0.51, 0.99])
def test_cut_is_at_most_half_a_pixel_beside_the_center(offset):
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, :] = np.arange(64, dtype=np.uint8)[None, :, None]
    box = (20 + offset, 20.0, 30 + offset, 30.0)
    crop = vision.cut(frame, box, CropRecipe(scale=1.0, size=10))
    center = crop[0, :, 0].mean() + 0.5
    assert abs(center - (25 + offset)) <= 0.5


def test_cut_borders():
    frame = np.full((50, 50, 3), 200, np.uint8)
    frame[:, 0] = (10, 20, 30)
    box = (-10.0, 10.0, 10.0, 30.0)
    black = vision.cut(frame, box, CropRecipe(scale=1.0, size=20, border="black"))
    assert (black[:, :10] == 0).all()
    assert (black[:, 11:] == 200).all()
    edge = vision.cut(frame, box, CropRecipe(scale=1.0, size=20, border="replicate"))
    assert (edge[:, :11] == (10, 20, 30)).all()


@pytest.mark.parametrize("beyond", [12, 70])
def test_cut_mirrors_the_picture_at_its_edge(beyond):
    frame = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8)
    box = (-float(beyond), 5.0, 40.0 - beyond + 60, 105.0)
    side = 100
    seen = vision.cut(frame, box, CropRecipe(scale=1.0, size=side, border="mirror", resize="area"))
    whole = np.pad(frame, ((100, 100), (100, 100), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(seen, whole[105:205, 100 - beyond : 200 - beyond])


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((20.0, 10.0, 40.0, 30.0), (10, 0, 50, 40)),  # within: the square about the box
        ((60.0, 30.0, 80.0, 50.0), (40, 10, 80, 50)),  # moved in from the far corner
        ((-30.0, -8.0, 0.0, 22.0), (0, 0, 50, 50)),  # and no larger than the shorter side
    ],
)
def test_a_square_inside_the_picture(box, wanted):
    frame = np.random.default_rng(0).integers(0, 256, (50, 80, 3)).astype(np.uint8)
    seen = vision.cut(frame, box, CropRecipe(scale=2.0, size=0, border="inside"))
    x0, y0, x1, y1 = wanted
    np.testing.assert_array_equal(seen, frame[y0:y1, x0:x1])


@pytest.mark.parametrize("box", [(-90.0, 5.0, -50.0, 45.0), (5.0, 300.0, 45.0, 340.0)])
def test_cut_beside_the_picture(box):
    frame = np.full((50, 50, 3), 200, np.uint8)
    assert (vision.cut(frame, box, CropRecipe(size=32)) == 0).all()
    for border in ("replicate", "mirror"):
        assert (vision.cut(frame, box, CropRecipe(size=32, border=border)) == 200).all()


def test_cut_shrinks_without_aliasing():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    box = (0.0, 0.0, 256.0, 256.0)
    area = vision.cut(stripes, box, CropRecipe(scale=1.0, size=64))
    assert set(np.unique(area)) <= {127, 128}
    nearest = vision.cut(stripes, box, CropRecipe(scale=1.0, size=64, resize="nearest"))
    assert set(np.unique(nearest)) <= {0, 255}


def test_cut_nearest_is_pillows():
    image = pytest.importorskip("PIL.Image")
    frame = np.random.default_rng(1).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    recipe = CropRecipe(scale=1.0, size=37, resize="nearest")
    expected = image.fromarray(frame).resize((37, 37), image.Resampling.NEAREST)
    np.testing.assert_array_equal(vision.cut(frame, (0, 0, 100, 100), recipe), expected)


def test_cut_whole_squeezes_the_frame():
    frame = np.zeros((30, 400, 3), np.uint8)
    frame[:15] = 255
    for resize in ("area", "bilinear", "nearest"):
        recipe = CropRecipe(kind="whole", size=64, resize=resize)
        crop = vision.cut(frame, (1e9, 0, 1e9, 0), recipe)
        assert crop.shape == (64, 64, 3)
        assert (crop[:28] == 255).all()
        assert (crop[36:] == 0).all()


@pytest.mark.parametrize("shape", [(60, 40), (40, 300), (300, 400), (224, 225)])
def test_inter_area_is_opencvs_in_both_directions(shape):
    """As GenConViT prepares faces (model/pred_func.py): one call, also where the face is small."""
    frame = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    crop = registry.get_spec("genconvit_ed").crop
    found = fit(frame, crop)
    wanted = cv2.resize(frame, (224, 224), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found, wanted)
    ours = fit(frame, crop.model_copy(update={"resize": "area"}))
    grows = min(shape) < 224
    assert np.array_equal(found, ours) != grows


def test_cut_gives_a_copy():
    frame = np.zeros((50, 50, 3), np.uint8)
    crop = vision.cut(frame, (10, 10, 20, 20), CropRecipe(scale=1.0, size=10))
    crop[:] = 9
    assert not frame.any()


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 0), (5, 5, 5, 5), (9, 9, 1, 1), (0, 0, math.nan, 9), (0, 0, math.inf, 9)]
)
def test_cut_refuses_what_is_no_box_or_frame(box):
    with pytest.raises(ValueError, match="box"):
        vision.cut(np.zeros((50, 50, 3), np.uint8), box, CropRecipe())
    for shape in ((50, 50), (50, 50, 4), (0, 50, 3)):
        with pytest.raises(ValueError, match="frame"):
            vision.cut(np.zeros(shape, np.uint8), (1, 1, 9, 9), CropRecipe())


def test_a_face_with_its_five_points(mtcnn):
    (face,) = mtcnn.detect(portrait(), 40)
    assert middle(face) == pytest.approx(CENTER, abs=6)
    assert width_of(face) == pytest.approx(WIDTH, rel=0.1)
    assert 0.99 < face.confidence <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye == pytest.approx((205, 102), abs=5)
    assert right_eye == pytest.approx((248, 104), abs=5)
    assert nose == pytest.approx((226, 130), abs=5)
    assert left_mouth == pytest.approx((203, 141), abs=5)
    assert right_mouth == pytest.approx((246, 143), abs=5)


@pytest.mark.parametrize(
    "name", ["coffee", "chelsea", "rocket", "page", "coins", "clock", "brick", "text"]
)
def test_no_face(mtcnn, name):
    picture = getattr(data, name)()
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    assert mtcnn.detect(np.ascontiguousarray(picture[..., :3]), 24) == []


@pytest.mark.parametrize("size", [(1, 1), (10, 10), (400, 5), (11, 300)])
def test_a_frame_too_small_for_a_face(mtcnn, size):
    assert mtcnn.detect(np.zeros((*size, 3), np.uint8), 20) == []


@pytest.mark.parametrize("width", [40, 60, 120, 300])
def test_a_face_of_any_size_in_a_large_frame(mtcnn, width):
    (face,) = mtcnn.detect(shot((1280, 720), ((900, 330), head(width))), 40)
    assert middle(face) == pytest.approx((900, 330), abs=0.15 * width)
    assert width_of(face) == pytest.approx(width, rel=0.2)


def test_faces_below_the_minimum_are_not_searched(mtcnn):
    frame = shot((640, 360), ((300, 200), head(24)))
    assert mtcnn.detect(frame, 60) == []
    (face,) = mtcnn.detect(frame, 20)
    assert width_of(face) == pytest.approx(24, rel=0.25)


def test_twenty_faces_from_left_to_right(mtcnn):
    places = [
        (120 + 250 * column + 4 * row, 100 + 170 * row) for column in range(5) for row in range(4)
    ]
    found = mtcnn.detect(shot((1280, 720), *((place, head(60)) for place in places)), 40)
    assert len(found) == 20
    for face, place in zip(found, places, strict=True):
        assert middle(face) == pytest.approx(place, abs=10)


@pytest.mark.parametrize("hidden", [0.1, 0.25])
@pytest.mark.parametrize("edge", ["left", "top"])
def test_a_face_at_the_edge(mtcnn, edge, hidden):
    (whole,) = mtcnn.detect(portrait(), 40)
    start = round(whole.box[0 if edge == "left" else 1] + hidden * WIDTH)
    shift = np.array((start, 0) if edge == "left" else (0, start))
    rest = portrait()[:, start:] if edge == "left" else portrait()[start:]
    (face,) = mtcnn.detect(np.ascontiguousarray(rest), 40)
    errors = np.array(face.landmarks) + shift - np.array(whole.landmarks)
    assert np.abs(errors).mean() < 0.06 * WIDTH
    assert middle(face) == pytest.approx(np.array(middle(whole)) - shift, abs=0.15 * WIDTH)


def test_the_same_frame_gives_the_same_faces_from_any_thread(mtcnn):
    one = shot((320, 240), ((160, 120), head(80)))
    two = shot((320, 240), ((90, 120), head(50)), ((230, 120), head(60)))
    expected = [mtcnn.detect(one, 40), mtcnn.detect(two, 24)]
    assert [len(found) for found in expected] == [1, 2]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(mtcnn.detect, *((one, 40), (two, 24))[n % 2]) for n in range(24)]
        for n, job in enumerate(jobs):
            assert job.result() == expected[n % 2]


def test_unknown_detector_names_the_known():
    with pytest.raises(UsageError) as caught:
        vision.load_detector("retinaface")
    assert "retinaface" in caught.value.message
    assert "mtcnn" in caught.value.hint


def test_suppression_keeps_the_best_of_each_heap():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10], [2, 2, 6, 6]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert _suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert _suppress(boxes, scores, 0.5, of_smaller=True).tolist() == [1, 2]
    assert _suppress(np.zeros((0, 4)), np.zeros(0), 0.5).tolist() == []


def test_a_good_face_has_no_problem(mtcnn):
    frame = portrait()
    (face,) = mtcnn.detect(frame, 40)
    quality = vision.assess(frame, face, 40)
    assert quality.problem is None
    assert quality.width == pytest.approx(WIDTH, rel=0.1)
    assert 120 < quality.brightness < 200
    assert quality.sharpness > 10 * BLURRED
    assert abs(quality.yaw) < 0.15
    assert quality.confidence == face.confidence


def test_each_problem_is_named(mtcnn):
    frame = portrait()
    (face,) = mtcnn.detect(frame, 40)

    def problem(picture, min_face=40):
        return vision.assess(picture, face, min_face).problem

    assert problem(frame, 90) is ReasonCode.FACE_TOO_SMALL
    assert problem((frame * 0.1).astype(np.uint8)) is ReasonCode.TOO_DARK
    assert problem((frame * 3.0).clip(0, 255).astype(np.uint8)) is ReasonCode.TOO_BRIGHT
    assert problem(cv2.GaussianBlur(frame, (0, 0), 0.06 * WIDTH)) is ReasonCode.TOO_BLURRED


def test_soft_compressed_and_dim_faces_pass(mtcnn):
    frame = portrait()
    (face,) = mtcnn.detect(frame, 40)
    soft = cv2.GaussianBlur(frame, (0, 0), 0.015 * WIDTH)
    _, coded = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 20])
    for picture in (soft, np.asarray(cv2.imdecode(coded, 1)), (frame * 0.3).astype(np.uint8)):
        assert vision.assess(picture, face, 40).problem is None


@pytest.mark.parametrize("tilt", [-60, -20, 0, 20, 60])
def test_yaw_is_signed_and_blind_to_tilt(tilt):
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))

    def turned(nose):
        five = [(-20, -15), (20, -15), (nose, 5), (-16, 28), (16, 28)]
        return tuple((100 + x * cos - y * sin, 100 + x * sin + y * cos) for x, y in five)

    assert pose(turned(0))[0] == pytest.approx(0, abs=1e-9)
    assert -0.6 < pose(turned(-10))[0] < -0.2
    assert 0.2 < pose(turned(10))[0] < 0.6
    assert pose(turned(40))[0] == 1
    assert pose(turned(-40))[0] == -1
    assert pose(turned(0))[1] == pytest.approx(20 / 43)


def test_turned_away_and_bent_heads():
    frame = portrait()

    def problem(*five):
        at = tuple((225 + x, 118 + y) for x, y in five)
        return vision.assess(frame, Detection((183, 62, 268, 175), at, 1.0), 40).problem

    assert problem((-20, -15), (20, -15), (0, 10), (-16, 28), (16, 28)) is None
    profile = problem((5, -15), (22, -15), (32, 8), (4, 28), (16, 28))
    assert profile is ReasonCode.TURNED_AWAY
    chin_down = problem((-20, 0), (20, 0), (0, 32), (-16, 28), (16, 28))
    assert chin_down is ReasonCode.TURNED_AWAY
    collapsed = problem(*[(0.0, 0.0)] * 5)
    assert collapsed is ReasonCode.TURNED_AWAY


def test_yaw_of_a_mirrored_face_is_mirrored(mtcnn):
    frame = portrait()
    squeezed = frame.copy()  # the right half of the face narrower: as if turned to the right
    squeezed[:, 225:265] = cv2.resize(frame[:, 225:300], (40, 512), interpolation=cv2.INTER_AREA)
    (face,) = mtcnn.detect(squeezed, 40)
    mirrored = np.ascontiguousarray(squeezed[:, ::-1])
    (other,) = mtcnn.detect(mirrored, 40)
    yaw = vision.assess(squeezed, face, 40).yaw
    assert yaw > 0.1
    assert vision.assess(mirrored, other, 40).yaw == pytest.approx(-yaw, abs=0.12)


def follow(mtcnn, frames, step, min_face=40):
    """Number of a person -> look -> face, through real detections."""
    tracker = vision.Tracker()
    people: dict[int, dict[int, Detection]] = {}
    for look, frame in enumerate(frames):
        found = mtcnn.detect(frame, min_face)
        numbers = tracker.update(look * step, frame, found)
        assert len(set(numbers)) == len(numbers)
        for number, face in zip(numbers, found, strict=True):
            people.setdefault(number, {})[look] = face
    return people


@pytest.mark.parametrize("step", [0.033, 0.2, 1.0, 19.0])
def test_three_people_in_motion_stay_three(mtcnn, step):
    one, two, three = (head(60, person=person) for person in range(3))
    frames = [
        shot((640, 240), ((110 + x, 120), one), ((320 - x, 125 + x), two), ((530, 120 + x), three))
        for x in 12 * np.sin(range(8))
    ]
    people = follow(mtcnn, frames, step)
    assert {number: len(looks) for number, looks in people.items()} == {0: 8, 1: 8, 2: 8}
    for number, x in enumerate((110, 320, 530)):
        assert all(abs(middle(face)[0] - x) < 40 for face in people[number].values())


def test_twins_side_by_side_are_told_apart_by_place(mtcnn):
    frames = [
        shot((480, 240), ((150 + x, 120), head(60)), ((270 + x, 120), head(60)))
        for x in range(0, 40, 5)
    ]
    people = follow(mtcnn, frames, 0.1)
    assert set(people) == {0, 1}
    for number, start in enumerate((150, 270)):
        for look, face in people[number].items():
            assert middle(face)[0] == pytest.approx(start + 5 * look, abs=8)


@pytest.mark.parametrize("persons", [(0, 1), (0, 0)], ids=["two people", "twins"])
def test_people_who_cross(mtcnn, persons):
    front, back = head(60, person=persons[0]), head(50, person=persons[1])
    frames = [
        shot((640, 240), ((520 - x, 115), back), ((120 + x, 125), front)) for x in range(0, 420, 20)
    ]
    people = follow(mtcnn, frames, 0.1)
    assert set(people) == {0, 1}
    assert middle(people[0][20])[0] == pytest.approx(520, abs=10)
    assert middle(people[1][20])[0] == pytest.approx(120, abs=10)
    assert len(people[0]) == 21


def test_twenty_faces_drift_and_stay_themselves(mtcnn):
    frames = []
    for look in range(4):
        frame = scene((960, 540))
        for column in range(5):
            for row in range(4):
                place = (100 + 185 * column + 9 * look, 75 + 130 * row + 4 * row * look / 3)
                put(frame, head(50, person=2 * ((column + row) % 2)), place)
        frames.append(frame)
    people = follow(mtcnn, frames, 0.2)
    assert len(people) == 20
    for looks in people.values():
        assert len(looks) == 4
        steps = [middle(b)[0] - middle(a)[0] for a, b in pairwise(looks.values())]
        assert steps == pytest.approx([9, 9, 9], abs=5)


def test_who_leaves_and_returns_is_known_again(mtcnn):
    stays = ((120, 120), head(60, person=2))
    alone = shot((480, 240), stays)
    both, other = (
        shot((480, 240), stays, ((350, 120), head(60, person=person))) for person in (0, 1)
    )
    people = follow(mtcnn, [both] * 3 + [alone] * 6 + [both] * 2, 0.5)
    assert sorted(people[1]) == [0, 1, 2, 9, 10]
    assert len(people) == 2
    people = follow(mtcnn, [both] * 3 + [alone] * 6 + [other] * 2, 0.5)
    assert sorted(people[2]) == [9, 10]


def test_who_was_away_for_long_is_forgotten(mtcnn):
    present = shot((320, 240), ((160, 120), head(60)))
    people = follow(mtcnn, [present, *[scene((320, 240))] * 14, present], 1.0)
    assert set(people) == {0, 1}


def test_a_cut_ends_people_unless_they_are_found_again(mtcnn):
    one = shot((320, 240), ((160, 120), head(70)), tone=200)
    two = shot((320, 240), ((160, 120), head(70, person=1)), tone=60)
    people = follow(mtcnn, [one, one, two, two, one, one, two], 0.4)
    assert {number: sorted(looks) for number, looks in people.items()} == {
        0: [0, 1, 4, 5],
        1: [2, 3, 6],
    }


@pytest.mark.parametrize(
    ("tone", "width", "person"),
    [(60, 60, 0), (60, 100, 0), (200, 60, 0), (200, 100, 0), (60, 60, 1)],
    ids=["cut", "closer", "jump cut", "closer jump cut", "another face"],
)
def test_a_face_elsewhere_after_a_cut_is_the_person_it_looks_like(mtcnn, tone, width, person):
    one = shot((480, 240), ((110, 120), head(60)), tone=200)
    two = shot((480, 240), ((370, 120), head(width, person=person)), tone=tone)
    people = follow(mtcnn, [one, one, two, one], 0.2)
    known = {0: [0, 1, 3], 1: [2]} if person else {0: [0, 1, 2, 3]}
    assert {n: sorted(looks) for n, looks in people.items()} == known


def test_a_change_of_light_is_no_new_person(mtcnn):
    frames = [
        (shot((320, 240), ((160 + 3 * look, 120), head(70))) * (1 - 0.08 * look)).astype(np.uint8)
        for look in range(8)
    ]
    assert set(follow(mtcnn, frames, 0.5)) == {0}


def test_memory_of_people_is_bounded():
    tracker = vision.Tracker()
    frame = scene((900, 80))
    for look in range(200):
        face = face_at(50 + 400 * (look % 3), y=40, width=20 + look)
        tracker.update(look * 0.01, frame, [face])
    assert len(tracker._people) <= 65


def test_no_face_then_a_face():
    tracker = vision.Tracker()
    frame = scene((320, 240))
    assert tracker.update(0.0, frame, []) == []
    assert tracker.update(0.5, frame, [face_at(100)]) == [0]
    assert tracker.update(1.0, frame, []) == []
    assert tracker.update(1.5, frame, [face_at(102), face_at(240)]) == [0, 1]


def test_keep():
    sure, unsure = face_at(100, confidence=0.999), face_at(100, confidence=0.93)
    assert vision.is_face_track([sure], 32)
    assert vision.is_face_track([unsure, sure], 32)
    assert not vision.is_face_track([unsure], 32)
    assert not vision.is_face_track([unsure] * 16, 32)
    assert vision.is_face_track([unsure] * 17, 32)
    assert vision.is_face_track([unsure], 1)
    assert not vision.is_face_track([], 1)


def test_interpolate_between_looks():
    track = [(1.0, face_at(100, confidence=0.99)), (1.5, face_at(150, width=80, confidence=0.95))]
    face = vision.interpolate(track, 1.1)
    assert middle(face) == pytest.approx((110, 100))
    assert width_of(face) == pytest.approx(64)
    assert face.landmarks[2] == pytest.approx((110, 100 + 0.08 * 1.3 * 64))
    assert face.confidence == 0.95


def test_interpolate_gives_a_look_as_it_was():
    track = [(0.0, face_at(100)), (0.4, face_at(150)), (5.0, face_at(90))]
    for time, face in track:
        assert vision.interpolate(track, time) is face
        assert vision.interpolate(track, round(time + 0.0004, 4)) is face


def test_interpolate_knows_nothing_outside_or_across_a_long_gap():
    track = [(1.0, face_at(100)), (1.4, face_at(150)), (3.0, face_at(150))]
    assert vision.interpolate(track, 0.9) is None
    assert vision.interpolate(track, 3.1) is None
    assert vision.interpolate(track, 2.0) is None
    assert vision.interpolate([], 1.0) is None


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
    for n in range(2 * SEARCH_SAMPLES):
        assert search.find(0.01 * n, ROOM) == seen.here
    assert seen.asked == 2 * ("E" + (SEARCH_SAMPLES - 1) * "f")
    for n in range(1, 4):  # frames far apart
        search.find(n * SEARCH_SECONDS + 1, ROOM)
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
    times = np.arange(1, 20) * SEARCH_SECONDS / 5
    first = next(t for t in times if len(search.find(float(t), ROOM)) == 2)
    assert first <= SEARCH_SECONDS


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
