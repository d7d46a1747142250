"""Rate limits of one person and one network address.

A sliding window over the last 60 minutes. Counts are in memory, or in PostgreSQL where several
servers share one (`share`). The owner of this computer is not limited. Guests of one address count
together too, since a guest without their cookie is a new one.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from detector import sentences
from detector.errors import InputError
from detector.sentences import _, join
from service import auth
from service.config import get_config
from service.context import Principal, PrincipalKind, RequestContext
from service.rate_limit import Refusal, SlidingWindowRateLimiter
from service.records.database import Database, affected
from service.records.tables import RateCount
from service.tasks.task import QueueFull

MINUTE, HOUR = 60, 3600
SLOTS = 60  # of a window that servers share
MAX_REJECTED = 30  # wrong keys a minute from one address
MEGABYTE = 1 << 20  # bytes, as Streamlit counts them for the server's own limit


class RateLimitExceeded(QueueFull):
    """The allowance is used up; `retry_after` is the s until there is room, infinite if there never
    is."""

    default_code = "quota"
    retry_after = 0.0


class NotAllowed(InputError):
    """This account may not do that."""

    default_code = "not_allowed"


class TooLarge(InputError):
    """More than a guest may bring."""

    default_code = "too_large"


class SharedRateLimiter:
    """A named rate limiter of all servers of a database, by the database's clock; raises
    RecordsError, never uncounted. The library `limits` has no SQL storage. A window is cut into
    `SLOTS`, with a row for each key and slot that was used. A count expires with its slot: up to a
    sixtieth of the window late, never early. Keys are stored as hashes, so that no address of a
    person is in the database."""

    def __init__(self, database: Database, name: str, span: int) -> None:
        self.span = span
        self._database, self._name = database, name
        self._width = span / SLOTS

    def take(self, allowed: Mapping[str, int], count: int = 1) -> Refusal | None:
        """Count all keys if all have so many left; else none, and return the longest wait."""
        hashes = {key: self._hash(key) for key in allowed}
        with self._database.writing() as session:
            self._lock(session, hashes.values())
            now = self._now(session)
            slots = self._slots(session, hashes.values(), now)
            full = [
                Refusal(key, most, wait)
                for key, most in allowed.items()
                if (wait := self._wait(slots.get(hashes[key], []), most, count, now)) is not None
            ]
            if full:
                return max(full, key=lambda refusal: refusal.wait)
            for hash in hashes.values():
                self._add(session, hash, count, now)
        return None

    def give_back(self, keys: Iterable[str], count: int = 1) -> None:
        """Uncount the last ones: nothing came of them."""
        hashes = [self._hash(key) for key in keys]
        with self._database.writing() as session:
            self._lock(session, hashes)
            slots = self._slots(session, hashes, self._now(session))
            for hash in hashes:
                left = count
                for slot, number in reversed(slots.get(hash, [])):
                    taken = min(left, number)
                    this = (RateCount.key == hash) & (RateCount.slot == slot)
                    session.execute(update(RateCount).where(this).values(count=number - taken))
                    left -= taken

    def clear(self) -> None:
        """Forget everything, of all limiters."""
        self._database.run(delete(RateCount))

    def sweep(self) -> None:
        """Delete what no window holds any more, of all limiters."""
        self._database.run(delete(RateCount).where(RateCount.expires < self._database.now))

    def _wait(
        self, slots: list[tuple[int, int]], most: int, count: int, now: float
    ) -> float | None:
        """Return the s until `count` more fit; None: they do now, infinite: never. Oldest first."""
        if count > most:
            return math.inf
        over = sum(number for _, number in slots) + count - most
        wait = None
        for slot, number in slots:
            if over <= 0:
                break
            over -= number
            wait = (slot + 1) * self._width + self.span - now
        return wait

    def _slots(
        self, session: Session, hashes: Collection[str], now: float
    ) -> dict[str, list[tuple[int, int]]]:
        """Return what is in the window, oldest first; nothing empty."""
        first = math.floor((now - self.span) / self._width)
        query = (
            select(RateCount.key, RateCount.slot, RateCount.count)
            .where(RateCount.key.in_(list(hashes)), RateCount.slot >= first, RateCount.count > 0)
            .order_by(RateCount.slot)
        )
        slots: dict[str, list[tuple[int, int]]] = {}
        for key, slot, number in session.execute(query):
            slots.setdefault(key, []).append((slot, number))
        return slots

    def _add(self, session: Session, hash: str, count: int, now: float) -> None:
        slot = math.floor(now / self._width)
        this: ColumnElement[bool] = (RateCount.key == hash) & (RateCount.slot == slot)
        more = update(RateCount).where(this).values(count=RateCount.count + count)
        if affected(session, more):
            return
        end = datetime.fromtimestamp((slot + 1) * self._width + self.span, UTC)
        row = {"key": hash, "slot": slot, "count": count, "expires": end}
        session.execute(insert(RateCount).values(row))

    def _lock(self, session: Session, hashes: Collection[str]) -> None:
        """Lock the keys in sorted order to avoid deadlocks; SQLite serializes writes anyway."""
        if self._database.dialect == "sqlite":
            return
        # A crash of the database may lose counts: nobody need wait for the disk.
        session.execute(select(func.set_config("synchronous_commit", "off", True)))
        for hash in sorted(hashes):
            session.execute(select(func.pg_advisory_xact_lock(int(hash[:15], 16))))

    def _now(self, session: Session) -> float:
        moment: datetime = session.execute(select(self._database.now)).scalar_one()
        return moment.timestamp()

    def _hash(self, key: str) -> str:
        return hashlib.sha256(f"{self._name}:{key}".encode()).hexdigest()[:32]


_ADDRESS = "address:"
_LINK = "link:"

RateLimiter = SlidingWindowRateLimiter | SharedRateLimiter

files: RateLimiter = SlidingWindowRateLimiter(HOUR)  # The files of this server
daily_files: RateLimiter = SlidingWindowRateLimiter(24 * HOUR)  # Of keys with a quota a day
requests: RateLimiter = SlidingWindowRateLimiter(MINUTE)  # Requests of programs
rejected: RateLimiter = SlidingWindowRateLimiter(MINUTE)  # Wrong keys and links, by address


def share(database: Database) -> None:
    """Count in a database from now on, with all servers that do, where that is a server's: a file
    of SQLite's is one machine's, for which memory does, and faster."""
    global files, daily_files, requests, rejected
    if database.dialect == "sqlite":
        if isinstance(files, SharedRateLimiter):  # of an earlier application of this process
            files, daily_files = (SlidingWindowRateLimiter(span) for span in (HOUR, 24 * HOUR))
            requests, rejected = SlidingWindowRateLimiter(MINUTE), SlidingWindowRateLimiter(MINUTE)
        return
    files = SharedRateLimiter(database, "files", HOUR)
    daily_files = SharedRateLimiter(database, "daily_files", 24 * HOUR)
    requests = SharedRateLimiter(database, "requests", MINUTE)
    rejected = SharedRateLimiter(database, "rejected", MINUTE)


def sweep() -> None:
    """Forget what no window holds any more; what is in memory goes by itself."""
    if isinstance(files, SharedRateLimiter):
        files.sweep()


@contextmanager
def taking(context: RequestContext, size: int | None = None, count: int = 1) -> Iterator[None]:
    """Count files that are taken in within, the largest of `size` bytes, against the rate limits of
    their owner; uncount them if that raises. Raise NotAllowed for an account that only reads,
    TooLarge for a guest's large file, RateLimitExceeded with the time to wait."""
    person = context.principal
    if not person.may_analyze:
        raise NotAllowed(
            _("Your account can read results, not start an analysis."),
            hint=_("Who runs this server can change that."),
        )
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
    """Raise what `taking` would for one file; nothing is counted."""

    class Enough(Exception):
        """It would be taken."""

    with suppress(Enough), taking(context):
        raise Enough


def count_request(context: RequestContext) -> None:
    """Count a request of a program, by its key and by where it is from. Raise RateLimitExceeded if
    there were too many."""
    most = get_config().requests_per_minute
    if context.principal.kind is PrincipalKind.LOCAL or not most:
        return
    keys = {context.principal.id: most, f"{_ADDRESS}{context.address}": most}
    if refusal := requests.take(keys):
        raise _refused(
            _("This server answers {number} requests a minute.").format(number=f"{refusal.most:,}"),
            refusal,
        )


def count_rejected(address: str) -> None:
    """Count a key that was none. Raise RateLimitExceeded if there were too many from this
    address."""
    _count_guess(f"{_ADDRESS}{address}", _("Too many invalid API keys from this address."))


def count_dead_link(address: str) -> None:
    """Count a share link that leads nowhere. Raise RateLimitExceeded if there were too many from
    this address."""
    _count_guess(f"{_LINK}{address}", _("Too many links that lead nowhere from this address."))


def _count_guess(key: str, sentence: str) -> None:
    if refusal := rejected.take({key: MAX_REJECTED}):
        raise _refused(sentence, refusal)


@contextmanager
def _counted(
    limiter: RateLimiter, allowed: dict[str, int], count: int, hint: str
) -> Iterator[None]:
    """Count files, and uncount them when what is done with them raises."""
    if refusal := limiter.take(allowed, count):
        raise _refused(_exceeded(refusal, count, limiter.span), refusal, hint)
    try:
        yield
    except BaseException:
        limiter.give_back(allowed, count)
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
    """Return the rate limits that apply, as key to files an hour; empty: no limit."""
    own = person.files_per_hour
    limits = {person.id: files_per_hour(person.kind) if own is None else own}
    if person.kind is PrincipalKind.GUEST:
        limits[f"{_ADDRESS}{address}"] = get_config().address_files_per_hour
    return {key: most for key, most in limits.items() if most}


def files_per_hour(kind: PrincipalKind) -> int:
    """Return how many a person of this kind may bring; 0: any number."""
    if kind is PrincipalKind.LOCAL:
        return 0
    config = get_config()
    guest = kind is PrincipalKind.GUEST
    return config.guest_files_per_hour if guest else config.user_files_per_hour


def megabytes(person: Principal, most: int) -> int:
    """Return the largest file that a person may bring, where the server takes `most` MB."""
    guests = get_config().guest_max_mb if person.kind is PrincipalKind.GUEST else 0
    return min(most, guests) if guests else most


def _sign_in() -> str:
    """Return where a guest gets more, if there is such a place."""
    return _("With an account you may bring more.") if auth.accounts() else ""
