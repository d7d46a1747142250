"""Rounds of scoring: their order, and when they end."""

import numpy as np
import pytest

from detector.pipeline import rounds, stopping
from detector.pipeline.scoring import ScoreItem
from detector.schema.analysis import Modality, SpanSegment, Thresholds

BOUNDS = [-1.6, -1.0, 1.4, 2.4]


def reading(*moments: float, total: int = 8) -> stopping.Reading:
    return stopping.Reading(float(np.mean(moments)), moments, total)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16, 32])
def test_each_beginning_of_the_order_is_spread(count):
    order = rounds.spread(count)
    assert sorted(order) == list(range(count))
    for moments in (2, 4, 8):
        if moments < count:
            edges = [-1, *sorted(order[:moments]), count]
            assert max(np.diff(edges)) <= 2 * count / moments


@pytest.mark.parametrize(("sampled", "expected"), [(32, 8), (3, 3), (1, 1), (8, 8), (9, 8)])
def test_moments_are_spread_evenly(sampled, expected):
    at = sorted(rounds.orders(range(sampled), 8))
    assert len(at) == expected and at[0] >= 0 and at[-1] < sampled
    steps = np.diff(at)
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_the_first_moments_are_those_that_all_rounds_score():
    times = [n / 2 for n in range(32)]
    found = rounds.orders(times, 8)
    assert sorted(found) == [times[n] for n in range(2, 32, 4)]
    assert sorted(found.values()) == list(range(8))
    assert rounds.orders(times[:3], 8).keys() == set(times[:3])


def test_a_clear_answer_is_settled_after_four_moments():
    assert not stopping.unsettled({"A": reading(-4.0, -4.1, -3.9, -4.0)}, BOUNDS)
    assert not stopping.unsettled({"A": reading(4.0, 4.1, 3.9, 4.0)}, BOUNDS)
    assert stopping.unsettled({"A": reading(4.0, 4.1)}, BOUNDS) == ["A"], "two are too few"


def test_a_voice_is_heard_at_eight_windows_before_it_is_settled():
    windows = (-4.0, -4.1, -3.9, -4.0)
    few = stopping.Reading(-4.0, windows, 32, least=stopping.LEAST_HEARD)
    assert stopping.unsettled({"voice": few}, BOUNDS) == ["voice"]
    enough = stopping.Reading(-4.0, windows * 2, 32, least=stopping.LEAST_HEARD)
    assert not stopping.unsettled({"voice": enough}, BOUNDS)


def test_an_answer_near_a_limit_takes_all_moments():
    near = {"A": reading(1.3, 1.4, 1.2, 1.3)}
    assert stopping.unsettled(near, BOUNDS) == ["A"]
    assert not stopping.unsettled({"A": reading(*[1.3] * 8)}, BOUNDS), "there are no more"


def test_moments_that_differ_take_all_moments():
    """As in a file with an altered passage: far from all limits, and not of one kind."""
    assert stopping.unsettled({"A": reading(5.0, 8.0, 5.0, 9.0)}, BOUNDS) == ["A"]


def test_only_people_who_may_change_the_answer_are_scored_on():
    crowd = {letter: reading(-4.0, -4.1) for letter in "ABCDEFGH"}
    crowd |= {"S": reading(1.2, 1.4), "T": reading(1.2, 1.3, 1.2, 1.3)}
    found = stopping.unsettled(crowd, BOUNDS)
    assert found[:2] == ["S", "T"], "the most suspicious first"
    assert len(found) == 3, "a third is scored at four moments, whatever its score"
    crowd["S"] = reading(6.0, 6.1, 6.0, 5.9)
    crowd["T"] = reading(1.2, 1.4, 1.1, 1.3)
    assert stopping.unsettled(crowd, BOUNDS) == ["A"], "no limit is above S"


def test_limits_that_nothing_reaches_are_none():
    given = Thresholds(low=0.0, high=1.0, probably_high=0.5)
    assert stopping.limits(given) == pytest.approx([0.0])


@pytest.fixture
def passed() -> list[ScoreItem]:
    return []


def item(order: int | None, subject: int = 0) -> ScoreItem:
    span, data = SpanSegment(start=0.0, end=1.0), np.zeros(4, np.uint8)
    return ScoreItem(Modality.FACE, ("slow",), span, data, subject=subject, order=order)


def test_rounds_pass_on_two_four_and_eight_moments(passed):
    queue = rounds.Rounds(passed.append)
    for order in (5, 0, 7, 2, 3, 1, 6, 4):
        queue.submit(item(order))
    assert sorted(i.order or 0 for i in passed) == [0, 1]
    (key,) = queue.waiting()
    queue.advance([key])
    assert sorted(i.order or 0 for i in passed) == [0, 1, 2, 3]
    queue.advance([key])
    assert [i.order for i in passed[4:]] == [4, 5, 6, 7] and not queue.waiting()


def test_what_has_no_order_is_scored_at_once(passed):
    queue = rounds.Rounds(passed.append)
    queue.submit(item(None))
    assert len(passed) == 1 and not queue.waiting()


def test_a_person_seen_at_other_moments_is_scored_at_four_of_them(passed):
    queue = rounds.Rounds(passed.append)
    queue.submit(item(6))
    for spare in range(4):
        queue.submit(item(rounds.SPARE + spare))
    assert not passed
    queue.complete()
    assert [i.order for i in passed] == [6, rounds.SPARE]
    (key,) = queue.waiting()
    assert queue.counts(key) == (2, 4)
    queue.advance([key])
    assert len(passed) == 4 and not queue.waiting()
    queue.advance([key])
    assert len(passed) == 4


def test_what_waits_has_a_bound(passed, monkeypatch):
    monkeypatch.setattr(rounds, "MAX_HELD_BYTES", 4)
    queue = rounds.Rounds(passed.append)
    for order in range(8):
        queue.submit(item(order))
    (key,) = queue.waiting()
    assert queue.counts(key) == (2, rounds.LEAST_SCORED), "the first four in any case"
