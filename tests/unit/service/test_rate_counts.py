"""Rate limits that are counted in memory or in a database."""

from types import SimpleNamespace

import pytest
from sqlalchemy import select

from service import limits, rate_limit
from service.rate_limit import RateLimiter
from service.records.tables import RateCount
from tests.support.rates_contract import SPAN, RatesContract, SharedRatesContract
from tests.support.waiting import Clock


class TestSQLite(SharedRatesContract): ...


class TestMemory(RatesContract):
    @pytest.fixture
    def limiter(self):
        one = RateLimiter(SPAN)
        return lambda: one

    @pytest.fixture
    def forward(self, monkeypatch):
        now = Clock(1000.0)
        monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=now))

        def forward(seconds):
            now.now += seconds

        return forward


def test_one_machine_counts_in_memory_and_keeps_what_it_counted(database):
    limits.files.clear()
    assert limits.files.take({"a": 1}) is None
    limits.share(database)
    limits.files.sweep()
    assert limits.files.take({"a": 1}), "counted before"
    assert database.all(select(RateCount)) == []
    limits.files.clear()
