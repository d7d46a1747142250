"""The originals of files on this computer, as its own library of known footage has them."""

from pathlib import Path

from detector.comparison.fingerprint import fingerprint
from detector.schema.analysis import Media
from service.context import LOCAL
from service.library.catalog import Library
from service.library.original import best_match, original_in
from service.records.database import Database
from service.records.footage import FootageStore
from service.records.lookups import FoundFootage, LookupStore


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
