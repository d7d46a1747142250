"""A library of known footage, by this computer's own hand: `unmask library ACTION`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from detector import media, paths
from detector.comparison.fingerprints import fingerprint
from detector.errors import InputError, MediaError, UnmaskError
from service.config import get_config
from service.context import LOCAL
from service.library.catalog import Library, source_of
from service.library.index import LibraryMatch
from service.library.original import best_match, original_in
from service.library.watch import watch
from service.records.database import FILE, Database
from service.records.footage import Footage, FootageStore
from service.records.lookups import LookupStore

OWNER = LOCAL.id
NOTHING = 11
"""Exit status of a search that found nothing; as `unmask compare` has it for other footage."""


def main(argv: list[str] | None = None) -> int:
    """Run one of the actions; return the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.run is None:
        parser.print_help(sys.stderr)
        return 2
    database = None
    try:
        if args.run in (_add, _watch, _search, _original):
            media.isolate()  # files of strangers
        database = Database(get_config().database.get_secret_value() or paths.data() / FILE)
        args.lookups = LookupStore(database)
        status: int = args.run(Library(FootageStore(database)), args)
        return status
    except (UnmaskError, OSError) as error:
        text = error.advice if isinstance(error, UnmaskError) else str(error)
        print(f"unmask: {text}", file=sys.stderr)
        return 2 if isinstance(error, InputError | OSError) else 1
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
        return 1
    finally:
        if database is not None:
            database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unmask library",
        description="Known footage: fingerprints of it are kept, never the footage itself.",
    )
    parser.set_defaults(run=None)
    actions = parser.add_subparsers(metavar="ACTION")
    add = actions.add_parser("add", help="take fingerprints of files, or of all media in folders")
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    add.set_defaults(run=_add)
    follow = actions.add_parser("watch", help="add what is in a folder and what comes into it")
    follow.add_argument("folder", type=Path, metavar="FOLDER")
    follow.add_argument("--every", type=float, default=10.0, metavar="S", help="between two looks")
    follow.set_defaults(run=_watch)
    listing = actions.add_parser("list", help="what is known")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    remove = actions.add_parser("remove", help="forget footage")
    remove.add_argument("ids", nargs="+", metavar="ID")
    remove.set_defaults(run=_remove)
    search = actions.add_parser(
        "search", help=f"known footage that a file shows; exit status {NOTHING}: none"
    )
    search.add_argument("file", type=Path, metavar="FILE")
    search.add_argument("--json", action="store_true")
    search.set_defaults(run=_search)
    original = actions.add_parser(
        "original",
        help="the known footage that a file shows best, as an analysis asks for it, in JSON; exit "
        f"status {NOTHING}: none",
    )
    original.add_argument(
        "file", type=Path, metavar="FILE", help="-: a path a line, each a JSON string; null: none"
    )
    original.set_defaults(run=_original)
    export = actions.add_parser("export", help="write all fingerprints to a file for others")
    export.add_argument("file", type=Path, metavar="FILE")
    export.set_defaults(run=_export)
    bring = actions.add_parser("import", help="take fingerprints that others exported")
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.set_defaults(run=_import)
    return parser


def _told(path: Path, footage: Footage | None, error: MediaError | None) -> None:
    if error is not None:
        print(f"unmask: {path.name}: {error.advice}", file=sys.stderr)
    elif footage is not None:
        print(f"{footage.id}  {footage.name}  {footage.frames} frames", flush=True)


def _add(library: Library, args: argparse.Namespace) -> int:
    status = 0

    def told(path: Path, footage: Footage | None, error: MediaError | None) -> None:
        nonlocal status
        status = 2 if error is not None else status
        _told(path, footage, error)

    def place(path: Path) -> tuple[Path, bool]:
        return (path, True) if path.is_dir() else (path.parent, False)

    for (folder, whole), files in groupby(args.paths, key=place):
        if whole:
            library.add_folder(OWNER, folder, told)
        else:
            library.add_files(OWNER, files, source_of(folder), told)
    count, _version = library.store.version(OWNER)
    print(f"{count} files known", file=sys.stderr)
    return status


def _watch(library: Library, args: argparse.Namespace) -> int:
    if not args.every > 0:
        raise InputError("--every is a number of seconds above 0.")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print(f"unmask: watching {args.folder}", file=sys.stderr, flush=True)
    watch(library, OWNER, args.folder, stop, every=args.every, on_file=_told)
    return 0


def _list(library: Library, args: argparse.Namespace) -> int:
    known = library.store.list(OWNER)
    if args.json:
        print(json.dumps([footage.model_dump(mode="json") for footage in known], indent=2))
        return 0
    for footage in known:
        length = f"{footage.duration:.0f} s" if footage.duration else "picture"
        print(f"{footage.id}  {footage.added:%Y-%m-%d}  {length:>8}  {footage.name}")
    return 0


def _remove(library: Library, args: argparse.Namespace) -> int:
    removed = library.store.remove(OWNER, args.ids)
    if removed < len(set(args.ids)):
        raise InputError(
            f"{removed} removed; the others are not known.", hint="unmask library list"
        )
    return 0


def _search(library: Library, args: argparse.Namespace) -> int:
    about = media.probe(args.file)
    found = library.search(OWNER, fingerprint(args.file, about))
    if args.json:
        rows = [asdict(m) | {"footage": m.footage.model_dump(mode="json")} for m in found]
        print(json.dumps(rows, indent=2))
    else:
        for match in found:
            print(_line(match, about.sha256))
    return 0 if found else NOTHING


def _original(library: Library, args: argparse.Namespace) -> int:
    if str(args.file) == "-":
        for line in sys.stdin:
            try:
                found = _original_of(library, args.lookups, Path(json.loads(line)))
            except (UnmaskError, OSError):  # no reason to leave the others unanswered
                found = None
            print(json.dumps(found), flush=True)
        return 0
    found = _original_of(library, args.lookups, args.file)
    if found is None:
        return NOTHING
    print(json.dumps(found))
    return 0


def _original_of(library: Library, lookups: LookupStore, file: Path) -> dict[str, Any] | None:
    """Return the description of a file's original, and its path."""
    if not library.store.count(OWNER):
        return None
    about = media.probe(file)
    found = library.search(OWNER, fingerprint(file, about), without=about.sha256)
    refused = lookups.refused(OWNER, about.sha256)
    told = best_match([match for match in found if match.footage.sha256 not in refused])
    if told is None:
        return None
    folder = Path(told.source)
    path = original_in(folder, told.name, told.match_sha256) if folder.is_absolute() else None
    return told.model_dump(mode="json") | {"path": str(path) if path else None}


def _line(match: LibraryMatch, sha256: str) -> str:
    same = ", the same file" if match.footage.sha256 == sha256 else ""
    turned = ", mirrored" if match.mirrored else ""
    at = f"{int(match.start) // 60:02}:{int(match.start) % 60:02}"
    seen = "faces" if match.by_faces else "frames"
    frames = f"{match.matched} of {match.asked} {seen}, {match.bits} of 256 bits differ"
    return f"{match.footage.name}, from {at}: {frames}{turned}{same} ({match.footage.source})"


def _export(library: Library, args: argparse.Namespace) -> int:
    with args.file.open("xb") as file:
        for line in library.export(OWNER):
            file.write(line)
    return 0


def _import(library: Library, args: argparse.Namespace) -> int:
    with args.file.open("rb") as file:
        new, known = library.import_prints(OWNER, file)
    print(f"{new} files added, {known} known already", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
