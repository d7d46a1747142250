"""Records of signed-in people in a Supabase project.

The policies of deploy/supabase/migrations and the token of each person's client decide what they
may see and do. Queries name the owner as well, because an administrator's token reads more than
their own.
"""

import base64
import io
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
from PIL import Image
from supabase import Client, ClientOptions

from detector.schema.analysis import Analysis
from detector.seals import record_hash
from service.context import is_id
from service.records import rules, thumbnails
from service.records.model import Facets, Query, RecordsError, SharedResult, Usage
from service.records.seals import Keyring, origin_of_account
from service.records.store import Store, shared_result
from service.records.supabase import rows
from service.records.supabase.bucket import Bucket, object_path
from service.records.supabase.rows import SupabaseRows, answer, storable
from service.records.tables import RECORDS, Row

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 8.0  # that a stranger with a link waits for the service


class SupabaseStore(Store):
    """Records in a Supabase project. `connect` returns a client with this account's fresh token, or
    without one to open share links; it is called for every request, from any thread, and its
    exceptions pass through. Without `seals`, none are trusted."""

    rows: SupabaseRows

    def __init__(self, connect: Callable[[], Client], seals: Keyring | None = None) -> None:
        super().__init__(SupabaseRows(connect), seals)
        self._connect = connect
        self.bucket = Bucket(connect)

    # --- what the project does in a way of its own ------------------------------------------------

    def analysis(self, owner: str, id: str) -> Analysis | None:
        row = self._column(owner, id, "document", "place", "result")
        return _analysis(row, record_hash(id), self.seals) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        found = super().thumbnails(owner, ids)
        return {id: picture for id, text in found.items() if (picture := _thumbnail(text))}

    def facets(self, owner: str) -> Facets:
        found = self.rows.call("facets", {"p_owner": owner})
        found.sort(key=lambda row: (-row["number"], row["name"]))
        tags, models = (
            {row["name"]: row["number"] for row in found if row["kind"] == kind}
            for kind in ("tag", "model")
        )
        return Facets(tags=tags, models=models)

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        where = {"owner": owner, "id": list(ids)}
        deleted = self.rows.delete(RECORDS, where, ("id", "media"))
        if any(row["media"] for row in deleted):
            self._remove_media(owner)
        return [row["id"] for row in deleted]

    def usage(self, owner: str) -> Usage:
        (usage,) = self.rows.call("usage_of", {"p_owner": owner})
        return Usage(records=usage["records"], bytes=usage["bytes"])

    def shared(self, token: str, now: datetime) -> SharedResult | None:
        if not is_id(token):
            return None
        row = next(iter(self.rows.call("shared_analysis", {"token": token})), None)
        if row is None:
            return None
        analysis = _analysis(row, row["record"], self.seals)
        made = origin_of_account(analysis.seal if analysis else None)
        return shared_result(row, analysis, made, now)

    def _search(self, owner: str, query: Query) -> tuple[Iterable[Row], Mapping[str, int], int]:
        parts = storable(rules.normalize_text(query.text).split())
        arguments = query.model_dump(mode="json", exclude={"text"})
        arguments |= {"owner": owner, "parts": parts}
        named = {f"p_{name}": value for name, value in arguments.items()}
        (page,) = self.rows.call("search_analyses", named)
        return page["records"], page["counts"], page["total"]

    def _column(self, owner: str, id: str, *columns: str) -> Row | None:
        found = self.rows.select(RECORDS, columns, {"owner": owner, "id": id}, limit=1)
        return found[0] if found else None

    # --- media: which file is whose, and what is deleted with its record --------------------------

    def keep_media(self, owner: str, id: str, file: Path) -> bool:
        """Upload a record's file to the bucket; return False if there is no such record. Raise
        RecordsError if the bucket refuses it, the account's quota is used up, or the service fails;
        the record stays without it."""
        path = object_path(owner, id, file)
        # First: a file that is there is then always known of, and goes with its record.
        if self._update(owner, id, {"media": path}) is None:
            return False
        self.bucket.put(path, file)
        return True

    def fetch_media(self, owner: str, id: str, folder: Path) -> bool:
        """Download a record's file into a folder; False, and nothing written, if it is gone."""
        row = self._column(owner, id, "media")
        if row is None or not row["media"]:
            return False
        return self.bucket.fetch(row["media"], folder / PurePosixPath(row["media"]).name)

    def purge(self, owner: str) -> int:
        """Delete an owner's expired records and the files of deleted records; return the number of
        records. For projects without pg_cron, and for files everywhere: SQL can't delete them."""
        (counts,) = self.rows.call("purge", {})
        self._remove_media(owner)
        return int(counts["deleted"])

    def purge_all(self) -> int:
        """Purge all accounts, and deleted ones. Needs a client with the project's secret key, which
        no dashboard has: `service.records.supabase.purge`."""
        (counts,) = self.rows.call("purge_all", {})
        self._remove_media(None)
        return int(counts["deleted"])

    def _remove_media(self, owner: str | None) -> None:
        """Delete the files of deleted records, of one owner or all; failed ones stay listed."""
        try:
            while True:
                table = self._connect().table("removals")
                query = table.select("path").order("path").limit(rows.BATCH_SIZE)
                found = answer(query if owner is None else query.eq("owner", owner))
                paths = [row["path"] for row in found]
                if not paths:
                    return
                self.bucket.remove(paths)
                removed = self._connect().table("removals").delete().in_("path", paths)
                if not answer(removed.select("path")):  # still there: not again and again
                    log.warning("%d files of deleted records can't be removed", len(paths))
                    return
        except RecordsError as error:
            log.warning("files of deleted records wait to be removed: %s", error.code)


def _thumbnail(text: bytes | str) -> bytes | None:
    """Return the thumbnail of a record; None if an account wrote an invalid one."""
    try:
        data = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if max(image.size) > thumbnails.SIDE:
                return None
            image.load()
    except (OSError, ValueError):
        return None
    return data


def _analysis(row: Mapping[str, Any], record: str, seals: Keyring) -> Analysis | None:
    """Return a record's result, its seal checked; None if this version can't read it."""
    if not row.get("document"):
        return None
    if not row.get("place"):
        return seals.read(row["document"], record)
    # The signature over the place stands beside it, never in what strangers are shown.
    result = row["result"] if isinstance(row["result"], dict) else {}
    seal = result.get("seal")
    try:
        place = json.loads(row["place"])
    except ValueError:
        return None
    sign = seal.get("place") if isinstance(seal, dict) else None
    return seals.read(row["document"], record, place=place, sign=sign)


@lru_cache(maxsize=2)
def with_key(url: str, key: str, seals: Keyring | None = None) -> SupabaseStore:
    """Return the store with this API key instead of an account. With the publishable key it opens
    share links only."""
    options = ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=httpx.Client(timeout=TIMEOUT_SECONDS),
    )
    client = Client(url, key, options)
    return SupabaseStore(lambda: client, seals)
