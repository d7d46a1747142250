"""Uploads on disk, with retention.

One folder per upload, named by a random token of 128 bits: the id of its record, which has all
other facts about it (`service.records`). A file whose record was never written, since the server
was stopped, is deleted by the same sweep.

    <data>/uploads/<token>/<name>       the file, under a name safe on every system
                           .coming      while it is copied
"""

import errno
import hashlib
import hmac
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from detector import paths
from detector.errors import InputError
from detector.media.files import disk_name, remember_hash
from detector.schema.origin import FileSource
from detector.seals import record_hash
from detector.sentences import _
from service.config import get_config
from service.context import is_id, new_id
from service.storage.arriving import ArrivingFile

CHUNK_BYTES = 1 << 20  # bytes copied at a time, so that a large file never stands in memory twice
MIN_FREE_BYTES = 100_000_000  # bytes left on the disk for results and logs
MAX_UPLOAD_MB = 500  # the default; .streamlit/config.toml says the same of the pages
INCOMPLETE_TTL = timedelta(hours=1)  # after which half a file was left by a stopped server

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_COMING = ".coming"
_SOURCE = ".source"
_MISSING = "missing"  # Stands for the name of a file that is not kept


class StorageError(InputError):
    """The file can't be stored; nothing of it is left behind."""

    default_code = "disk_full"


class StorageUnreachable(StorageError):
    """The bucket does not respond, or refuses; its contents are unchanged."""

    default_code = "storage_unreachable"


def retention() -> timedelta:
    """Return how long a file is stored: `UNMASK_RETENTION_HOURS`, else 24 hours."""
    return timedelta(hours=get_config().retention_hours)


def records_retention() -> timedelta:
    """Return how long results are stored at most: `UNMASK_KEEP_RECORDS_DAYS`, else 30 days."""
    return timedelta(days=get_config().keep_records_days)


def max_upload_mb() -> int:
    """Return the largest upload in MB: `UNMASK_MAX_UPLOAD_MB`, else `MAX_UPLOAD_MB`."""
    return upload_limit_mb() or MAX_UPLOAD_MB


def upload_limit_mb() -> int | None:
    """Return the largest upload in MB from `UNMASK_MAX_UPLOAD_MB`; None leaves Streamlit's."""
    limit = get_config().max_upload_mb
    return max(1, round(limit)) if limit else None


@dataclass(frozen=True)
class Upload:
    """A stored file."""

    token: str  # 22 URL-safe characters, 128 random bits
    sha256: str
    size: int  # bytes


class Uploads:
    """All uploads under one data folder (`unmask-s3`: of several servers). Safe between
    threads and processes: each token has its own folder, and a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root / "uploads"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._secret = secrets.token_bytes(32)

    def add(self, source: BinaryIO, name: str, *, size: int | None = None) -> Upload:
        """Copy `source` from its position to disk under a fresh token. Raise StorageError if the
        disk is full."""
        if size is not None and not self.has_room(size):
            raise no_room()
        token = new_id()
        folder = self.root / token
        digest, count = hashlib.sha256(), 0
        try:
            with full_disk_refused():
                folder.mkdir(mode=0o700)
                path = folder / disk_name(name)
                came = source if isinstance(source, ArrivingFile) and not source.tell() else None
                if came is not None and came.claim(path):
                    sha256, count = came.sha256, path.stat().st_size
                else:
                    with (folder / _COMING).open("wb") as target:
                        while chunk := source.read(CHUNK_BYTES):
                            digest.update(chunk)
                            count += target.write(chunk)
                    (folder / _COMING).replace(path)
                    sha256 = digest.hexdigest()
                remember_hash(path, sha256)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Upload(token, sha256, count)

    def set_source(self, token: str, source: FileSource) -> None:
        """Store the source of a file beside it."""
        (self.root / token / _SOURCE).write_text(source.model_dump_json())

    def source(self, token: str) -> FileSource | None:
        """Return the source of a file, if it is known."""
        try:
            return FileSource.model_validate_json((self.root / token / _SOURCE).read_bytes())
        except (OSError, ValueError):
            return None

    def has_room(self, size: int = 0) -> bool:
        """Return whether so many bytes fit on the disk."""
        return shutil.disk_usage(self.root).free - size >= MIN_FREE_BYTES

    def path(self, token: str) -> Path:
        """Return the media of a token; a path that does not exist if it is gone."""
        return self._here(token)

    def has(self, token: str) -> bool:
        """Return whether the media of a token exists."""
        return self._here(token).is_file()

    def token_of(self, record: str) -> str:
        """Return the token with this `seals.record_hash`; empty if its media is gone."""
        return next((token for token in self._tokens() if record_hash(token) == record), "")

    def _tokens(self) -> Iterator[str]:
        return (folder.name for folder in self.root.iterdir())

    def _here(self, token: str) -> Path:
        if is_id(token):
            folder = self.root / token
            with suppress(OSError):
                for entry in folder.iterdir():
                    if not entry.name.startswith("."):
                        return entry
            return folder / _MISSING
        return self.root / _MISSING / _MISSING

    def move(self, token: str, to: str) -> None:
        """Move the file of one token to another that has none; else delete it."""
        path = self._here(token)
        if not self._here(to).is_file():
            (self.root / to).mkdir(mode=0o700, exist_ok=True)
            path.replace(self.root / to / path.name)
        self.delete(token)

    def delete(self, token: str) -> None:
        """Delete an upload; a missing one is ignored."""
        if is_id(token):
            shutil.rmtree(self.root / token, ignore_errors=True)

    @contextmanager
    def deleted_on_error(self, token: str) -> Iterator[None]:
        """Delete an upload if the context raises."""
        try:
            yield
        except BaseException:
            with suppress(StorageError):  # that it can't be deleted is the lesser problem: in time
                self.delete(token)
            raise

    def size(self, tokens: Iterable[str]) -> int:
        """Return the size of the media of these tokens, bytes."""
        total = 0
        for token in tokens:
            with suppress(OSError):
                total += self.path(token).stat().st_size
        return total

    def address(self, token: str) -> str:
        """Return the URL path of a file, without a leading slash.

        It contains an HMAC that only this process can make: a page gives it to people who may see
        the file; the token alone is not enough.
        """
        return f"file/{token}/{self._pass(token)}"

    def admit(self, token: str, key: str) -> Path | None:
        """Return the media if the HMAC is right and the file exists."""
        if not hmac.compare_digest(self._pass(token).encode(), key.encode()):
            return None
        path = self.path(token)
        return path if path.is_file() else None

    def _pass(self, token: str) -> str:
        return hmac.digest(self._secret, token.encode(), "sha256").hex()[:32]

    def sweep(
        self, older_than: timedelta, *, spare: Collection[str] = (), now: datetime | None = None
    ) -> list[str]:
        """Delete expired files, except tokens to `spare`; return the deleted tokens."""
        now = now or datetime.now(UTC)
        deleted = []
        for folder in list(self.root.iterdir()):
            if folder.name in spare:
                continue
            try:
                entries = list(folder.iterdir()) if folder.is_dir() else []
                stamp = max(entry.stat().st_mtime for entry in (folder, *entries))
            except OSError:
                continue
            whole = any(not entry.name.startswith(".") for entry in entries)
            limit = older_than if whole else min(older_than, INCOMPLETE_TTL)
            if datetime.fromtimestamp(stamp, UTC) <= now - limit:
                if folder.is_dir():
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    folder.unlink(missing_ok=True)
                deleted.append(folder.name)
        return deleted


def copied(files: Sequence[tuple[str, BinaryIO]], root: Path, prefix: str) -> list[Path]:
    """Copy named files to a new folder under `root`, all or none. Raise OSError on a full disk."""
    if not files:
        return []
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        copies = []
        for number, (name, source) in enumerate(files):
            path = folder / f"{number:03d}-{disk_name(name)}"
            with path.open("xb") as target:
                shutil.copyfileobj(source, target, CHUNK_BYTES)
            copies.append(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return copies


def sweep_unfinished(folder: Path, *, now: datetime | None = None) -> None:
    """Delete files that a killed server was writing into a folder (`paths.write`)."""
    limit = (now or datetime.now(UTC)) - INCOMPLETE_TTL
    for path in folder.glob(".*"):
        with suppress(OSError):
            stamp = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if paths.is_unfinished(path.name) and path.is_file() and stamp <= limit:
                path.unlink()


def delete_copies(root: Path, prefix: str, name: str) -> None:
    """Delete a folder of `copied` by its name; ignore any other name."""
    if Path(name).name.startswith(prefix):
        shutil.rmtree(root / Path(name).name, ignore_errors=True)


@contextmanager
def full_disk_refused() -> Iterator[None]:
    """Raise StorageError instead of the OSError of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise no_room() from error
        raise


def no_room() -> StorageError:
    """Return the error of a file that does not fit on the disk."""
    return StorageError(
        _("There is not enough room left on this computer's disk to keep the file."),
        hint=_("Free some space, or wait until older files are deleted, and try again."),
    )
