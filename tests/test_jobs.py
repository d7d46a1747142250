"""The job queue: bounded, fair, never mixes two people's files, and says why it failed."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard.jobs import Busy, Job, Jobs, State, default_workers
from dashboard.speed import Speed
from dashboard.uploads import Uploads
from detector.errors import Canceled, MediaError, WeightsError
from detector.pipeline import Observer, Progress
from detector.results import Analysis, Settings
from tests.result_sample import make_analysis

SAMPLE = make_analysis()


class Analyzer:
    """Stands in for the networks: the queue is what is tested here. Its result names the bytes it
    was given, and it works until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.error: BaseException | None = None
        self.begun: list[str] = []

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        assert cancel is not None and observe is not None and name is not None
        self.begun.append(name)
        observe(Progress("faces", 0.4, {"read": 0.1}, moments=3, moments_total=8))
        while not self.go.wait(0.005):
            if cancel.is_set():
                raise Canceled
        if self.error:
            raise self.error
        media = SAMPLE.media.model_copy(update={"name": name, "sha256": path.read_text()})
        return SAMPLE.model_copy(update={"media": media, "settings": settings})


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer()


@pytest.fixture
def make(tmp_path: Path, analyzer: Analyzer) -> Iterator[Callable[..., Jobs]]:
    made: list[Jobs] = []

    def build(**options: int) -> Jobs:
        made.append(Jobs(analyzer, Uploads(tmp_path), Speed(), **{"workers": 1, **options}))
        return made[-1]

    yield build
    analyzer.go.set()
    for jobs in made:
        jobs.close()


def submit(jobs: Jobs, content: str, settings: Settings | None = None) -> Job:
    return jobs.submit(io.BytesIO(content.encode()), f"{content}.mp4", settings or Settings())


def wait(job: Job, *states: State) -> None:
    until = time.monotonic() + 10
    while job.state not in (states or (State.DONE,)):
        assert time.monotonic() < until, f"stayed {job.state}"
        time.sleep(0.002)


def test_a_job_runs_and_its_result_is_found_by_its_token(make: Callable[..., Jobs]) -> None:
    jobs = make()
    job = submit(jobs, "one")
    wait(job)
    assert jobs.find(job.key) is job
    assert job.analysis is not None and job.analysis.media.sha256 == "one"
    assert job.progress is not None and job.progress.moments == 3
    assert jobs.find("x" * 22) is None


def test_many_people_at_once_each_get_their_own(make: Callable[..., Jobs]) -> None:
    jobs = make(workers=2, waiting=100)
    with ThreadPoolExecutor(8) as people:
        submitted = list(people.map(lambda i: (i, submit(jobs, f"file{i}")), range(40)))
    for number, job in submitted:
        wait(job)
        assert job.analysis is not None
        assert job.analysis.media.sha256 == job.path.read_text() == f"file{number}"
    assert len({job.key for _, job in submitted}) == 40


def test_the_line_is_fair_bounded_and_tells_the_place(
    make: Callable[..., Jobs], analyzer: Analyzer, tmp_path: Path
) -> None:
    analyzer.go.clear()
    jobs = make(waiting=3)
    first = submit(jobs, "first")
    wait(first, State.RUNNING)
    line = [submit(jobs, name) for name in ("a", "b", "c")]
    assert [jobs.ahead(job) for job in line] == [0, 1, 2]
    with pytest.raises(Busy, match="3 files are waiting"):
        submit(jobs, "too much")
    assert len(list((tmp_path / "uploads").iterdir())) == 4  # nothing of the fifth was kept
    jobs.cancel(line[0].key)
    assert [jobs.ahead(job) for job in line[1:]] == [0, 1]
    analyzer.go.set()
    for job in (first, *line[1:]):
        wait(job)
    assert analyzer.begun == ["first.mp4", "b.mp4", "c.mp4"]


def test_canceling_stops_a_waiting_and_a_running_job(
    make: Callable[..., Jobs], analyzer: Analyzer
) -> None:
    analyzer.go.clear()
    jobs = make()
    running, waiting = submit(jobs, "running"), submit(jobs, "waiting")
    wait(running, State.RUNNING)
    jobs.cancel(waiting.key)
    assert waiting.state is State.CANCELED
    jobs.cancel(running.key)
    wait(running, State.CANCELED)
    assert running.analysis is None
    assert jobs.busy() == []


def test_again_keeps_the_address_and_takes_new_settings(
    make: Callable[..., Jobs], analyzer: Analyzer
) -> None:
    analyzer.go.clear()
    jobs = make()
    job = submit(jobs, "one")
    wait(job, State.RUNNING)
    second = jobs.again(job.key, Settings(min_face=16))
    analyzer.go.set()
    assert second is not None and second.key == job.key
    assert jobs.find(job.key) is second
    wait(second)
    assert second.analysis is not None and second.analysis.settings.min_face == 16
    assert job.state in (State.CANCELED, State.DONE)
    saved = jobs.uploads.result(job.key)
    assert saved is not None and saved.settings.min_face == 16


def test_a_bad_file_is_explained_in_the_libraries_words(
    make: Callable[..., Jobs], analyzer: Analyzer
) -> None:
    analyzer.error = MediaError("It stops after 3 s.", code="truncated", hint="Use the original.")
    job = submit(make(), "bad")
    wait(job, State.FAILED)
    assert job.fault is not None and not job.fault.ours
    assert job.fault.problem.code == "truncated"
    assert job.fault.problem.hint == "Use the original."


@pytest.mark.parametrize("error", [ValueError("secret /home/x/key"), WeightsError("sha256 of m")])
def test_our_own_failure_has_a_reference_and_no_secrets(
    make: Callable[..., Jobs],
    analyzer: Analyzer,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    analyzer.error = error
    with caplog.at_level(logging.ERROR):
        job = submit(make(), "private name")
        wait(job, State.FAILED)
    fault = job.fault
    assert fault is not None and fault.ours
    assert fault.reference in caplog.text and fault.reference in fault.details
    assert type(error).__name__ in fault.details and "jobs.py" in fault.details
    assert "secret" not in fault.details and "private name" not in fault.details
    assert str(job.path.parent) not in fault.details


def test_a_result_outlives_the_memory_and_the_server(make: Callable[..., Jobs]) -> None:
    jobs = make(kept=2)
    done = [submit(jobs, f"file{i}") for i in range(5)]
    for job in done:
        wait(job)
    found = jobs.find(done[0].key)  # forgotten in memory, read from disk
    assert found is not None and found.state is State.DONE
    assert found.analysis is not None and found.analysis.media.sha256 == "file0"
    again = make().find(done[4].key)  # another server on the same data
    assert again is not None and again.analysis == done[4].analysis


def test_a_job_the_server_lost_can_be_started_again(
    make: Callable[..., Jobs], analyzer: Analyzer
) -> None:
    analyzer.go.clear()
    key = submit(make(), "one").key
    jobs = make()  # as after a crash: nothing in memory, no result on disk
    found = jobs.find(key)
    assert found is not None and found.state is State.INTERRUPTED
    analyzer.go.set()
    job = jobs.again(key, found.settings)
    assert job is not None
    wait(job)
    assert jobs.find(key) is job


def test_forgetting_deletes_the_file_and_its_address(make: Callable[..., Jobs]) -> None:
    jobs = make()
    job = submit(jobs, "one")
    wait(job)
    jobs.forget(job.key)
    assert not job.path.exists()
    assert jobs.find(job.key) is None
    assert jobs.again(job.key, Settings()) is None


def test_a_result_that_cannot_be_saved_is_still_shown(
    make: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make()

    def full(token: str, analysis: Analysis) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.uploads, "save", full)
    job = submit(jobs, "one")
    wait(job)
    assert job.analysis is not None


def test_workers_follow_the_cores_or_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_WORKERS", raising=False)
    for cores, workers in ((1, 1), (2, 1), (4, 2), (64, 2)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert default_workers() == workers
    monkeypatch.setenv("UNMASK_WORKERS", "5")
    assert default_workers() == 5


def test_speed_is_learned_and_nothing_is_guessed(tmp_path: Path) -> None:
    speed = Speed(tmp_path / "speed.json")
    assert speed.estimate(32, ["sbi"]) is None
    ran = SAMPLE.model_copy(update={"timings": {"total": 40.0}})
    speed.learn(ran)
    whole = speed.estimate(32, ["sbi", "xcep", "clip"])
    assert whole == pytest.approx(40.0, rel=0.01)
    one = speed.estimate(32, ["sbi"])
    assert one is not None and 5 < one < 25
    assert speed.estimate(64, ["sbi"]) == pytest.approx(2 * one)
    assert speed.estimate(32, ["sbi", "new"]) is None
    assert Speed(tmp_path / "speed.json").estimate(32, ["sbi"]) == pytest.approx(one)
    (tmp_path / "speed.json").write_text("[1, 2")
    assert Speed(tmp_path / "speed.json").estimate(32, ["sbi"]) is None
