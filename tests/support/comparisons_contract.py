"""What the stores of comparisons, and of what lookups found, must do, whichever database they are
in. A subclass has a fixture `where`: what `Database` opens."""

from datetime import UTC, datetime, timedelta

import pytest

import detector
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, ComparisonFinding, TimeAlignment
from detector.schema.summary import ANALYSES, FoundFootage
from service.records.comparisons import ComparisonStore
from service.records.database import Database
from service.records.footage import FootageStore, LookupStore
from service.records.model import MissedLookup
from tests.support.footage_contract import made as prints

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def media(name, sha256):
    return Media(
        name=name, sha256=sha256, kind="video", size=1, width=640, height=360, duration=20.0,
        container="mp4", codec="h264",
    )  # fmt: skip


def made(copy, original):
    return Comparison(
        copy_media=media("copy.mp4", copy),
        original_media=media("press.mp4", original),
        finding=ComparisonFinding.NOTHING_DIFFERS,
        time=TimeAlignment(compared=3, matched=3),
    )


def found(sha256):
    return FoundFootage(
        match_sha256=sha256, name="<press>.mp4", source="/footage/rallies", start=12.25,
        mirrored=True, matched=9, asked=12,
    )  # fmt: skip


def told(store, owner, sha256):
    """What is told of a file, but for since when the footage is known."""
    shown = store.find(owner, sha256)
    return shown and shown.model_copy(update={"added": None})


class ComparisonsContract:
    @pytest.fixture
    def database(self, where):
        database = Database(where)
        yield database
        database.close()

    @pytest.fixture
    def store(self, database):
        return ComparisonStore(database)

    @pytest.fixture
    def footage(self, database):
        """The libraries of two people, who know the same."""
        footage = FootageStore(database)
        for owner in ("ann", "ben"):
            for seed, sha256 in enumerate((B, C)):
                assert footage.add(owner, "<press>.mp4", prints(seed), sha256=sha256, source="/f")
        return footage

    @pytest.fixture
    def lookups(self, database, footage):
        return LookupStore(database)

    def test_what_was_found_is_its_owners_alone(self, store):
        kept = store.save("ann", made(A, B))
        assert store.find("ann", A, B) == kept == store.get("ann", kept.id)
        assert store.find("ben", A, B) is None and store.get("ben", kept.id) is None
        assert store.find("ann", B, A) is None, "which is the copy is part of the question"
        store.forget("ben", [A, B])
        assert store.get("ann", kept.id) == kept
        store.forget("ann", [B])
        assert store.get("ann", kept.id) is None

    def test_a_pair_is_kept_once_and_an_older_version_does_not_count(self, store, monkeypatch):
        first = store.save("ann", made(A, B))
        monkeypatch.setattr(detector, "__version__", "0.0.0-later")
        assert store.find("ann", A, B) is None and store.get("ann", first.id) == first
        second = store.save("ann", made(A, B))
        assert store.get("ann", first.id) is None and store.find("ann", A, B) == second

    def test_the_newest_of_a_copy_is_told(self, store):
        store.save("ann", made(A, B))
        newest = store.save("ann", made(A, C))
        store.save("ben", made(A, B))
        assert store.latest("ann", A) == newest and store.latest("ann", B) is None
        store.remove("ann", A, C)
        assert store.latest("ann", A).comparison.original_media.sha256 == B

    def test_who_said_which_is_the_original_is_kept(self, store):
        unknown = store.save("ann", made(A, B))
        assert store.stated("ann", A, B) == "unknown"
        assert store.save("ann", made(B, A)) == unknown, "the order of two files states nothing"
        said = unknown.comparison.model_copy(update={"role_source": "stated"})
        assert store.update("ann", unknown, said).comparison == said
        assert store.update("ben", unknown, said) == unknown
        assert store.stated("ann", A, B) == "stated" and store.stated("ben", A, B) == "unknown"
        assert store.get("ann", unknown.id).created == unknown.created
        assert [one.id for one in store.of_file("ann", B)] == [unknown.id]
        assert store.of_file("ann", C) == [] == store.of_file("ben", A)
        other = made(B, A).model_copy(update={"role_source": "stated"})
        assert store.save("ann", other).comparison == other, "the latest statement counts"
        assert store.find("ann", A, B) is None

    def test_time_ends_them(self, store):
        kept = store.save("ann", made(A, C))
        store.sweep(datetime.now(UTC) - timedelta(hours=1))
        assert store.get("ann", kept.id) == kept
        store.sweep(datetime.now(UTC) + timedelta(seconds=1))
        assert store.get("ann", kept.id) is None

    def test_what_a_file_shows_is_its_owners_alone(self, lookups):
        lookups.save("ann", A, found(B))
        assert told(lookups, "ann", A) == found(B)
        assert lookups.find("ben", A) is None and lookups.find("ann", B) is None
        lookups.save("ann", A, found(C))
        assert told(lookups, "ann", A) == found(C), "the last answer counts"
        lookups.save("ann", A, MissedLookup())
        assert lookups.find("ann", A) is None

    def test_what_is_not_the_original_is_not_told_again(self, lookups):
        lookups.save("ann", A, found(B))
        lookups.save("ben", A, found(B))
        lookups.refuse("ann", A, B)
        lookups.refuse("ann", A, B)  # from another page
        assert lookups.find("ann", A) is None and lookups.refused("ann", A) == {B}
        assert told(lookups, "ben", A) == found(B) and lookups.refused("ben", A) == set()

    def test_what_was_found_goes_with_either_file_and_with_time(self, lookups):
        for gone in (A, B):
            lookups.save("ann", A, found(B))
            lookups.refuse("ann", A, C)
            lookups.forget("ben", [gone])
            assert told(lookups, "ann", A) == found(B)
            lookups.forget("ann", [gone])
            assert lookups.find("ann", A) is None
        assert lookups.refused("ann", A) == {C}, "what stands for another file stays"
        lookups.save("ann", A, found(B))
        lookups.sweep(datetime.now(UTC) + timedelta(seconds=1))
        assert lookups.find("ann", A) is None and lookups.refused("ann", A) == set()

    def test_since_when_it_is_known_is_told_while_it_is(self, lookups, footage):
        """What was taken out of a library is not said to be in it; an analysis is still there when
        its fingerprints are deleted."""
        known = {one.sha256: one for one in footage.list("ann")}
        seen = found(C).model_copy(update={"source": ANALYSES})
        lookups.save("ann", A, found(B))
        lookups.save("ann", C, seen)
        assert lookups.find("ann", A).added == known[B].added
        footage.remove("ann", [one.id for one in known.values()])
        assert lookups.find("ann", A) is None and lookups.find("ann", C) == seen

    def test_among_how_many_files_it_was_not_found(self, lookups):
        assert lookups.missed("ann", A).searched == 0
        lookups.save("ann", A, MissedLookup(3480, 5, 32))
        assert lookups.missed("ann", A) == MissedLookup(3480, 5, 32)
        assert lookups.find("ann", A) is None
        assert (lookups.missed("ann", A).searched, lookups.missed("ben", A).searched) == (3480, 0)
        lookups.refuse("ann", A, B)  # of a page that was drawn before
        assert lookups.missed("ann", A) == MissedLookup(3480, 5, 32, refused=1)
        lookups.save("ann", A, found(B))
        assert lookups.missed("ann", A).searched == 0, "it was found"
        lookups.refuse("ann", A, B)
        assert lookups.missed("ann", A).searched == 0, "it was found, whatever it is"
        lookups.save("ann", A, MissedLookup(3480))
        lookups.forget("ann", [A])
        assert lookups.missed("ann", A).searched == 0
