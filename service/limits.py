"""Rate limits of a person and a network address.

A sliding window over the last 60 minutes. Counts are in memory, or in PostgreSQL where several
servers share one (`share`). The owner of this computer is not limited. Guests of one address also
count together, since a guest without a cookie is a new one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from detector import sentences
from detector.errors import InputError
from detector.sentences import _, join, numeral
from service import auth
from service.config import get_config
from service.context import Principal, PrincipalKind, RequestContext
from service.rate_limit import RateLimiter, Refusal
from service.records.database import Database
from service.tasks.task import QueueFull

MINUTE, HOUR = 60, 3600
MAX_REJECTED = 30  # wrong keys a minute from one address
MEGABYTE = 1 << 20  # bytes, as Streamlit counts them for the server's own limit


class RateLimitExceeded(QueueFull):
    """The rate limit is exceeded; `retry_after` is in s, infinite if it never has room."""

    default_code = "quota"
    retry_after = 0.0


class NotAllowed(InputError):
    """This account may not do that."""

    default_code = "not_allowed"


class TooLarge(InputError):
    """The file is larger than a guest may upload."""

    default_code = "too_large"


_ADDRESS = "address:"
_LINK = "link:"

files = RateLimiter(HOUR, "files")  # The files of this server
daily_files = RateLimiter(24 * HOUR, "daily_files")  # Of keys with a quota a day
requests = RateLimiter(MINUTE, "requests")  # Requests of programs
rejected = RateLimiter(MINUTE, "rejected")  # Wrong keys and links, by address


def share(database: Database) -> None:
    """Count in a database from now on, if servers share it; a file of SQLite's belongs to one
    machine, where memory is enough and faster."""
    for limiter in (files, daily_files, requests, rejected):
        limiter.share(database if database.shared else None)


@contextmanager
def taking(context: RequestContext, size: int | None = None, count: int = 1) -> Iterator[None]:
    """Count files, the largest of `size` bytes, against their owner's rate limits for the duration
    of the context; uncount them if it raises. Raise NotAllowed for a read-only account, TooLarge
    for a guest's large file, RateLimitExceeded with the time to wait."""
    person = context.principal
    if not person.may_analyze:
        text = _("Your account can read results, not start an analysis.")
        raise NotAllowed(text, hint=_("Who runs this server can change that."))
    largest = get_config().guest_max_mb if person.kind is PrincipalKind.GUEST else 0
    if largest and size is not None and size > largest * MEGABYTE:
        most = _("Without an account a file may have {number} MB here.")
        raise TooLarge(most.format(number=largest), hint=_sign_in())
    hint = _sign_in() if person.kind is PrincipalKind.GUEST else ""
    quota = {person.id: person.files_per_day} if person.files_per_day else {}
    with (
        _counted(files, allowance(person, context.address), count, hint),
        _counted(daily_files, quota, count, hint),
    ):
        yield


def check(context: RequestContext) -> None:
    """Raise as `taking` would for one file, without counting it."""

    class Enough(Exception):
        """Raised internally to undo the count."""

    with suppress(Enough), taking(context):
        raise Enough


def count_request(context: RequestContext) -> None:
    """Count an API request by its key and its network address. Raise RateLimitExceeded after too
    many."""
    most = get_config().requests_per_minute
    if context.principal.kind is PrincipalKind.LOCAL or not most:
        return
    keys = {context.principal.id: most, f"{_ADDRESS}{context.address}": most}
    if refusal := requests.take(keys):
        text = _("This server answers {number} requests a minute.")
        raise _refused(text.format(number=numeral(refusal.most)), refusal)


def count_rejected(address: str) -> None:
    """Count an invalid API key. Raise RateLimitExceeded after too many from this address."""
    _count_guess(f"{_ADDRESS}{address}", _("Too many invalid API keys from this address."))


def count_dead_link(address: str) -> None:
    """Count an invalid share link. Raise RateLimitExceeded after too many from this address."""
    _count_guess(f"{_LINK}{address}", _("Too many links that lead nowhere from this address."))


def _count_guess(key: str, sentence: str) -> None:
    if refusal := rejected.take({key: MAX_REJECTED}):
        raise _refused(sentence, refusal)


@contextmanager
def _counted(
    limiter: RateLimiter, allowed: dict[str, int], count: int, hint: str
) -> Iterator[None]:
    """Count files, and uncount them when what is done with them raises."""
    if allowed and (refusal := limiter.take(allowed, count)):
        raise _refused(_exceeded(refusal, count, limiter.span), refusal, hint)
    try:
        yield
    except BaseException:
        limiter.undo(allowed, count)
        raise


def _refused(sentence: str, refusal: Refusal, hint: str = "") -> RateLimitExceeded:
    error = RateLimitExceeded(sentence, hint=hint)
    error.retry_after = refusal.wait
    return error


def _exceeded(refusal: Refusal, count: int, span: int) -> str:
    allowed = sentences.count(refusal.most, "file", "files")
    if span != HOUR:
        hours = sentences.count(max(1, math.ceil(min(refusal.wait, span) / HOUR)), "hour", "hours")
        rule = _("This key is for {files} a day. Room in {time}.")
        return rule.format(files=allowed, time=hours)
    rules = {
        (True, True): _("This server allows {files} an hour from one network; these are {number}."),
        (True, False): _("This server allows {files} an hour; these are {number}."),
        (False, True): _("This server allows {files} an hour from one network."),
        (False, False): _("This server allows {files} an hour."),
    }
    never = math.isinf(refusal.wait)
    rule = rules[never, refusal.key.startswith(_ADDRESS)]
    if never:
        return rule.format(files=allowed, number=count)
    when = _("Next one in {time}.") if count == 1 else _("Room for these in {time}.")
    minutes = sentences.count(max(1, math.ceil(refusal.wait / 60)), "minute", "minutes")
    return join(rule.format(files=allowed), when.format(time=minutes))


def allowance(person: Principal, address: str) -> dict[str, int]:
    """Return the rate limits that apply, key to files an hour; empty: no limit."""
    own = person.files_per_hour
    limits = {person.id: files_per_hour(person.kind) if own is None else own}
    if person.kind is PrincipalKind.GUEST:
        limits[f"{_ADDRESS}{address}"] = get_config().address_files_per_hour
    return {key: most for key, most in limits.items() if most}


def files_per_hour(kind: PrincipalKind) -> int:
    """Return the files an hour of this kind of principal; 0: any number."""
    if kind is PrincipalKind.LOCAL:
        return 0
    config = get_config()
    guest = kind is PrincipalKind.GUEST
    return config.guest_files_per_hour if guest else config.user_files_per_hour


def megabytes(person: Principal, most: int) -> int:
    """Return the largest file that a principal may upload, MB, where the server accepts `most`."""
    guests = get_config().guest_max_mb if person.kind is PrincipalKind.GUEST else 0
    return min(most, guests) if guests else most


def _sign_in() -> str:
    """Return where a guest can sign in for a higher limit, if there is such a place."""
    return _("With an account you may bring more.") if auth.accounts() else ""
