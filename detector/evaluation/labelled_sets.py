"""Import of a labelled set: a ZIP with real/ and fake/, or a CSV with its files.

Archives are untrusted: they are read by `detector.batch.archive`, names are sanitized, the bytes
written are limited, and files that are not media are left out.
"""

import csv
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from detector.batch import archive
from detector.errors import InputError, MediaError
from detector.evaluation.labels import LABELS, MAX_SHEET_BYTES, SUFFIXES, csv_rows
from detector.media.files import disk_name, one_line
from detector.sentences import _

MAX_FILES = 2000
MAX_BYTES = 8 << 30  # unpacked, in all
MAX_WORD = 200  # letters of a name or a cell
_CHUNK = 1 << 20
COLUMNS = ("file", "label", "kind", "group", "source", "method", "person")


Chunks = Callable[[], Iterable[bytes]]  # Reads a file from its beginning, in chunks


class LeftOutReason(StrEnum):
    """Why an uploaded file is not in the set."""

    NO_FOLDER = "no_folder"
    NO_MEDIA = "no_media"
    NOT_BROUGHT = "not_brought"
    REFUSED = "refused"  # Path traversal, a link, or encrypted


@dataclass(frozen=True)
class LabelledSet:
    """A folder with `labels.csv` and its files."""

    labels: Path
    real: int
    fake: int
    left_out: list[tuple[str, LeftOutReason]]  # names of uploaded files that are not in it


Taken = tuple[list[dict[str, str]], list[tuple[str, LeftOutReason]]]
"""The rows of labels.csv, and the files left out."""


def make(files: Sequence[BinaryIO], folder: Path) -> LabelledSet:
    """Write a labelled set into an empty folder; raise InputError if it is invalid or too large."""
    archives = [file for file in files if file.name.lower().endswith(".zip")]
    sheets = [file for file in files if file.name.lower().endswith(".csv")]
    if len(archives) == 1 and len(files) == 1:
        rows, left_out = _archive(archives[0], folder)
    elif len(sheets) == 1 and not archives:
        media = {file.name: partial(_chunks, file) for file in files if file is not sheets[0]}
        rows, left_out = _sheet(sheets[0].read(MAX_SHEET_BYTES + 1), sheets[0].name, media, folder)
    else:
        raise InputError(
            _("Upload one ZIP with the folders real and fake, or one CSV with its files."),
            hint=_("The CSV has the columns file and label; group ties an original to its fakes."),
        )
    return _written(rows, left_out, folder)


def unpack(path: Path, folder: Path) -> LabelledSet:
    """Write the labelled set of a ZIP into an empty folder; raise InputError."""
    return _written(*_unzipped(path, folder), folder)


def _written(
    rows: list[dict[str, str]], left_out: list[tuple[str, LeftOutReason]], folder: Path
) -> LabelledSet:
    real, fake = (sum(row["label"] == label for row in rows) for label in ("real", "fake"))
    if not real or not fake:
        text = _("There are {real} originals and {fake} fakes in it; both are needed.")
        hint = _("A ZIP needs a folder called real and one called fake.")
        raise InputError(text.format(real=real, fake=fake), hint=hint)
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return LabelledSet(path, real, fake, left_out)


def _archive(file: BinaryIO, folder: Path) -> Taken:
    with tempfile.TemporaryDirectory(prefix=".zip-", dir=folder) as scratch:
        path = Path(scratch) / "archive.zip"
        with path.open("wb") as out:
            for chunk in _chunks(file):
                out.write(chunk)
        return _unzipped(path, folder)


def _unzipped(path: Path, folder: Path) -> Taken:
    try:
        members = archive.members(path, most=MAX_FILES, unpacked=MAX_BYTES)
    except MediaError as error:
        problem = _("The ZIP can't be read: {message}").format(message=error.message)
        raise InputError(problem, code=error.code, hint=error.hint) from error
    refused = [member for member in members if archive.problem(member) is not None]
    left_out = [(shown(member.filename), LeftOutReason.REFUSED) for member in refused]
    harmless = [member for member in members if member not in refused]
    sheets = [m for m in harmless if PurePosixPath(m.filename).name.lower() == "labels.csv"]
    if sheets:
        rows, missing = _listed(path, sheets[0], harmless, folder)
    else:
        rows, missing = _by_folder(path, harmless, folder)
    return rows, missing + left_out


def _listed(
    path: Path, sheet: zipfile.ZipInfo, members: Sequence[zipfile.ZipInfo], folder: Path
) -> Taken:
    base = PurePosixPath(sheet.filename).parent
    files = {
        str(PurePosixPath(m.filename).relative_to(base)): partial(_unpacked, path, m)
        for m in members
        if PurePosixPath(m.filename).is_relative_to(base)
    }
    text = bytearray()
    for piece in _unpacked(path, sheet):
        text += piece
        if len(text) > MAX_SHEET_BYTES:
            break
    return _sheet(bytes(text), sheet.filename, files, folder)


def _by_folder(path: Path, members: Sequence[zipfile.ZipInfo], folder: Path) -> Taken:
    rows, left_out, left = [], [], MAX_BYTES
    for number, member in enumerate(members):
        parts = PurePosixPath(member.filename.replace("\\", "/").lower()).parts
        label = next((LABELS[part] for part in parts[:-1] if part in LABELS), None)
        if any(part.startswith(("__macosx", ".")) for part in parts):
            continue
        if label is None or PurePosixPath(parts[-1]).suffix not in SUFFIXES:
            left_out.append(
                (
                    shown(member.filename),
                    LeftOutReason.NO_MEDIA if label else LeftOutReason.NO_FOLDER,
                )
            )
            continue
        name = f"{label}/{number:04}-{disk_name(parts[-1])}"
        left = _write(partial(_unpacked, path, member), folder / name, left)
        # An original and its fakes share a name in many collections.
        group = shown(PurePosixPath(parts[-1]).stem)
        rows.append({"file": name, "label": label, "group": group})
    return rows, left_out


def _sheet(text: bytes, name: str, files: Mapping[str, Chunks], folder: Path) -> Taken:
    if len(text) > MAX_SHEET_BYTES:
        raise InputError(
            _("The CSV is larger than {max_sheet_bytes} MB.").format(
                max_sheet_bytes=MAX_SHEET_BYTES >> 20
            )
        )
    stream = io.TextIOWrapper(io.BytesIO(text), "utf-8-sig", newline="")
    lines = list(csv_rows(stream, shown(name), MAX_FILES))
    by_name = {PurePosixPath(name).name: file for name, file in files.items()}
    rows, left_out, left = [], [], MAX_BYTES
    for number, row in enumerate(lines):
        path, label = (row["file"] or "").strip(), row["label"]
        file = files.get(path) or by_name.get(PurePosixPath(path.replace("\\", "/")).name)
        if file is None:
            left_out.append((shown(path), LeftOutReason.NOT_BROUGHT))
            continue
        name = f"{label}/{number:04}-{disk_name(PurePosixPath(path).name)}"
        left = _write(file, folder / name, left)
        cells = {k: shown(row.get(k) or "") for k in COLUMNS}
        rows.append({**cells, "file": name, "label": label})
    return rows, left_out


def shown(text: str) -> str:
    """Return an untrusted text on one line of limited length, for display; still to be escaped."""
    return one_line(text)[:MAX_WORD]


def _write(file: Chunks, path: Path, left: int) -> int:
    """Write at most `left` bytes; return the rest. An archive may state wrong sizes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for chunk in file():
            left -= len(chunk)
            if left < 0:
                raise InputError(
                    _("The files are more than {max_bytes} GB.").format(max_bytes=MAX_BYTES >> 30)
                )
            out.write(chunk)
    return left


def _unpacked(path: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        yield from archive.chunks(path, member)
    except MediaError as error:
        problem = _("{filename} in the ZIP can't be unpacked: {message}").format(
            filename=shown(member.filename), message=error.message
        )
        raise InputError(problem, code=error.code) from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    yield from iter(partial(file.read, _CHUNK), b"")
