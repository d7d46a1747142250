"""Media of signed-in people in a Supabase project's private bucket, one object a record:
`media/<owner>/<record>/media.<ending>`.

Large files are uploaded in chunks by the tus protocol, which Supabase's Python client does not
support: a lost chunk is sent again, not the file. Files are downloaded by signed URLs that expire
after a minute. The bucket's limits (size, types) and policies decide what is accepted.
"""

import base64
import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import httpx
from supabase import Client, StorageException

from detector.sentences import _
from service.records.model import RecordsError
from service.records.supabase.rows import refusal, translated_errors

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
    """Return the object path of a record's file. Its name stays in the record: the bucket allows
    few characters."""
    ending = file.suffix.lower()
    return f"{owner}/{id}/media{ending if re.fullmatch(r'[.][a-z0-9]{1,8}', ending) else ''}"


class Bucket:
    """The files of the account of `connect`'s client; see `SupabaseStore`."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect

    def put(self, path: str, file: Path) -> None:
        """Upload a file over an existing one. Raise RecordsError if it is refused or fails."""
        kind = MIME_TYPES.get(Path(path).suffix, FALLBACK_MIME_TYPE)
        size = file.stat().st_size
        with translated_errors(), file.open("rb") as source:
            if size > SINGLE_REQUEST_BYTES:
                _send_in_pieces(self._connect, path, source, size, kind)
            else:
                bucket = self._connect().storage.from_(BUCKET)
                bucket.upload(path, source.read(), {"content-type": kind, "upsert": "true"})

    def url(self, path: str) -> str | None:
        """Return a URL signed for `SIGNED_URL_TTL`; None if there is no such file."""
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
        """Download a file; return False if there is none. `target` is written whole or
        not at all."""
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
        """Delete files; missing ones are ignored."""
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
        # A back-off of few tries: no event tells that a bucket answers again.
        time.sleep(BACKOFF_SECONDS * 2 ** (tries - 1))
        offset = _arrived(connect, url, offset)


def _arrived(connect: Callable[[], Client], url: str, offset: int) -> int:
    """Return how many bytes the service has; by default those that were sent."""
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
    """Send a request with the current token: a long upload outlives one."""
    client = connect()
    headers = {**client.options.headers, "Tus-Resumable": "1.0.0", **headers}
    session = client.storage.session
    return session.request(method, url, headers=headers, content=content, timeout=PIECE_SECONDS)
