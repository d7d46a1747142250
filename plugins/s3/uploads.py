"""Uploads that several servers share: in a bucket, with working copies on local disks.

An upload is in the bucket before it is acknowledged. A server fetches a missing copy on demand, and
deletes one that was not used for a while or whose object is gone from the bucket.

An object's key is `<prefix>/<token>`; the file's name and sha256 are its metadata, so a list of the
bucket reveals no file name. boto3 reads the credentials: a role of the machine, a profile, or
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_DEFAULT_REGION`.
"""

import os
import shutil
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cachetools import TLRUCache

from detector.media.files import disk_name, sha256
from detector.sentences import _
from service.context import is_id
from service.storage.uploads import (
    StorageError,
    StorageUnreachable,
    Upload,
    Uploads,
    full_disk_refused,
)

UNUSED_TTL = timedelta(hours=1)  # after which a copy that nobody used goes
COMING_TTL = timedelta(minutes=10)  # in which a file may be on its way to the bucket
USED_SECONDS = 60.0  # between two notes that a copy is used
KNOWN_SECONDS, UNKNOWN_SECONDS = 60.0, 5.0  # for which the bucket's answer is cached
MAX_KNOWN = 10_000
PARALLEL = 16  # questions to the bucket at a time
CONNECT_SECONDS, READ_SECONDS = 10, 60
ATTEMPTS = 4  # of a request, with growing pauses between
_MISSING = {"404", "NoSuchKey", "NotFound"}


class _NoSuchObject(StorageUnreachable):
    """The object is not in the bucket."""


@dataclass(frozen=True)
class StoredFile:
    """Metadata of a file in a bucket."""

    name: str
    size: int  # bytes
    sha256: str


class S3Bucket:
    """The objects of a bucket under a prefix, at Amazon or another endpoint. Thread-safe. Every
    method raises StorageUnreachable if the bucket does not respond; the constructor raises
    StorageError if it can't be used."""

    def __init__(self, name: str, endpoint: str = "", prefix: str = "") -> None:
        self.name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = _client(endpoint)
        try:
            with _translated():
                self._client.head_bucket(Bucket=name)
        except StorageUnreachable as error:
            text = _("The bucket of UNMASK_S3_BUCKET can't be used: {problem}")
            raise StorageError(
                text.format(problem=error.message),
                code="storage_setup",
                hint=_("Look at its name, the endpoint, and the keys it is asked with."),
            ) from error

    def put(self, upload: Upload, file: Path) -> None:
        """Upload a file, whole or not at all."""
        about = {"name": file.name, "sha256": upload.sha256}
        with _translated():
            self._client.upload_file(
                str(file), self.name, self._key(upload.token), ExtraArgs={"Metadata": about}
            )

    def find(self, token: str) -> StoredFile | None:
        """Return the metadata of a file, or None."""
        try:
            with _translated():
                head = self._client.head_object(Bucket=self.name, Key=self._key(token))
        except _NoSuchObject:
            return None
        about = head["Metadata"]
        return StoredFile(about.get("name", ""), head["ContentLength"], about.get("sha256", ""))

    def fetch(self, token: str, stored: StoredFile, target: Path) -> bool:
        """Download a file, whole or not at all; return False if it is gone. Raise
        StorageUnreachable also if its content has changed, StorageError if the disk is full."""
        coming = target.with_name(f".coming-{os.getpid()}-{id(stored):x}")
        try:
            with _translated():
                self._client.download_file(self.name, self._key(token), str(coming))
            with coming.open("rb") as file:
                came = sha256(file)
            if stored.sha256 and stored.sha256 != came:
                text = _("The storage of files gave back another file than it was given.")
                hint = _("Send the file again, and tell who runs this server.")
                raise StorageUnreachable(text, code="storage_damaged", hint=hint)
            coming.replace(target)
        except _NoSuchObject:
            return False
        finally:
            coming.unlink(missing_ok=True)
        return True

    def copy(self, token: str, to: str) -> None:
        """Copy a file to another token."""
        source = f"{self.name}/{self._key(token)}"
        with _translated():
            self._client.copy_object(CopySource=source, Bucket=self.name, Key=self._key(to))

    def delete(self, token: str) -> None:
        """Delete a file; a missing one is ignored."""
        with _translated():
            self._client.delete_object(Bucket=self.name, Key=self._key(token))

    def listed(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Yield each file's token, its upload time and the present time, both by the bucket's
        clock."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated():
            for page in pages.paginate(Bucket=self.name, Prefix=self._prefix):
                headers = page["ResponseMetadata"]["HTTPHeaders"]
                now = parsedate_to_datetime(headers["date"])
                for one in page.get("Contents", ()):
                    yield one["Key"].removeprefix(self._prefix), one["LastModified"], now

    def _key(self, token: str) -> str:
        return f"{self._prefix}{token}"


def _client(endpoint: str) -> Any:
    options: dict[str, Any] = {}
    if endpoint:
        # Not every other service knows hosts named after buckets, or the checksums of 2025.
        options = {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        **options,
    )
    try:
        return boto3.session.Session().client("s3", endpoint_url=endpoint or None, config=config)
    except (BotoCoreError, ValueError) as error:
        text = _("The bucket of UNMASK_S3_BUCKET can't be used: {problem}.")
        raise StorageError(text.format(problem=error), code="storage_setup") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Translate a bucket's error, whose own words name keys and hosts."""
    try:
        with full_disk_refused():
            yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        refused = isinstance(error, ClientError)
        code = error.response["Error"]["Code"] if refused else type(error).__name__
        kind = _NoSuchObject if code in _MISSING else StorageUnreachable
        text = _("The storage of files can't be reached just now ({code}).")
        raise kind(text.format(code=code), hint=_("Try again in a moment.")) from error


class SharedUploads(Uploads):
    """`Uploads` in a bucket. Raises `StorageUnreachable` if that does not respond."""

    def __init__(self, root: Path, bucket: S3Bucket) -> None:
        super().__init__(root)
        self._bucket = bucket
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}
        self._known: TLRUCache[str, StoredFile | None] = TLRUCache(MAX_KNOWN, _expiry)

    def add(self, source: BinaryIO, name: str, *, size: int | None = None) -> Upload:
        """Copy a file to disk and bucket under a fresh token, or to neither. Raise StorageError."""
        upload = super().add(source, name, size=size)
        try:
            self._bucket.put(upload, self._here(upload.token))
        except BaseException:
            super().delete(upload.token)
            raise
        return upload

    def path(self, token: str) -> Path:
        """Return a token's media, downloaded if needed; a path that does not exist if it
        is gone."""
        path = self._here(token)
        if not path.is_file() and is_id(token):
            with self._lock:
                turn = self._fetching.setdefault(token, threading.Lock())
            with turn:  # several pages want it at once: it comes once
                if not self._here(token).is_file() and (stored := self._stored(token)):
                    self._bring(token, stored)
                path = self._here(token)
            with self._lock:
                self._fetching.pop(token, None)
        with suppress(OSError):  # a missing copy is not used
            if time.time() - path.parent.stat().st_mtime > USED_SECONDS:
                os.utime(path.parent)
        return path

    def has(self, token: str) -> bool:
        """Return whether the media of a token exists, here or in the bucket. Downloads nothing."""
        return super().has(token) or (is_id(token) and self._stored(token) is not None)

    def move(self, token: str, to: str) -> None:
        """Move the file of one token to another that has none; else delete it."""
        if is_id(to) and self._bucket.find(to) is None:
            self._bucket.copy(token, to)
            self._forget(to)
        super().move(token, to)

    def delete(self, token: str) -> None:
        """Delete an upload from the bucket and this disk; other servers' copies follow."""
        if is_id(token):
            self._bucket.delete(token)
            self._forget(token)
        super().delete(token)

    def size(self, tokens: Iterable[str]) -> int:
        """Return the size of the media of these tokens in the bucket, bytes."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(one.size for one in pool.map(self._stored, tokens) if one is not None)

    def sweep(
        self, older_than: timedelta, *, spare: Collection[str] = (), now: datetime | None = None
    ) -> list[str]:
        """Delete expired files from the bucket, by its clock, except tokens to `spare`; and from
        this disk copies that are gone from the bucket or were not used lately."""
        deleted = []
        for token, put, clock in self._bucket.listed():
            if is_id(token) and token not in spare and put <= (now or clock) - older_than:
                self._bucket.delete(token)
                self._forget(token)
                deleted.append(token)
        self._clear_copies(spare, now or datetime.now(UTC))
        return deleted

    def _tokens(self) -> Iterator[str]:
        yield from super()._tokens()
        yield from (token for token, _put, _clock in self._bucket.listed())

    def _clear_copies(self, spare: Collection[str], now: datetime) -> None:
        for folder in list(self.root.iterdir()):
            if folder.name in spare:
                continue
            try:
                age = now - datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            except OSError:
                continue
            if age > UNUSED_TTL or (age > COMING_TTL and self._bucket.find(folder.name) is None):
                shutil.rmtree(folder, ignore_errors=True)

    def _bring(self, token: str, stored: StoredFile) -> None:
        folder = self.root / token
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            if not self._bucket.fetch(token, stored, folder / disk_name(stored.name)):
                self._forget(token)
        finally:
            with suppress(OSError):
                folder.rmdir()  # where nothing came

    def _stored(self, token: str) -> StoredFile | None:
        """Return the bucket's metadata of a file, cached for a moment."""
        with self._lock, suppress(KeyError):
            return self._known[token]
        stored = self._bucket.find(token)
        with self._lock:
            self._known[token] = stored
        return stored

    def _forget(self, token: str) -> None:
        with self._lock:
            self._known.pop(token, None)


def _expiry(token: str, stored: StoredFile | None, now: float) -> float:
    return now + (KNOWN_SECONDS if stored is not None else UNKNOWN_SECONDS)
