"""The job queue: bounded, fair, never mixes two people's files, and says why it failed."""

import gc
import io
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import DEFAULT, Mock

import pytest
from sqlalchemy import update

from detector.decision import conformal
from detector.decision.conformal import OwnCalibration
from detector.errors import Canceled, MediaError, WeightsError
from detector.models import registry
from detector.pipeline import Progress, result_cache
from detector.schema.analysis import CustomEnsemble, Settings
from detector.schema.origin import FileSource, Posted
from service.records.database import FILE
from service.records.instances import Server
from service.records.model import GUEST, LOCAL, RecordsError, State
from service.records.seals import Keyring
from service.records.sql import open_store
from service.records.store import RecordScope
from service.records.tables import TaskRow
from service.storage import open_uploads
from service.tasks.jobs import Job, Jobs, default_workers, refuse
from service.tasks.queue import TaskQueue
from service.tasks.task import QueueFull, TaskStore
from service.tasks.throughput import ThroughputEstimator
from tests.support.kept import forge
from tests.support.result_sample import make_analysis
from tests.support.scopes import local
from tests.support.waiting import until

SAMPLE = make_analysis()
DAY = timedelta(days=1)


class Analyzer:
    """Stands in for the networks: the queue is what is tested here. Its result names the bytes it
    was given, and it works until `go` is set."""

    slots = 0

    def __init__(self):
        self.go = threading.Event()
        self.go.set()
        self.error: BaseException | None = None
        self.begun: list[str] = []
        self.reading = None

    def close(self): ...

    def analyze(self, path, settings=None, *, name=None, observe=None, cancel=None):
        assert cancel is not None and observe is not None and name is not None
        self.begun.append(name)
        so_far = {"reading": self.reading, "moments": 2, "moments_total": 8}
        observe(Progress("faces", 0.4, {"read": 0.1}, sampled=3, sampled_total=8, **so_far))
        while not self.go.wait(0.005):
            if cancel.is_set():
                raise Canceled
        if self.error:
            raise self.error
        media = SAMPLE.media.model_copy(update={"name": name, "sha256": path.read_text()})
        return SAMPLE.model_copy(update={"media": media, "settings": settings})


def open_jobs(
    data, analyzer, *, home=None, check=lambda path: None, workers=0, waiting=20, in_memory=32
):
    """A server's queue on a data folder, its media and its lock in a `home` of its own if given."""
    store, home = open_store(data / FILE), home or data
    tasks = TaskQueue(TaskStore(store.database), Server(home, store.database))
    speed = ThroughputEstimator(data / "speed.json")
    jobs = Jobs(analyzer, open_uploads(home), store, tasks, speed, check=check, workers=workers)
    kind = replace(jobs.kind, refuse=partial(refuse, waiting), max_in_memory=in_memory)
    jobs.kind = tasks.register(kind)
    return jobs


@pytest.fixture
def analyzer():
    return Analyzer()


@pytest.fixture
def make(tmp_path, analyzer):
    made: list[Jobs] = []

    def build(**options):
        made.append(open_jobs(tmp_path, analyzer, **{"workers": 1, **options}))
        return made[-1]

    yield build
    analyzer.go.set()
    for jobs in made:
        jobs.close()
        jobs.store.close()


@pytest.fixture
def jobs(make):
    return make()


def submit(jobs, content, settings=None, owner=LOCAL):
    return jobs.submit(
        io.BytesIO(content.encode()),
        f"{content}.mp4",
        settings or Settings(),
        scope=RecordScope(owner, jobs.store),
    )


def wait(job, *states):
    until(lambda: job.state in (states or (State.DONE,)))
    return job


def done(jobs, content, settings=None, owner=LOCAL):
    return wait(submit(jobs, content, settings, owner))


def test_a_job_runs_and_its_result_is_found_by_its_token(jobs):
    job = done(jobs, "one")
    assert jobs.find(job.key, local(jobs)) is job
    assert job.analysis.media.sha256 == "one"
    assert job.progress.sampled == 3
    assert jobs.find("x" * 22, local(jobs)) is None


def test_where_a_file_was_taken_from_stands_in_its_result(jobs):
    scope = local(jobs)
    taken = FileSource(posted=Posted(title="A talk", by="Channel", date="2026-11-02"))
    job = jobs.submit(io.BytesIO(b"one"), "one.mp4", Settings(), scope, taken_from=taken)
    wait(job)
    assert job.analysis.provenance.posted == taken.posted
    again = jobs.rerun(job.key, Settings(frames=8), scope)
    assert wait(again).analysis.provenance.posted == taken.posted


def test_many_people_at_once_each_get_their_own(make):
    jobs = make(workers=2, waiting=100)
    with ThreadPoolExecutor(8) as people:
        submitted = list(people.map(lambda i: (i, submit(jobs, f"file{i}")), range(40)))
    for number, job in submitted:
        wait(job)
        assert job.analysis.media.sha256 == job.path.read_text() == f"file{number}"
    assert len({job.key for _, job in submitted}) == 40


def test_the_line_is_fair_bounded_and_tells_the_place(make, analyzer, tmp_path):
    analyzer.go.clear()
    jobs = make(waiting=3)
    first = wait(submit(jobs, "first"), State.RUNNING)
    line = [submit(jobs, name) for name in ("a", "b", "c")]
    assert [jobs._tasks.ahead(job) for job in line] == [0, 1, 2]
    with pytest.raises(QueueFull, match="3 files are waiting"):
        submit(jobs, "too much")
    assert len(list((tmp_path / "uploads").iterdir())) == 4  # nothing of the fifth was kept
    jobs._tasks.cancel(line[0])
    assert [jobs._tasks.ahead(job) for job in line[1:]] == [0, 1]
    analyzer.go.set()
    for job in (first, *line[1:]):
        wait(job)
    assert analyzer.begun == ["first.mp4", "b.mp4", "c.mp4"]


def test_a_file_that_cannot_be_read_is_refused_before_its_turn(make, analyzer):
    def look(path):
        said = path.read_text()
        if said == "text":
            raise MediaError("This file is text.", code="unsupported")
        if said == "slow":
            raise MediaError("Reading took too long.", code="reader_timeout")

    analyzer.go.clear()
    jobs = make(check=look)
    first = wait(submit(jobs, "first"), State.RUNNING)
    slow, text, good = (submit(jobs, name) for name in ("slow", "text", "good"))
    wait(text, State.FAILED)
    assert first.state is State.RUNNING and slow.state is good.state is State.QUEUED
    assert text.fault.problem.message == "This file is text."
    kept = jobs.store.get(LOCAL, text.key)
    assert kept.state is State.FAILED and kept.fault == text.fault
    analyzer.go.set()
    for job in (first, slow, good):
        wait(job)
    assert analyzer.begun == ["first.mp4", "slow.mp4", "good.mp4"]


def test_again_keeps_the_address_and_takes_new_settings(jobs, analyzer):
    analyzer.go.clear()
    job = wait(submit(jobs, "one"), State.RUNNING)
    second = jobs.rerun(job.key, Settings(min_face=16), local(jobs))
    analyzer.go.set()
    assert second.key == job.key
    assert jobs.find(job.key, local(jobs)) is second
    wait(second)
    assert second.analysis.settings.min_face == 16
    assert job.state in (State.CANCELED, State.DONE)
    assert jobs.store.analysis(LOCAL, job.key).settings.min_face == 16


def test_a_bad_file_is_explained_in_the_libraries_words(make, analyzer):
    analyzer.error = MediaError("It stops after 3 s.", code="truncated", hint="Use the original.")
    job = wait(submit(make(), "bad"), State.FAILED)
    assert not job.fault.ours
    assert job.fault.problem.code == "truncated"
    assert job.fault.problem.hint == "Use the original."
    other = make()
    found = other.find(job.key, local(other))
    assert found.state is State.FAILED and found.fault == job.fault


@pytest.mark.parametrize("error", [ValueError("secret /home/x/key"), WeightsError("sha256 of m")])
def test_our_own_failure_has_a_reference_and_no_secrets(make, analyzer, error, caplog):
    analyzer.error = error
    with caplog.at_level(logging.ERROR):
        job = submit(make(), "private name")
        wait(job, State.FAILED)
    fault = job.fault
    assert fault.ours
    assert fault.reference in caplog.text and fault.reference in fault.details
    assert type(error).__name__ in fault.details and "jobs.py" in fault.details
    assert "secret" not in fault.details and "private name" not in fault.details
    assert str(job.path.parent) not in fault.details


def test_a_result_outlives_the_memory_and_the_server(make):
    jobs = make(in_memory=2)
    done = [submit(jobs, f"file{i}") for i in range(5)]
    for job in done:
        wait(job)
    found = jobs.find(done[0].key, local(jobs))  # forgotten in memory, read from disk
    assert found.state is State.DONE
    assert found.analysis.media.sha256 == "file0"
    other = make()
    again = other.find(done[4].key, local(other))  # another server on the same data
    assert again.analysis == done[4].analysis


def test_what_is_forgotten_is_freed_at_once(make):
    jobs = make(in_memory=2)
    gc.collect()
    gc.disable()
    try:
        seen = []
        for number in range(6):
            job = done(jobs, f"file{number}")
            assert job.progress.partial is None
            seen.append(weakref.ref(job))
            del job
        # The last one's thread may not be over yet.
        until(lambda: sum(one() is not None for one in seen) <= 3)
    finally:
        gc.enable()


def test_deleting_takes_the_file_the_record_and_its_address(jobs):
    job = done(jobs, "one")
    stranger = RecordScope(f"{GUEST}other", jobs.store)
    assert jobs.delete([job.key], stranger) == [] and job.path.exists()
    assert jobs.delete([job.key, "x" * 22], local(jobs)) == [job.key]
    assert not job.path.parent.exists()
    assert jobs.find(job.key, local(jobs)) is None and jobs.store.ids(LOCAL) == []
    assert jobs.rerun(job.key, Settings(), local(jobs)) is None


@pytest.mark.parametrize("refused", [1, 2])
def test_deleting_on_a_full_disk_ends_consistent(jobs, monkeypatch, refused):
    job = done(jobs, "one")
    full = RecordsError("There is no room left.", code="disk_full")
    delete = Mock(wraps=jobs.store.delete, side_effect=[full] * refused + [DEFAULT] * 2)
    monkeypatch.setattr(jobs.store, "delete", delete)
    if refused == 2:
        with pytest.raises(RecordsError, match="media were deleted") as said:
            jobs.delete([job.key], local(jobs))
        assert said.value.code == "disk_full" and "once more" in said.value.hint
        assert not job.path.parent.exists() and jobs.store.ids(LOCAL) == [job.key]
    assert jobs.delete([job.key], local(jobs)) == [job.key]
    assert not job.path.parent.exists() and jobs.store.ids(LOCAL) == []


def test_deleting_stops_what_runs(jobs, analyzer):
    analyzer.go.clear()
    job = wait(submit(jobs, "one"), State.RUNNING)
    jobs.delete([job.key], local(jobs))
    wait(job, State.CANCELED)
    assert jobs.find(job.key, local(jobs)) is None and list(jobs.uploads.root.iterdir()) == []


def test_who_has_the_address_may_look_unless_it_is_an_accounts(jobs):
    account, guest = "8d6f6c3e-1111-4222-8333-444455556666", RecordScope(f"{GUEST}b", jobs.store)
    mine, theirs = submit(jobs, "one"), submit(jobs, "two", owner=account)
    for job in (mine, theirs):
        wait(job)
    assert jobs.find(mine.key, guest) is mine
    assert jobs.find(theirs.key, guest) is None and jobs.find(theirs.key, local(jobs)) is None
    assert jobs.find(theirs.key, RecordScope(account, jobs.store)) is theirs


def test_a_result_that_cannot_be_saved_is_still_shown(jobs, monkeypatch):
    full = RecordsError("There is no room left.")
    monkeypatch.setattr(jobs.store, "finish", Mock(side_effect=full))
    job = done(jobs, "one")
    assert job.analysis is not None and jobs.find(job.key, local(jobs)) is job


@pytest.mark.parametrize("refusal", [QueueFull("3 wait."), RecordsError("The disk is full.")])
def test_a_file_whose_task_is_not_taken_is_not_kept(jobs, monkeypatch, refusal):
    refuse = Mock(side_effect=refusal)
    with monkeypatch.context() as patch:
        patch.setattr(jobs._tasks, "submit", refuse)
        with pytest.raises(type(refusal)):
            submit(jobs, "one")
        assert jobs.store.ids(LOCAL) == [] and list(jobs.uploads.root.iterdir()) == []
    job = done(jobs, "two")
    with monkeypatch.context() as patch:
        patch.setattr(jobs._tasks, "submit", refuse)
        with pytest.raises(type(refusal)):
            jobs.rerun(job.key, Settings(), local(jobs))
    found = jobs.find(job.key, local(jobs))
    assert found.state is State.FAILED  # not waiting for ever


def test_who_looks_while_a_file_is_put_in_line_does_not_undo_it(jobs, analyzer, monkeypatch):
    analyzer.go.clear()
    job = jobs.submit(io.BytesIO(b"one"), "one.mp4", Settings(), local(jobs), start=False)
    looks: list[Job] = []
    restore = jobs._restore

    def slow(*given):
        if not looks:
            looks.append(job)
            jobs._enqueue(Job(jobs.kind, given[0], jobs.store, jobs.uploads))
        return restore(*given)

    assert jobs.store.restart(
        LOCAL, job.key, run=jobs._new_run(), settings=Settings(), cache_key="",
        now=datetime.now(UTC),
    )  # fmt: skip
    monkeypatch.setattr(jobs, "_restore", slow)
    assert jobs.find(job.key, local(jobs)).active
    analyzer.go.set()
    until(lambda: jobs.find(job.key, local(jobs)).state is State.DONE)


def lose(jobs):
    """Leave the tasks as a server leaves them that is killed."""
    with jobs.store.database.writing() as connection:
        connection.execute(update(TaskRow).values(server="killed"))


def test_a_resumed_analysis_ends_like_any_other(make, analyzer):
    analyzer.go.clear()
    first = make()
    job = submit(first, "one")
    gone = submit(first, "two")
    lose(first)
    first.uploads.delete(gone.key)
    second = make()
    second._tasks.recover()
    analyzer.go.set()
    found = second.find(job.key, local(second))
    wait(found)
    assert found.analysis is not None
    lost = second.find(gone.key, local(second))  # there is nothing to analyze any more
    assert lost.state is State.INTERRUPTED


def test_a_full_line_leaves_an_analysis_interrupted(make, analyzer):
    analyzer.go.clear()
    first = make()
    job = submit(first, "one")
    lose(first)
    second = make(waiting=0)
    second._tasks.recover()
    assert second.find(job.key, local(second)).state is State.INTERRUPTED


def test_a_result_made_elsewhere_is_kept_with_or_without_media(jobs, make):
    live = jobs.import_result(SAMPLE, "Camera", local(jobs))
    assert live.state is State.DONE and live.analysis == SAMPLE and not live.has_media
    assert live.record.source == "live"
    assert jobs.rerun(live.key, Settings(), local(jobs)) is None  # there is nothing to look at
    filmed = jobs.import_result(SAMPLE, "camera.mp4", local(jobs), media=io.BytesIO(b"film"))
    assert filmed.path.read_bytes() == b"film" and filmed.record.size == 4
    other = make()
    assert other.find(live.key, local(other)).analysis == SAMPLE


def test_the_same_question_is_answered_once(jobs, analyzer):
    first = done(jobs, "one")
    assert first.last_cache_hit is None
    again = jobs.submit(io.BytesIO(b"one"), "another name.mp4", Settings(), local(jobs))
    assert again.key == first.key and again.state is State.DONE and again.last_cache_hit is not None
    assert again.analysis == first.analysis and len(analyzer.begun) == 1
    assert len(list(jobs.uploads.root.iterdir())) == 1  # the second copy went
    assert done(jobs, "one", Settings(min_face=16)).key != first.key and len(analyzer.begun) == 2
    anew = jobs.rerun(first.key, Settings(), local(jobs))
    wait(anew)
    assert anew.last_cache_hit is None and len(analyzer.begun) == 3


def test_an_answer_outlives_its_file_and_takes_the_new_one(jobs):
    first = done(jobs, "one")
    jobs.sweep(DAY, 30 * DAY, now=datetime.now(UTC) + 2 * DAY)
    found = jobs.find(first.key, local(jobs))
    assert found.analysis is not None and not found.has_media
    assert jobs.rerun(first.key, Settings(), local(jobs)) is None
    again = submit(jobs, "one")
    assert again.key == first.key and again.has_media and again.path.read_text() == "one"
    jobs.sweep(DAY, 30 * DAY, now=datetime.now(UTC) + 31 * DAY)
    assert jobs.find(first.key, local(jobs)) is None and list(jobs.uploads.root.iterdir()) == []


def test_a_forged_answer_is_not_given_again(jobs, analyzer, tmp_path):
    jobs.store.seals = Keyring.open(tmp_path, jobs.store.database)
    first = done(jobs, "one")
    assert submit(jobs, "one").key == first.key
    forge(tmp_path, first.key)
    kept = jobs.store.find_cached(LOCAL, first.record.cache_key)
    assert kept.id == first.key, "it would be found"
    second = done(jobs, "one")
    assert second.key != first.key and second.last_cache_hit is None and len(analyzer.begun) == 2
    assert second.analysis.verdict.probability != 0.02


def test_what_failed_in_part_is_not_given_again(jobs, analyzer, monkeypatch):
    broken = [m.model_copy(update={"error": "it stopped while scoring"}) for m in SAMPLE.models]
    assert result_cache.reusable(SAMPLE)
    assert not result_cache.reusable(SAMPLE.model_copy(update={"models": broken}))
    assert not result_cache.reusable(SAMPLE.model_copy(update={"partial": True}))
    monkeypatch.setattr(result_cache, "reusable", lambda analysis: False)
    done(jobs, "one")
    assert done(jobs, "one").last_cache_hit is None and len(analyzer.begun) == 2


def test_the_key_is_of_all_that_decides_the_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    sha = "ab" * 32
    key = result_cache.key(sha, Settings())
    assert len(key) == 64 and key == result_cache.key(sha, Settings())
    usual = [spec.id for spec in registry.choose()]
    others = {
        result_cache.key("cd" * 32, Settings()),
        result_cache.key(sha, Settings(frames=31)),
        result_cache.key(sha, Settings(models=usual[:1])),
        result_cache.key(sha, Settings(ensemble=CustomEnsemble(models=usual))),
    }
    own = OwnCalibration(
        id="abc", created=datetime.now(UTC), rate=0.05, sources=1,
        models=dict.fromkeys(usual, "x"), clips=[0.1] * 30,
    )  # fmt: skip
    conformal.keep(own)
    others.add(result_cache.key(sha, Settings()))
    conformal.delete(None)
    assert (
        result_cache.key(sha, Settings()) != key or conformal.load() == conformal.ThresholdStore()
    )
    monkeypatch.setattr(result_cache, "_code", lambda: "another program")
    others.add(result_cache.key(sha, Settings()))
    monkeypatch.setenv("UNMASK_PRECISION", "f32")
    others.add(result_cache.key(sha, Settings()))
    assert len(others) == 7 and key not in others
    assert result_cache.key(sha, Settings(models=["no such model"])) == ""


def test_workers_follow_the_cores_or_the_operator(monkeypatch):
    monkeypatch.delenv("UNMASK_WORKERS", raising=False)
    for cores, workers in ((1, 1), (2, 1), (4, 2), (64, 2)):
        monkeypatch.setattr("service.tasks.jobs.usable_cores", lambda cores=cores: cores)
        assert default_workers() == workers
    monkeypatch.setenv("UNMASK_WORKERS", "5")
    assert default_workers() == 5


def test_speed_is_learned_and_nothing_is_guessed(tmp_path):
    speed = ThroughputEstimator(tmp_path / "speed.json")
    assert speed.estimate(32, ["sbi"]) is None
    speed.learn(SAMPLE.model_copy(update={"timings": {"total": 40.0}}))
    assert speed.estimate(32, ["sbi", "xcep", "clip"]) == pytest.approx(40.0, rel=0.01)
    one = speed.estimate(32, ["sbi"])
    assert 5 < one < 25
    assert speed.estimate(64, ["sbi"]) == pytest.approx(2 * one)
    assert speed.estimate(32, ["sbi", "new"]) is None
    assert ThroughputEstimator(tmp_path / "speed.json").estimate(32, ["sbi"]) == pytest.approx(one)
    (tmp_path / "speed.json").write_text("[1, 2")
    assert ThroughputEstimator(tmp_path / "speed.json").estimate(32, ["sbi"]) is None
