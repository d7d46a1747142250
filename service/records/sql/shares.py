"""Read-only links to records."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from service.records import rules
from service.records.database import Database
from service.records.model import SharedResult, ShareLink, State
from service.records.sql.analyses import owned
from service.records.sql.rows import hash_token, unpack
from service.records.tables import records, results, shares


class ShareRepository:
    """The part of a `Store` that holds share links."""

    database: Database

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        made = ShareLink(
            id=secrets.token_hex(8),
            record=id,
            created=now,
            expires=now + ttl,
            token=rules.new_id(),
        )
        finished = (
            select(records.c.id)
            .where(owned(owner, id), records.c.state == State.DONE)
            .with_for_update()  # or it could be deleted in between
        )
        with self.database.writing() as connection:
            if connection.execute(finished).first() is None:
                return None
            row = made.model_dump(exclude={"token"}) | {"token_hash": hash_token(made.token)}
            connection.execute(insert(shares).values(row))
        return made

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        asked = (
            select(shares.c.id, shares.c.record, shares.c.created, shares.c.expires)
            .join(records)
            .where(records.c.owner == owner, shares.c.expires > now)
            .order_by(shares.c.created.desc(), shares.c.id)
        )
        if id is not None:
            asked = asked.where(shares.c.record == id)
        with self.database.reading() as connection:
            return [
                ShareLink.model_validate(dict(row)) for row in connection.execute(asked).mappings()
            ]

    def revoke(self, owner: str, share_id: str) -> bool:
        theirs = select(records.c.id).where(records.c.owner == owner)
        gone = delete(shares).where(shares.c.id == share_id, shares.c.record.in_(theirs))
        with self.database.writing() as connection:
            return bool(connection.execute(gone).rowcount)

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        # Looked up by a hash: how long that takes says nothing of how much of a guess was right.
        asked = (
            select(
                shares.c.id.label("share"),
                shares.c.record,
                records.c.name,
                shares.c.expires,
                results.c.analysis,
            )
            .select_from(shares.join(records).join(results, results.c.id == records.c.id))
            .where(shares.c.token_hash == hash_token(token), shares.c.expires > now)
        )
        with self.database.reading() as connection:
            row = connection.execute(asked).mappings().first()
        analysis = unpack(row["analysis"]) if row else None
        if row is None or analysis is None:
            return None
        return SharedResult.model_validate(
            dict(row) | {"analysis": rules.without_location(analysis)}
        )
