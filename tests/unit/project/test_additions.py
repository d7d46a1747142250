"""What the house makes easy (docs/architecture.md); a detector: `test_docs`."""

import io
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar
from unittest.mock import Mock

import numpy as np
import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

import published
from dashboard import pages as folders
from dashboard import url_state
from detector import plugins, signals
from detector.batch.engine import BatchRun
from detector.batch.entry import of_path
from detector.models import families
from detector.pipeline import join_remote, open_remote
from detector.schema.analysis import Settings
from detector.signals import measures, reference
from detector.signals.measure import list_signals
from service.api import routes
from service.api.app import create_app
from service.batch_files import IncomingFile
from service.batches import BatchService
from service.context import LOCAL, RequestContext
from service.links import LinkFetches
from service.records.batches import Batches
from service.records.model import State
from service.records.sql import SQLStore
from service.storage import open_uploads
from service.storage.uploads import Uploads
from service.tasks.jobs import Jobs
from service.tasks.task import Priority, Task, TaskKind
from service.tasks.throughput import ThroughputEstimator
from tests.support.pages import APP, quiet, turn_to
from tests.support.records_contract import SAMPLE
from tests.support.scopes import local
from tests.support.tasks import make_tasks
from tests.support.waiting import PATIENT

ROOT = Path(APP).parent

SIGNAL = """
import numpy as np
from detector.signals.measure import Observer, SignalMeasure
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="redness", title="Redness", unit="levels", side="high",
    say="{value:.0f} levels", means="How red the face is.",
    high="Redder than most.", purpose="Points to red faces.",
)

class Redness(Observer):
    def __init__(self, moments):
        self.values = []

    def on_face(self, face, index):
        self.values.append(float(face.patch[..., 0].mean()))

    def finish(self, subject):
        return subject.signal(SPEC, float(np.median(self.values)))

SIGNAL = SignalMeasure(SPEC, rank=15, observe=Redness)
"""


VIEW = """
import streamlit as st

def draw() -> None:
    st.title("Something new")
"""

ROUTE = """
from fastapi import APIRouter

router = APIRouter(prefix="/v1/novelty")

@router.get("")
def novelty() -> dict[str, str]:
    return {"title": "Something new"}
"""


def test_a_route_is_a_file(tmp_path, monkeypatch):
    """In a tree like ours: it is served and described, and nothing lists it."""
    (tmp_path / "novelty.py").write_text(ROUTE)
    monkeypatch.setattr(routes, "__path__", [*routes.__path__, str(tmp_path)])
    try:
        client = TestClient(create_app(lambda: None))
    finally:
        sys.modules.pop(f"{routes.__name__}.novelty", None)
    assert client.get("/v1/novelty").json() == {"title": "Something new"}
    assert "/v1/novelty" in client.get("/openapi.json").json()["paths"]


class Elsewhere:
    """An executor that takes three files at a time."""

    slots = 3
    joined: ClassVar[list[str]] = []

    @classmethod
    def join(cls, address):
        cls.joined.append(address)

    @classmethod
    def open(cls, address, *, isolate, device):
        assert address == "elsewhere://here" and isolate and device == "auto"
        return cls()

    def __init__(self):
        self.seen: set[str] = set()
        self._pool = ThreadPoolExecutor(self.slots, "elsewhere")

    def analyze(self, path, settings=None, *, name=None, observe=None, cancel=None):
        return self._pool.submit(self._analyze, path).result()

    def _analyze(self, path):
        assert threading.current_thread().name.startswith("elsewhere")
        self.seen.add(path.read_text())
        return SAMPLE

    def warm_up(self, *, voices=None): ...

    def close(self):
        self._pool.shutdown()


def install(folder, monkeypatch, group, name):
    """A package whose entry point `elsewhere` is a name of this file."""
    package = folder / "site" / "elsewhere-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[{group}]\nelsewhere = {__name__}:{name}\n")
    monkeypatch.syspath_prepend(package.parent)


def test_another_executor_is_a_class_with_an_entry_point(tmp_path, monkeypatch):
    """The scheme of an address names it, and a server and a batch give it their files."""
    install(tmp_path, monkeypatch, "unmask.executors", "Elsewhere")
    monkeypatch.setattr(plugins, "executors", plugins.executors.__wrapped__)
    monkeypatch.setenv("UNMASK_RAY_ADDRESS", "elsewhere://here")
    join_remote()
    remote = open_remote(isolate=True)
    assert isinstance(remote, Elsewhere) and Elsewhere.joined == ["elsewhere://here"]
    tasks = make_tasks(tmp_path, start=at_once)
    uploads, speed = Uploads(tmp_path), ThroughputEstimator()
    jobs = Jobs(remote, uploads, SQLStore(tasks._store.database), tasks, speed)
    job = jobs.submit(io.BytesIO(b"server"), "a.mp4", Settings(), local(jobs))
    assert job.state is State.DONE and jobs.workers == 3
    batches = Batches(jobs.store.database)
    service, context = BatchService(tasks, jobs, batches, LinkFetches(tasks)), RequestContext(LOCAL)
    page = [IncomingFile(io.BytesIO(name), "c.mp4", 4) for name in (b"page", b"rest")]
    batch = service.add(context, local(jobs), page, Settings())
    assert [row.state for row in service.rows(local(jobs), batch)] == [State.DONE] * 2
    jobs.close()
    (tmp_path / "b.mp4").write_text("batch")
    with BatchRun(tmp_path / "out", analyzer=remote) as run:
        tally = run.run([of_path("b.mp4", tmp_path / "b.mp4")])
    assert (tally.analyzed, tally.failed) == (1, 0)
    assert remote.seen == {"server", "page", "rest", "batch"}
    remote.close()


class Vault(Uploads):
    """A store that is configured by a file in the data folder."""

    @classmethod
    def open(cls, data):
        return cls(data) if (data / "vault").exists() else None


def test_another_store_of_media_is_a_class_with_an_entry_point(tmp_path, monkeypatch):
    """A server's files are in it where it is configured."""
    monkeypatch.delenv("UNMASK_S3_BUCKET", raising=False)
    install(tmp_path, monkeypatch, "unmask.stores", "Vault.open")
    monkeypatch.setattr(plugins, "stores", plugins.stores.__wrapped__)
    assert type(open_uploads(tmp_path)) is Uploads
    (tmp_path / "vault").touch()
    assert type(open_uploads(tmp_path)) is Vault


def at_once(name, call):
    """A starter of tasks that runs what it is given where it is called."""
    call()


def test_a_starter_of_tasks_is_a_function(tmp_path):
    kind = TaskKind("novelty", Priority.INTERACTIVE, 1.0, Task)
    tasks = make_tasks(tmp_path, start=at_once)
    tasks.register(kind)
    task = Task(kind, "ann", subject="one")
    where = []
    tasks.submit(task, lambda task: where.append(threading.current_thread()))
    assert task.state is State.DONE and where == [threading.current_thread()]
    tasks.close()


def test_a_page_is_a_folder_a_file_and_a_line(tmp_path, monkeypatch):
    """In a tree like ours: it is in the navigation, at its path, and drawn."""
    for folder in ("pages", "novelty"):
        (tmp_path / folder).mkdir()
    for file in (ROOT / "pages").glob("*.py"):
        (tmp_path / "pages" / file.name).symlink_to(file)
    batch = (ROOT / "pages" / "batch.py").read_text()
    (tmp_path / "pages" / "novelty.py").write_text(batch.replace("batch", "novelty"))
    (tmp_path / "novelty" / "view.py").write_text(VIEW)
    line = '        st.Page("pages/live.py"'
    novelty = line.replace("live", "novelty") + ', title="Novelty"),\n'
    (tmp_path / "app.py").write_text(Path(APP).read_text().replace(line, novelty + line))
    monkeypatch.setattr(folders, "__path__", [*folders.__path__, str(tmp_path)])
    navigation = Mock(wraps=st.navigation)
    monkeypatch.setattr(st, "navigation", navigation)
    with quiet(tmp_path / "data"):
        app = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=PATIENT)
        at = turn_to(app, "novelty").run()
    assert not at.exception and [title.value for title in at.title] == ["Something new"]
    (listed,), _options = navigation.call_args
    assert [page.title for page in listed[:3]] == ["Analyze", "Novelty", "Live"]


def test_every_page_is_a_folder_and_is_listed():
    (room,) = folders.__path__
    assert {view.parent.name for view in Path(room).glob("*/view.py")} == url_state.PAGES
    assert set(re.findall(r'"pages/(\w+)\.py"', Path(APP).read_text())) == url_state.PAGES


@pytest.mark.parametrize("page", ["analyze", "batch", "compare"])
def test_a_page_is_drawn_alone(tmp_path, page):
    """Without app.py, by its own file."""
    with quiet(tmp_path):
        file = ROOT / "pages" / f"{page}.py"
        at = AppTest.from_file(str(file), default_timeout=PATIENT).run()
    assert not at.exception and at.main.children


def test_a_signal_is_a_file_and_its_ranges(tmp_path, monkeypatch):
    """In a tree like ours: it is listed in its place, fed, and read against its range."""
    (tmp_path / "redness.py").write_text(SIGNAL)
    table = json.loads(reference.FILE.read_text())
    row = {"p1": 1, "p5": 2, "p50": 3, "p95": 4, "p99": 5, "files": 100, "sources": 9}
    table["ranges"]["redness"] = row
    (tmp_path / "reference.json").write_text(json.dumps(table))
    monkeypatch.setattr(measures, "__path__", [*measures.__path__, str(tmp_path)])
    monkeypatch.setattr(reference, "FILE", tmp_path / "reference.json")
    for cached in (list_signals, reference._table):
        cached.cache_clear()
    try:
        ids = [measure.spec.id for measure in list_signals()]
        assert ids.index("redness") == 0
        reader = signals.SignalReader(1)
        picture = np.full((300, 300, 3), 200, np.uint8)
        reader.face(0, 0, signals.cut_patch(picture, (50.0, 50.0, 250.0, 250.0)))
        reader.close()
        (spec,) = (m.spec for m in list_signals() if m.spec.id == "redness")
        assert spec.signal(200.0).reading == "unusual"
        assert spec.signal(3.0).how_to_read.startswith("How red the face is.")
    finally:
        for cached in (list_signals, reference._table):
            cached.cache_clear()


def test_every_signal_says_what_it_is_for_and_has_a_range():
    ranges = reference._table()["ranges"]
    for measure in list_signals():
        assert measure.spec.purpose.startswith("Points to "), measure.spec.id
        assert measure.spec.id in ranges or measure.spec.id == "blinking"


@pytest.mark.parametrize("package", [families, published])
def test_families_are_families_and_nothing_else(package):
    for file in Path(package.__path__[0]).glob("*.py"):
        if file.stem != "__init__":
            assert "\ndef load(" in file.read_text(), f"{file.name} has no load, so it is no family"
