"""Read-only links to records."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

from service.records import rules
from service.records.model import SharedResult, ShareLink, State
from service.records.supabase.rows import analysis_of, translated_errors
from service.records.supabase.tables import Tables, rows_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


class SupabaseShares(Tables):
    """The part of a `Store` that holds share links."""

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        row = self._row(owner, id, "state")
        if row is None or row["state"] != State.DONE:
            return None
        made = ShareLink(
            id=rules.new_id(), record=id, created=now, expires=now + ttl, token=rules.new_id()
        )
        new = {
            "id": made.id,
            "analysis": id,
            "owner": owner,
            "created": made.created.isoformat(),
            "expires": made.expires.isoformat(),
            "hash": hashlib.sha256(made.token.encode()).hexdigest(),
        }
        with translated_errors():
            self._table("shares").insert(new, returning="minimal").execute()
        return made

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        asked = (
            self._table("shares")
            .select("id,analysis,created,expires")
            .eq("owner", owner)
            .is_("revoked", "null")
            .gt("expires", now.isoformat())
            .order("created", desc=True)
            .order("id")
        )
        if id is not None:
            asked = asked.eq("analysis", id)
        with translated_errors():
            rows = asked.execute()
        return [
            ShareLink(
                id=row["id"],
                record=row["analysis"],
                created=row["created"],
                expires=row["expires"],
            )
            for row in rows_of(rows)
        ]

    def revoke(self, owner: str, share_id: str) -> bool:
        with translated_errors():
            rows = (
                self._table("shares")
                .update({"revoked": "now"})
                .eq("id", share_id)
                .eq("owner", owner)
                .is_("revoked", "null")
                .select("id")
                .execute()
            )
        return bool(rows_of(rows))

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        if not _TOKEN.fullmatch(token):
            return None
        found = next(iter(self._call("shared_analysis", {"token": token})), None)
        analysis = analysis_of(found) if found else None
        if found is None or analysis is None:
            return None
        shared = SharedResult(
            share=found["share"],
            record=found["record"],
            name=found["name"],
            analysis=analysis,
            expires=found["expires"],
        )
        return shared if shared.expires > now else None
