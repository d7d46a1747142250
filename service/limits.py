"""How much one person, and one address, may ask of this server in an hour.

A window that slides: what counts is the last 60 minutes, not the hour on the clock, so nobody gets
twice the allowance around its turn. Kept in memory, as the work it protects is; a restart forgets
it. Who sits at the computer is not limited.

A guest who throws their cookie away is a new guest, at the same address: that is why all guests of
an address count together too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from detector.errors import InputError
from service import auth, messages
from service.config import get_config
from service.context import Principal, PrincipalKind, RequestContext
from service.messages import _, join
from service.rate_limit import Refusal, SlidingWindowRateLimiter
from service.tasks.errors import QueueFull

HOUR = 3600
MEGABYTE = 1 << 20
"""bytes, as Streamlit counts them for the server's own limit"""


class RateLimitExceeded(QueueFull):
    """The allowance is used up for now."""

    default_code = "quota"


class NotAllowed(InputError):
    """This account is not for that."""

    default_code = "not_allowed"


class TooLarge(InputError):
    """More than a guest may bring."""

    default_code = "too_large"


_ADDRESS = "address:"

files = SlidingWindowRateLimiter(HOUR)
"""The files of this server."""


@contextmanager
def taking(context: RequestContext, size: int | None = None, count: int = 1) -> Iterator[None]:
    """Around what takes a file in: counts it, and uncounts it when that raises.

    Parameters
    ----------
    context : RequestContext
        Whose file it is.
    size : int, optional
        Bytes of the largest.
    count : int
        Files.

    Raises
    ------
    NotAllowed
        An account that only reads.
    TooLarge
        For a guest.
    RateLimitExceeded
        For this hour; says how long to wait.
    """
    person = context.principal
    if not person.may_analyze:
        raise NotAllowed(
            _("Your account can read results, not start an analysis."),
            hint=_("Who runs this server can change that."),
        )
    largest = guest_megabytes() if person.kind is PrincipalKind.GUEST else 0
    if largest and size is not None and size > largest * MEGABYTE:
        most = _("Without an account a file may have {number} MB here.")
        raise TooLarge(most.format(number=largest), hint=_sign_in())
    allowed = allowance(person, context.address)
    if refusal := files.take(allowed, count):
        raise RateLimitExceeded(
            _enough(refusal, count), hint=_sign_in() if person.kind is PrincipalKind.GUEST else ""
        )
    try:
        yield
    except BaseException:
        files.give_back(allowed, count)
        raise


def _enough(refusal: Refusal, count: int) -> str:
    allowed = messages.count(refusal.most, "file", "files")
    network = refusal.key.startswith(_ADDRESS)
    if math.isinf(refusal.wait):
        rule = (
            _("This server allows {files} an hour from one network; these are {number}.")
            if network
            else _("This server allows {files} an hour; these are {number}.")
        )
        return rule.format(files=allowed, number=count)
    rule = (
        _("This server allows {files} an hour from one network.")
        if network
        else _("This server allows {files} an hour.")
    )
    when = _("Next one in {time}.") if count == 1 else _("Room for these in {time}.")
    minutes = messages.count(max(1, math.ceil(refusal.wait / 60)), "minute", "minutes")
    return join(rule.format(files=allowed), when.format(time=minutes))


def allowance(person: Principal, address: str) -> dict[str, int]:
    """What counts against whom, as key to files an hour; empty: no limit."""
    if person.kind is PrincipalKind.LOCAL:
        return {}
    if person.kind is PrincipalKind.USER:
        limits = {person.id: files_per_hour(PrincipalKind.USER)}
    else:
        limits = {
            person.id: files_per_hour(PrincipalKind.GUEST),
            f"{_ADDRESS}{address}": get_config().address_files_per_hour,
        }
    return {key: most for key, most in limits.items() if most}


def files_per_hour(kind: PrincipalKind) -> int:
    """How many a person of this kind may bring; 0: any number."""
    if kind is PrincipalKind.LOCAL:
        return 0
    if kind is PrincipalKind.USER:
        return get_config().user_files_per_hour
    return get_config().guest_files_per_hour


def guest_megabytes() -> int:
    """A guest's largest file; 0: as large as anybody's."""
    return get_config().guest_max_mb


def megabytes(person: Principal, most: int) -> int:
    """The largest file that a person may bring, where the server takes `most` MB."""
    guests = guest_megabytes() if person.kind is PrincipalKind.GUEST else 0
    return min(most, guests) if guests else most


def _sign_in() -> str:
    """Where a guest gets more, if there is such a place."""
    return _("With an account you may bring more.") if auth.accounts() else ""
