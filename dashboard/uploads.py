"""Files on disk: an upload is copied here at once, and everything of it is deleted in time.

One folder per upload, named by a random token of 128 bits that is also the address of its result:
who has the token may see the file, nobody can guess or list one.

    <data>/uploads/<token>/job.json        name, settings, when it came
                           media/<name>    the file, under a name safe on every system
                           analysis.json   the result, once there is one
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from detector.errors import InputError
from detector.results import Analysis, Settings

CHUNK = 1 << 20
"""bytes copied at a time, so that a large file never stands in memory twice."""
KEEP_FREE = 100_000_000
"""bytes left on the disk whatever comes in: results and logs need room too."""
NAME_LENGTH = 80
"""characters of a file name that are kept on disk; some systems stop at 255 bytes."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(InputError):
    """The file can't be kept; nothing of it is left behind."""

    default_code = "disk_full"


def retention() -> timedelta:
    """How long an upload and its result are kept: `UNMASK_RETENTION_HOURS`, else 24 hours."""
    return timedelta(hours=_positive("UNMASK_RETENTION_HOURS", 24.0))


def _positive(variable: str, default: float) -> float:
    """A positive number from the environment. A typo stops the server: guessing how long private
    files are kept would be worse."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise SystemExit(f"{variable} must be a positive number, not {text!r}.")
    return value


def upload_limit_mb() -> int | None:
    """Largest upload in MB from `UNMASK_MAX_UPLOAD_MB`; None leaves Streamlit's configuration."""
    limit = _positive("UNMASK_MAX_UPLOAD_MB", 0.0)
    return max(1, round(limit)) if limit else None


@dataclass(frozen=True)
class Upload:
    """One file that was brought to us.

    Attributes
    ----------
    token : str
        22 URL-safe characters, 128 random bits.
    name : str
        As the person named it. Hostile: escape it wherever it is printed.
    path : Path
        The copy on disk.
    created : datetime
        UTC; retention counts from here.
    settings : Settings
        What was asked for.
    """

    token: str
    name: str
    path: Path
    created: datetime
    settings: Settings


class Uploads:
    """All uploads under one data folder. Safe to use from several threads: each token has its own
    folder, and files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root / "uploads"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(
        self, source: BinaryIO, name: str, settings: Settings, *, size: int | None = None
    ) -> Upload:
        """Copy a file to disk under a fresh token.

        Parameters
        ----------
        source : binary file
            Read from its present position to the end, in chunks.
        name : str
            As the person named it.
        settings : Settings
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
        try:
            path = folder / "media" / safe_name(name)
            path.parent.mkdir(parents=True, mode=0o700)
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
            upload = Upload(token, name, path, datetime.now(UTC), settings)
            self.note(upload)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise _no_room() from error
            raise
        return upload

    def note(self, upload: Upload) -> None:
        """Write down what is asked of this file; again when it is analyzed with other settings."""
        note = {
            "name": upload.name,
            "file": upload.path.name,
            "created": upload.created.isoformat(),
            "settings": upload.settings.model_dump(mode="json"),
        }
        folder = self.root / upload.token
        (folder / "analysis.json").unlink(missing_ok=True)
        _write(folder / "job.json", json.dumps(note))

    def find(self, token: str) -> Upload | None:
        """The upload behind a token from an address, or None if there is none (any more)."""
        if not _TOKEN.fullmatch(token):
            return None
        folder = self.root / token
        try:
            note = json.loads((folder / "job.json").read_text("utf-8"))
            upload = Upload(
                token=token,
                name=note["name"],
                path=folder / "media" / note["file"],
                created=datetime.fromisoformat(note["created"]),
                settings=Settings.model_validate(note["settings"]),
            )
        except (OSError, ValueError, KeyError):
            return None
        return upload if upload.path.is_file() else None

    def save(self, token: str, analysis: Analysis) -> None:
        """Put the result beside the file, unless it was deleted meanwhile."""
        folder = self.root / token
        if folder.is_dir():
            _write(folder / "analysis.json", analysis.model_dump_json())

    def result(self, token: str) -> Analysis | None:
        """The saved result, or None when there is none or another version wrote it."""
        try:
            text = (self.root / token / "analysis.json").read_text("utf-8")
            return Analysis.model_validate_json(text)
        except (OSError, ValueError):
            return None

    def delete(self, token: str) -> None:
        """Remove an upload and its result. Nothing happens when it is gone already."""
        if _TOKEN.fullmatch(token):
            shutil.rmtree(self.root / token, ignore_errors=True)

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
        limit = (now or datetime.now(UTC)) - older_than
        deleted = []
        for folder in list(self.root.iterdir()):
            if folder.name in spare:
                continue
            upload = self.find(folder.name)
            try:
                # Without a readable note: left over from a crash in the middle of an upload.
                stamp = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            except OSError:
                continue
            if (upload.created if upload else stamp) <= limit:
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


def _write(path: Path, text: str) -> None:
    """All of it or nothing: a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _no_room() -> StorageError:
    return StorageError(
        "There is not enough room left on this computer's disk to keep the file.",
        hint="Free some space, or wait until older files are deleted, and try again.",
    )
