"""Signals on data with a known answer: a planted pattern, a shifted patch, a change
of identity, a train of blinks."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from scipy import ndimage

from detector import signals
from detector.signals import frequency, identity, noise, reference, views
from detector.signals.measures import changes, flow, jitter
from detector.signals.patch import FacePatch

BOX = (140.0, 100.0, 260.0, 260.0)
"""A face 160 px long in a picture of 400 x 400."""


def textured(seed: int = 0, size: int = 400) -> np.ndarray:
    """A picture whose spectrum falls as a photograph's does, uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    grey = np.zeros((size, size), np.float32)
    for octave in range(1, 7):
        rough = rng.normal(0, 1, (2**octave, 2**octave)).astype(np.float32)
        grey += cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC) * 40 / 1.6**octave
    grey += rng.normal(0, 2, grey.shape).astype(np.float32)
    return np.repeat(np.clip(128 + grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def at(picture: np.ndarray, box: tuple[float, float, float, float] = BOX) -> FacePatch:
    return signals.cut_patch(picture, box)


def in_face(picture: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The picture with its face taken from another one."""
    out = picture.copy()
    x0, y0, x1, y1 = (int(v) for v in BOX)
    out[y0:y1, x0:x1] = changed[y0:y1, x0:x1]
    return out


# --- what is looked at


def test_a_look_holds_the_face_where_it_is_in_the_patch() -> None:
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


def test_a_large_face_is_shrunk_and_one_at_the_edge_is_cut() -> None:
    large = signals.cut_patch(textured(size=1200), (300.0, 200.0, 800.0, 900.0))
    assert max(large.patch.shape) <= 400
    assert large.side == pytest.approx(200, abs=1)
    edge = signals.cut_patch(textured(), (-40.0, -40.0, 60.0, 80.0))
    assert edge.patch.size and edge.box[0] == -40
    assert frequency.face_plane(edge) is None


# --- frequency


def test_fine_detail_falls_when_a_face_is_blurred_and_rises_with_noise() -> None:
    picture = textured()
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.0)
    grain = np.random.default_rng(1).normal(0, 12, picture.shape)
    noisy = np.clip(picture + grain, 0, 255).astype(np.uint8)
    soft, usual, rough = (
        frequency.fine_detail(frequency.profile(frequency.face_plane(at(p))))
        for p in (blurred, picture, noisy)
    )
    assert soft < usual - 6
    assert rough > usual + 3


def test_light_and_contrast_do_not_change_the_profile() -> None:
    plane = frequency.face_plane(at(textured()))
    assert np.allclose(frequency.profile(plane), frequency.profile(0.5 * plane + 40), atol=0.05)


def test_the_median_around_each_place_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).normal(size=(96, 96))
    expected = ndimage.median_filter(values, size=9, mode="wrap")
    assert np.array_equal(frequency.median(values, 9), expected)


@pytest.mark.parametrize("period", [2.5, 3.7, 5.3])
def test_a_regular_pattern_is_a_peak(period: float) -> None:
    picture = textured().astype(float)
    wave = 2.0 * np.sin(2 * np.pi * np.arange(400) / period)
    with_wave = np.clip(picture + wave[None, :, None], 0, 255).astype(np.uint8)
    plain, peaked = (
        frequency.peak(frequency.power(frequency.native_plane(at(p))))
        for p in (picture.astype(np.uint8), with_wave)
    )
    assert peaked > plain + 6


def test_the_blocks_of_compression_are_no_pattern() -> None:
    picture = textured().astype(float)
    blocky = picture.copy()
    blocky[::8] += 5
    blocky[:, ::8] += 5
    plain, peaked = (
        frequency.peak(
            frequency.power(frequency.native_plane(at(np.clip(p, 0, 255).astype(np.uint8))))
        )
        for p in (picture, blocky)
    )
    assert peaked < plain + 3


def test_bands_run_from_coarse_to_fine() -> None:
    smooth = frequency.bands(np.outer(np.ones(96), np.linspace(0, 255, 96)).astype(np.float32))
    checks = frequency.bands((np.indices((96, 96)).sum(0) % 2 * 255).astype(np.float32))
    assert smooth.shape == (14,)
    assert smooth[0] == 0 and smooth.argmax() == 0
    assert checks.argmax() == 13


def test_a_small_face_has_no_spectrum() -> None:
    small = at(textured(), (100.0, 100.0, 160.0, 180.0))
    assert frequency.face_plane(small) is None
    assert frequency.native_plane(small) is None


# --- noise


def test_noise_of_another_camera_in_the_face_is_seen() -> None:
    picture = textured()
    grain = np.random.default_rng(1).normal(0, 10, picture.shape)
    noisy = in_face(picture, np.clip(picture + grain, 0, 255).astype(np.uint8))
    smooth = in_face(picture, cv2.GaussianBlur(picture, (0, 0), 2))
    weak, same, strong = (noise.noise(at(p)) for p in (smooth, picture, noisy))
    assert same == pytest.approx(0, abs=1)
    assert strong > 6
    assert weak < -6


def test_a_face_with_another_history_of_compression_changes_more() -> None:
    def saved(rgb: np.ndarray, quality: int) -> np.ndarray:
        _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    picture = textured()
    once = saved(picture, 90)
    assert noise.recompression(at(once)) == pytest.approx(0, abs=1)
    assert noise.recompression(at(in_face(once, picture))) > 2


def test_too_little_around_a_face_says_nothing() -> None:
    assert noise.noise(signals.cut_patch(textured(size=64), (0.0, 0.0, 64.0, 64.0))) is None


# --- motion


def run_of(shift: list[int], *, inner: list[int] | None = None) -> np.ndarray:
    """A run of crops of a head that moves by `shift` px sideways, with the inner face moved by
    `inner` px besides."""
    picture = textured(size=300)
    crops = []
    for number, by in enumerate(shift):
        crop = picture[70:230, 70 + by : 230 + by].copy()
        if inner is not None:
            offset = 70 + by + inner[number]
            face = picture[70:230, offset : offset + 160]
            crop[flow.INNER] = face[flow.INNER]
        crops.append(crop)
    return np.stack(crops)


def test_a_face_that_shakes_against_the_head_trembles() -> None:
    glide = list(range(0, 32, 2))
    steady, _ = flow.tremble(run_of(glide))
    shaken, _ = flow.tremble(run_of(glide, inner=[0, 3] * 8))
    # The inner face jumps by 3 px to and fro, so each step is 6 px beside its neighbors, less what
    # optical flow smooths over the edge: between 3 and 6 % of a face of 100 px.
    assert steady < 0.3
    assert 3 < shaken < 6.5


def test_the_place_of_a_jump_is_told() -> None:
    once = [0] * 9 + [4] * 7
    value, place = flow.tremble(run_of([0] * 16, inner=once))
    assert value > 0.5
    assert place in (8, 9, 10)


# --- landmarks

FACE = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], float)


def test_a_head_that_only_moves_has_no_jitter() -> None:
    looks = []
    for number in range(10):
        angle, scale = 0.05 * number, 1 + 0.03 * number
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        looks.append((0.4 * number, FACE @ turn.T + 7 * number))
    found = jitter.jitter(looks)
    assert found is not None and found[0] < 1e-6


def test_jitter_is_measured_in_the_distance_of_the_eyes() -> None:
    rng = np.random.default_rng(0)
    looks = [(0.2 * n, FACE + rng.normal(0, 1.0, FACE.shape)) for n in range(200)]
    found = jitter.jitter(looks)
    # Two shapes with noise of 1 px each differ by 2 px a point (both axes), less the four degrees
    # of freedom that are laid over each other: sqrt(4 * 6 / 10) px of 40.
    assert found is not None
    assert found[0] == pytest.approx(100 * np.sqrt(4 * 6 / 10) / 40, rel=0.15)


def test_looks_far_apart_are_not_compared() -> None:
    assert jitter.jitter([(2.0 * n, FACE) for n in range(20)]) is None


# --- scores


def test_a_lasting_change_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(40) * 0.5
    values = np.where(times < 9.9, -1.0, 1.5) + rng.normal(0, 0.2, 40)
    (step,) = changes.steps(times.tolist(), values.tolist())
    assert step.time == pytest.approx(9.75)
    assert step.size == pytest.approx(2.5, abs=0.2)


def test_a_part_that_was_altered_has_two_changes() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(60) * 0.25
    values = np.where((times > 5) & (times < 9), 2.0, -1.0) + rng.normal(0, 0.15, 60)
    first, second = changes.steps(times.tolist(), values.tolist())
    assert (first.size > 0, second.size < 0) == (True, True)
    assert first.time == pytest.approx(5, abs=0.3)
    assert second.time == pytest.approx(9, abs=0.3)


def test_the_size_of_a_change_has_its_unit() -> None:
    assert changes.SPEC.signal(1.84, "video").value == "changes by 1.8 log odds"
    assert changes.SPEC.signal(0.0, "video").value == "no lasting change"


def test_noise_is_no_change() -> None:
    alarms = 0
    for seed in range(100):
        values = np.random.default_rng(seed).normal(0, 0.3, 32)
        alarms += bool(changes.steps(list(range(32)), values.tolist()))
    assert alarms <= 10
    assert changes.steps([0, 1, 2], [0, 5, 0]) == []


# --- identity


def test_the_cut_between_two_faces_is_found() -> None:
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


def test_a_face_is_aligned_on_its_landmarks() -> None:
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


# --- one frame, drawn


def test_traces_of_a_frame_are_pictures_and_curves() -> None:
    seen = views.traces(textured(), BOX)
    assert seen.profile.shape == (48,) and seen.bands.shape == (14,)
    assert seen.spectrum.shape == (96, 96, 3)
    assert seen.noise.shape == seen.error.shape == (320, 320, 3)
    small = views.traces(textured(), (100.0, 100.0, 150.0, 160.0))
    assert small.profile is None and small.spectrum is None and small.noise.size


# --- what is usual


@pytest.mark.parametrize(
    ("value", "side", "reading"),
    [
        (50, "both", "usual"), (3, "both", "unclear"), (0, "both", "unusual"),
        (97, "both", "unclear"), (100, "both", "unusual"), (0, "high", "usual"),
        (100, "low", "usual"), (100, "high", "unusual"),
    ],
)  # fmt: skip
def test_a_reading_is_its_place_among_untouched_files(
    value: float, side: reference.Side, reading: str
) -> None:
    known = reference.Range(1, 5, 50, 95, 99, 100, 10)
    assert reference.read(value, known, side) == reading
    if reading == "unusual":
        assert reference.read(value, known, side, weak=True) == "unclear"
    few = reference.Range(1, 5, 50, 95, 99, 10, 2)
    assert reference.read(value, few, side) == "unclear"


def test_a_signal_says_what_else_could_cause_it() -> None:
    known = reference.usual("flow", "video")
    high = flow.SPEC.signal(known.p99 + 1, "video", "A", times=[1.23456])
    assert high.reading == "unusual"
    assert "can look alike" in high.how_to_read
    assert high.usual == (known.p5, known.p95)
    assert high.times == [1.235]
    weak = flow.SPEC.signal(known.p99 + 1, "video", "A", weak="A small face can look alike.")
    assert weak.reading == "unclear" and "small face" in weak.how_to_read


def test_the_reference_is_aggregates_of_enough_files() -> None:
    table = json.loads(reference.FILE.read_text(encoding="utf-8"))
    assert set(table) == {"ranges", "curves", "blinking"}
    for rows in table["ranges"].values():
        for row in rows.values():
            assert row["files"] >= reference.FEWEST and row["sources"] > 1
            levels = [row[p] for p in ("p1", "p5", "p50", "p95", "p99")]
            assert levels == sorted(levels)
    for rows in table["curves"].values():
        assert {len(row["p50"]) for row in rows.values()} == {frequency.BINS, 14}
        for row in rows.values():
            assert row["files"] >= reference.FEWEST
            assert np.all(np.diff([row["p5"], row["p50"], row["p95"]], axis=0) >= 0)
