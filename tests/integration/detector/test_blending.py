"""Blending on real faces whose landmarks are found: SBI's mask, Face X-ray, and no landmarks.

The astronaut always; some stills of ../shared where it is there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from detector.models.base import CropRecipe
from detector.training import blend, sample
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import Part
from detector.vision import cut, load_detector

Face = tuple[np.ndarray, blend.Points]
"""A crop and its five landmarks in it."""

SIDE = 200
STILLS = {
    "DFDC_faces": 3,
    "MaxMassi+Face-Swapper": 2,
    "debruine+webmorphR.stim": 2,
    "jennjwang+deepfake-detection": 1,
}
"""How many of each folder; of other cameras, sizes and poses."""
STILL = blend.BlendParams(
    outline=blend._OUTLINES["face"], strength=1.0, feather=0.1, wave_seed=1,
    matrix=np.array([[1.0, 0, 0], [0, 1, 0]]), color=np.array([[1.0, 0]] * 3),
    soft=0.0, sharp=0.0, shrink=1.0, outside=False,
)  # fmt: skip
"""A copy that is not changed."""


def face_of(picture: np.ndarray) -> Face | None:
    """The largest face, cut as for training, and where its landmarks then are."""
    found = load_detector().detect(picture, 40)
    if not found:
        return None
    face = max(found, key=lambda f: f.box[2] - f.box[0])
    x0, y0, x1, y1 = face.box
    half = 0.7 * max(x1 - x0, y1 - y0)
    left, top = (x0 + x1) / 2 - half, (y0 + y1) / 2 - half
    crop = cut(picture, (left, top, left + 2 * half, top + 2 * half), CropRecipe(size=SIDE))
    grow = SIDE / (2 * half)
    return crop, [((x - left) * grow, (y - top) * grow) for x, y in face.landmarks]


@pytest.fixture(scope="module")
def astronauts() -> list[Face]:
    """One person upright, mirrored, turned and in the dark."""
    plain = skimage.data.astronaut()
    turned = cv2.warpAffine(plain, cv2.getRotationMatrix2D((225, 120), 18, 1.0), (512, 512))
    seen = [face_of(p) for p in (plain, np.ascontiguousarray(plain[:, ::-1]), turned, plain // 3)]
    faces = [face for face in seen if face]
    assert len(faces) == len(seen)
    return faces


@pytest.fixture(scope="module")
def stills(shared: Path) -> list[Face]:
    """Some people of several cameras."""
    faces = []
    for folder, count in STILLS.items():
        files = sorted((shared / "data" / "train" / "real" / folder).iterdir())
        some = [f for f in files if f.suffix.lower() in (".jpg", ".jpeg", ".png")][:count]
        for file in some:
            read = cv2.imread(str(file))
            assert read is not None
            if face := face_of(read[..., ::-1]):
                faces.append(face)
    assert len(faces) >= 6
    return faces


def keeps_its_promises(picture: np.ndarray, points: blend.Points) -> None:
    """0 to strength, smooth, nothing changed where it is 0, the same picture for the same draw."""
    rng = np.random.default_rng(0)
    changed = 0
    for _ in range(25):
        drawn = blend.draw(rng)
        out = blend.apply(picture, points, drawn)
        np.testing.assert_array_equal(out, blend.apply(picture.copy(), points, drawn))
        placed = points or [(x * SIDE, y * SIDE) for x, y in blend.AVERAGE]
        region = blend.mask(picture.shape[:2], placed, drawn)
        assert region.min() == 0 and 0 < region.max() <= drawn.strength + 1e-6
        if drawn.outside:
            # The face stays where the mask is whole.
            whole = region == 1
            np.testing.assert_array_equal(out[whole], picture[whole])
        else:
            np.testing.assert_array_equal(out[region == 0], picture[region == 0])
            changed += not np.array_equal(out, picture)
    assert changed > 10


def covers_what_it_names(points: blend.Points) -> None:
    """Each outline, as it is: the landmarks inside, and those that it leaves alone."""
    left_eye, right_eye, nose, *mouth = (tuple(round(v) for v in p[::-1]) for p in points)
    inside = {
        "face": [left_eye, right_eye, nose, *mouth],
        "head": [left_eye, right_eye, nose, *mouth],
        "inner": [nose],
        "lower": mouth,
        "mouth": [],
    }
    middle = tuple(np.mean(mouth, axis=0).round().astype(int))
    for name, places in inside.items():
        drawn = replace(STILL, outline=blend._OUTLINES[name], feather=0.03)
        region = blend.mask((SIDE, SIDE), points, drawn)
        assert region[middle] > 0.9
        for place in places:
            assert region[place] > 0.5, (name, place)
        if name in ("lower", "mouth"):
            assert region[left_eye] == region[right_eye] == 0
        assert region[0].max() == region[-1].max() == 0


def lays_another_face(own: Face, other: Face) -> None:
    """Outside the mask the picture, inside the donor in the colors of what it covers."""
    (picture, points), (donor, donor_points) = own, other
    out = blend.of_two(picture, points, donor, donor_points, STILL)
    region = blend.mask(picture.shape[:2], points, STILL)
    np.testing.assert_array_equal(out[region == 0], picture[region == 0])
    inside = region > 0.95
    kept, new = picture[inside].astype(float), out[inside].astype(float)
    # It is another face, as bright and as rich in contrast as the one it covers.
    assert np.abs(kept - new).mean() > 3
    assert np.abs(kept.mean(0) - new.mean(0)).max() < 25
    ratio = new.std(0) / kept.std(0)
    assert ratio.min() > 0.5 and ratio.max() < 1.8


def test_self_blending_by_found_landmarks(astronauts: list[Face]) -> None:
    for picture, points in astronauts:
        keeps_its_promises(picture, points)
        covers_what_it_names(points)


def test_self_blending_by_found_landmarks_of_many(stills: list[Face]) -> None:
    for picture, points in stills:
        keeps_its_promises(picture, points)
        covers_what_it_names(points)


def test_self_blending_without_landmarks(astronauts: list[Face]) -> None:
    """The average place of a tight crop."""
    picture, points = astronauts[0]
    keeps_its_promises(picture, [])
    drawn = replace(STILL, soft=2.0)
    placed = [(x * SIDE, y * SIDE) for x, y in blend.AVERAGE]
    by_average = blend.apply(picture, [], drawn)
    np.testing.assert_array_equal(by_average, blend.apply(picture, placed, drawn))
    assert not np.array_equal(by_average, blend.apply(picture, points, drawn))


def test_the_average_place_is_that_of_tight_crops(shared: Path) -> None:
    """Found landmarks of DFDC's crops lie about where they are taken to be without."""
    folder = shared / "data" / "train" / "real" / "DFDC_faces"
    places = []
    for file in sorted(folder.iterdir())[:40]:
        read = cv2.imread(str(file))
        assert read is not None
        small = cv2.resize(read, (112, 112), interpolation=cv2.INTER_AREA)
        room = cv2.copyMakeBorder(small[..., ::-1], 30, 30, 30, 30, cv2.BORDER_REFLECT_101)
        if found := load_detector().detect(room, 40):
            face = max(found, key=lambda f: f.box[2] - f.box[0])
            places.append((np.array(face.landmarks) - 30) / 112)
    assert len(places) > 25
    assert np.abs(np.median(places, axis=0) - blend.AVERAGE).max() < 0.05


def test_somebody_elses_face_by_found_landmarks(stills: list[Face]) -> None:
    for own, other in zip(stills, [*stills[1:], stills[0]], strict=True):
        lays_another_face(own, other)


def test_the_donor_comes_from_its_landmarks(astronauts: list[Face]) -> None:
    """The same person turned by 18 degrees is laid back upright."""
    upright, turned = astronauts[0], astronauts[2]
    out = blend.of_two(*upright, *turned, STILL)
    inside = blend.mask((SIDE, SIDE), upright[1], STILL) > 0.95
    back = np.abs(out.astype(int) - upright[0])[inside].mean()
    assert back < 0.5 * np.abs(turned[0].astype(int) - upright[0])[inside].mean()


def test_somebody_elses_face_without_landmarks(stills: list[Face]) -> None:
    """By the average place of tight crops, on both or on one of them."""
    (picture, points), (donor, donor_points) = stills[0], stills[1]
    placed = [(x * SIDE, y * SIDE) for x, y in blend.AVERAGE]
    for mine, theirs in (([], []), (points, []), ([], donor_points)):
        out = blend.of_two(picture, mine, donor, theirs, STILL)
        same = blend.of_two(picture, mine or placed, donor, theirs or placed, STILL)
        np.testing.assert_array_equal(out, same)
        region = blend.mask(picture.shape[:2], mine or placed, STILL)
        np.testing.assert_array_equal(out[region == 0], picture[region == 0])
        assert np.abs(out.astype(int) - picture)[region > 0.95].mean() > 3


@pytest.mark.parametrize(
    ("known", "tight", "how"),
    [(True, False, "of_two"), (False, True, "of_two"), (False, False, "apply")],
)
def test_two_people_need_landmarks_or_a_tight_crop(
    astronauts: list[Face], known: bool, tight: bool, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody knows where the faces are, and one is blended with itself."""
    picture = astronauts[0][0]
    groups = [
        [(Faces(
            name=str(n), label=0, kind="image", method="none", group=str(n), source="s",
            person=f"s:{n}", start=n, count=1,
            points=[list(p) for p in astronauts[n][1]] if known else [], face=100.0,
        ), None)]
        for n in range(2)
    ]  # fmt: skip
    cache = FaceCache.__new__(FaceCache)
    monkeypatch.setattr(
        FaceCache, "frames", lambda self, entry: astronauts[int(entry.name)][0][None]
    )
    part = Part(name="p", kind="image", mode="people", share=1.0, tight=tight)
    source = sample.PairSource(part, cache, groups)
    taken = []

    def note(name: str) -> None:
        def blended(shown: np.ndarray, *_: object) -> np.ndarray:
            taken.append(name)
            return shown

        monkeypatch.setattr(blend, name, blended)

    note("of_two")
    note("apply")
    for seed in range(10):
        sample._made(source, groups[0][0][0], picture, np.random.default_rng(seed))
    assert set(taken) == {how}
