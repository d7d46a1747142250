"""Two pictures that have nothing in common but how a face moves in them, made and read as files."""

from threading import Event

import cv2
import numpy as np
import pytest
import skimage.data

from detector import media
from detector.comparison import compare, movement
from detector.comparison.align import FootageReader
from detector.report import as_pdf, collect_pair
from detector.schema.comparison import ComparisonFinding
from tests.support.portrait import anew, write

FPS, FRAMES = 25, 40
SIZE = 320
CENTER = (160, 150)


def person(*, driven):
    """The portrait's head; or another one made of it by warping, lit from elsewhere, another scene
    about it."""
    head = cv2.resize(skimage.data.astronaut()[20:240, 110:330], (SIZE, SIZE))
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    if not driven:
        return head, head
    head = np.ascontiguousarray(head[:, ::-1])
    bulge = 1 + 0.35 * np.exp(-(((x - 150) / 60) ** 2 + ((y - 215) / 40) ** 2))
    wide = 1.25 + 0.15 * np.sin(y / 40)
    at = (CENTER[0] + (x - CENTER[0]) / wide / bulge, CENTER[1] + (y - CENTER[1]) / bulge)
    head = cv2.remap(head, *(a.astype(np.float32) for a in at), cv2.INTER_LINEAR)
    light = np.clip(0.45 + 0.9 * x[..., None] / SIZE, 0, 1.3) * (0.8, 0.95, 1.15)
    scene = cv2.resize(skimage.data.coffee(), (SIZE, SIZE))
    return np.clip(cv2.GaussianBlur(head, (0, 0), 1.6) * light, 0, 255).astype(np.uint8), scene


def film(path, seed, *, driven):
    """Write a head that nods and turns, whose lower face moves in it, each as the seed says."""
    head, scene = person(driven=driven)
    rng = np.random.default_rng(seed)
    kernel = np.hanning(9)[1:-1] / 4
    ways = np.stack([np.convolve(rng.normal(size=FRAMES + 6), kernel, "valid") for _ in range(4)])
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    jaw = np.exp(-(((x - CENTER[0]) / 55) ** 2 + ((y - 215) / 32) ** 2))
    soft = cv2.GaussianBlur(
        cv2.ellipse(np.zeros((SIZE, SIZE), np.float32), CENTER, (110, 140), 0, 0, 360, 1, -1),
        (0, 0), 8,
    )[..., None]  # fmt: skip
    grain = np.random.default_rng(seed + (100 if driven else 0))
    frames = []
    for turn, right, down, chew in ways.T:
        rolled = 0.03 * turn
        across = (x - CENTER[0]) + rolled * (y - CENTER[1]) - 5 * right
        along = (y - CENTER[1]) - rolled * (x - CENTER[0]) - 5 * down - 6 * chew * jaw
        moved = cv2.remap(
            head, (CENTER[0] + across).astype(np.float32), (CENTER[1] + along).astype(np.float32),
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        rgb = scene * (1 - soft) + moved * soft + grain.normal(0, 2, head.shape)
        frames.append(np.clip(rgb, 0, 255).astype(np.uint8))
    return write(path, frames, 18, FPS)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return {
        "original": film(folder / "original.mp4", 1, driven=False),
        "driven": film(folder / "driven.mp4", 1, driven=True),
        "other": film(folder / "other.mp4", 2, driven=True),
    }


def test_a_face_that_was_driven_by_the_original_is_told(films):
    found = compare(films["driven"], films["original"])
    assert found.finding is ComparisonFinding.SAME_MOVEMENT
    shared = found.movement
    assert shared.score >= shared.needed
    assert abs(shared.offset) < 0.05 and not shared.mirrored
    head, features = shared.traces
    assert head.correlation > 0.8 and features.correlation > 0.25
    assert len(head.of_copy) == len(features.of_original) == round(shared.seconds / shared.step)
    assert found.moments == [] and found.people == [] and not found.accuses
    pages = as_pdf(collect_pair(found, films["driven"], films["original"]))
    assert pages.startswith(b"%PDF")


def test_of_a_scene_that_was_drawn_anew_the_movement_is_told_beside_its_moments(films, tmp_path):
    about = media.probe(films["original"])
    times = [n / FPS for n in range(FRAMES)]
    rng = np.random.default_rng(4)
    warp = rng.bit_generator.state
    frames = []
    for frame in media.decode(str(films["original"]), about, times, notes=[]):
        rng.bit_generator.state = warp  # the same in every frame: nothing trembles
        frames.append(anew(frame.rgb, rng))
    copy = write(tmp_path / "anew.mp4", frames, 18, FPS)
    found = compare(copy, films["original"])
    assert (found.finding, found.reason) == (ComparisonFinding.SAME_MOVEMENT, "other_shapes")
    assert found.movement is not None and found.moments, "its moments can be looked at as well"
    assert not found.accuses
    assert as_pdf(collect_pair(found, copy, films["original"])).startswith(b"%PDF")


def test_another_face_that_moves_otherwise_is_not(films):
    found = compare(films["other"], films["original"])
    assert found.finding is ComparisonFinding.NOT_SAME_FOOTAGE and found.movement is None


def test_a_stretch_that_shows_nobody_has_no_movement(tmp_path):
    cup = cv2.resize(skimage.data.coffee(), (320, 240))
    frames = [np.roll(cup, n, axis=1) for n in range(FRAMES)]
    path = write(tmp_path / "coffee.mp4", frames, fps=FPS)
    reader = FootageReader(str(path), media.probe(path), [], Event())
    assert movement.read(reader, 0.0, 12.0) is None
