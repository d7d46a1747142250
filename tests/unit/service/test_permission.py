"""What is refused is refused before anything of it exists."""

import io
import threading
from unittest.mock import Mock

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from detector import threads
from detector.errors import ModelError
from detector.schema.analysis import Settings
from detector.schema.live import LiveSettings
from service import webhooks
from service.api.app import create_app
from service.batch_files import IncomingFile
from service.context import LOCAL, RequestContext
from service.live.viewers import LiveOptions, SessionRetention, TooManyViewers, Viewers
from service.records.model import RecordsError
from service.records.store import RecordScope
from tests.support.applications import application
from tests.support.live_stand_in import StandInEngine
from tests.support.waiting import until
from tests.unit.service.test_jobs import Analyzer

OWNER = RequestContext(LOCAL, loopback=True)
VIDEO = LiveOptions(keep=SessionRetention.VIDEO)


@pytest.fixture
def app(tmp_path):
    with application(tmp_path, Analyzer()) as app:
        yield app


def files(number):
    return [IncomingFile(io.BytesIO(f"{n}".encode()), f"{n}.mp4") for n in range(number)]


def test_no_recording_is_made_where_no_place_is_free(tmp_path):
    made = Mock(side_effect=lambda: tmp_path / f"{made.call_count}.mp4")
    crowd = Viewers(StandInEngine, 1, new_film=made)
    viewer = crowd.open(LiveSettings(), VIDEO)
    for _ in range(20):
        with pytest.raises(TooManyViewers):
            crowd.open(LiveSettings(), VIDEO)
    assert made.call_count == 1
    viewer.end()
    crowd.close()


def test_a_camera_whose_microphone_cannot_be_opened_leaves_no_thread(tmp_path):
    engine, reserved = StandInEngine(), []
    engine.listen = Mock(side_effect=ModelError("There is no model of voices."))
    crowd = Viewers(
        lambda: engine, 1, reserve=lambda: lambda: reserved.append(1),
        new_film=lambda: tmp_path / "film.mp4",
    )  # fmt: skip
    with pytest.raises(ModelError):
        crowd.open(LiveSettings(), LiveOptions(keep=SessionRetention.VIDEO, microphone=True))
    assert engine.opened[0].closed == 1 and crowd.running == 0
    assert not (tmp_path / "film.mp4").exists()
    assert not [name for name in threads.running() if name.startswith(("Recorder", "Viewers"))]


def test_a_batch_that_cannot_be_written_down_leaves_no_file(app, monkeypatch):
    full = Mock(side_effect=RecordsError("The disk is full.", code="disk_full"))
    monkeypatch.setattr(app.batches, "create", full)
    scope = RecordScope(LOCAL.id, app.jobs.store)
    with pytest.raises(RecordsError):
        app.batch_runs.add(OWNER, scope, files(3), Settings())
    assert app.jobs.store.ids(LOCAL.id) == [] and not list(app.jobs.uploads.root.iterdir())


def test_a_webhook_that_is_refused_leaves_no_batch_and_no_analysis(app, monkeypatch):
    monkeypatch.setattr(webhooks, "check", lambda url: None)
    monkeypatch.setattr(webhooks, "MAX_PENDING", 0)
    client = TestClient(
        create_app(lambda: app), base_url="http://127.0.0.1", client=("127.0.0.1", 5)
    )
    sent = {"data": {"webhook": "https://example.org/"}}
    for path, name in (("/v1/batches", "files"), ("/v1/analyses", "file")):
        answer = client.post(path, files=[(name, ("a.mp4", b"bytes"))], **sent)
        assert answer.status_code == 422 and answer.json()["error"]["code"] == "webhook_refused"
    assert app.jobs.store.ids(LOCAL.id) == [] and not list(app.jobs.uploads.root.iterdir())


def test_205_files_with_a_webhook_are_one_batch_with_one_delivery(app, monkeypatch):
    monkeypatch.setattr(webhooks, "check", lambda url: None)
    told: list[str] = []

    async def post(url, body, headers):
        told.append(headers["Unmask-Delivery"])
        return 200

    monkeypatch.setattr(webhooks, "_post", post)
    scope = RecordScope(LOCAL.id, app.jobs.store)
    app.analyzer.go.clear()
    batch = app.batch_runs.add(OWNER, scope, files(205), Settings())
    before = threading.active_count()
    statements: list[str] = []
    event.listen(
        app.jobs.store.database.engine,
        "before_cursor_execute",
        lambda c, cursor, statement, *_: statements.append(statement),
    )
    ids = [item.analysis for item in batch.items]
    app.webhooks.permit("https://example.org/")
    task = app.webhooks.start("https://example.org/", ids, LOCAL, batch.id)
    until(lambda: task.started is not None)
    assert threading.active_count() - before <= 10
    reads = [s for s in statements if s.startswith("SELECT") and "document" in s]
    assert not reads, "it waits without reading results"
    app.batch_runs.stop(LOCAL, scope, batch)
    app.analyzer.go.set()
    until(lambda: not task.active)
    assert task.result == 205 and len(set(told)) == 205


def test_the_view_of_a_batch_reads_no_result(app):
    scope = RecordScope(LOCAL.id, app.jobs.store)
    batch = app.batch_runs.add(OWNER, scope, files(3), Settings())
    until(lambda: all(row.over for row in app.batch_runs.rows(scope, batch)))
    statements: list[str] = []
    event.listen(
        app.jobs.store.database.engine,
        "before_cursor_execute",
        lambda c, cursor, statement, *_: statements.append(statement),
    )
    rows, whole = app.batch_runs.listed(scope, batch), app.batch_runs.rows(scope, batch)
    assert not any("document" in s for s in statements[: len(statements) // 2])
    assert [(r.state, r.record, r.item) for r in rows] == [
        (r.state, r.record, r.item) for r in whole
    ]
