"""Records of signed-in people in a Supabase project.

The policies of deploy/supabase/migrations and the token of each person's client decide what they
may see and do. Queries name the owner as well, because an administrator's token reads more than
their own.

Media are in the project's private bucket: `media/<owner>/<record>/media.<ending>`. Large files go
up in pieces by the tus protocol, which the service speaks and its Python client does not: a piece
that is lost is sent again, not the file. Files come down by signed addresses that live for a
minute. What is let in is the bucket's to say (size, kinds) and its policies'.
"""

import base64
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Unpack
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import TypeAdapter
from supabase import Client, ClientOptions, StorageException

from detector.schema.analysis import Analysis, CustomEnsemble, Label
from detector.seals import record_hash
from detector.sentences import _
from service.context import new_id
from service.records import rules
from service.records.cases import Case
from service.records.cases import row_of as case_row
from service.records.database import batches
from service.records.model import (
    Facets,
    Page,
    Preferences,
    Query,
    Record,
    RecordsError,
    SharedResult,
    ShareLink,
    State,
    Usage,
)
from service.records.seals import Keyring, origin_of_account
from service.records.store import RecordChanges, RunOutcome, Store
from service.records.supabase.rows import (
    COLUMNS,
    Row,
    analysis_of,
    readable,
    record_of,
    refusal,
    result_row,
    row_of,
    rows_of,
    search_arguments,
    storable,
    thumbnail_of,
    translated_errors,
)

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 8.0  # that a stranger with a link waits for the service
PAGE_SIZE = 1000  # rows asked for at once; a project may be set to give fewer
BATCH_SIZE = 100  # ids named in one request: they stand in its address, which servers cut at 8 kB
_FIELDS = TypeAdapter(dict[str, Any])
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


class SupabaseStore(Store):
    """Records in a Supabase project. `connect` gives a client with this person's fresh token, or
    without one to open share links; it is called for every request, from any thread, and what it
    raises passes through. Without `seals`, none are trusted."""

    def __init__(self, connect: Callable[[], Client], seals: Keyring | None = None) -> None:
        self._connect = connect
        self.seals = seals or Keyring()
        self.bucket = Bucket(connect)
        self.cases = SupabaseCases(self._table)

    # --- records and their results ----------------------------------------------------------------

    def add(
        self, record: Record, analysis: Analysis | None = None, thumbnail: bytes | None = None
    ) -> None:
        row = row_of(record)
        if analysis is not None:
            row |= result_row(analysis, thumbnail) | {"state": State.DONE}
        rows_of(self._table("analyses").insert(row, returning="minimal"))

    def get(self, owner: str, id: str) -> Record | None:
        row = self._row(owner, id, COLUMNS)
        return self.seals.checked(record_of(row)) if row else None

    def records(self, owner: str, ids: Collection[str]) -> dict[str, Record]:
        rows: list[Row] = []
        for some in batches(ids, BATCH_SIZE):
            query = self._table("analyses").select(COLUMNS).eq("owner", owner)
            rows += rows_of(query.in_("id", some))
        return {record.id: self.seals.checked(record) for record in readable(rows)}

    def open(self, viewer: str, id: str) -> Record | None:
        # All that is kept here belongs to accounts.
        return self.get(viewer, id)

    def analysis(self, owner: str, id: str) -> Analysis | None:
        row = self._row(owner, id, "document,place,result")
        return analysis_of(row, record_hash(id), self.seals) if row else None

    def thumbnails(self, owner: str, ids: Collection[str]) -> dict[str, bytes]:
        thumbnails: dict[str, bytes] = {}
        for some in batches(ids, BATCH_SIZE):
            query = self._table("analyses").select("id,thumbnail").eq("owner", owner)
            rows = rows_of(query.in_("id", some).not_.is_("thumbnail", "null"))
            pictures = {row["id"]: thumbnail_of(row["thumbnail"]) for row in rows}
            thumbnails |= {id: picture for id, picture in pictures.items() if picture}
        return thumbnails

    def search(self, owner: str, query: Query) -> Page:
        (page,) = self._call("search_analyses", search_arguments(owner, query))
        known = {"": None} | {label.value: label for label in Label}
        # An account may write an invalid verdict into a row of its own.
        counts = {known[k]: n for k, n in page["counts"].items() if k in known}
        records = tuple(map(self.seals.checked, readable(page["records"])))
        return Page(records=records, total=page["total"], counts=counts)

    def facets(self, owner: str) -> Facets:
        rows = self._call("facets", {"p_owner": owner})
        rows.sort(key=lambda row: (-row["number"], row["name"]))
        tags, models = (
            {row["name"]: row["number"] for row in rows if row["kind"] == kind}
            for kind in ("tag", "model")
        )
        return Facets(tags=tags, models=models)

    def find_cached(self, owner: str, cache_key: str) -> Record | None:
        if not cache_key:
            return None
        which = {"owner": owner, "cache_key": cache_key, "state": State.DONE}
        query = self._table("analyses").select(COLUMNS).match(which)
        query = query.order("analyzed", desc=True).order("id").limit(1)
        return next(readable(rows_of(query)), None)

    def change(self, owner: str, id: str, **changes: Unpack[RecordChanges]) -> Record | None:
        cleaned = rules.cleaned_changes(changes)
        record = self.get(owner, id)
        if record is None or not cleaned:
            return record
        row = row_of(record.model_copy(update=cleaned))
        return self._update(owner, id, {name: row[name] for name in (*cleaned, "haystack")})

    def delete(self, owner: str, ids: Collection[str]) -> list[str]:
        deleted: list[Row] = []
        for some in batches(ids, BATCH_SIZE):
            query = self._table("analyses").delete().eq("owner", owner).in_("id", some)
            deleted += rows_of(query.select("id,media"))
        if any(row["media"] for row in deleted):
            self._remove_media(owner)
        return [row["id"] for row in deleted]

    def ids(self, owner: str) -> list[str]:
        ids: list[str] = []
        while True:
            query = self._table("analyses").select("id").eq("owner", owner).order("id")
            some = rows_of(query.gt("id", ids[-1] if ids else "").limit(PAGE_SIZE))
            if not some:
                return ids
            ids += [row["id"] for row in some]

    def usage(self, owner: str) -> Usage:
        (usage,) = self._call("usage_of", {"p_owner": owner})
        return Usage(records=usage["records"], bytes=usage["bytes"])

    # --- share links ------------------------------------------------------------------------------

    def share(self, owner: str, id: str, ttl: timedelta, now: datetime) -> ShareLink | None:
        rules.check_share_ttl(ttl)
        row = self._row(owner, id, "state")
        if row is None or row["state"] != State.DONE:
            return None
        link_id, token = new_id(), new_id()
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

    # --- preferences and presets ------------------------------------------------------------------

    def preferences(self, owner: str) -> Preferences:
        return rules.read_preferences(self._settings(owner, "preferences").get(""))

    def save_preferences(self, owner: str, preferences: Preferences) -> None:
        self._set(owner, "preferences", "", preferences.model_dump(mode="json"))

    def presets(self, owner: str) -> dict[str, CustomEnsemble]:
        return rules.read_presets(self._settings(owner, "preset"))

    def save_preset(self, owner: str, preset: CustomEnsemble) -> None:
        rules.check_preset(preset, self._settings(owner, "preset"))
        self._set(owner, "preset", preset.name, preset.model_dump(mode="json"))

    def delete_preset(self, owner: str, name: str) -> bool:
        key = {"owner": owner, "kind": "preset", "name": storable(name)}
        return bool(rows_of(self._table("settings").delete().match(key).select("name")))

    # --- media: which file is whose, and what is deleted with its record --------------------------

    def keep_media(self, owner: str, id: str, file: Path) -> bool:
        """Put a copy of a record's file into the bucket. False if there is no such record. Raise
        RecordsError if the bucket does not take it, the account's room is used up, or the service
        fails; the record stands without it."""
        path = object_path(owner, id, file)
        # First: a file that is there is then always known of, and goes with its record.
        if self._update(owner, id, {"media": path}) is None:
            return False
        self.bucket.put(path, file)
        return True

    def fetch_media(self, owner: str, id: str, folder: Path) -> bool:
        """Download a record's file into a folder; False, and nothing written, if it is gone."""
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
        """Delete files of deleted records, of one owner or all; failures stay listed."""
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

    # --- the tables -------------------------------------------------------------------------------

    def _table(self, name: str) -> Any:
        return self._connect().table(name)

    def _call(self, function: str, arguments: Row) -> list[Row]:
        return rows_of(self._connect().rpc(function, arguments))

    def _row(self, owner: str, id: str, columns: str) -> Row | None:
        query = self._table("analyses").select(columns).eq("owner", owner).eq("id", id)
        return next(iter(rows_of(query)), None)

    def _update(
        self,
        owner: str,
        id: str,
        new: Mapping[str, Any],
        outcome: RunOutcome | None = None,
        **only: str,
    ) -> Record | None:
        row = storable(_FIELDS.dump_python(dict(new), mode="json"))
        if outcome is not None:
            row |= result_row(outcome.analysis, outcome.thumbnail)
            if outcome.keeps_thumbnail:
                del row["thumbnail"]
        query = self._table("analyses").update(row).match({"owner": owner, "id": id, **only})
        return next(map(record_of, rows_of(query.select(COLUMNS))), None)

    def _settings(self, owner: str, kind: str) -> dict[str, Any]:
        query = self._table("settings").select("name,value").eq("owner", owner).eq("kind", kind)
        return {row["name"]: row["value"] for row in rows_of(query)}

    def _set(self, owner: str, kind: str, name: str, value: Row) -> None:
        """Replace a setting by name; an upsert would need the right to change its owner."""
        key = {"owner": owner, "kind": kind, "name": storable(name)}
        for first in (True, False):
            if rows_of(self._table("settings").update({"value": value}).match(key).select("name")):
                return
            try:
                rows_of(self._table("settings").insert(key | {"value": value}, returning="minimal"))
                return
            except RecordsError as error:
                # Another tab was quicker: then there is one to update.
                if error.code != "records_taken" or not first:
                    raise


class SupabaseCases:
    """A `CaseStore` in a Supabase project; `table` asks for one by its name."""

    def __init__(self, table: Callable[[str], Any]) -> None:
        self._table = table

    def all(self, owner: str) -> list[Case]:
        query = self._table("cases").select("id,owner,log").eq("owner", owner)
        return [_case(row) for row in rows_of(query.order("touched", desc=True).order("id"))]

    def get(self, owner: str, id: str) -> Case | None:
        query = self._table("cases").select("id,owner,log").eq("owner", owner).eq("id", id)
        return next(map(_case, rows_of(query)), None)

    def save(self, case: Case, known: int) -> bool:
        row = case_row(case)
        row |= {"touched": case.touched.isoformat(), "analyses": list(case.files)}
        if known:
            query = self._table("cases").update(row).eq("owner", case.owner).eq("id", case.id)
            return bool(rows_of(query.eq("entries", known).select("id")))
        row |= {"id": case.id, "owner": case.owner, "created": case.created.isoformat()}
        rows_of(self._table("cases").insert(row, returning="minimal"))
        return True

    def delete(self, owner: str, id: str) -> bool:
        query = self._table("cases").delete().eq("owner", owner).eq("id", id)
        return bool(rows_of(query.select("id")))


def _case(row: Row) -> Case:
    return Case.read(row["id"], row["owner"], row["log"])


@lru_cache(maxsize=2)
def with_key(url: str, key: str, seals: Keyring | None = None) -> SupabaseStore:
    """Return the store as a caller with this key in place of an account. With the one that browsers
    may know it opens share links, and that is all."""
    options = ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=httpx.Client(timeout=TIMEOUT_SECONDS),
    )
    client = Client(url, key, options)
    return SupabaseStore(lambda: client, seals)


# --- media ----------------------------------------------------------------------------------------

BUCKET = "media"
SIGNED_URL_TTL = timedelta(minutes=1)  # of a signed address: long enough to begin to read
CHUNK_BYTES = 6 * 1024 * 1024  # bytes of a piece, which the service prescribes
SINGLE_REQUEST_BYTES = 1024 * 1024  # of a file that goes up at once, within the client's timeout
PIECE_SECONDS = 120.0  # of a piece; the client's own limit is for questions
MAX_ATTEMPTS = 5  # times that a piece is sent before the upload fails: the first, and each retry
BACKOFF_SECONDS = 0.5  # s before the second try; doubled for each further one

# Kinds that the bucket takes (deploy/supabase/migrations). By name, not by guessing from the
# system's tables, which differ.
MIME_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime", ".webm": "video/webm",
    ".mkv": "video/x-matroska", ".avi": "video/x-msvideo", ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg", ".3gp": "video/3gpp", ".ts": "video/mp2t",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp",
    ".heic": "image/heic", ".heif": "image/heif", ".avif": "image/avif", ".gif": "image/gif",
    ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff",
}  # fmt: skip
FALLBACK_MIME_TYPE = "application/octet-stream"
OFFSET_STREAM = "application/offset+octet-stream"


def object_path(owner: str, id: str, file: Path) -> str:
    """Return where a record's file lies. Its name stays in the record: the bucket takes few
    letters."""
    ending = file.suffix.lower()
    return f"{owner}/{id}/media{ending if re.fullmatch(r'[.][a-z0-9]{1,8}', ending) else ''}"


class Bucket:
    """The files of the person of `connect`'s client; see `SupabaseStore`."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect

    def put(self, path: str, file: Path) -> None:
        """Upload a file over an existing one; raise RecordsError if it is refused or fails."""
        kind = MIME_TYPES.get(Path(path).suffix, FALLBACK_MIME_TYPE)
        size = file.stat().st_size
        with translated_errors(), file.open("rb") as source:
            if size > SINGLE_REQUEST_BYTES:
                _send_in_pieces(self._connect, path, source, size, kind)
            else:
                bucket = self._connect().storage.from_(BUCKET)
                bucket.upload(path, source.read(), {"content-type": kind, "upsert": "true"})

    def url(self, path: str) -> str | None:
        """Return a URL signed for `SIGNED_URL_TTL`; None if they have no such file."""
        try:
            with translated_errors():
                bucket = self._connect().storage.from_(BUCKET)
                seconds = int(SIGNED_URL_TTL.total_seconds())
                return bucket.create_signed_url(path, seconds)["signedURL"]
        except RecordsError as error:
            cause = error.__cause__
            # The service says 400 for what it does not find, with 404 written inside.
            if isinstance(cause, StorageException) and (
                str(getattr(cause, "status", "")) == "404"
                or "not_found" in str(getattr(cause, "code", "")).lower().replace(" ", "_")
            ):
                return None
            raise

    def fetch(self, path: str, target: Path) -> bool:
        """Bring a file down. False if there is none; `target` is written whole or not at all."""
        signed = self.url(path)
        if signed is None:
            return False
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        session = self._connect().storage.session
        try:
            with (
                translated_errors(),
                session.stream("GET", signed, timeout=PIECE_SECONDS) as answer,
            ):
                if answer.is_error:
                    raise refusal(str(answer.status_code))
                with temporary.open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def remove(self, paths: Sequence[str]) -> None:
        """Delete files. Those that are not there are no matter."""
        with translated_errors():
            self._connect().storage.from_(BUCKET).remove(list(paths))


def _send_in_pieces(
    connect: Callable[[], Client], path: str, source: BinaryIO, size: int, kind: str
) -> None:
    names = {"bucketName": BUCKET, "objectName": path, "contentType": kind, "cacheControl": "3600"}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in names.items())
    start = str(connect().storage_url.joinpath("upload", "resumable"))
    headers = {"Upload-Length": str(size), "Upload-Metadata": metadata, "x-upsert": "true"}
    answer = _ask(connect, "POST", start, headers)
    if answer.is_error:
        raise refusal(str(answer.status_code))
    url = urljoin(start, answer.headers.get("location", ""))
    if urlsplit(url)[:2] != urlsplit(start)[:2]:
        raise refusal(_("upload address of another host"))  # our token goes nowhere else
    offset, tries = 0, 0
    while offset < size:
        source.seek(offset)
        piece = source.read(CHUNK_BYTES)
        try:
            headers = {"Upload-Offset": str(offset), "Content-Type": OFFSET_STREAM}
            answer = _ask(connect, "PATCH", url, headers, piece)
            if answer.is_success:
                offset, tries = int(answer.headers["upload-offset"]), 0
                continue
            problem: Exception = refusal(str(answer.status_code))
            retry = answer.status_code >= 500 or answer.status_code in (409, 423, 429)
        except httpx.TransportError as error:
            problem, retry = error, True
        tries += 1
        if not retry or tries >= MAX_ATTEMPTS:
            raise problem
        time.sleep(BACKOFF_SECONDS * 2 ** (tries - 1))
        offset = _arrived(connect, url, offset)


def _arrived(connect: Callable[[], Client], url: str, offset: int) -> int:
    """Return how many bytes the service has; what we think, where it doesn't say."""
    try:
        answer = _ask(connect, "HEAD", url, {})
        return int(answer.headers["upload-offset"]) if answer.is_success else offset
    except (httpx.TransportError, KeyError, ValueError):
        return offset


def _ask(
    connect: Callable[[], Client],
    method: str,
    url: str,
    headers: dict[str, str],
    content: bytes | None = None,
) -> httpx.Response:
    """With the token as it is now: a long upload outlives one."""
    client = connect()
    headers = {**client.options.headers, "Tus-Resumable": "1.0.0", **headers}
    session = client.storage.session
    return session.request(method, url, headers=headers, content=content, timeout=PIECE_SECONDS)
