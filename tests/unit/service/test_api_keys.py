"""Keys of programs: shown once, kept as a hash, ended at once; and requests that come twice."""

from datetime import UTC, datetime, timedelta

import pytest

from detector.errors import InputError
from service import limits, startup
from service.context import PrincipalKind, RequestContext, Role, Scope
from service.limits import RateLimitExceeded
from service.records import api_keys
from service.records.api_keys import ApiKeys, IdempotencyKeys, InProgress
from service.records.database import FILE

BOTH = (Scope.READ, Scope.ANALYZE)


@pytest.fixture
def keys(database):
    return ApiKeys(database)


def test_a_key_lets_in_who_has_all_of_it(keys):
    key, text = keys.add("night run", BOTH)
    found = keys.find(text)
    assert found.id == key.id and found.scopes == BOTH
    for wrong in (text[:-1], text + "x", text.upper(), "", "um", f"um_{key.id}_", "um_x_y"):
        assert keys.find(wrong) is None
    another = keys.add("another", BOTH)[1]
    assert keys.find(f"um_{key.id}_{another.split('_', 2)[2]}") is None
    assert text.split("_", 2)[2] not in startup.clean(f"sent {text}"), "a key stands in no log"


def test_the_database_does_not_hold_it(keys, tmp_path):
    _key, text = keys.add("night run", BOTH)
    secret = text.split("_", 2)[2].encode()
    assert not [file for file in tmp_path.glob(f"{FILE}*") if secret in file.read_bytes()]


def test_it_ends_when_revoked_and_when_over(keys):
    key, text = keys.add("a", BOTH)
    over = keys.add("b", BOTH, ttl=timedelta(microseconds=1))[1]
    assert keys.find(over) is None and keys.in_force() == [keys.all()[0]]
    assert keys.revoke(key.id) and not keys.revoke(key.id) and not keys.revoke("none")
    assert keys.find(text) is None and keys.in_force() == []
    assert [k.state(datetime.now(UTC)) for k in keys.all()] == ["revoked", "expired"]


def test_when_it_was_used_is_known_to_the_minute(keys):
    _key, text = keys.add("a", BOTH)
    assert keys.find(text) is not None
    (first,) = keys.all()
    assert first.used is not None
    assert keys.find(text) is not None and keys.all() == [first]


def test_each_is_somebody_of_its_own(keys):
    reader, analyst = keys.add("r", (Scope.READ,))[0], keys.add("a", BOTH)[0]
    assert reader.principal.id == f"key:{reader.id}" != analyst.principal.id
    assert reader.principal.kind is PrincipalKind.KEY
    assert reader.principal.role is Role.VIEWER and not reader.principal.may_analyze
    assert analyst.principal.may_analyze and not analyst.principal.may_administer


@pytest.mark.parametrize(
    ("name", "scopes"), [("", BOTH), ("  ", BOTH), ("x" * 81, BOTH), ("a", ())]
)
def test_a_key_without_name_or_scope_is_not_made(keys, name, scopes):
    with pytest.raises(InputError):
        keys.add(name, scopes)
    assert keys.all() == []


def test_its_own_allowance_holds_by_hour_and_by_day(keys):
    for limiter in (limits.files, limits.daily_files):
        limiter.clear()
    hourly = RequestContext(keys.add("h", BOTH, files_per_hour=2)[0].principal)
    daily = RequestContext(keys.add("d", BOTH, files_per_day=3)[0].principal)
    for context, most, longest in ((hourly, 2, 3600), (daily, 3, 24 * 3600)):
        for _ in range(most):
            with limits.taking(context):
                pass
        with pytest.raises(RateLimitExceeded) as refused, limits.taking(context):
            pass
        assert longest - 60 < refused.value.retry_after <= longest


def test_what_came_to_nothing_does_not_count(keys):
    limits.daily_files.clear()
    context = RequestContext(keys.add("d", BOTH, files_per_day=1)[0].principal)
    with pytest.raises(ValueError, match="broken"), limits.taking(context):
        raise ValueError("broken")
    with limits.taking(context):
        pass


def test_requests_count_by_key_and_by_address(keys, monkeypatch):
    monkeypatch.setenv("UNMASK_REQUESTS_PER_MINUTE", "3")
    limits.requests.clear()
    one, two = (RequestContext(keys.add(n, BOTH)[0].principal, address="203.0.113.7") for n in "ab")
    for context in (one, one, two):
        limits.count_request(context)
    with pytest.raises(RateLimitExceeded, check=lambda e: 0 < e.retry_after <= 60):
        limits.count_request(two)
    limits.count_request(RequestContext(two.principal, address="203.0.113.8"))


def test_a_claim_that_came_to_nothing_is_free_again(database, monkeypatch):
    seen = IdempotencyKeys(database)
    assert seen.claim("ann", "k", "print") is None
    with pytest.raises(InProgress):
        seen.claim("ann", "k", "print")
    seen.release("ann", "k")
    assert seen.claim("ann", "k", "print") is None
    monkeypatch.setattr(api_keys, "STALE", timedelta(0))  # its server died
    assert seen.claim("ann", "k", "print") is None
    seen.complete("ann", "k", "result")
    assert seen.claim("ann", "k", "print") == "result", "what is done is not stale"
    monkeypatch.setattr(api_keys, "TTL", timedelta(0))
    assert seen.claim("ann", "k", "print") is None
