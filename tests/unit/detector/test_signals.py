"""Signals and views on data with a known answer: detail of a face, a change of identity."""

import json

import cv2
import numpy as np
import pytest

from detector import signals
from detector.signals import frequency, identity, reference, views

BOX = (140.0, 100.0, 260.0, 260.0)
"""A face 160 px long in a picture of 400 x 400."""


def textured(seed=0, size=400):
    """A picture whose spectrum falls as a photograph's does, uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    grey = np.zeros((size, size), np.float32)
    for octave in range(1, 7):
        rough = rng.normal(0, 1, (2**octave, 2**octave)).astype(np.float32)
        grey += cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC) * 40 / 1.6**octave
    grey += rng.normal(0, 2, grey.shape).astype(np.float32)
    return np.repeat(np.clip(128 + grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def at(picture, box=BOX):
    return signals.cut_patch(picture, box)


def test_a_look_holds_the_face_where_it_is_in_the_patch():
    picture = textured()
    seen = signals.cut_patch(picture, BOX, [(200, 150)] * 5, 1.5)
    x0, y0, x1, y1 = (round(v) for v in seen.box)
    inner = tuple(int(v) for v in BOX)
    assert np.array_equal(
        seen.patch[y0:y1, x0:x1], picture[inner[1] : inner[3], inner[0] : inner[2]]
    )
    assert seen.patch.shape == (320, 320, 3)
    assert np.allclose(seen.points, [200 - 40, 150 - 20])
    assert not np.shares_memory(seen.patch, picture)  # the frame is let go


def test_a_large_face_is_shrunk_and_one_at_the_edge_is_cut():
    large = signals.cut_patch(textured(size=1200), (300.0, 200.0, 800.0, 900.0))
    assert max(large.patch.shape) <= 400
    assert large.side == pytest.approx(200, abs=1)
    edge = signals.cut_patch(textured(), (-40.0, -40.0, 60.0, 80.0))
    assert edge.patch.size and edge.box[0] == -40
    assert frequency.face_plane(edge) is None


def test_fine_detail_falls_when_a_face_is_blurred_and_rises_with_noise():
    picture = textured()
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.0)
    grain = np.random.default_rng(1).normal(0, 12, picture.shape)
    noisy = np.clip(picture + grain, 0, 255).astype(np.uint8)
    soft, usual, rough = (
        frequency.profile(frequency.face_plane(at(p)))[frequency.FINE].mean()
        for p in (blurred, picture, noisy)
    )
    assert soft < usual - 6
    assert rough > usual + 3


def test_light_and_contrast_do_not_change_the_profile():
    plane = frequency.face_plane(at(textured()))
    assert np.allclose(frequency.profile(plane), frequency.profile(0.5 * plane + 40), atol=0.05)


def test_bands_run_from_coarse_to_fine():
    smooth = frequency.bands(np.outer(np.ones(96), np.linspace(0, 255, 96)).astype(np.float32))
    checks = frequency.bands((np.indices((96, 96)).sum(0) % 2 * 255).astype(np.float32))
    assert smooth.shape == (14,)
    assert smooth[0] == 0 and smooth.argmax() == 0
    assert checks.argmax() == 13


def test_a_small_face_has_no_spectrum():
    assert frequency.face_plane(at(textured(), (100.0, 100.0, 160.0, 180.0))) is None


def test_the_cut_between_two_faces_is_found():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (2, 128))
    faces = np.array([one] * 3 + [other] * 5) + rng.normal(0, 0.3, (8, 128))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    alike, place = identity.drift(faces)
    assert place == 3
    assert alike < 0.4
    same, _ = identity.drift(faces[3:])
    assert same > 0.85
    assert identity.drift(faces[:3]) is None


def test_a_face_is_aligned_on_its_landmarks():
    picture = np.zeros((300, 300, 3), np.uint8)
    turn = 1.7 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    points = identity.PLACES @ turn.T + (150, 20)
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), 4, (255, 255, 255), -1)
    box = (*points.min(0), *points.max(0))
    portrait = identity.align(signals.cut_patch(picture, box, [tuple(p) for p in points]))
    for x, y in identity.PLACES:
        assert portrait[round(y), round(x)].min() > 200
    assert identity.align(signals.cut_patch(picture, box)) is None


def test_traces_of_a_frame_are_pictures_and_curves():
    seen = views.traces(textured(), BOX)
    assert seen.profile.shape == (48,) and seen.bands.shape == (14,)
    assert seen.spectrum.shape == (96, 96, 3)
    assert seen.noise.shape == seen.error.shape == (320, 320, 3)
    small = views.traces(textured(), (100.0, 100.0, 150.0, 160.0))
    assert small.profile is None and small.spectrum is None and small.noise.size


@pytest.mark.parametrize(
    ("value", "side", "reading"),
    [
        (50, "both", "usual"), (3, "both", "unclear"), (0, "both", "unusual"),
        (97, "both", "unclear"), (100, "both", "unusual"), (0, "high", "usual"),
        (100, "low", "usual"), (100, "high", "unusual"),
    ],
)  # fmt: skip
def test_a_reading_is_its_place_among_untouched_files(value, side, reading):
    known = reference.Range(1, 5, 50, 95, 99, 100, 10)
    assert reference.read(value, known, side) == reading
    if reading == "unusual":
        assert reference.read(value, known, side, weak=True) == "unclear"
    few = reference.Range(1, 5, 50, 95, 99, 10, 2)
    assert reference.read(value, few, side) == "unclear"


def test_a_signal_says_what_else_could_cause_it():
    known = reference.usual("identity")
    low = identity.DRIFT.signal(known.p1 - 0.1, "A", times=[1.23456])
    assert low.reading == "unusual"
    assert "can look alike" in low.how_to_read
    assert low.usual == (known.p5, known.p95)
    assert low.times == [1.235]
    weak = identity.DRIFT.signal(known.p1 - 0.1, "A", weak="A small face can look alike.")
    assert weak.reading == "unclear" and "small face" in weak.how_to_read


def test_the_reference_is_aggregates_of_enough_files():
    table = json.loads(reference.FILE.read_text(encoding="utf-8"))
    assert set(table) == {"ranges", "curves", "blinking"}
    for row in table["ranges"].values():
        assert row["files"] >= reference.FEWEST and row["sources"] > 1
        levels = [row[p] for p in ("p1", "p5", "p50", "p95", "p99")]
        assert levels == sorted(levels)
    for rows in table["curves"].values():
        assert {len(row["p50"]) for row in rows.values()} == {frequency.BINS, 14}
        for row in rows.values():
            assert row["files"] >= reference.FEWEST
            assert np.all(np.diff([row["p5"], row["p50"], row["p95"]], axis=0) >= 0)
