"""Records of signed-in people in a Supabase project.

What a person may see and do is decided there, by the policies of supabase/migrations and the token
of their own client: this module adds the owner to every question because an administrator's token
reads more than their own, not because anything here could be relied on to hold back.

The media itself is `service.records.media`'s.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import httpx
from pydantic import ValidationError

from detector.schema.analysis import Analysis, CustomEnsemble, Label, Settings
from service.records import store as rules
from service.records.media import Bucket, address
from service.records.store import (
    Confirmed,
    ErrorReport,
    Facets,
    Page,
    Preferences,
    Query,
    Record,
    RecordsError,
    Share,
    Shared,
    State,
    Usage,
)
from service.records.supabase_rows import (
    COLUMNS,
    NO_RESULT,
    Row,
    analysis_of,
    asking,
    fault_row,
    picture_row,
    question,
    record_of,
    result_row,
    row_of,
    storable,
)
from service.records.supabase_tables import AT_ONCE, Tables, batches, rows_of

if TYPE_CHECKING:
    from supabase import Client

log = logging.getLogger(__name__)

PATIENCE = 8.0
"""s that a stranger with a link waits for the service"""
PAGE = 1000
"""rows asked for at once; a project may be set to give fewer"""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


class SupabaseStore(Tables):
    """A `Store` in a Supabase project.

    Parameters
    ----------
    connect : callable
        Gives a client with this person's token, fresh; one of nobody, to open share links. Called
        for every request and from any thread. What it raises passes through.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        super().__init__(connect)
        self.bucket = Bucket(connect)

    # --- analyses

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        row = row_of(record)
        if analysis is not None:
            row |= result_row(analysis) | {
                "state": State.DONE,
                "thumbnail": picture_row(thumbnail),
            }
        with asking():
            self._table("analyses").insert(row, returning="minimal").execute()

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        return self._update(
            owner,
            id,
            NO_RESULT
            | {
                "run": run,
                "settings": settings.model_dump(mode="json"),
                "cache_key": cache_key,
                "touched": now.isoformat(),
                "state": State.QUEUED,
                "fault": None,
                "again": None,
            },
        )

    def finish(
        self,
        owner: str,
        id: str,
        run: str,
        analysis: Analysis,
        *,
        thumbnail: bytes | None = None,
        cache_key: str = "",
    ) -> bool:
        new = result_row(analysis) | {
            "state": State.DONE,
            "cache_key": cache_key,
            "fault": None,
            "thumbnail": picture_row(thumbnail),
        }
        return self._update(owner, id, new, run=run) is not None

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        new = {"state": state, "fault": fault_row(fault)}
        # A result that came first stays: who cancels may be late.
        return self._update(owner, id, new, run=run, state=State.QUEUED) is not None

    def amend(self, owner: str, id: str, analysis: Analysis) -> bool:
        return self._update(owner, id, result_row(analysis), state=State.DONE) is not None

    def get(self, owner: str, id: str) -> Record | None:
        row = self._row(owner, id, COLUMNS)
        return record_of(row) if row else None

    def open(self, viewer: str, id: str) -> Record | None:
        # All that is kept here belongs to accounts.
        return self.get(viewer, id)

    def analysis(self, owner: str, id: str) -> Analysis | None:
        row = self._row(owner, id, "document,place")
        return analysis_of(row) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for some in batches(ids):
            with asking():
                rows = (
                    self._table("analyses")
                    .select("id,thumbnail")
                    .eq("owner", owner)
                    .in_("id", some)
                    .not_.is_("thumbnail", "null")
                    .execute()
                )
            found |= {row["id"]: base64.b64decode(row["thumbnail"]) for row in rows_of(rows)}
        return found

    def search(self, owner: str, query: Query) -> Page:
        (found,) = self._call("search_analyses", question(owner, query))
        return Page(
            records=tuple(map(record_of, found["records"])),
            total=found["total"],
            counts={Label(k) if k else None: n for k, n in found["counts"].items()},
        )

    def facets(self, owner: str) -> Facets:
        rows = self._call("facets", {"p_owner": owner})
        rows.sort(key=lambda row: (-row["number"], row["name"]))
        tags, models = (
            {row["name"]: row["number"] for row in rows if row["kind"] == kind}
            for kind in ("tag", "model")
        )
        return Facets(tags=tags, models=models)

    def cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        with asking():
            rows = (
                self._table("analyses")
                .select(COLUMNS)
                .eq("owner", owner)
                .eq("cache_key", cache_key)
                .eq("state", State.DONE)
                .order("analyzed", desc=True)
                .order("id")
                .limit(1)
                .execute()
            )
        return next(map(record_of, rows_of(rows)), None)

    def brought_again(self, owner: str, id: str, now: datetime) -> Record | None:
        when = now.isoformat()
        return self._update(owner, id, {"again": when, "touched": when})

    def change(
        self,
        owner: str,
        id: str,
        *,
        note: str | None = None,
        tags: Iterable[str] | None = None,
        confirmed: Confirmed | None = None,
    ) -> Record | None:
        given = rules.wanted(note, tags, confirmed)
        record = self.get(owner, id)
        if record is None or not given:
            return record
        row = row_of(record.model_copy(update=given))
        return self._update(owner, id, {name: row[name] for name in (*given, "haystack")})

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        deleted: list[Row] = []
        for some in batches(ids):
            with asking():
                rows = (
                    self._table("analyses")
                    .delete()
                    .eq("owner", owner)
                    .in_("id", some)
                    .select("id,media")
                    .execute()
                )
            deleted += rows_of(rows)
        if any(row["media"] for row in deleted):
            self._remove_media(owner)
        return [row["id"] for row in deleted]

    def ids(self, owner: str) -> list[str]:
        found: list[str] = []
        while True:
            with asking():
                rows = (
                    self._table("analyses")
                    .select("id")
                    .eq("owner", owner)
                    .order("id")
                    .gt("id", found[-1] if found else "")
                    .limit(PAGE)
                    .execute()
                )
            some = [row["id"] for row in rows_of(rows)]
            if not some:
                return found
            found += some

    def forget(self, owner: str) -> list[str]:
        deleted: list[str] = []
        while some := self.ids(owner):
            gone = self.delete(owner, some)
            if not gone:  # another at it, or not allowed: not again and again
                break
            deleted += gone
        with asking():
            self._table("settings").delete(returning="minimal").eq("owner", owner).execute()
        return deleted

    def usage(self, owner: str) -> Usage:
        (found,) = self._call("usage_of", {"p_owner": owner})
        return Usage(records=found["records"], bytes=found["bytes"])

    # --- shares

    def share(self, owner: str, id: str, lasts: timedelta, now: datetime) -> Share | None:
        rules.check_lasts(lasts)
        record = self.get(owner, id)
        if record is None or record.state is not State.DONE:
            return None
        made = Share(
            id=rules.new_id(), record=id, created=now, expires=now + lasts, token=rules.new_id()
        )
        row = {
            "id": made.id,
            "analysis": id,
            "owner": owner,
            "created": made.created.isoformat(),
            "expires": made.expires.isoformat(),
            "hash": hashlib.sha256(made.token.encode()).hexdigest(),
        }
        with asking():
            self._table("shares").insert(row, returning="minimal").execute()
        return made

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[Share]:
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
        with asking():
            rows = asked.execute()
        return [
            Share(
                id=row["id"],
                record=row["analysis"],
                created=row["created"],
                expires=row["expires"],
            )
            for row in rows_of(rows)
        ]

    def revoke(self, owner: str, share_id: str) -> bool:
        with asking():
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

    def shared(self, token: str, now: datetime) -> Shared | None:
        if not _TOKEN.fullmatch(token):
            return None
        found = next(iter(self._call("shared_analysis", {"token": token})), None)
        analysis = analysis_of(found) if found else None
        if found is None or analysis is None:
            return None
        shared = Shared(
            share=found["share"],
            record=found["record"],
            name=found["name"],
            analysis=analysis,
            expires=found["expires"],
        )
        return shared if shared.expires > now else None

    # --- a person's own settings

    def preferences(self, owner: str) -> Preferences:
        found = self._settings(owner, "preferences").get("")
        try:
            return Preferences.model_validate(found or {})
        except ValidationError:
            return Preferences()

    def prefer(self, owner: str, preferences: Preferences) -> None:
        self._set(owner, "preferences", "", preferences.model_dump(mode="json"))

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        found = {}
        for name, value in sorted(self._settings(owner, "preset").items()):
            try:
                found[name] = CustomEnsemble.model_validate(value)
            except ValidationError:
                log.warning("a preset that another version wrote was left out")
        return found

    def keep_preset(self, owner: str, mix: CustomEnsemble) -> None:
        rules.check_preset(mix, self._settings(owner, "preset"))
        self._set(owner, "preset", mix.name, mix.model_dump(mode="json"))

    def delete_preset(self, owner: str, name: str) -> bool:
        with asking():
            rows = (
                self._table("settings")
                .delete()
                .eq("owner", owner)
                .eq("kind", "preset")
                .eq("name", storable(name))
                .select("name")
                .execute()
            )
        return bool(rows_of(rows))

    # --- the media, and what this place needs beyond the protocol

    def keep_media(self, owner: str, id: str, file: Path) -> bool:
        """Put a copy of a record's file into the bucket. False if there is no such record.

        Raises
        ------
        RecordsError
            It is too large or of a kind that the bucket doesn't take, the account's room is used
            up, or the service fails. The record stands without it.
        """
        path = address(owner, id, file)
        # First: a file that is there is then always known of, and goes with its record.
        if self._update(owner, id, {"media": path}) is None:
            return False
        self.bucket.put(path, file)
        return True

    def fetch_media(self, owner: str, id: str, folder: Path) -> bool:
        """Bring a record's file back into a folder. False if none was kept, or it is gone; then
        nothing is written."""
        row = self._row(owner, id, "media")
        if row is None or not row["media"]:
            return False
        return self.bucket.fetch(row["media"], folder / PurePosixPath(row["media"]).name)

    def media_url(self, owner: str, id: str) -> str | None:
        """An address of a record's file that anybody can open for `media.LASTS`."""
        row = self._row(owner, id, "media")
        return self.bucket.url(row["media"]) if row and row["media"] else None

    def tidy(self, owner: str) -> int:
        """Delete what its owner has kept long enough, and files whose record is gone. For where the
        project has no pg_cron, and for files everywhere: SQL can't delete them. How many records.
        """
        (found,) = self._call("purge", {})
        self._remove_media(owner)
        return int(found["deleted"])

    def tidy_all(self) -> int:
        """The same for everybody, and for accounts that are gone. Needs a client with the project's
        secret key, which no dashboard has: `tools/tidy.py`.
        """
        (found,) = self._call("purge_all", {})
        self._remove_media(None)
        return int(found["deleted"])

    def _remove_media(self, owner: str | None) -> None:
        """Delete the files of deleted records, of one owner or of all. What fails stays on the list
        for the next time."""
        try:
            while True:
                asked = self._table("removals").select("path").order("path").limit(AT_ONCE)
                with asking():
                    rows = (asked if owner is None else asked.eq("owner", owner)).execute()
                paths = [row["path"] for row in rows_of(rows)]
                if not paths:
                    return
                self.bucket.remove(paths)
                with asking():
                    done = self._table("removals").delete().in_("path", paths).select("path")
                    if not rows_of(done.execute()):  # still there: not again and again
                        log.warning("%d files of deleted records can't be removed", len(paths))
                        return
        except RecordsError as error:
            log.warning("files of deleted records wait to be removed: %s", error.code)


@lru_cache(maxsize=2)
def with_key(url: str, key: str) -> SupabaseStore:
    """The store as whoever has no account, but this key. With the one that browsers may know it
    opens share links, and that is all."""
    from supabase import Client, ClientOptions

    options = ClientOptions(
        auto_refresh_token=False, persist_session=False, httpx_client=httpx.Client(timeout=PATIENCE)
    )
    client = Client(url, key, options)
    return SupabaseStore(lambda: client)
