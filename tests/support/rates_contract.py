"""What every rate limiter counts, and what servers that share a database must count alike. A
subclass of `SharedRatesContract` has a fixture `where`."""

import math
from datetime import timedelta

import pytest
from sqlalchemy import select

from service.rate_limit import SLOTS, RateLimiter
from service.records.database import Database
from service.records.tables import RateCount
from tests.support.waiting import at_once

SPAN = 3600
SLOT = SPAN / SLOTS


def wait(refusal):
    assert refusal
    return refusal.wait


class RatesContract:
    """A subclass has the fixtures `limiter`, which makes one, and `forward`, by seconds."""

    def test_the_window_slides_and_says_how_long_to_wait(self, limiter, forward):
        one = limiter()
        for _ in range(3):
            assert one.take({"a": 3}) is None
            forward(600)
        refusal = wait(one.take({"a": 3}))
        assert refusal == pytest.approx(30 * 60, abs=SLOT)
        assert wait(one.take({"a": 3}, 2)) == pytest.approx(refusal + 600)
        assert wait(one.take({"a": 2})) == pytest.approx(refusal + 600), "a lowered limit"
        assert wait(one.take({"a": 3}, 4)) == math.inf
        assert one.take({"b": 3}) is None
        forward(refusal - 1)
        assert one.take({"a": 3})
        forward(1.001)
        assert one.take({"a": 3}) is None and one.take({"a": 3})

    def test_all_keys_count_or_none(self, limiter):
        one = limiter()
        assert one.take({"address": 1, "a": 5}) is None
        refusal = one.take({"address": 1, "b": 1})
        assert refusal and refusal.key == "address" and refusal.most == 1
        assert one.take({"b": 1}) is None, "the refusal did not count against b"

    def test_what_is_given_back_can_be_taken_again(self, limiter, forward):
        one = limiter()
        assert one.take({"a": 5}, 3) is None
        forward(600)
        assert one.take({"a": 5}, 2) is None and one.take({"a": 5})
        limiter().undo(["a", "never"], 4)
        assert one.take({"a": 5}, 5)
        assert one.take({"a": 5}, 4) is None

    def test_many_at_once_never_get_more(self, limiter):
        servers = [limiter() for _ in range(3)]

        def come(number):
            keys = {"a": 25, "address": 40}
            pairs = list(keys.items()) if number % 2 else list(reversed(keys.items()))
            return servers[number % 3].take(dict(pairs))

        assert at_once(come, range(60)).count(None) == 25


class SharedRatesContract(RatesContract):
    @pytest.fixture
    def limiter(self, where):
        """Each call is another server."""
        opened: list[Database] = []

        def make(name="files", span=SPAN):
            opened.append(Database(where))
            limiter = RateLimiter(span, name)
            limiter.share(opened[-1])
            return limiter

        yield make
        for database in opened:
            database.close()

    @pytest.fixture
    def forward(self, clock):
        def forward(seconds):
            clock.now += timedelta(seconds=seconds)

        return forward

    def test_servers_count_together(self, clock, limiter):
        one, two = limiter(), limiter()
        assert one.take({"a": 3}) is None and two.take({"a": 3}) is None
        assert one.take({"a": 3}, 2), "only one is left"
        assert two.take({"a": 3}) is None
        assert one.take({"a": 3}) and two.take({"a": 3})
        assert one.take({"b": 3}) is None
        assert limiter("daily").take({"a": 1}) is None, "another limiter's are others"

    def test_what_is_over_is_swept_and_no_key_can_be_read(self, limiter, forward):
        one = limiter()
        for _ in range(200):
            one.take({"address:203.0.113.9": 10**6})
            forward(SLOT / 2)
        rows = self._rows(one)
        assert len({row.slot for row in rows}) == len(rows) <= 101
        assert not any("203" in row.key and "." in row.key for row in rows)
        one.sweep()
        assert len(self._rows(one)) <= SLOTS + 2
        forward(SPAN + 2 * SLOT)
        one.sweep()
        assert self._rows(one) == []

    @staticmethod
    def _rows(limiter):
        with limiter._database.reading() as connection:
            return list(connection.scalars(select(RateCount)))
