"""What a server outlives: kill -9 anywhere, a disk that is full."""

import ctypes
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text, update
from streamlit.testing.v1 import AppTest

from service.application import TOLERANCE_SECONDS, JumpGuard
from service.context import Principal, PrincipalKind, RequestContext
from service.rate_limit import RateLimiter
from service.records.database import FILE
from service.records.model import LOCAL, RecordsError, ResultOrigin, State
from service.records.seals import Keyring, origin
from service.records.sql import open_store
from service.records.tables import RECORDS
from tests.support.applications import analyze, application
from tests.support.pages import APP, html, quiet, turn_to
from tests.support.processes import python
from tests.support.records_contract import SAMPLE, make
from tests.support.scopes import local
from tests.support.waiting import PATIENT
from tests.unit.service.test_jobs import Analyzer, open_jobs

POINTS = 20

VICTIMS = """
import io, os, signal, sys
from pathlib import Path
from sqlalchemy import event
from service.records.seals import Keyring
from detector.pipeline import Progress
from detector.schema.analysis import Analysis, Settings
from tests.support.scopes import local
from tests.unit.service.test_jobs import open_jobs

sample = Analysis.model_validate_json(sys.stdin.readline())

class Analyzer:
    slots = 0

    def analyze(self, path, settings, **options):
        options["observe"](Progress("faces", 0.4, {}))
        return sample

def live(data, last):
    # What is written, in this order: each statement and commit of the database, each file that is
    # opened to write, renamed or deleted. At the `last` of them the process is no more.
    count = 0
    def step(*_):
        nonlocal count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
    jobs = open_jobs(data, Analyzer(), workers=1)
    jobs.store.seals = Keyring.open(data, jobs.store.database)
    engine = jobs.store.database.engine
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(engine, name, step)
    def audit(name, arguments):
        writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if writes or name in ("os.rename", "os.remove", "os.mkdir"):
            step()
    sys.addaudithook(audit)
    job = jobs.submit(io.BytesIO(b"content"), "a.mp4", Settings(), local(jobs))
    for _ in range(2000):
        if not job.active:
            break
        import time
        time.sleep(0.005)
    jobs.close()
    print(count, flush=True)
    os._exit(0)

def one(data, last):
    child = os.fork()
    if not child:
        data.mkdir()
        live(data, last)
    return os.waitpid(child, 0)[1]

root, points = Path(sys.argv[1]), int(sys.argv[2])
reader, writer = os.pipe()
child = os.fork()
if not child:
    os.dup2(writer, 1)
    (root / "whole").mkdir()
    live(root / "whole", -1)
os.waitpid(child, 0)
steps = int(os.read(reader, 100))
for number in range(points):
    last = 1 + number * (steps - 1) // (points - 1)
    status = one(root / f"at-{last}", last)
    print(last, steps, os.WIFSIGNALED(status) and os.WTERMSIG(status), flush=True)
"""


def test_killed_at_twenty_points_of_an_analysis_and_a_save(tmp_path):
    sample = SAMPLE.model_dump_json() + "\n"
    run = python("-c", VICTIMS, tmp_path, str(POINTS), input=sample)
    assert run.returncode == 0, run.stderr[-2000:]
    ends = [line.split() for line in run.stdout.splitlines()]
    assert len(ends) == POINTS
    killed = [end for end in ends if end[2] == str(int(signal.SIGKILL))]
    assert len(killed) >= POINTS - 1, ends  # the last of a whole run may come after the end
    seen: set[str] = set()
    for last, _steps, _how in killed:
        data = tmp_path / f"at-{last}"
        jobs = open_jobs(data, Analyzer(), workers=1)
        jobs.store.seals = Keyring.open(data, jobs.store.database)
        try:
            with jobs.store.database.reading() as connection:
                assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
                assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            ids = jobs.store.ids(LOCAL)
            assert len(ids) <= 1
            for id in ids:
                job = jobs.find(id, local(jobs))
                assert job.has_media
                assert job.path.read_bytes() == b"content"
                if job.state is State.DONE:
                    assert origin(job.analysis.seal, LOCAL) is ResultOrigin.HERE
                else:
                    assert job.state is State.INTERRUPTED and job.analysis is None
                seen.add(job.state.value)
            if not ids:
                seen.add("nothing")
        finally:
            jobs.close()
            jobs.store.close()
    assert seen == {"nothing", "interrupted", "done"}, "the points lie on all of its way"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    made = mount and subprocess.run(command, capture_output=True)
    if not made or made.returncode:
        pytest.skip("this computer lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_costs_what_did_not_fit_and_no_more(small_disk):
    store = open_store(small_disk / FILE)
    store.seals = Keyring.open(small_disk, store.database)
    kept = make(LOCAL)
    store.add(kept, store.seals.seal(kept, SAMPLE))
    with (small_disk / "fill").open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    refused = 0
    for number in range(200):
        try:
            store.add(make(LOCAL, number + 1, note="x" * 4000), SAMPLE)
        except RecordsError as error:
            assert error.code == "disk_full" and "no room left" in error.message
            refused += 1
    assert refused > 0
    assert store.analysis(LOCAL, kept.id) is not None, "what is there can still be read"
    assert len(store.ids(LOCAL)) == 201 - refused
    (small_disk / "fill").unlink()
    late = make(LOCAL, 999)
    store.add(late, store.seals.seal(late, SAMPLE))
    with store.database.reading() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    store.close()


linux = pytest.mark.skipif(sys.platform != "linux", reason="gives up rights of Linux")
DAC_OVERRIDE, DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def held_back():
    """In a child before its program: a mode holds it back, root too (capabilities(7))."""
    for right in (DAC_OVERRIDE, DAC_READ_SEARCH) if os.geteuid() == 0 else ():
        if _libc.prctl(PR_CAPBSET_DROP, right, 0, 0, 0):
            os._exit(99)


_libc = ctypes.CDLL(None)


def as_any_user(folder, *command):
    """Run Python as somebody whom the mode of a folder holds back."""
    run = python(*command, variables={"UNMASK_DATA": str(folder)}, preexec_fn=held_back)
    if run.returncode == 99:
        pytest.skip("this computer lets nobody give up a right")
    return run


READ_ONLY = """
import sys
from pathlib import Path
from service.records.database import FILE
from service.records.model import LOCAL, RecordsError
from service.records.sql import open_store
from service.records.tables import RECORDS
from sqlalchemy import select
from tests.support.records_contract import SAMPLE, make
data = Path(sys.argv[1])
store, kept = open_store(data / FILE), make(LOCAL)
store.add(kept, SAMPLE)
with store.database.reading() as page:  # one that is being drawn: SQLite's log stays there
    page.scalar(select(RECORDS.c.id))
    for path in data.iterdir():
        path.chmod(0o444)
    data.chmod(0o555)
    store.database.engine.dispose()  # connections end and are made anew
    print(store.ids(LOCAL) == [kept.id], store.analysis(LOCAL, kept.id) is not None)
    try:
        store.add(make(LOCAL, 1), SAMPLE)
        print("written")
    except RecordsError as error:
        print(error.code, error.message)
    print(store.ids(LOCAL) == [kept.id])
closed = Path(sys.argv[2])
open_store(closed / FILE).close()
(closed / FILE).chmod(0o444)
closed.chmod(0o555)
try:
    open_store(closed / FILE)
except RecordsError as error:
    print(error.code, error.message)
"""


@linux
@pytest.mark.parametrize("taken", [False, True], ids=["read-only", "a file"])
def test_a_folder_that_is_not_to_be_written_stops_the_server_in_a_sentence(tmp_path, taken):
    data = tmp_path / "data"
    data.touch() if taken else data.mkdir(mode=0o555)
    run = as_any_user(data, "-m", "cli", "serve", "--port", "0")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    (said,) = [line for line in run.stderr.splitlines() if str(data) in line]
    assert "can't be written to" in said and "UNMASK_DATA" in said
    assert taken or list(data.iterdir()) == []


@linux
def test_a_store_that_becomes_read_only_is_read_and_says_so(tmp_path):
    folders = [tmp_path / "data", tmp_path / "closed"]
    for folder in folders:
        folder.mkdir()
    try:
        run = as_any_user(folders[0], "-c", READ_ONLY, *map(str, folders))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr[-3000:]
    read, refused, after, anew = run.stdout.splitlines()
    assert read == "True True" and after == "True"
    for said in (refused, anew):
        assert said.startswith("records") and said.endswith("."), said


def filled(folder):
    store = open_store(folder / FILE)
    for number in range(60):
        store.add(make(LOCAL, number, note="z" * 3000), SAMPLE)
    return store


@pytest.mark.parametrize("where", ["head", "middle", "end", "log"])
def test_damaged_records_are_said_and_left_as_they_are(tmp_path, where):
    store, path = filled(tmp_path), tmp_path / FILE
    if where != "log":
        store.close()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:  # as a killed server leaves it
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", tmp_path / f"killed.db{suffix}")
        store.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"killed.db{suffix}", f"{path}{suffix}")
    good = {suffix: Path(f"{path}{suffix}").read_bytes()
            for suffix in ("", "-wal") if Path(f"{path}{suffix}").is_file()}  # fmt: skip
    target = Path(f"{path}-wal") if where == "log" else path
    data = bytearray(target.read_bytes())
    at = {"head": 0, "middle": len(data) // 2, "end": len(data) - 20_000, "log": 2000}[where]
    data[at : at + 8192] = os.urandom(8192)
    target.write_bytes(data)
    damaged = hashlib.sha256(path.read_bytes()).hexdigest()
    said = None
    try:
        opened = open_store(path)
        try:
            for id in opened.ids(LOCAL):
                opened.get(LOCAL, id)
                opened.analysis(LOCAL, id)  # None where it can't be read
        finally:
            opened.close()
    except RecordsError as error:
        said = error
        assert error.code in ("records_damaged", "records")
        assert error.message.endswith(".")
    if where in ("head", "middle"):
        assert said is not None
    if said is not None and where == "head":
        assert hashlib.sha256(path.read_bytes()).hexdigest() == damaged, "it was left as it was"
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    for suffix, content in good.items():
        Path(f"{path}{suffix}").write_bytes(content)
    again = open_store(path)
    assert len(again.ids(LOCAL)) == 60
    again.close()


@pytest.mark.parametrize("damage", ["head", "middle", "something else"])
def test_damaged_records_are_set_aside_whole_and_the_page_says_so(tmp_path, damage):
    filled(tmp_path).close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    at = 0 if damage == "head" else len(data) // 2
    data[at : at + 8192] = os.urandom(8192)
    path.write_bytes(b"holiday plans" * 99 if damage == "something else" else data)
    before = path.read_bytes()
    with quiet(tmp_path) as jobs:
        (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
        assert aside.read_bytes() == before
        assert jobs.store.ids(LOCAL) == []
        jobs.store.add(make(LOCAL, 1), SAMPLE)
        page = AppTest.from_file(APP, default_timeout=PATIENT)
        page.run()
        turn_to(page, "history").run()
        assert not page.exception
        assert f"set aside as {aside.name}" in html(page)
    again = open_store(path)
    assert len(again.ids(LOCAL)) == 1
    again.close()


def test_a_clock_that_is_set_deletes_nothing_at_once():
    now = {"wall": 1e9, "steady": 50.0}
    guard = JumpGuard(lambda: now["wall"], lambda: now["steady"])

    def after(wall, steady):
        now["wall"] += wall
        now["steady"] += steady
        return guard.jumped()

    assert not after(600, 600)
    assert after(86400.0 * 365, 600), "a year too far"
    assert not after(600, 600), "the next round takes it for true"
    assert after(-86400.0 * 365, 600), "and back"
    assert not after(600 + TOLERANCE_SECONDS / 2, 600), "a correction of the time is none"


def test_a_sweep_after_the_clock_was_set_deletes_nothing(tmp_path, monkeypatch):
    """The server's own round, where what was brought a moment ago is a year old by the new time."""
    with application(tmp_path, Analyzer()) as app:
        owner = RequestContext(Principal("guest:a", PrincipalKind.GUEST), address="203.0.113.5")
        job = analyze(app, owner)
        evaluation = app.evaluations.root / "evaluation"
        evaluation.mkdir(parents=True)
        (evaluation / "report.json").write_text("{}")
        year = 365 * 86400.0
        with app.jobs.store.database.writing() as connection:
            moved = {"created": datetime.now(UTC) - timedelta(days=365)}
            moved["touched"] = moved["created"]
            connection.execute(update(RECORDS).values(**moved))
        old = time.time() - year
        upload = job.path.parent
        for path in (*upload.iterdir(), upload, *evaluation.iterdir(), evaluation):
            os.utime(path, (old, old))
        walls = iter([old, time.time()])
        app._stopped.set()  # one round, then it ends

        def there():
            kept = app.jobs.store.get(owner.principal.id, job.key) is not None
            return [kept, upload.exists(), evaluation.exists()]

        assert there() == [True] * 3
        with monkeypatch.context() as jumped:
            guard = partial(JumpGuard, lambda: next(walls))
            jumped.setattr("service.application.JumpGuard", guard)
            app._sweep()
        assert there() == [True] * 3
        app._sweep()
        assert there() == [False] * 3, "it was old enough"


def test_a_clock_that_is_set_back_locks_nobody_out(monkeypatch):
    limiter = RateLimiter(60)
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 86400.0 * 365)
    assert limiter.take({"me": 2}) is None and limiter.take({"me": 2}) is None
    assert limiter.take({"me": 2}).wait <= 60
    monkeypatch.setattr(time, "time", lambda: real)
    assert limiter.take({"me": 2}).wait <= 60, "not a year from now"
