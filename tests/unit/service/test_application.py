"""The application: whatever touches a person's things is told for whom, and there is no default."""

import inspect
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from detector.errors import InputError
from detector.signals.measures.blinks import BLINKS
from detector.signals.measures.lips import LIPS
from service.application import Application
from service.context import LOCAL, Principal, PrincipalKind, RequestContext, Role
from service.limits import NotAllowed
from service.records.model import RecordsError
from tests.support.applications import analyze
from tests.support.waiting import PATIENT, until
from tests.unit.service.test_jobs import Analyzer

OWNER = RequestContext(LOCAL, loopback=True)
GUEST = RequestContext(Principal("guest:a", PrincipalKind.GUEST), address="203.0.113.5")
OTHER = RequestContext(Principal("guest:b", PrincipalKind.GUEST), address="203.0.113.6")


@pytest.fixture
def app(tmp_path):
    before = set(threading.enumerate())
    app = Application(tmp_path, Analyzer())
    app.jobs._check = None  # these files are none
    yield app
    app.stop()
    app.jobs.close()
    # What it does beside reads what is set then: in another test, another's.
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENT)
        assert not thread.is_alive(), thread
    app.jobs.store.close()


def test_who_asks_has_no_default():
    takes = {
        name: inspect.signature(method).parameters["context"]
        for name, method in inspect.getmembers(Application, inspect.isfunction)
        if "context" in inspect.signature(method).parameters
    }
    assert set(takes) >= {"scope", "submit", "find", "rerun", "delete", "usage"}
    assert all(parameter.default is inspect.Parameter.empty for parameter in takes.values())


def test_the_files_of_one_are_not_anothers(app):
    mine, theirs = analyze(app, GUEST), analyze(app, OTHER)
    assert mine.key != theirs.key, "the same file, and two people"
    assert mine.record.owner == GUEST.principal.id
    assert app.usage(GUEST).records == app.usage(OTHER).records == 1
    assert app.usage(OWNER).records == 0
    assert app.delete(OTHER, mine.key) == [] and app.delete(OWNER, mine.key) == []
    assert app.delete(GUEST, mine.key) == [mine.key] and not mine.path.exists()
    assert app.find(GUEST, mine.key) is None and app.find(OTHER, theirs.key) is not None


def test_a_reader_starts_nothing_and_leaves_nothing(app):
    reader = RequestContext(Principal("guest:r", PrincipalKind.GUEST, Role.VIEWER))
    with pytest.raises(NotAllowed, match="read results"):
        analyze(app, reader)
    assert app.usage(reader).records == 0 and not list(app.jobs.uploads.root.iterdir())


def test_an_account_without_its_connection_is_signed_out(app):
    gone = RequestContext(Principal("4f1c", PrincipalKind.USER))
    for ask in (app.scope, app.usage, lambda context: app.find(context, "x" * 22)):
        with pytest.raises(RecordsError, check=lambda e: e.code == "signed_out"):
            ask(gone)
    with pytest.raises(RecordsError):
        analyze(app, gone)
    assert app.usage(OWNER).records == 0


def test_signals_on_request_stay_in_the_stored_result(app):
    job = analyze(app, GUEST)
    store, owner = job.store, GUEST.principal.id
    before = store.analysis(owner, job.key)
    person = before.people[0].id
    app.keep_signals(GUEST, job, [BLINKS.signal(30, person)])
    app.keep_signals(GUEST, job, [BLINKS.signal(12, person), LIPS.signal(0.4, person)])
    kept = store.analysis(owner, job.key)
    measured = {s.id: s.number for s in kept.signals if s.id in (BLINKS.id, LIPS.id)}
    assert measured == {BLINKS.id: 12, LIPS.id: 0.4}, "measured again, it takes the place"
    assert kept.seal.holds and kept.verdict == before.verdict
    with pytest.raises(InputError, check=lambda e: e.code == "not_yours"):
        app.keep_signals(OTHER, job, [BLINKS.signal(60, person)])
    assert store.analysis(owner, job.key) == kept


def test_a_link_opens_what_it_leads_to_and_nothing_else(app):
    job, scope = analyze(app, GUEST), app.scope(GUEST)
    link = scope.store.share(scope.owner, job.key, timedelta(hours=1), datetime.now(UTC))
    view = app.open_share(link.token)
    assert view.path == job.path and view.read_only
    assert view.analysis == job.analysis and job.key not in view.key
    assert app.open_share(job.key) is None


def test_what_else_is_brought_ahead_comes_after_the_models(app, monkeypatch):
    monkeypatch.setenv("UNMASK_WARM_UP", "on")
    loaded = threading.Event()
    monkeypatch.setattr(app.gallery, "make", lambda: None)
    heard = threading.Event()

    def warm_up(*, voices):
        if not voices:
            loaded.set()
        elif app.prepared.is_set():
            heard.set()

    models = SimpleNamespace(warm_up=warm_up)
    monkeypatch.setattr("service.tasks.queue.IDLE_POLL_SECONDS", 0.01)
    for name in ("analyzer", "remote"):
        monkeypatch.setattr(app, name, models)
    monkeypatch.setattr("detector.models.inventory.fetch_at_start", lambda: None)
    order: list[bool] = []
    done = threading.Event()
    last = lambda: (order.append(heard.is_set()), done.set())  # noqa: E731
    app.start(then=lambda: order.append(loaded.is_set()), at_rest=last)
    until(done.is_set)
    assert order == [True, True]


def test_a_host_may_want_nothing_loaded_ahead(app, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setenv("UNMASK_WARM_UP", "off")
    monkeypatch.setattr(app.gallery, "make", lambda: None)
    for name in ("analyzer", "remote"):
        warm_up = lambda *, voices: loaded.set()  # noqa: E731
        monkeypatch.setattr(app, name, SimpleNamespace(warm_up=warm_up))
    monkeypatch.setattr("detector.models.inventory.fetch_at_start", lambda: None)
    app.start()
    until(app.prepared.is_set)
    assert not loaded.is_set()
