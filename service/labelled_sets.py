"""A labelled set from what was uploaded: a ZIP with real/ and fake/, or a CSV with its files.

Archives are hostile: names are made harmless, sizes are counted while they are unpacked, and what
is no video or picture is left out.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Protocol

from detector.errors import InputError
from service.messages import _
from service.storage.uploads import CHUNK, safe_name

MOST_FILES = 2000
MOST_BYTES = 8 << 30
"""Unpacked, in all."""
SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".jpg", ".jpeg", ".png", ".webp",
    ".bmp", ".heic", ".avif",
}  # fmt: skip
LABELS = {
    "real": "real", "original": "real", "originals": "real", "untouched": "real", "0_real": "real",
    "fake": "fake", "fakes": "fake", "manipulated": "fake", "altered": "fake", "1_fake": "fake",
}  # fmt: skip
COLUMNS = ("file", "label", "kind", "group", "source", "method", "person")


class Given(Protocol):
    """An uploaded file."""

    name: str

    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


class Why(StrEnum):
    """Why something that was given is not in the set."""

    NO_FOLDER = "no_folder"
    NO_MEDIA = "no_media"
    NOT_BROUGHT = "not_brought"


@dataclass(frozen=True)
class LabelledSet:
    """A folder with `labels.csv` and its files.

    Attributes
    ----------
    labels : Path
    real, fake : int
    left_out : list of (str, Why)
        Names of what was given and is not in it.
    """

    labels: Path
    real: int
    fake: int
    left_out: list[tuple[str, Why]]


Taken = tuple[list[dict[str, str]], list[tuple[str, Why]]]
"""The rows of labels.csv, and what was left out."""


def make(given: Sequence[Given], folder: Path) -> LabelledSet:
    """Write a labelled set into an empty folder.

    Raises
    ------
    InputError
        It is no ZIP and no CSV, it holds too much, or it lacks originals or fakes.
    """
    archives = [file for file in given if file.name.lower().endswith(".zip")]
    sheets = [file for file in given if file.name.lower().endswith(".csv")]
    if len(archives) == 1 and len(given) == 1:
        rows, left_out = _archive(archives[0], folder)
    elif len(sheets) == 1 and not archives:
        media = [file for file in given if file is not sheets[0]]
        rows, left_out = _sheet(sheets[0].read(), {file.name: file for file in media}, folder)
    else:
        raise InputError(
            _("Bring one ZIP with the folders real and fake, or one CSV with its files."),
            hint=_("The CSV has the columns file and label; group ties an original to its fakes."),
        )
    counts = [sum(row["label"] == label for row in rows) for label in ("real", "fake")]
    if not all(counts):
        raise InputError(
            _("There are {real} originals and {fake} fakes in it; both are needed.").format(
                real=counts[0], fake=counts[1]
            ),
            hint=_("A ZIP needs a folder called real and one called fake."),
        )
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return LabelledSet(path, counts[0], counts[1], left_out)


def _archive(file: Given, folder: Path) -> Taken:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise InputError(_("The ZIP can't be read: {problem}.").format(problem=error)) from error
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if len(members) > MOST_FILES:
            raise InputError(
                _("The ZIP holds {number} files; at most {most} are taken.").format(
                    number=len(members), most=MOST_FILES
                )
            )
        if sum(m.file_size for m in members) > MOST_BYTES:
            raise InputError(
                _("The ZIP unpacks to more than {number} GB.").format(number=MOST_BYTES >> 30)
            )
        sheets = [m for m in members if PurePosixPath(m.filename).name.lower() == "labels.csv"]
        room = _Room()
        if sheets:
            base = PurePosixPath(sheets[0].filename).parent
            named = {
                str(PurePosixPath(m.filename).relative_to(base)): _Member(archive, m)
                for m in members
                if PurePosixPath(m.filename).is_relative_to(base)
            }
            return _sheet(archive.read(sheets[0]), named, folder)
        rows, left_out = [], []
        for number, member in enumerate(members):
            parts = PurePosixPath(member.filename.replace("\\", "/").lower()).parts
            label = next((LABELS[part] for part in parts[:-1] if part in LABELS), None)
            if any(part.startswith(("__macosx", ".")) for part in parts):
                continue
            if label is None or PurePosixPath(parts[-1]).suffix not in SUFFIXES:
                left_out.append((member.filename, Why.NO_MEDIA if label else Why.NO_FOLDER))
                continue
            name = f"{label}/{number:04}-{safe_name(parts[-1])}"
            room.write(_Member(archive, member), folder / name)
            # An original and its fakes share a name in many collections.
            rows.append({"file": name, "label": label, "group": PurePosixPath(parts[-1]).stem})
        return rows, left_out


def _sheet(text: bytes, files: dict[str, Given] | dict[str, _Member], folder: Path) -> Taken:
    try:
        read = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(_("The CSV can't be read: {problem}.").format(problem=error)) from error
    if not read or not {"file", "label"} <= set(read[0]):
        raise InputError(
            _("The CSV has no rows with the columns file and label."),
            hint=_("The first line names the columns, for example: {columns}").format(
                columns="file,label,group,source,method"
            ),
        )
    if len(read) > MOST_FILES:
        raise InputError(
            _("The CSV lists {number} files; at most {most} are taken.").format(
                number=len(read), most=MOST_FILES
            )
        )
    by_name = {PurePosixPath(name).name: file for name, file in files.items()}
    rows, left_out, room = [], [], _Room()
    for number, row in enumerate(read):
        wanted, label = (row["file"] or "").strip(), (row["label"] or "").strip().lower()
        if label not in ("real", "fake"):
            raise InputError(
                _("Line {number} of the CSV: {label} is neither real nor fake.").format(
                    number=number + 2, label=repr(label)
                )
            )
        file = files.get(wanted) or by_name.get(PurePosixPath(wanted.replace("\\", "/")).name)
        if file is None:
            left_out.append((wanted, Why.NOT_BROUGHT))
            continue
        name = f"{label}/{number:04}-{safe_name(PurePosixPath(wanted).name)}"
        room.write(file, folder / name)
        rows.append({**{k: row.get(k) or "" for k in COLUMNS}, "file": name, "label": label})
    return rows, left_out


class _Member:
    """A file inside an archive, opened when it is needed."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self.name = info.filename
        self._archive, self._info = archive, info

    def chunks(self) -> Iterable[bytes]:
        try:
            with self._archive.open(self._info) as stream:
                while part := stream.read(CHUNK):
                    yield part
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InputError(
                _("{name} in the ZIP can't be unpacked: {problem}.").format(
                    name=self.name, problem=error
                )
            ) from error


class _Room:
    """Counts what is written: what an archive says of its sizes may be a lie."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def write(self, file: Given | _Member, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for part in file.chunks() if isinstance(file, _Member) else _chunks(file):
                self.left -= len(part)
                if self.left < 0:
                    raise InputError(
                        _("The files are more than {number} GB.").format(number=MOST_BYTES >> 30)
                    )
                out.write(part)


def _chunks(file: Given) -> Iterable[bytes]:
    file.seek(0)
    while part := file.read(CHUNK):
        yield part
