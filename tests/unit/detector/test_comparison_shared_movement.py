"""Movement that is shared is found at its moment, and what chance brings together is not."""

from dataclasses import replace

import numpy as np
import pytest

from detector.comparison.movement import (
    FEWEST,
    RATE,
    THRESHOLD,
    TOGETHER,
    WHOLE,
    Movement,
    synchrony,
)

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
    assert found.lag == 150 and found.seconds == pytest.approx(5.0)
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
    assert short is not None and long is not None
    assert short.threshold == pytest.approx(9.0) and 9.9 < long.threshold < 10.3


def test_the_same_sentence_at_another_pace_is_not_the_same_movement():
    original = moved(7, 6.0, smooth=9)
    drifting = np.linspace(0, len(original.head) - 1, len(original.head)) * 0.93 + 5
    steps = np.arange(len(original.head))

    def later(x):
        return np.stack([np.interp(drifting, steps, x[:, k]) for k in range(x.shape[1])], axis=1)

    again = Movement(0.0, later(original.head), later(original.features))
    found = synchrony(again, original)
    assert not found.steady and not found.is_certain


def test_gaps_are_left_out_and_too_little_is_nothing():
    original = moved(8, 4.0)
    head = original.head.copy()
    features = original.features.copy()
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
    assert together is not None and later is not None
    assert together.threshold == pytest.approx(8.2) and later.threshold == pytest.approx(
        9.0, abs=0.3
    )
