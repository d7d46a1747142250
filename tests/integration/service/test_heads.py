"""Two real servers on one PostgreSQL database and one S3 server, each with a disk of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import boto3
import httpx
import pytest

from detector.schema.analysis import Analysis
from service.context import Scope
from service.records.api_keys import ApiKeys
from service.records.database import Database
from tests.conftest import write_clip
from tests.support import waiting
from tests.support.footage import repeated
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.s3 import S3
from tests.support.samples import samples
from tests.support.waiting import PATIENT

until = partial(waiting.until, every=0.1)  # what they answer is taken from their work

AWAY = "unmask.example.org"
LONG = {"frames": "1500"}
"""More to look at than there is time to, before somebody stops it."""


@dataclass
class Cluster:
    """What the servers share."""

    database: str
    bucket: str
    s3: S3

    def keys(self):
        client = boto3.client("s3", endpoint_url=self.s3.url)
        listed = client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return [one["Key"].rpartition("/")[2] for one in listed]


class Head:
    """One server, as `unmask serve` starts it."""

    def __init__(self, cluster, folder):
        self.folder, port = folder, free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENT)
        folder.mkdir()
        environment = {
            **os.environ,
            **cluster.s3.environment(cluster.bucket),
            "UNMASK_DATABASE": cluster.database,
            "UNMASK_DATA": str(folder / "data"),
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
        }
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "serve", "--port", str(port)],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def ready(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def submit(self, clip, headers=None, **fields):
        with clip.open("rb") as file:
            return self.client.post(
                "/v1/analyses", files={"file": ("clip.mp4", file)}, data=fields, headers=headers
            )

    def close(self):
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def cluster(postgres, s3):
    address = postgres.url(postgres.fresh())
    with pytest.MonkeyPatch.context() as patch:
        bucket = s3.make()
        for variable, value in s3.environment(bucket).items():
            patch.setenv(variable, value)
        yield Cluster(address, bucket, s3)


@pytest.fixture(scope="module")
def heads(cluster, tmp_path_factory):
    """Both, for all tests: what has to be loaded is the longest of it. The last one kills one."""
    folder = tmp_path_factory.mktemp("heads")
    opened = Head(cluster, folder / "one"), Head(cluster, folder / "two")
    try:
        for head in opened:
            until(head.ready)
        yield opened
    finally:
        for head in opened:
            head.close()


@pytest.fixture(scope="module")
def clip():
    return next(one.path for one in samples() if one.path.suffix == ".mp4")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    return repeated(write_clip(folder / "part.mp4", seconds=2, size=(1280, 720)), 30)


def state(head, href):
    return str(head.get(href)["state"])


def test_what_one_takes_in_the_other_reads_stops_and_deletes(heads, cluster, clip, long_clip):
    one, two = heads
    sent = one.submit(clip, {"Idempotency-Key": "first"}, frames="4").json()
    href = sent["href"]
    twice = two.submit(clip, {"Idempotency-Key": "first"}, frames="4")
    assert twice.json()["id"] == sent["id"], "the same request, whichever server hears it"
    until(lambda: state(two, href) not in ("queued", "running"))
    done = two.get(href)
    assert done["state"] == "done"
    analysis = Analysis.model_validate(done["result"])
    assert Analysis.model_validate(one.get(href)["result"]) == analysis
    seen = next(f for f in two.get(f"{href}/frames")["frames"] if f["subjects"])
    heat = two.client.get(f"{href}/heatmap/{seen['index']}")
    assert heat.status_code == 200 and heat.content.startswith(b"\xff\xd8"), heat.text
    assert two.client.get(f"{href}/report.pdf").content.startswith(b"%PDF")
    copies = [path.name for path in (two.folder / "data" / "uploads").iterdir()]
    assert copies == [sent["id"]] == cluster.keys()
    # Stopped from the other.
    long = one.submit(long_clip, **LONG).json()
    until(lambda: two.get(long["task"]["href"])["fraction"] > 0)
    assert two.client.delete(long["task"]["href"]).status_code == 202
    until(lambda: state(one, long["href"]) == "canceled")
    assert state(two, long["href"]) == "canceled"
    # Deleted from the other.
    for each in (href, long["href"]):
        assert two.client.delete(each).status_code == 204
        assert one.client.get(each).status_code == 404
    assert cluster.keys() == []


def test_a_quota_is_one_over_all_servers(heads, cluster, clip):
    database = Database(cluster.database)
    _, text = ApiKeys(database).add("ann", (Scope.READ, Scope.ANALYZE), files_per_hour=2)
    database.close()
    headers = {"Host": AWAY, "Authorization": f"Bearer {text}"}
    one, two = heads
    answers = [head.submit(clip, headers, frames="2") for head in (one, two, one, two)]
    assert [answer.status_code // 100 for answer in answers] == [2, 2, 4, 4]
    assert [answer.status_code for answer in answers[2:]] == [429, 429]
    assert 3000 < int(answers[3].headers["Retry-After"]) <= 3660
    for taken in answers[:2]:
        assert two.client.delete(taken.json()["href"], headers=headers).status_code == 204


def test_a_server_that_is_killed_in_an_analysis_loses_and_doubles_nothing(
    heads, cluster, clip, long_clip
):
    one, two = heads
    runs = one.submit(long_clip, **LONG).json()
    waits = one.submit(clip, frames="4").json()
    until(lambda: two.get(runs["task"]["href"])["fraction"] > 0)
    assert state(two, runs["href"]) == "running"
    assert state(two, waits["href"]) in ("queued", "running")
    assert two.client.post(f"{runs['href']}/again").status_code == 409, "it runs elsewhere"
    one.process.kill()
    one.process.wait()
    assert state(two, runs["href"]) in ("running", "queued"), "not before the lease is over"
    for lost in (runs, waits):
        task = lost["task"]["href"]
        until(lambda task=task: two.get(task)["state"] == "interrupted")
    # Both are resumed by the other server, once.
    for lost in (runs, waits):
        until(lambda lost=lost: state(two, lost["href"]) in ("queued", "running", "done"))
    listed = [one["id"] for one in two.client.get("/v1/analyses").json()]
    assert sorted(listed) == sorted([runs["id"], waits["id"]]) == sorted(cluster.keys())
    assert two.client.delete(runs["href"]).status_code == 204
    until(lambda: state(two, waits["href"]) == "done")
    assert two.client.delete(waits["href"]).status_code == 204
    assert cluster.keys() == []
