"""Read-only links to records."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select

from detector.seals import record_hash
from service.records import rules
from service.records.database import Database
from service.records.model import SharedResult, ShareLink, State
from service.records.seals import Keyring, origin
from service.records.sql.analyses import owned
from service.records.sql.rows import raw
from service.records.tables import records, results, shares


class ShareRepository:
    """The part of a `Store` that holds share links."""

    database: Database
    seals: Keyring

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        link_id, token = secrets.token_hex(8), rules.new_id()
        link = ShareLink(id=link_id, record=id, created=now, expires=now + ttl, token=token)
        finished = (
            select(records.c.id)
            .where(owned(owner, id), records.c.state == State.DONE)
            .with_for_update()  # or it could be deleted, or get another link, in between
        )
        with self.database.writing() as connection:
            if connection.execute(finished).first() is None:
                return None
            connection.execute(delete(shares).where(shares.c.record == id, shares.c.expires <= now))
            number = select(func.count()).select_from(shares).where(shares.c.record == id)
            rules.check_links(connection.execute(number).scalar_one())
            row = link.model_dump(exclude={"token"}) | {"token_hash": rules.hash_token(link.token)}
            connection.execute(insert(shares).values(row))
        return link

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        query = (
            select(shares.c.id, shares.c.record, shares.c.created, shares.c.expires)
            .join(records)
            .where(records.c.owner == owner, shares.c.expires > now)
            .order_by(shares.c.created.desc(), shares.c.id)
        )
        if id is not None:
            query = query.where(shares.c.record == id)
        return [ShareLink.model_validate(row._asdict()) for row in self.database.rows(query)]

    def revoke(self, owner: str, share_id: str) -> bool:
        theirs = select(records.c.id).where(records.c.owner == owner)
        removed = delete(shares).where(shares.c.id == share_id, shares.c.record.in_(theirs))
        return bool(self.database.run(removed))

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        # Looked up by a hash: how long that takes says nothing of how much of a guess was right.
        query = (
            select(
                shares.c.id.label("share"),
                shares.c.record,
                records.c.name,
                records.c.owner,
                shares.c.expires,
                results.c.analysis,
            )
            .select_from(shares.join(records).join(results, results.c.id == records.c.id))
            .where(shares.c.token_hash == rules.hash_token(token), shares.c.expires > now)
        )
        row = self.database.first(query)
        if row is None:
            return None
        analysis = self.seals.read(raw(row.analysis), record_hash(row.record))
        if analysis is None:
            return None
        made = origin(analysis.seal, row.owner)
        return SharedResult(
            share=row.share,
            record=row.record,
            name=row.name,
            expires=row.expires,
            analysis=analysis.without_place(),
            origin=made,
        )
