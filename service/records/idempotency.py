"""Requests that are sent twice: the second gets what the first made.

A client that hears no answer sends its request again, under the same key. What the key belongs to
is claimed before the work begins, so that two at once are not both done.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select, update

from detector.errors import InputError
from detector.sentences import _
from service.records.database import Database, insert_new
from service.records.tables import api_requests

TTL = timedelta(hours=24)  # How long a key is remembered
STALE = timedelta(minutes=10)  # A claim this old was left behind by a server that stopped


class KeyReused(InputError):
    """The key was sent with another request before."""

    default_code = "idempotency_key_reused"


class InProgress(InputError):
    """The same request is being worked on."""

    default_code = "idempotency_in_progress"


class IdempotencyKeys:
    """What became of requests, by who sent them and the key they were sent under."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, owner: str, key: str, fingerprint: str) -> str | None:
        """Return what an earlier request under this key made; None if this one is to be done.
        `fingerprint` covers all that decides what is made. Raise KeyReused if the key was sent with
        another request, InProgress if that is not done yet."""
        table, this = api_requests, _this(owner, key)
        with self._database.writing() as connection:
            now = connection.execute(select(self._database.now)).scalar_one()
            left = table.c.subject.is_(None) & (table.c.created <= now - STALE)
            connection.execute(delete(table).where((table.c.created <= now - TTL) | (this & left)))
            new = {"owner": owner, "key": key, "fingerprint": fingerprint, "created": now}
            if insert_new(connection, table, new):  # two servers may be asked at once
                return None
            row = connection.execute(select(table).where(this)).one()
        if row.fingerprint != fingerprint:
            raise KeyReused(
                _("This Idempotency-Key was sent with another request before."),
                hint=_("Take a new key for a new request."),
            )
        if row.subject is None:
            raise InProgress(_("The same request is being worked on."), hint=_("Ask again later."))
        return str(row.subject)

    def complete(self, owner: str, key: str, subject: str) -> None:
        """Note what a claimed request made."""
        self._database.run(update(api_requests).where(_this(owner, key)).values(subject=subject))

    def release(self, owner: str, key: str) -> None:
        """Forget a claim: nothing came of it."""
        self._database.run(delete(api_requests).where(_this(owner, key)))


def _this(owner: str, key: str) -> ColumnElement[bool]:
    return (api_requests.c.owner == owner) & (api_requests.c.key == key)
