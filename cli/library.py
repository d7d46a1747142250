"""`unmask library`: known footage on this computer."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cli.common import (
    group,
    line,
    print_error,
    reading,
    tell,
    tell_passed_over,
    tell_table,
    user_files,
    write_json,
)
from cli.known import open_originals
from cli.options import AsJson, arg, between, opt
from detector import media
from detector.errors import InputError, MediaError, UnmaskError
from detector.presentation import footage as words
from detector.presentation import summary
from detector.schema.passed_over import PassedOver
from detector.sentences import _, count, join
from service.context import LOCAL

if TYPE_CHECKING:
    from service.library.catalog import Library, LocalOriginals
    from service.library.index import LibraryMatch
    from service.records.tables import Footage

OWNER = LOCAL.id
NOTHING = 11  # Exit status of a search that found nothing, as of `unmask compare`
actions = group("Known footage: fingerprints of it are kept, never the footage itself.")


@contextmanager
def _library(*, reads_media: bool = False) -> Iterator[Library]:
    """Open this computer's library; untrusted files are read in sandboxed processes."""
    # Of the extra `dashboard`, which --help does without.
    from service.library.catalog import Library
    from service.records.database import Database, configured
    from service.records.footage import FootageStore

    if reads_media:
        media.isolate()
    with user_files(), closing(Database(configured())) as database:
        yield Library(FootageStore(database))


def _told(path: Path, footage: Footage | None, error: MediaError | None) -> None:
    if error is not None:
        print_error(error, path.name)
    elif footage is not None:
        frames = count(footage.frames, "frame", "frames")
        tell(join(footage.id, line(footage.name), frames, by="  "))


@actions.command()
def add(paths: list[Path]) -> int:
    """Take fingerprints of files, or of all media in folders."""
    from service.library.catalog import source_of

    status, passed = 0, list[PassedOver]()

    def told(path: Path, footage: Footage | None, error: MediaError | None) -> None:
        nonlocal status
        status = 2 if error is not None else status
        _told(path, footage, error)

    def place(path: Path) -> tuple[Path, bool]:
        return (path, True) if path.is_dir() else (path.parent, False)

    with _library(reads_media=True) as known:
        for (folder, whole), files in groupby(paths, key=place):
            if whole:
                known.add_folder(OWNER, folder, told, on_passed_over=passed.append)
            else:
                known.add_files(OWNER, files, source_of(folder), told)
        number, _version = known.store.version(OWNER)
    if passed:
        tell_passed_over(passed)
    tell(_("{count} files known").format(count=number), error=True)
    return status


@actions.command()
def watch(
    folder: Path, every: Annotated[float, opt("between two looks", "S", callback=between(0))] = 10.0
) -> int:
    """Add what is in a folder and what comes into it."""
    from service.library.watch import adding

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    tell(_("unmask: watching {folder}").format(folder=folder), error=True)
    with _library(reads_media=True) as known:
        adding(known, OWNER, folder, _told, on_passed_over=tell_passed_over).run(stop, every)
    return 0


@actions.command("list")
def list_footage(as_json: AsJson = False) -> int:
    """Tell what is known."""
    with _library() as opened:
        known = opened.store.list(OWNER)
    if as_json:
        write_json("-", [footage.tree for footage in known])
        return 0
    with reading():
        tell_table(
            [
                (one.id, f"{one.added:%Y-%m-%d}", summary.length(one.duration), one.name)
                for one in known
            ]
        )
    return 0


@actions.command()
def remove(ids: list[str]) -> int:
    """Forget footage."""
    with _library() as known:
        removed = known.store.remove(OWNER, ids)
    if removed < len(set(ids)):
        text = _("{removed} removed; the others are not known.")
        raise InputError(text.format(removed=removed), hint=_("unmask library list"))
    return 0


@actions.command(help="Known footage that a file shows; exit status 11: none.")
def search(file: Path, as_json: AsJson = False) -> int:
    """Tell which known footage a file shows."""
    from detector.comparison.fingerprint import fingerprint

    with _library(reads_media=True) as known:
        about = media.probe(file)
        found = known.search(OWNER, fingerprint(file, about))
    if as_json:
        rows = [vars(match) | {"footage": match.footage.tree} for match in found]
        write_json("-", rows)
    else:
        with reading():
            tell(*(_line(match, about.sha256) for match in found))
    return 0 if found else NOTHING


@actions.command(
    help="The known footage that a file shows best, as an analysis asks for it, in JSON; exit "
    "status 11: none."
)
def original(
    file: Annotated[Path, arg("-: a path a line, each a JSON string; null: none", "FILE")],
) -> int:
    """Tell which known footage a file shows best."""
    media.isolate()
    with user_files(), ExitStack() as stack:
        originals = open_originals(stack)
        if str(file) != "-":
            found = _original_of(originals, file)
            if found is not None:
                print(json.dumps(found))
            return NOTHING if found is None else 0
        for line in sys.stdin:
            try:
                found = _original_of(originals, Path(json.loads(line)))
            except (UnmaskError, OSError):  # no reason to leave the others unanswered
                found = None
            print(json.dumps(found), flush=True)
    return 0


def _original_of(originals: LocalOriginals, file: Path) -> dict[str, Any] | None:
    answer = originals.find(file, media.probe(file))
    if answer is None:
        return None
    found, path = answer
    return found.model_dump(mode="json") | {"path": str(path) if path else None}


def _line(match: LibraryMatch, sha256: str) -> str:
    identical = match.footage.sha256 == sha256
    return words.of_search(match.found, bits=match.bits, identical=identical)


@actions.command()
def export(file: Path) -> int:
    """Write all fingerprints to a file for others."""
    with _library() as known, file.open("xb") as target:
        for line in known.export(OWNER):
            target.write(line)
    return 0


@actions.command("import")
def import_prints(file: Path) -> int:
    """Take fingerprints that others exported."""
    with _library() as known, file.open("rb") as source:
        new, old = known.import_prints(OWNER, source)
    tell(_("{new} files added, {old} known already").format(new=new, old=old), error=True)
    return 0
