"""Sources of a batch: a folder, a table, a list, an archive, a document or a single file.

Files whose names show that they are no media (`notes.txt`, `labels.csv`) are skipped and counted;
every other file becomes an entry, with an error if it can't be read.
"""

import csv
import mimetypes
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detector.batch import archive, document
from detector.batch.entry import Entry, Opener, failed, of_path
from detector.errors import InputError, MediaError, UsageError
from detector.media.files import open_file
from detector.sentences import _

COLUMNS = ("path", "file", "filename", "url", "name")
"""columns of a table that may hold the paths, by priority"""
MAX_LIST_BYTES = 64 * 1024**2  # of a table or a list: a million paths
_LINK = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

Links = Callable[[str], Opener]  # URL -> opener that fetches it


@dataclass(frozen=True)
class Source:
    """Entries in a fixed order with unique names."""

    entries: list[Entry]
    passed_over: int = 0  # files skipped by their names


def read_source(path: Path, *, leave_out: Path | None = None, links: Links | None = None) -> Source:
    """List the entries of a folder, a CSV with a column of paths, a text file with a path a line,
    a ZIP, PDF, DOCX, PPTX or XLSX, or a single file, without opening them. `leave_out` is the
    folder of the results; without `links`, URLs are errors. Raise InputError."""
    if path.is_dir():
        return of_files(path, files(path, leave_out))
    if path.suffix.lower() in (".csv", ".tsv"):
        return Source(_unique(_listed(path, _column(path), links)))
    if path.suffix.lower() in (".txt", ".lst"):
        return Source(_unique(_listed(path, _lines(path), links)))
    open_file(path).close()
    return Source(_unique(_entries(path, path.name, top=True)))


def of_files(folder: Path, paths: Iterable[Path]) -> Source:
    """Return the entries of these files of a folder."""
    entries: list[Entry] = []
    passed_over = 0
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if no_media(name):
            passed_over += 1
            continue
        try:
            entries += _entries(path, name)
        except InputError as error:
            entries.append(failed(name, error))
    return Source(_unique(entries), passed_over)


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.name, entry)
    return list(first.values())


def files(
    folder: Path, leave_out: Path | None = None, on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """Yield a folder's files by name, without hidden ones; `on_error` gets listing errors."""
    hidden = leave_out.resolve() if leave_out else None
    for here, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (Path(here) / name).resolve() != hidden
        )
        yield from (Path(here) / name for name in sorted(names) if not name.startswith("."))


def no_media(name: str) -> bool:
    """Return True if a name shows that a file is neither media nor a container of media."""
    if name.startswith("__MACOSX/") or re.split(r"[/\\]", name)[-1].startswith("."):
        return True
    kind = mimetypes.guess_type(name)[0] or ""
    return bool(kind) and not (kind.startswith(("video/", "image/", "audio/")) or _holds(name))


def _holds(name: str) -> bool:
    return Path(name).suffix.lower() in archive.ENDINGS | document.DOCUMENT_ENDINGS


def is_container(head: bytes) -> bool:
    """Return True if a file that begins so is an archive or a document."""
    return head.startswith((b"%PDF", b"PK\x03\x04", b"PK\x05\x06"))


def read_container(path: Path, name: str, *, inside: str | None = None) -> Source | None:
    """Return the files of an archive or a document, None for another file; raise MediaError."""
    with open_file(path) as file:
        head = file.read(8)
    if not is_container(head):
        return None
    if head.startswith(b"%PDF"):
        return Source(document.pdf(path, name))
    members = archive.members(path)
    if kind := document.office_kind(members):
        return Source(document.office(path, name, members, kind))
    media = [member for member in members if not no_media(member.filename)]
    before = f"{name}/" if inside is None else inside
    return Source(archive.entries(path, media, before), len(members) - len(media))


def _entries(path: Path, name: str, *, top: bool = False) -> list[Entry]:
    found = read_container(path, name, inside="" if top else None)
    return [of_path(name, path)] if found is None else found.entries


def _listed(path: Path, names: Iterable[str], links: Links | None) -> Iterator[Entry]:
    """Yield an entry for each path or URL of a list; paths are relative to the list's folder."""
    for name in names:
        if _LINK.match(name):
            if links is not None:
                yield Entry(name, links(name))
                continue
            text = _("This is a link, and links are not opened here.")
            why = MediaError(text, code="links_off", hint=_("Download the file, or allow links."))
            yield failed(name, why)
            continue
        try:
            file = path.parent / Path(name).expanduser()
            yield from _entries(file, name)
        except InputError as error:
            yield failed(name, error)


def _text(path: Path) -> str:
    with open_file(path) as file:
        data = file.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        text = _("{name} is too long for a list of files.")
        raise UsageError(text.format(name=path.name), hint=_("Cut it into parts."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            _("{name} is not text in UTF-8.").format(name=path.name), hint=_("Save it as UTF-8.")
        ) from None


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in _text(path).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _column(path: Path) -> list[str]:
    text = _text(path)
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    first = text.split("\n", 1)[0]
    if separator == "," and ";" in first and "," not in first:
        separator = ";"
    try:
        rows = list(csv.DictReader(text.splitlines(), delimiter=separator))
    except csv.Error as error:
        raise UsageError(
            _("{name} can't be read as a table: {error}.").format(name=path.name, error=error)
        ) from None
    names = {(name or "").strip().lower(): name for name in (rows[0] if rows else ())}
    column = next((names[name] for name in COLUMNS if name in names), None)
    if column is None:
        raise UsageError(
            _("{name} has no rows with a column of paths.").format(name=path.name),
            hint=_("Its first line names the columns; one of them is {names}.").format(
                names=", ".join(COLUMNS)
            ),
        )
    return [value for row in rows if (value := (row[column] or "").strip())]
