"""API keys and idempotency keys of programs.

A key is shown once, when it is created. Its hash is stored, so that a reader of the database can't
use it. The secret has 192 random bits, so one round of SHA-256 is enough.

A client without an answer repeats its request under the same idempotency key, and gets the result
of the first. The key is claimed before the work begins, so that of two concurrent requests one is
done.
"""

import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from detector.errors import InputError
from detector.sentences import _
from service.context import Scope
from service.records.database import StoredRows, insert_new
from service.records.rules import hash_token
from service.records.tables import ApiKey, ApiRequest

PREFIX = "um"  # What a key begins with: `um_<id>_<secret>`. The log hides what looks like one.
_SHAPE = re.compile(rf"{PREFIX}_[0-9a-f]{{12}}_[\w-]{{32}}", re.ASCII)
MAX_NAME = 80
USED_EVERY = timedelta(minutes=1)  # How exactly the last use is kept: not each request writes


class ApiKeys(StoredRows):
    """The API keys of a server. Safe between threads and processes."""

    def add(
        self,
        name: str,
        scopes: tuple[Scope, ...],
        *,
        ttl: timedelta | None = None,
        files_per_hour: int | None = None,
        files_per_day: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key; return its data and the key itself, which is stored nowhere. Raise
        InputError if the name or the scopes are missing."""
        if not name.strip() or len(name) > MAX_NAME or not scopes:
            raise InputError(
                _("A key needs a name of at most {number} characters, and a scope.").format(
                    number=MAX_NAME
                )
            )
        now = datetime.now(UTC)
        id = secrets.token_hex(6)
        text = f"{PREFIX}_{id}_{secrets.token_urlsafe(24)}"
        key = ApiKey(
            id=id,
            hash=hash_token(text),
            name=name.strip(),
            scopes=tuple(dict.fromkeys(scopes)),
            created=now,
            expires=now + ttl if ttl is not None else None,
            files_per_hour=files_per_hour,
            files_per_day=files_per_day,
        )
        with self._database.writing() as session:
            session.add(key)
        return key, text

    def find(self, text: str) -> ApiKey | None:
        """Return the valid key of a text; None if there is none."""
        if not _SHAPE.fullmatch(text):
            return None
        this = select(ApiKey).where(ApiKey.id == text.split("_")[1])
        key: ApiKey | None = self._database.scalar(this)
        if key is None or not hmac.compare_digest(key.hash, hash_token(text)):
            return None
        now = datetime.now(UTC)
        if key.state(now) != "in force":
            return None
        if key.used is None or now - key.used > USED_EVERY:
            self._change(key.id, used=now)
        return key

    def all(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        return self._database.all(select(ApiKey).order_by(ApiKey.created))

    def in_force(self) -> list[ApiKey]:
        """Return the valid keys."""
        now = datetime.now(UTC)
        return [key for key in self.all() if key.state(now) == "in force"]

    def describe(self) -> str:
        """Return the log message about the callers of the API."""
        if number := len(self.in_force()):
            return f"The API answers programs on this computer, and who has one of {number} keys."
        return (
            "No key is in force: the API answers programs on this computer only. "
            "unmask keys add NAME makes one."
        )

    def revoke(self, id: str) -> bool:
        """Revoke a key; return whether it was valid."""
        return self._change(id, revoked=datetime.now(UTC))

    def _change(self, id: str, **values: datetime) -> bool:
        change = update(ApiKey).where(ApiKey.id == id, ApiKey.revoked.is_(None))
        return bool(self._database.run(change.values(**values)))


TTL = timedelta(hours=24)  # How long a key is remembered
STALE = timedelta(minutes=10)  # A claim this old was left behind by a server that stopped


class KeyReused(InputError):
    """The idempotency key was used with another request."""

    default_code = "idempotency_key_reused"


class InProgress(InputError):
    """The same request is in progress."""

    default_code = "idempotency_in_progress"


class IdempotencyKeys(StoredRows):
    """Results of requests by owner and idempotency key."""

    def claim(self, owner: str, key: str, fingerprint: str) -> str | None:
        """Return the result of an earlier request under this key; None if this one is to be done.
        `fingerprint` covers all inputs of the request. Raise KeyReused if the key belongs to
        another request, InProgress if that is not done yet."""
        this = _this(owner, key)
        with self._database.writing() as session:
            now = session.execute(select(self._database.now)).scalar_one()
            left = ApiRequest.subject.is_(None) & (ApiRequest.created <= now - STALE)
            over = (ApiRequest.created <= now - TTL) | (this & left)
            session.execute(delete(ApiRequest).where(over))
            new = ApiRequest(
                owner=owner, key=key, fingerprint=fingerprint, subject=None, created=now
            )
            if insert_new(session, new):  # two servers may be asked at once
                return None
            row = session.scalars(select(ApiRequest).where(this)).one()
        if row.fingerprint != fingerprint:
            text = _("This Idempotency-Key was sent with another request before.")
            raise KeyReused(text, hint=_("Take a new key for a new request."))
        if row.subject is None:
            raise InProgress(_("The same request is being worked on."), hint=_("Ask again later."))
        return str(row.subject)

    def complete(self, owner: str, key: str, subject: str) -> None:
        """Store the result of a claimed request."""
        self._database.run(update(ApiRequest).where(_this(owner, key)).values(subject=subject))

    def release(self, owner: str, key: str) -> None:
        """Release a claim without a result."""
        self._database.run(delete(ApiRequest).where(_this(owner, key)))


def _this(owner: str, key: str) -> ColumnElement[bool]:
    return (ApiRequest.owner == owner) & (ApiRequest.key == key)
