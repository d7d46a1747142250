"""Uploads that several servers share: in a bucket, with working copies on local disks.

An upload is in the bucket before it is acknowledged. A server fetches a missing copy on demand, and
deletes one that was not used for a while or whose object is gone from the bucket.
"""

import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from detector.media.files import disk_name
from service.storage.bucket import S3Bucket, StoredFile
from service.storage.uploads import Upload, Uploads, is_token

UNUSED_TTL = timedelta(hours=1)  # after which a copy that nobody used goes
COMING_TTL = timedelta(minutes=10)  # in which a file may be on its way to the bucket
USED_SECONDS = 60.0  # between two notes that a copy is used
KNOWN_SECONDS, UNKNOWN_SECONDS = 60.0, 5.0  # for which the bucket's answer is cached
MAX_KNOWN = 10_000
PARALLEL = 16  # questions to the bucket at a time


class SharedUploads(Uploads):
    """`Uploads` in a bucket; raises `StorageUnreachable` where that does not answer."""

    def __init__(self, root: Path, bucket: S3Bucket) -> None:
        super().__init__(root)
        self._bucket = bucket
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}
        self._known: OrderedDict[str, tuple[float, StoredFile | None]] = OrderedDict()

    def add(self, source: BinaryIO, name: str, *, size: int | None = None) -> Upload:
        """Copy a file to disk and bucket under a fresh token, or nothing; raise StorageError."""
        upload = super().add(source, name, size=size)
        try:
            self._bucket.put(upload, self._here(upload.token))
        except BaseException:
            super().delete(upload.token)
            raise
        return upload

    def path(self, token: str) -> Path:
        """Return a token's media, fetched if needed; a path that does not exist if it is gone."""
        path = self._here(token)
        if not path.is_file() and is_token(token):
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
        """Return whether the media of a token is kept, here or in the bucket. Brings nothing."""
        return super().has(token) or (is_token(token) and self._stored(token) is not None)

    def hand_over(self, token: str, to: str) -> None:
        """Make the file of one token another's that has none; else it is deleted."""
        if is_token(to) and self._bucket.find(to) is None:
            self._bucket.copy(token, to)
            self._forget(to)
        super().hand_over(token, to)

    def delete(self, token: str) -> None:
        """Remove an upload from the bucket and from here; other servers' copies follow."""
        if is_token(token):
            self._bucket.delete(token)
            self._forget(token)
        super().delete(token)

    def size(self, tokens: Iterable[str]) -> int:
        """Return the bytes that the media of these take up in the bucket."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(one.size for one in pool.map(self._stored, tokens) if one is not None)

    def sweep(
        self, older_than: timedelta, *, spare: Collection[str] = (), now: datetime | None = None
    ) -> list[str]:
        """Delete from the bucket what was kept long enough, by the bucket's clock, but for tokens
        to `spare`; and from here what is not in it any more, or was not used lately."""
        deleted = []
        for token, put, clock in self._bucket.listed():
            if is_token(token) and token not in spare and put <= (now or clock) - older_than:
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
        """Return what the bucket says of a file, or said a moment ago."""
        now = time.monotonic()
        with self._lock:
            asked, stored = self._known.get(token, (float("-inf"), None))
        if now - asked < (KNOWN_SECONDS if stored is not None else UNKNOWN_SECONDS):
            return stored
        stored = self._bucket.find(token)
        with self._lock:
            self._known[token] = now, stored
            self._known.move_to_end(token)
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return stored

    def _forget(self, token: str) -> None:
        with self._lock:
            self._known.pop(token, None)
