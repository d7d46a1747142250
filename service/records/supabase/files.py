"""The media of records: which file is whose, and what is deleted with its record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from service.records.model import RecordsError
from service.records.seals import Keyring
from service.records.supabase.media import Bucket, object_path
from service.records.supabase.tables import BATCH_SIZE, Tables, rows_of

if TYPE_CHECKING:
    from supabase import Client

log = logging.getLogger(__name__)


class SupabaseFiles(Tables):
    """What a project keeps of files beyond the protocol of a `Store`."""

    def __init__(self, connect: Callable[[], Client], seals: Keyring | None = None) -> None:
        super().__init__(connect, seals)
        self.bucket = Bucket(connect)

    def keep_media(self, owner: str, id: str, file: Path) -> bool:
        """Put a copy of a record's file into the bucket. False if there is no such record.

        Raises
        ------
        RecordsError
            It is too large or of a kind that the bucket doesn't take, the account's room is used
            up, or the service fails. The record stands without it.
        """
        path = object_path(owner, id, file)
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

    def purge(self, owner: str) -> int:
        """Delete what its owner has kept long enough, and files whose record is gone. For where the
        project has no pg_cron, and for files everywhere: SQL can't delete them. How many records.
        """
        (counts,) = self._call("purge", {})
        self._remove_media(owner)
        return int(counts["deleted"])

    def purge_all(self) -> int:
        """Do the same for everybody, and for accounts that are gone. Needs a client with the
        project's secret key, which no dashboard has: `service.records.supabase.purge`."""
        (counts,) = self._call("purge_all", {})
        self._remove_media(None)
        return int(counts["deleted"])

    def _remove_media(self, owner: str | None) -> None:
        """Delete the files of deleted records, of one owner or of all. What fails stays on the list
        for the next time."""
        try:
            while True:
                query = self._table("removals").select("path").order("path").limit(BATCH_SIZE)
                rows = rows_of(query if owner is None else query.eq("owner", owner))
                paths = [row["path"] for row in rows]
                if not paths:
                    return
                self.bucket.remove(paths)
                removed = self._table("removals").delete().in_("path", paths).select("path")
                if not rows_of(removed):  # still there: not again and again
                    log.warning("%d files of deleted records can't be removed", len(paths))
                    return
        except RecordsError as error:
            log.warning("files of deleted records wait to be removed: %s", error.code)
