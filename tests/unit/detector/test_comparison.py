"""A copy beside its original: which moments and movements belong together, and what covers it."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from detector.comparison import align, beside_original
from detector.comparison.decide import Sameness, decide, find_overlays
from detector.comparison.measure import FaceMeasure, Layers, Region
from detector.comparison.movement import (
    FEWEST,
    RATE,
    THRESHOLD,
    TOGETHER,
    WHOLE,
    Movement,
    synchrony,
)
from detector.comparison.place import MomentPair, refine_moments
from detector.isolation import Frame
from detector.schema.comparison import Span
from detector.vision import Detection
from tests.support.result_sample import make_analysis

SIZE = 320, 240


def film(frames=12):
    """A textured head that sinks before a plain wall."""
    rng = np.random.default_rng(5)
    head = cv2.GaussianBlur(rng.uniform(0, 255, (110, 90, 3)).astype(np.float32), (0, 0), 3)
    head = ((head - head.mean()) * 5 + 130).clip(0, 255)
    out = []
    for n in range(frames):
        picture = np.full((240, 320, 3), (205, 198, 190), np.float32)
        picture[60 + 3 * n : 170 + 3 * n, 120:210] = head
        out.append(cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.uint8))
    return out


def moments(start, late, caption=False):
    """Moments that were matched to frames that are `late` by so many, under a map that makes up for
    it."""
    frames = film()
    pairs = []
    for n in range(2, 10):
        copy = frames[n].copy()
        if caption:
            copy[205:] = (20, 20, 60)
            cv2.putText(copy, "LIVE", (10, 232), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
        around = tuple(Frame(k, k / 25, frames[k]) for k in range(max(0, n - 2), min(12, n + 3)))
        place = [frame.index for frame in around].index(min(n + late, around[-1].index))
        pairs.append(MomentPair(n / 25, copy, around, place, start, ()))
    return pairs


@pytest.mark.parametrize("caption", [False, True])
def test_a_wrong_map_that_a_wrong_moment_makes_up_for_is_given_up(caption):
    sunk = np.array([[1.0, 0, 0], [0, 1.0, -3.0], [0, 0, 1.0]])
    found = refine_moments(moments(sunk, 1, caption))
    edge = align.corners(*SIZE)
    assert all(np.abs(align.moved_points(p.matrix, edge) - edge).max() < 1.0 for p in found)
    assert [pair.original_time for pair in found] == [pair.time for pair in found]


def test_a_part_of_the_picture_is_not_taken_for_the_whole():
    frames = film()
    crop = np.array([[1.0, 0, -60.0], [0, 1.0, -40.0], [0, 0, 1.0]])
    near = crop + np.array([[0, 0, 1.0], [0, 0, -1.0], [0, 0, 0]])
    pairs = [
        MomentPair(n / 25, frames[n][40:, 60:], (Frame(n, n / 25, frames[n]),), 0, near, ())
        for n in range(8)
    ]
    for pair in refine_moments(pairs):
        moved = align.moved_points(pair.matrix, np.array([[120.0, 60.0], [210.0, 170.0]]))
        assert moved == pytest.approx(np.array([[60.0, 20.0], [150.0, 130.0]]), abs=1.0)


def test_a_map_under_which_nothing_is_seen_ends_nothing():
    away = np.array([[1.0, 0, 5000.0], [0, 1.0, 0], [0, 0, 1.0]])
    assert len(refine_moments(moments(away, 0))) == 8
    assert refine_moments([]) == []


SPAN = 20.0  # px between the eyes
PLACE = (1.0,) * 8


def face(center):
    points = center + SPAN * np.array([[-0.5, 0], [0.5, 0], [0, 0.6], [-0.4, 1.1], [0.4, 1.1]])
    return Detection.of(np.concatenate([center - 25, center + 25]), points, 0.99)


def test_what_moves_alike_and_on_time_is_one_recording():
    assert Sameness(PLACE, 0.97, strong=0.95).supports_manipulation
    assert Sameness(PLACE, 0.9, strong=0.85, on_time=0.9, jitter=0.1).supports_manipulation


def test_what_moves_otherwise_is_another_moment_of_the_take():
    apart = Sameness(PLACE, 0.3, strong=0.1, on_time=0.2, jitter=1.5)
    assert not apart.is_likely and not apart.supports_manipulation
    loose = Sameness(PLACE, 0.9, strong=0.8, on_time=0.2, jitter=2.0)
    assert not loose.supports_manipulation, "matched too loosely to accuse"
    assert not Sameness((0.1,) * 8, 0.2, strong=0.1).is_likely


def test_moments_that_are_matched_loosely_lie_off_even_play():
    times = list(np.arange(24) / 8)

    def off(original):
        parts = [
            align.time_residuals(times[i:j], original[i:j])
            for i, j in align.ranges(times, original)
        ]
        return float(np.percentile(np.concatenate(parts), 75))

    assert off([3 + 0.8 * t for t in times]) == pytest.approx(0, abs=1e-3)
    assert off([t + 0.2 * (number == 7) for number, t in enumerate(times)]) < 1e-3
    assert off([t + 5 * (t > 1.4) for t in times]) == pytest.approx(0, abs=1e-3), "a cut"
    assert off([t + 0.3 * np.sin(2 * t) for t in times]) > 0.1


def decided(inside, lower, rim, count=8, of=8):
    """What is decided of a face that differs so at `count` of its moments, in multiples of what is
    expected, and as the rest at the others."""

    def moment(number):
        scale = (inside, lower, rim) if number < count else (1.0, 1.0, 1.0)
        upper, below, around = (Region(ratio * 3.0, 3.0) for ratio in scale)
        tiles = np.full((4, 4), 1.2)
        nothing = np.full((4, 4), np.nan)
        faces = (FaceMeasure(0, upper, upper, below, around),)
        layers = SimpleNamespace(valid=np.ones((32, 32), bool), faces=((0, face(np.zeros(2))),))
        return SimpleNamespace(
            pair=SimpleNamespace(time=number / 4), faces=faces, tiles=tiles, levels=nothing,
            alike=nothing, layers=layers, rest=Region(3.0, 3.0),
        )  # fmt: skip

    return decide([moment(number) for number in range(of)], Span(start=0.0, end=of / 4), (1.0, 1.0))


def test_a_face_differs_by_more_than_an_encoder_leaves():
    assert decided(1.1, 1.1, 1.0).people[0].changed_region == "none"
    assert decided(5.0, 5.0, 1.2).people[0].changed_region == "face"
    assert decided(1.2, 5.0, 1.0).people[0].changed_region == "mouth"


def test_near_the_limit_the_rim_counts():
    near = next(r for r in np.arange(1.2, 4, 0.1) if decided(r, r, 1.0).accuses)
    assert not decided(near, near, 2.0).accuses, "the rim differs as much: an encoder of few bits"


def test_a_face_that_differs_at_some_moments_has_its_time():
    result = decided(6.0, 6.0, 1.2, count=4)
    (span,) = result.people[0].spans
    assert (span.start, span.end) == (0.0, 0.875)
    assert [parts[0] for parts in result.parts] == ["face"] * 4 + ["none"] * 4
    assert not decided(6.0, 6.0, 1.2, count=1, of=24).accuses, "a single moment"
    for moments, limit in zip(result.parts, result.limits, strict=True):
        assert (limit[0] < 18.0) or moments[0] == "none"


CELLS = 160


def moved(seed, seconds, start=0.0, smooth=5):
    """A head that nods and turns, features that move in it, each as the seed says."""
    rng = np.random.default_rng(seed)
    steps = round(seconds * RATE)
    shapes = rng.normal(size=(3, 2 * CELLS))

    def drawn(ways):
        noise = rng.normal(size=(steps + smooth - 1, ways))
        kernel = np.hanning(smooth + 2)[1:-1]
        return np.stack([np.convolve(noise[:, k], kernel, "valid") for k in range(ways)], axis=1)

    return Movement(start, drawn(4), drawn(3) @ shapes)


def noisy(movement, share, seed=9):
    """The same with noise of its own on all of it."""
    rng = np.random.default_rng(seed)
    head, features = (
        x + rng.normal(size=x.shape) * share * x.std() for x in (movement.head, movement.features)
    )
    return Movement(movement.start, head, features)


def test_shared_movement_is_found_where_it_is():
    original = moved(1, 20.0, start=3.0)
    part = Movement(0.0, original.head[150:275], original.features[150:275])
    found = synchrony(noisy(part, 0.7), original)
    assert found.is_certain and not found.mirrored
    assert found.lag == 150
    assert 0.5 < found.features < found.head + 0.3 < 1.3


def test_a_mirror_shows_the_same_movement():
    original = moved(2, 4.0)
    found = synchrony(original.mirrored(), original)
    assert found.mirrored and found.lag == 0
    assert found.head == pytest.approx(1.0) and found.features == pytest.approx(1.0)
    assert np.array_equal(original.mirrored().mirrored().features, original.features)


@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_movement_of_others_is_not_told(seconds):
    for seed in range(12):
        found = synchrony(moved(seed, seconds), moved(100 + seed, 3 * seconds))
        assert found is None or not found.is_certain, seed


def test_what_begins_and_ends_together_is_asked_for_less():
    original = moved(5, 0.8)
    copy = noisy(original, 1.8)
    whole = synchrony(copy, original)
    assert whole.lag == 0
    assert whole.threshold == WHOLE < whole.score < THRESHOLD - TOGETHER and whole.is_certain
    longer = Movement(0.0, *(np.vstack([x, x[:3]]) for x in (original.head, original.features)))
    part = synchrony(copy, longer)
    assert part.threshold >= THRESHOLD - TOGETHER and not part.is_certain


def test_one_slow_nod_tells_nothing():
    """Two heads that each nod once go together all along, and so do all that nod once."""
    nod = np.cos(np.linspace(0, np.pi, 30))[:, None]
    one, other = (
        noisy(replace(moved(seed, 1.2), head=nod * (0.1, 0.2, 0.3, 1.0)), 0.2, seed)
        for seed in (3, 4)
    )
    found = synchrony(one, other)
    assert found.head > 0.9
    assert not found.is_certain


def test_more_offsets_ask_for_more():
    short, long = (synchrony(moved(5, 2.0), moved(6, seconds)) for seconds in (2.0, 100.0))
    assert short.threshold == pytest.approx(9.0) and 9.9 < long.threshold < 10.3


def test_the_same_sentence_at_another_pace_is_not_the_same_movement():
    original = moved(7, 6.0, smooth=9)
    drifting = np.linspace(0, len(original.head) - 1, len(original.head)) * 0.93 + 5
    steps = np.arange(len(original.head))

    def later(x):
        return np.stack([np.interp(drifting, steps, x[:, k]) for k in range(x.shape[1])], axis=1)

    found = synchrony(Movement(0.0, later(original.head), later(original.features)), original)
    assert not found.steady and not found.is_certain


def test_gaps_are_left_out_and_too_little_is_nothing():
    original = moved(8, 4.0)
    head, features = original.head.copy(), original.features.copy()
    head[30:60] = features[30:60] = np.nan
    found = synchrony(Movement(0.0, head, features), original)
    assert found.is_certain and found.lag == 0
    short = Movement(0.0, original.head[: FEWEST - 1], original.features[: FEWEST - 1])
    assert synchrony(short, original) is None


def test_what_begins_together_needs_less():
    original = moved(10, 3.0)
    part = Movement(0.0, original.head[:60], original.features[:60])
    together = synchrony(part, original)
    later = synchrony(part, replace(original, start=1.0))
    assert together.threshold == pytest.approx(8.2)
    assert later.threshold == pytest.approx(9.0, abs=0.3)


SHAPE = 90, 120
BAR = slice(74, 88)
FACE = Detection.of(
    np.array([45.0, 20.0, 75.0, 60.0]),
    np.array([[53.0, 35], [67, 35], [60, 43], [54, 51], [66, 51]]),
    0.99,
)


def scene(moments=8):
    """Soft shapes that drift: float32 [H, W, 3] each."""
    rng = np.random.default_rng(3)
    wide = cv2.GaussianBlur(rng.uniform(0, 255, (90, 200, 3)).astype(np.float32), (0, 0), 5)
    wide = (wide - wide.mean()) * 4 + 120
    return [wide[:, 4 * n : 4 * n + 120].clip(0, 255) for n in range(moments)]


def layers(copies, originals):
    return [
        Layers(copy, original, np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), ((0, FACE),))
        for copy, original in zip(copies, originals, strict=True)
    ]


def found(copies, originals):
    noise = np.random.default_rng(1)
    noisy = [(c + noise.normal(0, 1, c.shape)).astype(np.float32) for c in copies]
    return find_overlays(layers(noisy, originals))


def captioned(frames, when):
    out = [frame.copy() for frame in frames]
    for n in when:
        shown = out[n].astype(np.uint8)
        shown[BAR] = (20, 20, 60)
        cv2.putText(shown, "BREAKING", (4, 85), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1)
        out[n] = shown.astype(np.float32)
    return out


def test_a_bar_is_found_where_and_when_it_is_shown():
    frames = scene()
    (bar,) = found(captioned(frames, range(8)), frames)
    x0, y0, x1, y1 = bar.box
    assert (x0, x1) == (0, 120)
    assert y0 == pytest.approx(BAR.start, abs=4)
    assert y1 == pytest.approx(BAR.stop, abs=4)
    assert bar.levels > 30
    assert bar.during == (True,) * 8
    (late,) = found(captioned(frames, range(4, 8)), frames)
    assert late.during == (False,) * 4 + (True,) * 4


def test_a_box_is_found_that_ends_within_the_picture():
    frames = scene()
    copies = [frame.copy() for frame in frames]
    for copy in copies:
        copy[4:16, 84:114] = (240, 240, 230)
    (box,) = found(copies, frames)
    assert box.box == pytest.approx((84, 4, 114, 16), abs=3)


@pytest.mark.parametrize("what", ["nothing", "face", "brighter", "moves", "round", "another"])
def test_what_is_none(what):
    frames = scene()
    copies = [frame.copy() for frame in frames]
    if what == "face":  # it stands still and differs, as a still head that was swapped
        for copy in copies:
            copy[20:60, 45:75] = (200, 150, 130)
    if what == "brighter":  # the same in other colors
        for copy in copies:
            copy[BAR] = copy[BAR] * 0.7 + 60
    if what == "moves":  # it changes as the original does, so that it is no caption
        for n, copy in enumerate(copies):
            copy[BAR] = np.roll(frames[n][BAR], 40 + 9 * n, axis=1)[::-1]
    if what == "round":
        for copy in copies:
            cv2.circle(copy, (100, 70), 14, (10, 10, 10), -1)
    if what == "another":  # half of the picture is another one
        for copy in copies:
            copy[45:] = (90, 60, 30)
    assert found(copies, frames) == []


def test_of_two_moments_nothing_is_said():
    frames = scene(2)
    assert found(captioned(frames, range(2)), frames) == []


def test_an_original_that_can_not_be_read_costs_no_result(tmp_path):
    analysis, original = make_analysis(), tmp_path / "notes.mp4"
    original.write_text("no film")
    assert beside_original(analysis, tmp_path / "clip.mp4", original) is analysis
