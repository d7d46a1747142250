"""Which of the known footage that a file shares pictures with is told as its original, and where it
is."""

from pathlib import Path

from detector.batch.source import files
from detector.comparison.fingerprint import fingerprint
from detector.media.files import sha256 as hash_of
from detector.schema.analysis import Media
from service.context import LOCAL
from service.library.catalog import Library
from service.library.index import LibraryMatch
from service.records.database import Database
from service.records.footage import ANALYSES, FootageStore, FoundFootage, LookupStore

MIN_SHARE, MIN_FACE_SHARE = 0.5, 1 / 3
"""of the looked-for frames that known footage has to show, to be told; of the looked-for faces,
which turn away between a moment of the one and the nearest of the other"""


def most_alike(matches: list[LibraryMatch]) -> tuple[int, int]:
    """Return how many of the looked-for frames the most alike file shows, and of how many."""
    best = max(matches, key=lambda match: match.share, default=None)
    return (best.matched, best.asked) if best is not None else (0, 0)


def best_match(matches: list[LibraryMatch]) -> FoundFootage | None:
    """Return the match that is told: what was brought as known before what was merely analyzed."""
    good = [m for m in matches if m.share >= (MIN_FACE_SHARE if m.by_faces else MIN_SHARE)]
    good.sort(key=lambda m: (m.footage.source == ANALYSES, -m.share, m.by_faces, m.bits))
    if not good:
        return None
    match = good[0]
    return FoundFootage(
        match_sha256=match.footage.sha256, name=match.footage.name, source=match.footage.source,
        start=max(0.0, match.start - match.time), mirrored=match.mirrored,
        matched=match.matched, asked=match.asked, by_faces=match.by_faces,
    )  # fmt: skip


def original_in(folder: Path, name: str, sha256: str) -> Path | None:
    """Return a file of a folder that is this very footage; None where it is gone or changed."""
    if not folder.is_dir():
        return None
    for path in [folder / name, *(path for path in files(folder) if path.name == name)]:
        if path.is_file():
            with path.open("rb") as file:
                if hash_of(file) == sha256:
                    return path
    return None


class LocalOriginals:
    """The library and the refused matches of a database."""

    def __init__(self, database: Database) -> None:
        self._library = Library(FootageStore(database))
        self._lookups = LookupStore(database)

    def find(self, file: Path, about: Media) -> tuple[FoundFootage, Path | None] | None:
        """Return the known footage that a file shows best, and where it is, if it still is."""
        if not self._library.store.count(LOCAL.id):
            return None
        matches = self._library.search(LOCAL.id, fingerprint(file, about), without=about.sha256)
        refused = self._lookups.refused(LOCAL.id, about.sha256)
        found = best_match([match for match in matches if match.footage.sha256 not in refused])
        if found is None:
            return None
        folder = Path(found.source)
        return found, original_in(
            folder, found.name, found.match_sha256
        ) if folder.is_absolute() else None
