"""Files on disk: an upload is copied here at once, and everything of it is deleted in time.

One folder per upload, named by a random token of 128 bits: the id of its record, which holds all
else there is to know of it (`service.records`). A folder outlives nothing but its time: a file
whose record was never written, since the server was stopped, goes with the same sweep.

    <data>/uploads/<token>/<name>       the file, under a name safe on every system
                           .coming      while it is copied
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import re
import secrets
import shutil
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from detector.errors import InputError
from service.config import get_config
from service.messages import _

CHUNK = 1 << 20
"""bytes copied at a time, so that a large file never stands in memory twice."""
KEEP_FREE = 100_000_000
"""bytes left on the disk whatever comes in: results and logs need room too."""
NAME_LENGTH = 80
"""characters of a file name that are kept on disk; some systems stop at 255 bytes."""
LEFT_OVER = timedelta(hours=1)
"""after which half a file is taken for what a stopped server left: copying takes seconds."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_COMING = ".coming"
_GONE = "gone"
"""Stands for the name of a file that is not kept: its folder is empty or missing."""


class StorageError(InputError):
    """The file can't be kept; nothing of it is left behind."""

    default_code = "disk_full"


def retention() -> timedelta:
    """How long a file is kept: `UNMASK_RETENTION_HOURS`, else 24 hours."""
    return timedelta(hours=get_config().retention_hours)


def records_retention() -> timedelta:
    """How long results are kept at most: `UNMASK_KEEP_RECORDS_DAYS`, else 30 days."""
    return timedelta(days=get_config().keep_records_days)


def upload_limit_mb() -> int | None:
    """Largest upload in MB from `UNMASK_MAX_UPLOAD_MB`; None leaves Streamlit's configuration."""
    limit = get_config().max_upload_mb
    return max(1, round(limit)) if limit else None


@dataclass(frozen=True)
class Kept:
    """A file that was just taken in.

    Attributes
    ----------
    token : str
        22 URL-safe characters, 128 random bits.
    sha256 : str
    size : int
        Bytes.
    """

    token: str
    sha256: str
    size: int


class Uploads:
    """All uploads under one data folder. Safe to use from several threads and processes: each token
    has its own folder, and a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root / "uploads"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._secret = secrets.token_bytes(32)

    def keep(self, source: BinaryIO, name: str, *, size: int | None = None) -> Kept:
        """Copy a file to disk under a fresh token.

        Parameters
        ----------
        source : binary file
            Read from its present position to the end, in chunks.
        name : str
            As the person named it.
        size : int, optional
            Bytes to come, when known, to refuse before writing.

        Raises
        ------
        StorageError
            When the disk is full; what was written is removed first.
        """
        if size is not None and shutil.disk_usage(self.root).free - size < KEEP_FREE:
            raise _no_room()
        token = secrets.token_urlsafe(16)
        folder = self.root / token
        digest, count = hashlib.sha256(), 0
        try:
            folder.mkdir(mode=0o700)
            with (folder / _COMING).open("wb") as target:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    count += target.write(chunk)
            (folder / _COMING).replace(folder / safe_name(name))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise _no_room() from error
            raise
        return Kept(token, digest.hexdigest(), count)

    def path(self, token: str) -> Path:
        """The media of a token; where it is not kept, a path that does not exist."""
        if _TOKEN.fullmatch(token):
            folder = self.root / token
            try:
                for entry in folder.iterdir():
                    if not entry.name.startswith("."):
                        return entry
            except OSError:
                pass
            return folder / _GONE
        return self.root / _GONE / _GONE

    def hand_over(self, token: str, to: str) -> None:
        """Make the file of one token another's that has none; else it is deleted."""
        path = self.path(token)
        if not self.path(to).is_file():
            (self.root / to).mkdir(mode=0o700, exist_ok=True)
            path.replace(self.root / to / path.name)
        self.delete(token)

    def delete(self, token: str) -> None:
        """Remove an upload. Nothing happens when it is gone already."""
        if _TOKEN.fullmatch(token):
            shutil.rmtree(self.root / token, ignore_errors=True)

    def size(self, tokens: Iterable[str]) -> int:
        """Bytes that the media of these take up."""
        total = 0
        for token in tokens:
            try:
                total += self.path(token).stat().st_size
            except OSError:
                continue
        return total

    # --- handing files out

    def address(self, token: str) -> str:
        """Where the server hands this file out, without a leading slash.

        It holds a pass that only this process can make: a page gives it to whoever may see the
        file, and knowing the token alone is not enough.
        """
        return f"file/{token}/{self._pass(token)}"

    def admit(self, token: str, given: str) -> Path | None:
        """The media, if the pass is right and it is kept."""
        if not hmac.compare_digest(self._pass(token).encode(), given.encode()):
            return None
        path = self.path(token)
        return path if path.is_file() else None

    def _pass(self, token: str) -> str:
        return hmac.digest(self._secret, token.encode(), "sha256").hex()[:32]

    # --- in time

    def sweep(
        self, older_than: timedelta, *, spare: Collection[str] = (), now: datetime | None = None
    ) -> list[str]:
        """Delete what was kept long enough.

        Parameters
        ----------
        older_than : timedelta
        spare : tokens
            In use at the moment; they go with a later sweep.
        now : datetime, optional
            UTC.

        Returns
        -------
        list of str
            The tokens that were deleted.
        """
        now = now or datetime.now(UTC)
        deleted = []
        for folder in list(self.root.iterdir()):
            if folder.name in spare:
                continue
            try:
                entries = list(folder.iterdir())
                stamp = max(entry.stat().st_mtime for entry in (folder, *entries))
            except OSError:
                continue
            whole = any(not entry.name.startswith(".") for entry in entries)
            limit = older_than if whole else min(older_than, LEFT_OVER)
            if datetime.fromtimestamp(stamp, UTC) <= now - limit:
                shutil.rmtree(folder, ignore_errors=True)
                deleted.append(folder.name)
        return deleted


def safe_name(name: str) -> str:
    """A file name that is harmless on disk, in a shell and in a header.

    The extension is kept in lower case, since some formats are told apart by it.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = plain.replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, suffix = plain.rpartition(".")
    if not dot:
        stem, suffix = plain, ""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:NAME_LENGTH] or "file"
    suffix = re.sub(r"[^a-z0-9]", "", suffix.lower())[:8]
    return f"{stem}.{suffix}" if suffix else stem


def _no_room() -> StorageError:
    return StorageError(
        _("There is not enough room left on this computer's disk to keep the file."),
        hint=_("Free some space, or wait until older files are deleted, and try again."),
    )
