"""Records in one SQLite file, `<data>/unmask.db`: no server, no account."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from pydantic import ValidationError

from dashboard.i18n import _
from detector.schema.analysis import Analysis, CustomEnsemble, Label, Settings
from service.records import store as rules
from service.records.database import FILE as FILE
from service.records.database import Database
from service.records.rows import (
    ORDERS,
    OURS,
    hashed,
    no_result,
    packed,
    put_result,
    record_of,
    row_of,
    stamp,
    summary_row,
    unpacked,
    update,
    where,
)
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
    Summary,
    Usage,
)

log = logging.getLogger(__name__)


class SQLiteStore(Database):
    """A `Store` in one file (`Database`): what any store does, and what is of the whole
    server."""

    # --- analyses

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        if analysis is not None:
            record = record.model_copy(update={"result": Summary.of(analysis), "state": State.DONE})
        row = row_of(record)
        names = ", ".join(f":{name}" for name in row)
        try:
            with self._writing() as db:
                db.execute(f"INSERT INTO records ({', '.join(row)}) VALUES ({names})", row)
                if analysis is not None:
                    put_result(db, record.id, analysis, thumbnail)
        except RecordsError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise RecordsError(_("There is a record with this id already.")) from error
            raise

    def restart(
        self, owner: str, id: str, *, run: str, settings: Settings, cache_key: str, now: datetime
    ) -> Record | None:
        new = no_result() | {
            "run": run,
            "settings": settings.model_dump_json(),
            "cache_key": cache_key,
            "touched": stamp(now),
            "state": State.QUEUED,
            "fault": None,
            "again": None,
        }
        with self._writing() as db:
            if not update(db, new, OURS, {"id": id, "owner": owner}):
                return None
            db.execute("DELETE FROM results WHERE id = ?", (id,))
            return self._get(owner, id)

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
        new = summary_row(Summary.of(analysis)) | {
            "state": State.DONE,
            "cache_key": cache_key,
            "fault": None,
        }
        with self._writing() as db:
            there = update(
                db, new, f"{OURS} AND run = :of", {"id": id, "owner": owner, "of": run}
            )  # fmt: skip
            if there:
                put_result(db, id, analysis, thumbnail)
        return there

    def stop(
        self, owner: str, id: str, run: str, state: State, fault: ErrorReport | None = None
    ) -> bool:
        new = {"state": state, "fault": fault.model_dump_json() if fault else None}
        with self._writing() as db:
            return update(db, new, f"{OURS} AND run = :of", {"id": id, "owner": owner, "of": run})

    def amend(self, owner: str, id: str, analysis: Analysis) -> bool:
        with self._writing() as db:
            there = update(
                db,
                summary_row(Summary.of(analysis)),
                f"{OURS} AND state = '{State.DONE}'",
                {"id": id, "owner": owner},
            )
            if there:
                db.execute(
                    "UPDATE results SET analysis = ? WHERE id = ?", (packed(analysis), id)
                )  # fmt: skip
        return there

    def get(self, owner: str, id: str) -> Record | None:
        with self._reading():
            return self._get(owner, id)

    def open(self, viewer: str, id: str) -> Record | None:
        with self._reading() as db:
            row = db.execute("SELECT * FROM records WHERE id = ?", (id,)).fetchone()
        record = record_of(row) if row else None
        if record and (record.owner == viewer or not rules.has_account(record.owner)):
            return record
        return None

    def analysis(self, owner: str, id: str) -> Analysis | None:
        with self._reading() as db:
            row = db.execute(
                f"SELECT analysis FROM results JOIN records USING (id) WHERE {OURS}",
                {"id": id, "owner": owner},
            ).fetchone()
        return unpacked(row["analysis"]) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT id, thumbnail FROM results JOIN records USING (id) WHERE owner = ? AND "
                "thumbnail IS NOT NULL AND id IN (SELECT value FROM json_each(?))",
                (owner, json.dumps(list(ids))),
            )
            return {row["id"]: row["thumbnail"] for row in rows}

    def search(self, owner: str, query: Query) -> Page:
        found, values = where(owner, query)
        chosen = [str(label) for label in query.verdicts]
        with self._reading() as db:
            db.execute("BEGIN")  # counts and rows of the same moment
            try:
                counted = db.execute(
                    f"SELECT verdict, count(*) AS n FROM records WHERE {found} GROUP BY verdict",
                    values,
                ).fetchall()
                if chosen:
                    found += " AND verdict IN (SELECT value FROM json_each(:verdicts))"
                    values["verdicts"] = json.dumps(chosen)
                rows = db.execute(
                    f"SELECT * FROM records WHERE {found} ORDER BY {ORDERS[query.order]} "
                    "LIMIT :limit OFFSET :offset",
                    values | {"limit": query.limit, "offset": query.offset},
                ).fetchall()
            finally:
                db.execute("COMMIT")
        counts = {Label(r["verdict"]) if r["verdict"] else None: r["n"] for r in counted}
        total = sum(n for label, n in counts.items() if not chosen or label in query.verdicts)
        return Page(records=tuple(map(record_of, rows)), total=total, counts=counts)

    def facets(self, owner: str) -> Facets:
        with self._reading() as db:
            found = [
                {
                    row["value"]: row["n"]
                    for row in db.execute(
                        f"SELECT value, count(*) AS n FROM records, json_each({column}) "
                        "WHERE owner = ? GROUP BY value ORDER BY n DESC, value",
                        (owner,),
                    )
                }
                for column in ("tags", "models")
            ]
        return Facets(tags=found[0], models=found[1])

    def cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        with self._reading() as db:
            row = db.execute(
                "SELECT * FROM records WHERE owner = ? AND cache_key = ? AND cache_key <> '' AND "
                f"state = '{State.DONE}' ORDER BY analyzed DESC, id LIMIT 1",
                (owner, cache_key),
            ).fetchone()
        return record_of(row) if row else None

    def brought_again(self, owner: str, id: str, now: datetime) -> Record | None:
        new = {"again": stamp(now), "touched": stamp(now)}
        with self._writing() as db:
            if not update(db, new, OURS, {"id": id, "owner": owner}):
                return None
            return self._get(owner, id)

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
        with self._writing() as db:
            record = self._get(owner, id)
            if record is None or not given:
                return record
            record = record.model_copy(update=given)
            row = row_of(record)
            new = {name: row[name] for name in (*given, "haystack")}
            update(db, new, OURS, {"id": id, "owner": owner})
        self._empty_log()
        return record

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        with self._writing() as db:
            rows = db.execute(
                "DELETE FROM records WHERE owner = ? AND id IN (SELECT value FROM json_each(?)) "
                "RETURNING id",
                (owner, json.dumps(list(ids))),
            ).fetchall()
        self._empty_log()
        return [row["id"] for row in rows]

    def ids(self, owner: str) -> list[str]:
        with self._reading() as db:
            rows = db.execute("SELECT id FROM records WHERE owner = ? ORDER BY id", (owner,))
            return [row["id"] for row in rows]

    def forget(self, owner: str) -> list[str]:
        with self._writing() as db:
            rows = db.execute("DELETE FROM records WHERE owner = ? RETURNING id", (owner,))
            ids = [row["id"] for row in rows.fetchall()]
            db.execute("DELETE FROM preferences WHERE owner = ?", (owner,))
            db.execute("DELETE FROM presets WHERE owner = ?", (owner,))
        self._empty_log()
        return ids

    def usage(self, owner: str) -> Usage:
        with self._reading() as db:
            row = db.execute(
                "SELECT count(*) AS records, coalesce(sum(length(analysis) + "
                "coalesce(length(thumbnail), 0)), 0) AS bytes FROM records LEFT JOIN results "
                "USING (id) WHERE owner = ?",
                (owner,),
            ).fetchone()
        return Usage(records=row["records"], bytes=row["bytes"])

    # --- shares

    def share(self, owner: str, id: str, lasts: timedelta, now: datetime) -> Share | None:
        rules.check_lasts(lasts)
        made = Share(
            id=secrets.token_hex(8),
            record=id,
            created=now,
            expires=now + lasts,
            token=rules.new_id(),
        )
        with self._writing() as db:
            there = db.execute(
                "INSERT INTO shares SELECT :share, id, :hash, :created, :expires FROM records "
                f"WHERE {OURS} AND state = '{State.DONE}'",
                {
                    "share": made.id,
                    "hash": hashed(made.token),
                    "created": stamp(made.created),
                    "expires": stamp(made.expires),
                    "id": id,
                    "owner": owner,
                },
            ).rowcount
        return made if there else None

    def shares(self, owner: str, now: datetime, id: str | None = None) -> list[Share]:
        with self._reading() as db:
            rows = db.execute(
                "SELECT shares.* FROM shares JOIN records ON records.id = shares.record "
                "WHERE owner = :owner AND expires > :now AND (:id IS NULL OR record = :id) "
                "ORDER BY shares.created DESC, shares.id",
                {"owner": owner, "now": stamp(now), "id": id},
            ).fetchall()
        return [
            Share(id=r["id"], record=r["record"], created=r["created"], expires=r["expires"])
            for r in rows
        ]

    def revoke(self, owner: str, share_id: str) -> bool:
        with self._writing() as db:
            there = db.execute(
                "DELETE FROM shares WHERE id = ? AND record IN (SELECT id FROM records WHERE "
                "owner = ?)",
                (share_id, owner),
            ).rowcount
        return bool(there)

    def shared(self, token: str, now: datetime) -> Shared | None:
        with self._reading() as db:
            # Looked up by a hash: how long that takes says nothing of how much of a guess was right
            row = db.execute(
                "SELECT shares.id AS share, record, name, expires, analysis FROM shares JOIN "
                "records ON records.id = record JOIN results ON results.id = record "
                "WHERE token_hash = ? AND expires > ?",
                (hashed(token), stamp(now)),
            ).fetchone()
        analysis = unpacked(row["analysis"]) if row else None
        if row is None or analysis is None:
            return None
        return Shared(
            share=row["share"],
            record=row["record"],
            name=row["name"],
            analysis=rules.for_strangers(analysis),
            expires=row["expires"],
        )

    # --- a person's own settings

    def preferences(self, owner: str) -> Preferences:
        with self._reading() as db:
            row = db.execute(
                "SELECT chosen FROM preferences WHERE owner = ?", (owner,)
            ).fetchone()  # fmt: skip
        try:
            return Preferences.model_validate_json(row["chosen"]) if row else Preferences()
        except ValidationError:
            return Preferences()

    def prefer(self, owner: str, preferences: Preferences) -> None:
        with self._writing() as db:
            db.execute(
                "INSERT INTO preferences VALUES (?, ?) "
                "ON CONFLICT (owner) DO UPDATE SET chosen = excluded.chosen",
                (owner, preferences.model_dump_json()),
            )

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        with self._reading():
            return self._presets(owner)

    def keep_preset(self, owner: str, mix: CustomEnsemble) -> None:
        with self._writing() as db:
            rules.check_preset(mix, self._presets(owner))
            db.execute(
                "INSERT INTO presets VALUES (?, ?, ?) "
                "ON CONFLICT (owner, name) DO UPDATE SET mix = excluded.mix",
                (owner, mix.name, mix.model_dump_json()),
            )

    def delete_preset(self, owner: str, name: str) -> bool:
        with self._writing() as db:
            done = db.execute("DELETE FROM presets WHERE owner = ? AND name = ?", (owner, name))
            return bool(done.rowcount)

    # --- of the whole server, not of a person: for the sweeper

    def sweep(self, now: datetime, longest: timedelta, *, spare: Collection[str] = ()) -> list[str]:
        """Delete what was kept long enough: records by their owner's wish, at most `longest`, and
        links that are over.

        Returns
        -------
        list of str
            Ids of the deleted records; their media is the caller's.
        """
        with self._writing() as db:
            rows = db.execute(
                "DELETE FROM records WHERE id NOT IN (SELECT value FROM json_each(:spare)) AND "
                "julianday(touched) <= julianday(:now) - min(:longest, coalesce((SELECT "
                "json_extract(chosen, '$.keep_days') FROM preferences WHERE preferences.owner = "
                "records.owner), :longest)) RETURNING id",
                {
                    "spare": json.dumps(list(spare)),
                    "now": stamp(now),
                    "longest": longest / timedelta(days=1),
                },
            ).fetchall()
            db.execute("DELETE FROM shares WHERE expires <= ?", (stamp(now),))
        with self._reading() as db:
            # A script is run to its end; `execute` would free a single page.
            db.executescript("PRAGMA incremental_vacuum")
        self._empty_log()
        return [row["id"] for row in rows]

    # --- inside

    def _get(self, owner: str, id: str) -> Record | None:
        """The lock is held."""
        row = self._connection.execute(
            f"SELECT * FROM records WHERE {OURS}", {"id": id, "owner": owner}
        ).fetchone()
        return record_of(row) if row else None

    def _presets(self, owner: str) -> dict[str, CustomEnsemble]:
        """The lock is held."""
        rows = self._connection.execute(
            "SELECT name, mix FROM presets WHERE owner = ? ORDER BY name", (owner,)
        )
        out = {}
        for row in rows:
            try:
                out[row["name"]] = CustomEnsemble.model_validate_json(row["mix"])
            except ValidationError:
                log.warning("a preset that another version wrote was left out")
        return out
