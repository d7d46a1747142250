"""Rate limits that are counted in a database."""

from service import limits
from service.rate_limit import SlidingWindowRateLimiter
from tests.support.rates_contract import RatesContract


class TestSQLite(RatesContract): ...


def test_one_machine_counts_in_memory_and_keeps_what_it_counted(database):
    before = limits.files
    assert isinstance(before, SlidingWindowRateLimiter)
    limits.share(database)
    limits.sweep()
    assert limits.files is before
