"""Read-only links to records."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from service.records import rules
from service.records.model import SharedResult, ShareLink, State
from service.records.seals import origin_of_account
from service.records.supabase.rows import analysis_of
from service.records.supabase.tables import Tables, rows_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


class SupabaseShares(Tables):
    """The part of a `Store` that holds share links."""

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        row = self._row(owner, id, "state")
        if row is None or row["state"] != State.DONE:
            return None
        link_id, token = rules.new_id(), rules.new_id()
        link = ShareLink(id=link_id, record=id, created=now, expires=now + ttl, token=token)
        new = link.model_dump(mode="json", include={"id", "created", "expires"})
        new |= {"analysis": id, "owner": owner, "hash": rules.hash_token(link.token)}
        rows_of(self._table("shares").insert(new, returning="minimal"))
        return link

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[ShareLink]:
        query = self._table("shares").select("id,analysis,created,expires")
        query = query.eq("owner", owner).is_("revoked", "null").gt("expires", now.isoformat())
        if id is not None:
            query = query.eq("analysis", id)
        rows = rows_of(query.order("created", desc=True).order("id"))
        return [ShareLink(record=row.pop("analysis"), **row) for row in rows]

    def revoke(self, owner: str, share_id: str) -> bool:
        query = self._table("shares").update({"revoked": "now"}).eq("id", share_id)
        return bool(rows_of(query.eq("owner", owner).is_("revoked", "null").select("id")))

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        if not _TOKEN.fullmatch(token):
            return None
        row = next(iter(self._call("shared_analysis", {"token": token})), None)
        if row is None:
            return None
        analysis = analysis_of(row, row["record"], self.seals)
        if analysis is None:
            return None
        made = origin_of_account(analysis.seal)
        plain = {name: row[name] for name in ("share", "record", "name", "expires")}
        shared = SharedResult(**plain, analysis=analysis, origin=made)
        return shared if shared.expires > now else None
