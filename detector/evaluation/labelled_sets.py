"""Import of a labelled set: a ZIP with real/ and fake/, or a CSV with its files.

Archives are untrusted: they are read by `detector.batch.archive`, names are sanitized, the bytes
written are limited, and files that are not media are left out.
"""

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from detector.batch import archive
from detector.errors import InputError, MediaError
from detector.evaluation.labels import CHUNK, SUFFIXES, Row, csv_rows, layout_row
from detector.media.files import disk_name, one_line
from detector.sentences import _

MAX_FILES = 2000
MAX_BYTES = 8 << 30  # unpacked, in all
MAX_WORD = 200  # letters of a name or a cell
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


Chosen = tuple[Row, Chunks]
"""A row of labels.csv, and its file."""
LeftOut = list[tuple[str, LeftOutReason]]


def make(files: Sequence[BinaryIO], folder: Path) -> LabelledSet:
    """Write a labelled set into an empty folder; raise InputError if it is invalid or too large."""
    archives = [file for file in files if file.name.lower().endswith(".zip")]
    sheets = [file for file in files if file.name.lower().endswith(".csv")]
    if len(archives) == 1 and len(files) == 1:
        with tempfile.TemporaryDirectory(prefix=".zip-", dir=folder) as scratch:
            path = Path(scratch) / "archive.zip"
            _write(partial(_chunks, archives[0]), path, MAX_BYTES)
            return unpack(path, folder)
    if len(sheets) == 1 and not archives:
        media = {file.name: partial(_chunks, file) for file in files if file is not sheets[0]}
        return _stored(*_listed(partial(_chunks, sheets[0]), sheets[0].name, media), folder)
    raise InputError(
        _("Upload one ZIP with the folders real and fake, or one CSV with its files."),
        hint=_("The CSV has the columns file and label; group ties an original to its fakes."),
    )


def unpack(path: Path, folder: Path) -> LabelledSet:
    """Write the labelled set of a ZIP into an empty folder; raise InputError."""
    try:
        members = archive.members(path, most=MAX_FILES, unpacked=MAX_BYTES)
    except MediaError as error:
        problem = _("The ZIP can't be read: {message}").format(message=error.message)
        raise InputError(problem, code=error.code, hint=error.hint) from error
    refused = [member for member in members if archive.problem(member.info) is not None]
    files = {m.name: partial(_unpacked, path, m) for m in members if m not in refused}
    sheet = next((n for n in files if PurePosixPath(n).name.lower() == "labels.csv"), None)
    if sheet is None:
        chosen, left_out = _by_folder(files)
    else:
        base = PurePosixPath(sheet).parent
        beside = {PurePosixPath(name): file for name, file in files.items()}
        media = {str(n.relative_to(base)): f for n, f in beside.items() if n.is_relative_to(base)}
        chosen, left_out = _listed(files[sheet], sheet, media)
    left_out += [(shown(member.name), LeftOutReason.REFUSED) for member in refused]
    return _stored(chosen, left_out, folder)


def _by_folder(files: Mapping[str, Chunks]) -> tuple[list[Chosen], LeftOut]:
    """Choose the files of a known layout."""
    chosen: list[Chosen] = []
    left_out: LeftOut = []
    for name, file in files.items():
        path = PurePosixPath(name.replace("\\", "/"))
        if any(part.lower().startswith(("__macosx", ".")) for part in path.parts):
            continue
        row = layout_row(path)
        if row is None or path.suffix.lower() not in SUFFIXES:
            why = LeftOutReason.NO_MEDIA if row else LeftOutReason.NO_FOLDER
            left_out.append((shown(name), why))
            continue
        # An original and its fakes share a name in many collections.
        chosen.append(({"file": path.name, "group": path.stem, **row}, file))
    return chosen, left_out


def _listed(sheet: Chunks, name: str, files: Mapping[str, Chunks]) -> tuple[list[Chosen], LeftOut]:
    """Choose the files of a CSV, by their paths or names."""
    by_name = {PurePosixPath(path).name: file for path, file in files.items()}
    chosen: list[Chosen] = []
    left_out: LeftOut = []
    for row in csv_rows(sheet(), shown(name), MAX_FILES):
        path = (row["file"] or "").strip()
        file = files.get(path) or by_name.get(PurePosixPath(path.replace("\\", "/")).name)
        if file is None:
            left_out.append((shown(path), LeftOutReason.NOT_BROUGHT))
        else:
            chosen.append(({**row, "file": path}, file))
    return chosen, left_out


def _stored(chosen: Sequence[Chosen], left_out: LeftOut, folder: Path) -> LabelledSet:
    """Write the files under safe names, and labels.csv."""
    real, fake = (sum(row["label"] == label for row, _ in chosen) for label in ("real", "fake"))
    if not real or not fake:
        text = _("There are {real} originals and {fake} fakes in it; both are needed.")
        hint = _("A ZIP needs a folder called real and one called fake.")
        raise InputError(text.format(real=real, fake=fake), hint=hint)
    labels, left = folder / "labels.csv", MAX_BYTES
    with labels.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for number, (row, file) in enumerate(chosen):
            name = f"{row['label']}/{number:04}-{disk_name(PurePosixPath(row['file']).name)}"
            left = _write(file, folder / name, left)
            cells = {column: shown(row.get(column) or "") for column in COLUMNS}
            writer.writerow({**cells, "file": name})
    return LabelledSet(labels, real, fake, left_out)


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


def _unpacked(path: Path, member: archive.PackedFile) -> Iterator[bytes]:
    try:
        yield from archive.chunks(path, member.info)
    except MediaError as error:
        problem = _("{filename} in the ZIP can't be unpacked: {message}").format(
            filename=shown(member.name), message=error.message
        )
        raise InputError(problem, code=error.code) from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    yield from iter(partial(file.read, CHUNK), b"")
