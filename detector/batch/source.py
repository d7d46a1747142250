"""Sources of a batch: a folder, a table, a list, an archive, a document or a single file.

Content decides: files that are no media (`notes.txt`, `labels.csv`), results of Unmask, and what
systems keep (thumbnails, recycle bins) are passed over, each with its reason; every other file
becomes an entry, with an error if it can't be read.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from detector.batch import archive, document, lists, mail, pdf
from detector.batch.entry import Entry, Opener, failed, of_path
from detector.batch.listing import Source as Source
from detector.batch.nested import MAX_FILES, too_many
from detector.batch.nested import is_container as is_container
from detector.errors import InputError, MediaError
from detector.media.files import open_file
from detector.media.kinds import is_mail
from detector.media.limits import SNIFF_BYTES
from detector.media.no_media import by_content, by_place
from detector.schema.passed_over import PassedOver, PassedOverReason
from detector.sentences import _

_LINK = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

Links = Callable[[str], Opener]  # URL -> opener that fetches it


def read_source(path: Path, *, leave_out: Path | None = None, links: Links | None = None) -> Source:
    """List the entries of a folder, a CSV with a column of paths, a text file with a path a line,
    a ZIP, PDF, DOCX, PPTX or XLSX, a mail, or a single file. `leave_out` is the folder of the
    results; without `links`, URLs are errors. Raise InputError."""
    if path.is_dir():
        passed, unlisted = list[PassedOver](), list[Entry]()

        def on_error(error: OSError) -> None:
            unlisted.append(failed(_inside(path, error), _unlistable()))

        found = of_files(path, files(path, leave_out, on_error, passed.append))
        return Source(_unique([*found.entries, *unlisted]), [*passed, *found.passed_over])
    if path.suffix.lower() in (".csv", ".tsv"):
        return Source(_unique(_listed(path, lists.column(path), links)))
    if path.suffix.lower() in (".txt", ".lst"):
        return Source(_unique(_listed(path, lists.lines(path), links)))
    open_file(path).close()
    return _entries(path, path.name, top=True)


def of_files(folder: Path, paths: Iterable[Path]) -> Source:
    """Return the entries of these files of a folder."""
    entries, passed = list[Entry](), list[PassedOver]()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            if (reason := why_passed_over(path)) is not None:
                passed.append(PassedOver(name=name, reason=reason))
                continue
            found = _entries(path, name)
            entries += found.entries
            passed += found.passed_over
        except InputError as error:
            entries.append(failed(name, error))
        except OSError as error:  # a bad block, a share that is gone, a file kept in a cloud
            entries.append(failed(name, _unreadable(error)))
    return Source(_unique(entries), passed)


def _inside(folder: Path, error: OSError) -> str:
    path = Path(os.fsdecode(error.filename or folder))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _unreadable(error: OSError) -> MediaError:
    text = _("This file can’t be read: {strerror}.").format(strerror=error.strerror)
    hint = _("Make a copy of it, from another copy if there is one.")
    return MediaError(text, code="unreadable", hint=hint)


def _unlistable() -> MediaError:
    return MediaError(
        _("This folder can’t be read."), code="unreadable", hint=_("Allow Unmask to read it.")
    )


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.name, entry)
    return list(first.values())


OnPassedOver = Callable[[PassedOver], object]


def files(
    folder: Path,
    leave_out: Path | None = None,
    on_error: Callable[[OSError], object] | None = None,
    on_passed_over: OnPassedOver | None = None,
) -> Iterator[Path]:
    """Yield a folder's files by name, without those that are passed over by their place (recycle
    bins, thumbnails, hidden ones, `leave_out`), which `on_passed_over` gets; `on_error` gets
    listing errors."""
    results = leave_out.resolve() if leave_out else None

    def passed(path: Path) -> bool:
        name = path.relative_to(folder).as_posix()
        reason = by_place(name)
        if path.is_dir():
            if results is not None and path.resolve() == results:
                reason = PassedOverReason.RESULT
            elif reason is None and path.is_symlink():
                reason = PassedOverReason.LINK
        if reason is not None and on_passed_over is not None:
            number = _count(path) if path.is_dir() and not path.is_symlink() else 1
            if number:
                on_passed_over(PassedOver(name=name, reason=reason, files=number))
        return reason is not None

    for here, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in sorted(folders) if not passed(Path(here) / name)]
        yield from (Path(here) / name for name in sorted(names) if not passed(Path(here) / name))


def _count(folder: Path) -> int:
    return sum(len(names) for _here, _folders, names in os.walk(folder))


def why_passed_over(path: Path) -> PassedOverReason | None:
    """Return why a file is no media, by its content; None for media, containers, and what can't be
    read, which is an error to report."""
    try:
        with path.open("rb") if _is_empty(path) else open_file(path) as file:
            return by_content(file, path.name)
    except (MediaError, OSError):
        return None


def _is_empty(path: Path) -> bool:
    info = path.stat()
    return stat.S_ISREG(info.st_mode) and not info.st_size


def read_container(
    path: Path, name: str, *, inside: str | None = None, depth: int = 0
) -> Source | None:
    """Return the files of an archive, a document or a mail, None for another file; raise
    MediaError. `depth` is the number of documents that it lies in."""
    with open_file(path) as file:
        head = file.read(SNIFF_BYTES)
    if not is_container(head):
        return None
    if is_mail(head):
        return _unique_of(mail.read(path, name, _inner, depth))
    if head.startswith(b"%PDF"):
        if why_passed_over(path) is PassedOverReason.RESULT:
            text = _("This is a report of Unmask, not evidence.")
            hint = _("Analyze the file that it is about; `unmask verify` checks the report.")
            raise MediaError(text, code="own_report", hint=hint)
        return _unique_of(pdf.read(path, name, _inner, depth))
    members = archive.members(path)
    if kind := document.office_kind(members):
        return _unique_of(document.office(path, name, members, kind, _inner, depth))
    before = f"{name}/" if inside is None else inside
    return _archived(path, members, before)


def _inner(path: Path, name: str, depth: int) -> Source | None:
    return read_container(path, name, depth=depth)


def _unique_of(found: Source) -> Source:
    if len(found.entries) > MAX_FILES:
        raise too_many()
    return Source(_unique(found.entries), found.passed_over)


def _archived(path: Path, members: Sequence[archive.PackedFile], before: str) -> Source:
    """Return the media of an archive; what is none is passed over by its first bytes."""
    media, passed = list[archive.PackedFile](), list[PassedOver]()
    for member, reason in archive.sort_out(path, members):
        if reason is None:
            media.append(member)
        else:
            passed.append(PassedOver(name=f"{before}{member.name}", reason=reason))
    return Source(_unique(archive.entries(path, media, before)), passed)


def _entries(path: Path, name: str, *, top: bool = False) -> Source:
    found = read_container(path, name, inside="" if top else None)
    return Source([of_path(name, path)]) if found is None else found


def _listed(path: Path, names: Iterable[str], links: Links | None) -> Iterator[Entry]:
    """Yield an entry for each path or URL of a list; paths are relative to the list's folder."""
    for name in names:
        if _LINK.match(name) and not name.lower().startswith("file:"):
            if links is not None:
                yield Entry(name, links(name))
                continue
            text = _("This is a link, and links are not opened here.")
            why = MediaError(text, code="links_off", hint=_("Download the file, or allow links."))
            yield failed(name, why)
            continue
        try:
            yield from _entries(lists.located(path.parent, name), name).entries
        except InputError as error:
            yield failed(name, error)
