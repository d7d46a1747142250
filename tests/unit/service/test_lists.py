"""Lists read records, not results, and find files by an index."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from detector.presentation import summary, verdict
from detector.schema.analysis import Settings
from detector.schema.media import SlowScoring
from detector.schema.origin import Document, FileSource, Posted
from detector.schema.summary import ResultSummary
from service.api.routes import analyses
from service.context import LOCAL, RequestContext, new_id
from service.records.model import MAX_PAGE_SIZE, Record, State
from service.records.store import RecordScope
from tests.support.applications import analyze, application
from tests.unit.service.test_jobs import SAMPLE, Analyzer

OWNER = RequestContext(LOCAL, loopback=True)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def app(tmp_path):
    with application(tmp_path, Analyzer()) as app:
        yield app


def record(number, sha256="a" * 64, **more):
    then = NOW + timedelta(seconds=number)
    return Record(
        id=new_id(), owner=LOCAL.id, name=f"{number}.mp4", sha256=sha256, created=then,
        touched=then, run="0:0", **more,
    )  # fmt: skip


def test_a_list_of_analyses_reads_no_result_and_drops_no_job(app):
    shown = analyze(app, OWNER)
    for number in range(40):
        app.jobs.store.add(record(number), SAMPLE)
    statements: list[str] = []
    event.listen(
        app.jobs.store.database.engine,
        "before_cursor_execute",
        lambda c, cursor, statement, *_: statements.append(statement),
    )
    views = analyses.search(OWNER, app, limit=41)
    assert len(views) == 41 and not any("document" in statement for statement in statements)
    one = analyses.get(app.jobs.find(views[-1].id, RecordScope(LOCAL.id, app.jobs.store)), app)
    assert {"verdict", "headline", "origin", "state", "created", "name"} <= one.model_fields_set
    for field in ("verdict", "headline", "origin", "state", "created", "name", "href"):
        assert getattr(views[-1], field) == getattr(one, field), field
    assert views[-1].result is None and one.result is not None
    assert app.jobs._newest(shown.key) is shown, "what a page shows stays in memory"


def test_a_session_that_was_too_slow_has_one_headline_in_lists_and_on_its_page(app):
    slow = SAMPLE.media.model_copy(update={"too_slow": SlowScoring(seconds=9, slow_seconds=8)})
    kept = SAMPLE.model_copy(update={"media": slow, "provenance": None})

    assert summary.headline(ResultSummary.of(kept)) == verdict.headline(kept)


def test_waiting_and_failed_files_are_listed_as_they_are(app):
    app.jobs.store.add(record(1, state=State.FAILED))
    app.jobs.store.add(record(2))
    assert [view.state for view in analyses.search(OWNER, app)] == [State.INTERRUPTED, State.FAILED]


def test_records_of_a_file_are_found_beyond_one_page_and_by_the_file_alone(app):
    store, hash = app.jobs.store, "b" * 64
    first = record(0, hash)
    store.add(first)
    for number in range(1, MAX_PAGE_SIZE + 2):  # newer ones that only name it
        store.add(record(number).model_copy(update={"name": f"{hash}.mp4"}))
    assert app.originals._record_ids(RecordScope(LOCAL.id, store), hash) == [first.id]
    with store.database.engine.connect() as connection:
        query = "explain query plan select id from records where owner = 'local' and sha256 = 'b'"
        plan = " ".join(str(row) for row in connection.exec_driver_sql(query))
    assert "records_by_file" in plan


def test_an_author_is_kept_when_the_same_file_came_by_upload_before(app):
    scope = RecordScope(LOCAL.id, app.jobs.store)
    first = analyze(app, OWNER)
    assert first.analysis.provenance is None or first.analysis.provenance.posted is None
    posted = Posted(title="A talk", by="Channel", date="2026-11-02")

    def again(**taken):
        return app.jobs.submit(
            io.BytesIO(b"bytes of a clip"), "again.mp4", Settings(frames=32), scope,
            taken_from=FileSource(**taken),
        )  # fmt: skip

    assert again(posted=posted).key == first.key
    assert app.jobs.find(first.key, scope).analysis.provenance.posted == posted
    other = posted.model_copy(update={"by": "A copier"})
    again(posted=other, document=Document(name="paper.pdf"))
    assert app.jobs.find(first.key, scope).analysis.provenance.posted == posted, "the first stays"
