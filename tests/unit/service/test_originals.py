"""What holding a file against its original adds to its analysis, and when it goes."""

import shutil
import threading
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pytest
from sqlalchemy import update

from detector import media, paths
from detector.comparison.fingerprint import fingerprint, of_frames
from detector.errors import Canceled, InputError, MediaError
from detector.live import LiveSettings
from detector.live.recorder import Ring
from detector.presentation.comparison import sentence
from detector.schema.analysis import Analysis, Settings
from detector.schema.comparison import ComparisonFinding
from detector.schema.summary import ANALYSES
from service import originals
from service.application import Application
from service.context import LOCAL, Principal, PrincipalKind, RequestContext
from service.library.catalog import best_match
from service.live import viewers
from service.live.viewers import LiveOptions, SessionRetention, Viewer
from service.records.footage import FootageStore
from service.records.model import Preferences, State
from service.records.tables import TaskRow
from tests.support.applications import analyze, application, close, compared
from tests.support.comparisons_contract import ComparisonsContract
from tests.support.copies import CopyOptions, write_copy
from tests.support.footage import add_file
from tests.support.footage_contract import ALICE, BOB
from tests.support.live_stand_in import StandInSession
from tests.support.tasks import ADMIN, ANN, BEN, ended
from tests.support.waiting import PATIENT, until
from tests.unit.service.test_jobs import SAMPLE, Analyzer
from tests.unit.service.test_library import scene

OWNER = RequestContext(LOCAL, loopback=True)
GUEST = RequestContext(Principal("guest:a", PrincipalKind.GUEST), address="203.0.113.5")
STRANGER = RequestContext(Principal("guest:b", PrincipalKind.GUEST), address="203.0.113.6")


@pytest.fixture
def app(tmp_path):
    with application(tmp_path, Analyzer()) as opened:
        yield opened


def pair(app):
    """Analyze a copy and its original."""
    copy = analyze(app, OWNER, b"copy", "shared.mp4")
    return copy, analyze(app, OWNER, b"original", "press.mp4")


def stored(app, context, job):
    scope = app.scope(context)
    return scope.store.analysis(scope.owner, job.key).comparison


def test_a_finding_is_added_to_the_copy_alone_and_changes_nothing_else(app, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    copy, original = pair(app)
    before = copy.analysis
    assert (
        ended(app.originals.compare(OWNER, copy, original, original=original)).state is State.DONE
    )
    kept = stored(app, OWNER, copy)
    assert kept.original_media.name == "press.mp4" and kept.accuses
    assert stored(app, OWNER, original) is None
    assert copy.analysis.verdict == before.verdict, "never a vote"
    app.originals.reject_match(OWNER, copy)
    assert stored(app, OWNER, copy) is None


def test_a_comparison_whose_server_was_killed_is_resumed_once(app, tmp_path, monkeypatch):
    go, begun = threading.Event(), []

    def compare(copy, original, **more):
        begun.append(copy)
        go.wait(PATIENT)
        return compared(more, ComparisonFinding.FACE_DIFFERS)

    monkeypatch.setattr(originals, "compare", compare)
    copy, original = pair(app)
    task = app.originals.compare(OWNER, copy, original, original=original)
    servers = [app]
    try:
        for number in (1, 2):
            until(lambda number=number: len(begun) == number)
            with app.jobs.store.database.writing() as connection:
                connection.execute(update(TaskRow).values(server="killed"))
            servers.append(Application(tmp_path, Analyzer()))
        lost = servers[-1].tasks.find(task.id, OWNER.principal)
        assert lost.state is State.INTERRUPTED
        assert "The server stopped" in lost.error
        go.set()
        until(lambda: (found := stored(servers[-1], OWNER, copy)) is not None and found.accuses)
        assert len(begun) == 2
    finally:
        go.set()
        for server in servers[1:]:
            close(server)


def test_a_statement_stands_until_another_one(app, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    copy, original = pair(app)
    ended(app.originals.compare(OWNER, copy, original, original=original))
    first = app.originals.of_pair(OWNER.principal, original, copy)
    assert first.comparison.copy_media.name == "shared.mp4"
    ended(app.originals.compare(OWNER, original, copy))  # the order of two files states nothing
    for one, other in ((copy, original), (original, copy)):
        kept = app.originals.answer(OWNER, one, other)
        assert kept.comparison.copy_media.name == "shared.mp4" and kept.comparison.accuses
    assert stored_comparison(app, OWNER.principal, original, copy) is None
    assert stored(app, OWNER, original) is None, "its own page accuses it of nothing"
    ended(app.originals.compare(OWNER, copy, original, original=copy))
    kept = app.originals.answer(OWNER, copy, original)
    assert kept.comparison.copy_media.name == "press.mp4"
    assert stored(app, OWNER, copy) is None and stored(app, OWNER, original).accuses


@pytest.mark.parametrize("swapped", [False, True])
def test_nobody_is_accused_until_a_person_names_the_original(app, finds, swapped):
    finds(ComparisonFinding.FACE_DIFFERS)
    one, other = analyze(app, OWNER, b"a", "a.mp4"), analyze(app, OWNER, b"b", "b.mp4")
    first, second = (other, one) if swapped else (one, other)
    ended(app.originals.compare(OWNER, first, second))
    kept = app.originals.of_pair(OWNER.principal, other, one)
    assert not kept.comparison.accuses
    assert sentence(kept.comparison).startswith(
        "Same footage, another face; we can’t tell which is the original"
    )
    assert stored(app, OWNER, first).role_source == "unknown"
    for job in (one, other):
        assert app.scope(OWNER).store.analysis(LOCAL.id, job.key).proof is None
    if app.originals.answer(OWNER, first, second, one) is None:  # measured anew in these roles
        ended(app.originals.compare(OWNER, first, second, original=one))
    kept = app.originals.of_pair(OWNER.principal, one, other)
    assert kept.comparison.accuses and kept.comparison.role_source == "stated"
    assert kept.comparison.copy_media.name == "b.mp4"
    assert stored(app, OWNER, one) is None and stored(app, OWNER, other).accuses
    # Nothing is left of it once they say that they don't know.
    app.originals.state_roles(OWNER, other, kept, known=False)
    kept = app.originals.of_pair(OWNER.principal, one, other)
    assert kept.comparison.role_source == "unknown" and not stored(app, OWNER, other).accuses


class Judge(Analyzer):
    """Gives each file the likelihood that is its content; waits for `go` where that is set."""

    def analyze(self, path, settings=None, **more):
        found = super().analyze(path, settings, **more)
        likely = float(path.read_bytes())
        verdict = found.verdict.model_copy(update={"probability": likely})
        return found.model_copy(update={"verdict": verdict})


@pytest.mark.parametrize("early", [True, False], ids=["compared first", "judged first"])
def test_the_detectors_contradict_a_statement(tmp_path, finds, early):
    """Whichever ends first: the analyses, or the comparison that waits for nobody."""
    finds(ComparisonFinding.FACE_DIFFERS)
    with application(tmp_path, Judge()) as app:
        fake = analyze(app, OWNER, b"0.87", "fake.mp4")
        real = analyze(app, OWNER, b"0.19", "real.mp4")
        if early:
            known = {job.key: job.analysis for job in (fake, real)}
            for job in (fake, real):
                unjudged = job.analysis.verdict.model_copy(update={"probability": None})
                job.analysis = job.analysis.model_copy(update={"verdict": unjudged})
        ended(app.originals.compare(OWNER, real, fake, original=fake))
        if early:
            for job in (fake, real):
                job.analysis = known[job.key]
                app.originals.enqueue_lookup(job)
        found = app.originals.answer(OWNER, real, fake).comparison
        assert (found.copy_score, found.original_score) == (0.19, 0.87)
        assert found.contradicted and not found.accuses
        shown = stored(app, OWNER, real)
        assert shown == found, "the page of the file shows the same"
        assert app.scope(OWNER).store.analysis(LOCAL.id, real.key).proof is None
        ended(app.originals.compare(OWNER, real, fake, original=real))
        assert stored(app, OWNER, fake).accuses and stored(app, OWNER, real) is None


def test_who_only_has_the_address_changes_nothing_of_it(app, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    theirs = analyze(app, GUEST, b"copy", "shared.mp4")
    mine = analyze(app, STRANGER, b"original", "press.mp4")
    before = app.scope(GUEST).store.analysis(GUEST.principal.id, theirs.key)
    seen = app.find(STRANGER, theirs.key)
    assert seen is not None and before is not None
    assert ended(app.originals.compare(STRANGER, seen, mine, original=mine)).state is State.DONE
    kept = stored_comparison(app, STRANGER.principal, seen, mine)
    assert kept.comparison.accuses, "the answer is theirs"
    app.originals.state_roles(STRANGER, seen, kept)
    run = theirs.record.run
    for change in (
        lambda: app.originals.reject_match(STRANGER, seen),
        lambda: app.rerun(STRANGER, seen.key, Settings(frames=8)),
        lambda: app.try_robustness(STRANGER, seen, before),
    ):
        with pytest.raises(InputError, check=lambda e: e.code == "not_yours"):
            change()
    assert app.find(GUEST, theirs.key).record.run == run
    assert app.scope(GUEST).store.analysis(GUEST.principal.id, theirs.key) == before
    assert app.originals.found(STRANGER, seen) is None
    # An account that was this guest before it signed in has the same hand on it as then.
    account = RequestContext(Principal("ada", PrincipalKind.USER), guest=GUEST.principal)
    assert account.owns(theirs.record.owner) and not account.owns(mine.record.owner)


def test_other_footage_is_added_to_nothing(app, finds):
    finds(ComparisonFinding.NOT_SAME_FOOTAGE)
    copy, other = analyze(app, OWNER, b"a", "a.mp4"), analyze(app, OWNER, b"b", "b.mp4")
    ended(app.originals.compare(OWNER, copy, other, original=other))
    assert stored(app, OWNER, copy) is None
    assert stored_comparison(app, OWNER.principal, copy, other) is not None


def test_a_comparison_goes_with_either_analysis(app, finds):
    finds(ComparisonFinding.NOTHING_DIFFERS)
    copy, original = analyze(app, GUEST, b"a", "a.mp4"), analyze(app, GUEST, b"b", "b.mp4")
    ended(app.originals.compare(GUEST, copy, original, original=original))
    assert stored_comparison(app, GUEST.principal, copy, original) is not None
    assert stored_comparison(app, OWNER.principal, copy, original) is None
    app.delete(OWNER, original.key)
    assert stored_comparison(app, GUEST.principal, copy, original) is not None
    app.delete(GUEST, original.key)
    assert stored_comparison(app, GUEST.principal, copy, original) is None


class Reader(Analyzer):
    """Says what a file is, and of its faces what the sample says."""

    def analyze(self, path, settings=None, *, name=None, **_more):
        return SAMPLE.model_copy(
            update={"media": media.probe(path, name=name), "settings": settings or Settings()}
        )


@pytest.fixture
def real(tmp_path):
    with application(tmp_path / "data", Reader(), probes=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {
        "press": write_copy(folder / "press.mp4", scene(1), 25, CopyOptions(crf=20)),
        "shared": write_copy(
            folder / "shared.mp4", scene(1)[10:40], 25, CopyOptions(crf=32, scale=0.5)
        ),
        "other": write_copy(folder / "other.mp4", scene(2), 25, CopyOptions(crf=20)),
    }


@pytest.fixture
def known(tmp_path, clips):
    """A folder that has the original alone."""
    folder = tmp_path / "known"
    folder.mkdir()
    shutil.copy(clips["press"], folder)
    return folder


def stored_comparison(app, person, copy, original):
    store = app.originals.comparisons
    return store.find(person.id, copy.record.sha256, original.record.sha256)


def look(app, context, path, frames=32):
    """Analyze a file and wait until its original was looked for."""
    job = analyze(app, context, path.read_bytes(), path.name, frames)
    until(lambda: app.originals.lookup(context.principal, job) is not None)
    task = app.originals.lookup(context.principal, job)
    assert task is not None and ended(task).state is State.DONE, task.error
    return job


def test_footage_that_was_analyzed_before_is_found_and_nobody_is_accused(real, clips, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    look(real, GUEST, clips["other"])
    press = look(real, GUEST, clips["press"])
    assert real.originals.found(GUEST, press) is None
    shared = look(real, GUEST, clips["shared"])
    found = real.originals.found(GUEST, shared)
    assert (found.name, found.source, found.match_sha256) == (
        "press.mp4",
        "analysis",
        press.record.sha256,
    )
    assert found.start == pytest.approx(0.4, abs=0.3), "where the clip was cut from"
    kept = stored(real, GUEST, shared)
    assert kept.role_source == "unknown" and not kept.accuses
    assert stored(real, GUEST, press) is None
    # Until a person says which of the two is the original.
    among = stored_comparison(real, GUEST.principal, shared, press)
    assert not among.comparison.accuses
    said = real.originals.state_roles(GUEST, shared, among)
    assert said.id == among.id and said.comparison.accuses
    kept = stored(real, GUEST, shared)
    assert kept.accuses


def test_who_is_the_original_is_said_on_both_pages(real, clips, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    shared, press = look(real, OWNER, clips["shared"]), look(real, OWNER, clips["press"])
    assert stored(real, OWNER, press).roles_doubtful
    ended(real.originals.compare(OWNER, shared, press, original=press))
    assert stored(real, OWNER, press) is None, "it was stated to be the original"
    kept = stored(real, OWNER, shared)
    assert kept.accuses
    again = look(real, OWNER, clips["press"], frames=16)
    assert stored(real, OWNER, again) is None
    assert stored_comparison(real, OWNER.principal, press, shared) is None
    copy = real.originals.stated_copy(OWNER, again, shared.record.sha256)
    assert copy.copy_media.name == "shared.mp4"
    assert real.originals.stated_copy(STRANGER, again, shared.record.sha256) is None
    # The latest statement counts.
    ended(real.originals.compare(OWNER, press, shared, original=shared))
    assert stored(real, OWNER, shared) is None
    kept = stored(real, OWNER, press)
    assert kept.accuses


@pytest.mark.parametrize("swapped", [False, True])
def test_what_the_library_has_as_an_original_is_the_original(real, clips, finds, known, swapped):
    finds(ComparisonFinding.FACE_DIFFERS)
    shared, press = look(real, OWNER, clips["shared"]), look(real, OWNER, clips["press"])
    assert real.originals.answer(OWNER, shared, press).comparison.role_source == "unknown"
    real.originals.library.add_folder(LOCAL.id, known)
    both = (press, shared) if swapped else (shared, press)
    ended(real.originals.compare(OWNER, *both))
    found = real.originals.answer(OWNER, *both).comparison
    assert found.role_source == "registered" and found.accuses
    assert found.original_media.name == "press.mp4"
    real.originals.library.add_folder(LOCAL.id, clips["press"].parent)  # now they are both in it
    real.originals.reject_match(OWNER, shared)
    ended(real.originals.compare(OWNER, *both))
    assert not real.originals.answer(OWNER, *both).comparison.accuses


def test_roles_that_were_assumed_are_stated_both_ways(real, clips, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    press, shared = look(real, OWNER, clips["press"]), look(real, OWNER, clips["shared"])
    again = look(real, OWNER, clips["press"], frames=16)
    assert stored(real, OWNER, again) is not None
    among = stored_comparison(real, OWNER.principal, shared, press)
    real.originals.state_roles(OWNER, shared, among)
    assert stored(real, OWNER, again) is None
    assert stored_comparison(real, OWNER.principal, press, shared) is None


def test_what_is_not_the_original_is_not_told_again(real, clips, finds):
    finds(ComparisonFinding.FACE_DIFFERS)
    press, shared = look(real, GUEST, clips["press"]), look(real, GUEST, clips["shared"])
    real.originals.reject_match(GUEST, shared)
    assert real.originals.found(GUEST, shared) is None and stored(real, GUEST, shared) is None
    again = look(real, GUEST, clips["shared"], frames=16)
    assert again.key != shared.key
    assert real.originals.found(GUEST, again) is None and stored(real, GUEST, again) is None
    # A person who holds the two against each other asks anew.
    ended(real.originals.compare(GUEST, again, press, original=press))
    assert stored(real, GUEST, again) is not None
    # What was said goes with the files that it was said of.
    store, owner = real.originals.lookups, GUEST.principal.id
    assert store.refused(owner, shared.record.sha256) == {press.record.sha256}
    real.delete(GUEST, press.key)
    assert store.refused(owner, shared.record.sha256) == set()


def test_known_footage_of_a_folder_is_an_original(real, clips, finds, known):
    finds(ComparisonFinding.FACE_DIFFERS)
    real.originals.library.add_folder(LOCAL.id, known)
    shared = look(real, OWNER, clips["shared"])
    found, kept = real.originals.found(OWNER, shared), stored(real, OWNER, shared)
    assert found.source == str(known.resolve())
    assert kept.accuses and kept.original_media.name == "press.mp4"
    brought = real.originals.import_known(OWNER, real.scope(OWNER), found, Settings())
    assert brought.record.sha256 == found.match_sha256
    assert real.originals.import_known(GUEST, real.scope(GUEST), found, Settings()) is None, (
        "a path is not theirs"
    )
    until(lambda: not brought.active)


def test_what_is_known_goes_with_the_analysis(real, clips, finds):
    finds(ComparisonFinding.NOTHING_DIFFERS)
    press, shared = look(real, GUEST, clips["press"]), look(real, GUEST, clips["shared"])
    store, owner = real.originals.library.store, GUEST.principal.id
    assert len(store.list(owner)) == 2 and real.originals.found(GUEST, shared) is not None
    real.delete(GUEST, press.key)
    assert [f.name for f in store.list(owner)] == ["shared.mp4"]
    assert real.originals.found(GUEST, shared) is None
    # A record that goes by itself, when its time is up, takes its fingerprints along.
    real.jobs.store.delete(owner, [shared.key])
    real.originals.sweep(datetime.now(UTC) - timedelta(days=1))
    assert store.list(owner) == []


def test_a_sample_is_not_looked_for_among_samples(real, clips):
    """They are made of each other's pictures: a genuine one was "generated to follow the other"."""
    real.gallery.sha256.add(paths.sha256(clips["press"]))
    job = analyze(real, OWNER, clips["press"].read_bytes(), "press.mp4")
    assert real.originals.lookup(OWNER.principal, job) is None
    assert real.originals.library.store.list(LOCAL.id) == []


def test_who_wants_no_originals_leaves_no_fingerprints(real, clips):
    scope = real.scope(OWNER)
    look(real, OWNER, clips["press"])
    scope.store.save_preferences(scope.owner, Preferences(find_originals=False))
    real.originals.disable_lookups(scope)
    job = analyze(real, OWNER, clips["other"].read_bytes(), "other.mp4")
    assert real.originals.lookup(OWNER.principal, job) is None
    assert real.originals.library.store.list(LOCAL.id) == []


def test_a_library_in_memory_grows_without_being_read_anew(real, clips, finds):
    finds(ComparisonFinding.NOTHING_DIFFERS)
    look(real, GUEST, clips["press"])
    look(real, GUEST, clips["other"])
    index = real.originals.library._index(GUEST.principal.id)
    before = len(index)
    shared = look(real, GUEST, clips["shared"])
    assert real.originals.library._index(GUEST.principal.id) is index and len(index) > before
    assert real.originals.found(GUEST, shared) is not None


def test_among_how_many_files_nothing_was_found_is_told_its_owner(real, clips, finds):
    finds(ComparisonFinding.NOTHING_DIFFERS)
    other = look(real, OWNER, clips["other"])
    assert real.originals.missed(OWNER, other).searched == 0, "there was nothing to look in"
    press = look(real, OWNER, clips["press"])
    assert real.originals.missed(OWNER, press).searched == 1
    assert real.originals.missed(GUEST, press).searched == 0, "it is not theirs"
    shared = look(real, OWNER, clips["shared"])
    assert real.originals.missed(OWNER, shared).searched == 0, "it was found"
    real.originals.reject_match(OWNER, shared)
    real.originals.enqueue_lookup(shared)
    task = real.originals.lookup(OWNER.principal, shared)
    assert task is not None and ended(task).state is State.DONE
    assert real.originals.missed(OWNER, shared).searched == 1, "without what is not its original"
    scope = real.scope(OWNER)
    scope.store.save_preferences(scope.owner, Preferences(find_originals=False))
    assert real.originals.missed(OWNER, press).searched == 0
    scope.store.save_preferences(scope.owner, Preferences())
    real.originals.library.store.forget(LOCAL.id)
    assert real.originals.missed(OWNER, press).searched == 0, "nothing is left of it"


@pytest.fixture
def followed(monkeypatch):
    """The cameras that are asked about while they are on."""
    cameras: list[object] = []
    monkeypatch.setattr(originals, "follow", lambda viewer, search: cameras.append(viewer))
    return cameras


def camera(app, context):
    options = LiveOptions(keep=SessionRetention.NOTHING, scope=app.scope(context))
    return Viewer(StandInSession(LiveSettings()), options)


def test_a_camera_is_asked_about_where_its_person_knows_footage(app, followed, tmp_path):
    ours, theirs = camera(app, OWNER), camera(app, STRANGER)
    app.originals.attach_to_live(ours)
    assert followed == [], "nothing is known"
    film = write_copy(tmp_path / "film.mp4", scene(1), 25, CopyOptions())
    add_file(app.originals.library, OWNER.principal.id, film)
    app.originals.attach_to_live(theirs)
    assert followed == []
    app.originals.attach_to_live(ours)
    assert followed == [ours]
    app.jobs.store.save_preferences(OWNER.principal.id, Preferences(find_originals=False))
    app.originals.attach_to_live(ours)
    assert followed == [ours]


def test_a_camera_goes_on_where_its_library_fails(app, followed, monkeypatch):
    error = InputError("The records can't be read.", code="records")
    monkeypatch.setattr(FootageStore, "count", Mock(side_effect=error))
    app.originals.attach_to_live(camera(app, OWNER))
    assert followed == []


class TestSQLite(ComparisonsContract): ...


def test_each_person_s_comparison_is_a_task_of_their_own(app, monkeypatch):
    def compare(copy, original, **more):
        assert more["copy_media"].name == "shared.mp4", "as its owner named it"
        more["on_progress"](0.5)
        return compared(more, ComparisonFinding.NOTHING_DIFFERS)

    monkeypatch.setattr(originals, "compare", compare)
    copy, original = pair(app)
    service = app.originals
    one, two = (service.compare(RequestContext(who), copy, original) for who in (ANN, BEN))
    assert ended(one).state is State.DONE and ended(two).state is State.DONE
    assert one is not two and (one.done, one.total) == (50, 100)
    for who in (ANN, BEN):
        assert service.of_pair(who, copy, original) is not None
    assert service.comparisons.get(BEN.id, one.result) is None
    assert service.task(ADMIN, copy, original) is None, "an administrator is not given another's"


def test_one_that_was_canceled_leaves_nothing_and_can_be_begun_anew(app, monkeypatch):
    begun = threading.Event()

    def compare(copy, original, **more):
        begun.set()
        more["cancel"].wait(PATIENT)
        raise Canceled

    monkeypatch.setattr(originals, "compare", compare)
    copy, original = pair(app)
    service, context = app.originals, RequestContext(ANN)
    one = service.compare(context, copy, original)
    assert begun.wait(PATIENT)
    assert service.compare(context, copy, original) is one
    app.tasks.cancel(one)
    assert ended(one).state is State.CANCELED and "You stopped it." in one.error
    assert service.of_pair(ANN, copy, original) is None
    service.dismiss(ANN, copy, original)
    assert service.task(ANN, copy, original) is None


def test_a_file_that_cannot_be_read_says_so(app, monkeypatch):
    error = MediaError("This is no video.", hint="Bring another one.")
    monkeypatch.setattr(originals, "compare", Mock(side_effect=error))
    task = ended(app.originals.compare(OWNER, *pair(app)))
    assert (task.state, task.error, task.hint) == (
        State.FAILED, "This is no video.", "Bring another one.",
    )  # fmt: skip


FPS = 10


@pytest.fixture
def played(tmp_path):
    """A film of eight seconds, and its frames as a camera's link delivers them."""
    frames = scene(3, 80)
    return write_copy(tmp_path / "film.mp4", frames, FPS, CopyOptions(crf=20)), frames


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(originals, "LOOK_SECONDS", 0.05)


class Camera:
    """A viewer, and the time it believes."""

    def __init__(self, search):
        self.now = 0.0
        self.asked = 0
        self._search = search
        options = LiveOptions(keep=SessionRetention.NOTHING)
        self.viewer = Viewer(StandInSession(LiveSettings()), options, clock=lambda: self.now)
        originals.follow(self.viewer, self.search)

    def search(self, prints):
        found = self._search(prints)
        self.asked += 1
        return found

    def show(self, frames):
        for frame in frames:
            self.viewer.show(frame)
            self.now += 1 / FPS


def test_a_film_in_the_place_of_a_camera_is_told(library, played):
    film, frames = played
    add_file(library, ALICE, film, source="/press")
    camera = Camera(lambda prints: library.search(ALICE, prints))
    camera.show(frames)
    until(lambda: camera.viewer.known is not None)
    known = camera.viewer.known
    assert known.name == "film.mp4" and known.matched >= known.asked / 2
    camera.show(scene(9, 80) * 2)
    asked = camera.asked
    until(lambda: camera.asked > asked + 2)
    assert camera.viewer.known.match_sha256 == known.match_sha256, "that it was shown stays known"
    camera.viewer.end()


def test_what_was_merely_analyzed_and_what_others_hold_is_not_told(library, played):
    film, frames = played
    add_file(library, ALICE, film, source=ANALYSES)
    add_file(library, BOB, film, source="/press")
    camera = Camera(lambda prints: library.search(ALICE, prints))
    camera.show(frames)
    until(lambda: camera.asked > 1)
    assert camera.viewer.known is None
    camera.viewer.end()


def test_too_little_is_no_reason_to_look():
    camera = Camera(lambda prints: pytest.fail("it was looked for"))
    camera.show(scene(1, int(FPS * originals.MIN_SECONDS)))
    assert not camera.viewer.over.wait(0.3)
    camera.viewer.end()


def test_a_library_that_fails_leaves_the_camera_on(played, caplog):
    camera = Camera(Mock(side_effect=OSError("the disk is gone")))
    camera.show(played[1])
    until(lambda: "the thread known failed" in caplog.text)
    camera.show(played[1][:5])
    assert not camera.viewer.ended and camera.viewer.known is None
    camera.viewer.end()


def test_it_is_said_in_what_is_kept_of_the_session(library, played):
    film, frames = played
    add_file(library, ALICE, film, source="/press")
    kept: list[Analysis] = []

    def keep(analysis, *_, **__):
        kept.append(analysis)
        return "id"

    session = StandInSession(LiveSettings())
    options = LiveOptions(keep=SessionRetention.SCORES, scope=object())
    viewer = Viewer(session, options, on_end=lambda viewer: viewers.ended(viewer, keep))
    viewer.push(frames[0])
    viewer.known = best_match(library.search(ALICE, fingerprint(film)))
    viewer._first = viewer._first and viewer._first - 5
    viewer.push(frames[1])
    viewer.end()
    [analysis] = kept
    assert analysis.media.notes[0] == (
        "The camera showed footage that is in the library of whoever watched it: film.mp4."
    )


def test_the_ring_gives_its_pictures_apart():
    ring = Ring()
    for number, frame in enumerate(scene(0, 40)):
        ring.add(frame, number / FPS)
    shown = list(ring.pictures(0.5))
    assert [time for _, time in shown] == pytest.approx([i * 0.5 for i in range(8)])
    prints = of_frames(shown)
    assert np.allclose(prints.times, [time for _, time in shown]) and len(prints.hashes) == 8
    assert not len(of_frames([]).times)
