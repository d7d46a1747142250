"""A real cluster of two workers on this machine."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from cluster import ClusterAnalyzer, ClusterOptions, connection, worker
from cluster import analyzer as cluster_analyzer
from detector import media
from detector.batch import BatchOptions, BatchRun, read_source
from detector.errors import Canceled, ClusterError, MediaError, UnmaskError, UsageError
from detector.pipeline import Progress
from detector.pipeline.initial_results import id_of
from detector.schema.analysis import Settings
from tests.support.footage import many
from tests.support.samples import samples
from tests.support.timeless import timeless
from tests.support.waiting import PATIENT, at_once, until

QUICK = Settings(models=["texture"], frames=3)


Results = dict[Path, dict[str, Any]]


def analyzed(*paths, frames):
    """What one process says, which is over before a cluster begins: both would take the memory."""
    command = [sys.executable, "-m", "cli", "analyze", *map(str, paths), "--json", "-"]
    command += ["--frames", str(frames), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(paths, found, strict=True))


@pytest.fixture(scope="module")
def alone():
    made = {sample.id: sample.path for sample in samples()}
    return analyzed(*(made[id] for id in ("manipulated", "picture")), frames=8)


@pytest.fixture(scope="module")
def cluster(alone):
    options = ClusterOptions("local", workers=2, cpus=0.5, isolate=True)
    with ClusterAnalyzer(options, device="cpu") as opened:
        opened.warm_up()
        yield opened


@pytest.fixture(scope="module")
def clip():
    from tests.support.clips import face_clip

    return face_clip(2, 320, 240, 25)


def comparable(analysis):
    tree = timeless(analysis)
    # As many pictures as a second and a half is enough for are looked at.
    del tree["provenance"]["repeats"]
    return tree


def ask(member, question):
    import ray

    answer: int = ray.get(member.actor.__ray_call__.remote(question))
    return answer


def pid(member):
    return ask(member, lambda worker: os.getpid())


def running(member):
    return ask(member, lambda worker: len(worker._progress))


def at_work(cluster):
    each = cluster.slots // 2
    return [m for m in cluster._pool._members if m.ready and m.free < each]


def idle(cluster):
    members = cluster._pool._members
    return len(members) == 2 and sum(member.free for member in members) == cluster.slots


def test_the_result_is_the_one_of_one_process(cluster, alone):
    got = at_once(lambda path: cluster.analyze(path, Settings(frames=8)), alone)
    assert len(alone) == 2
    for one, expected in zip(got, alone.values(), strict=True):
        assert comparable(one) == comparable(expected)
        assert one.id == id_of(one.media.sha256, Settings(frames=8))


def test_a_file_that_a_worker_cannot_see_is_sent(cluster, clip, monkeypatch):
    monkeypatch.setattr(worker, "PIECE_BYTES", 10_000)
    assert clip.stat().st_size > 30_000
    with clip.open("rb") as file:  # a path that leads elsewhere in every other process
        sent = cluster.analyze(f"/proc/self/fd/{file.fileno()}", QUICK, name="sent.mp4")
    assert sent.media.name == "sent.mp4"
    seen = cluster.analyze(clip, QUICK, name="sent.mp4")
    assert comparable(sent) == comparable(seen)
    assert not list(Path(tempfile.gettempdir()).glob("unmask-ray-*"))


def test_what_a_killed_worker_left_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen(["true"]) as gone:
        pass
    for name in (f"unmask-ray-{gone.pid}-a", f"unmask-ray-{os.getpid()}-b", "unmask-ray-notes"):
        (tmp_path / name).mkdir()
    worker.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"unmask-ray-{os.getpid()}-b", "unmask-ray-notes",
    }  # fmt: skip


def test_an_error_comes_back_as_it_was_raised(cluster, tmp_path):
    (tmp_path / "text.mp4").write_text("this is not a video")
    for path, code in ((tmp_path / "text.mp4", "unsupported"), (tmp_path / "none", "not_found")):
        with pytest.raises(MediaError) as there:
            cluster.analyze(path)
        with pytest.raises(MediaError) as here:
            media.probe(path)
        assert there.value.code == here.value.code == code
        assert there.value.advice == here.value.advice
    with pytest.raises(UsageError, match="mesonett"):
        cluster.analyze(tmp_path / "text.mp4", Settings(models=["mesonett"]))
    assert idle(cluster)


def test_progress_goes_forward_and_a_cancel_frees_the_worker(cluster):
    from tests.support.clips import face_clip

    clip, cancel = face_clip(20, 320, 240, 25), threading.Event()
    seen: list[Progress] = []

    def observe(progress):
        seen.append(progress)
        if len(seen) > 2:
            cancel.set()

    before = {pid(member) for member in cluster._pool._members}
    with pytest.raises(Canceled):
        cluster.analyze(clip, Settings(frames=200), observe=observe, cancel=cancel)
    fractions = [progress.fraction for progress in seen]
    assert len(seen) > 2 and fractions == sorted(set(fractions)) and fractions[-1] < 1
    assert seen[-1].partial is not None and seen[-1].media is not None
    until(lambda: idle(cluster))
    until(lambda: not any(map(running, cluster._pool._members)))
    assert {pid(member) for member in cluster._pool._members} == before
    with pytest.raises(Canceled):
        cluster.analyze(clip, QUICK, cancel=cancel)  # set already


def test_a_worker_that_is_killed_in_a_batch_loses_and_doubles_nothing(cluster, tmp_path):
    source, out = many(tmp_path / "clips", 16), tmp_path / "out"
    journal, killed = out / "results.jsonl", []
    options = BatchOptions(QUICK, parallel=cluster.slots)
    written: list[str] = []
    with BatchRun(out, options, cluster) as batch:
        ended: list[Any] = []
        entries = read_source(source).entries
        work = threading.Thread(
            target=lambda: ended.append(
                batch.run(entries, lambda tally, entry, error: written.append(entry.name))
            )
        )
        work.start()
        for least in (2, 6):
            until(lambda: len(written) >= least and at_work(cluster))  # noqa: B023
            member = at_work(cluster)[0]
            life = member.life
            killed.append(pid(member))
            os.kill(killed[-1], signal.SIGKILL)
            until(lambda: member.life > life)  # noqa: B023
        work.join(PATIENT)
        (tally,) = ended
    assert len(set(killed)) == 2
    assert (tally.analyzed, tally.found, tally.failed) == (16, 0, 0)
    names = [f"{n:02}.mp4" for n in range(16)]
    assert sorted(written) == names
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    assert sorted(line["file"] for line in lines) == names
    assert len({line["analysis"]["id"] for line in lines}) == 16
    until(lambda: idle(cluster))
    assert not {pid(member) for member in cluster._pool._members} & set(killed)


def test_a_file_that_takes_worker_after_worker_with_it_is_given_up(cluster, monkeypatch):
    from tests.support.clips import face_clip

    monkeypatch.setattr(cluster_analyzer, "MAX_TRIES", 2)
    until(lambda: idle(cluster))
    pids = [pid(member) for member in cluster._pool._members]
    clip, ended = face_clip(20, 320, 240, 25), threading.Event()

    def kill():
        for _ in range(2):
            until(lambda: at_work(cluster))
            (member,) = at_work(cluster)
            os.kill(pids[cluster._pool._members.index(member)], signal.SIGKILL)
            until(lambda: not member.ready)  # noqa: B023
        ended.set()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UnmaskError, match="2 workers of the cluster were lost") as error:
        cluster.analyze(clip, Settings(frames=200))
    assert error.value.code == "worker_lost" and not isinstance(error.value, ClusterError)
    killer.join(PATIENT)
    assert ended.is_set()
    assert cluster.analyze(clip, QUICK).models, "by the first that is back"


def test_a_cluster_of_this_computer_is_reached_from_nowhere_else(cluster):
    import ray

    address = ray.get_runtime_context().gcs_address
    assert address.startswith("127.0.0.1:")
    assert os.environ["RAY_AUTH_MODE"] == "token" and len(os.environ["RAY_AUTH_TOKEN"]) == 64
    found = _listening(_processes(address))
    assert len(found) > 2 and int(address.rpartition(":")[2]) in {port for _, port in found}
    local = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, also within IPv6
    assert {host for host, _ in found} <= local, found


def _processes(address):
    """All processes of this machine that name the cluster's session."""
    import ray

    session = ray._private.worker._global_node.get_session_dir_path().encode()
    pids = [os.getpid()]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if session in command or address.encode() in command or command.startswith(b"ray::"):
            pids.append(int(folder.name))
    return pids


def _listening(pids):
    """Host, as the kernel writes it, and port of what processes listen on."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(link))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            parts = row.split()
            if parts[3] == "0A" and f"socket:[{parts[9]}]" in sockets:
                host, port = parts[1].split(":")
                found.add((host, int(port, 16)))
    return found


def test_another_cluster_or_none_is_said(cluster):
    with pytest.raises(UsageError, match="part of another cluster"):
        connection.join("127.0.0.1:1")
    for address in ("ray://127.0.0.1:10001", "somewhere", "host:0", "http://host:1", ":1"):
        with pytest.raises(UsageError, match="not the address of a Ray cluster"):
            connection.join(address)
    options = ClusterOptions("local", cpus=1e4)
    with pytest.raises(ClusterError, match="no room for a worker of 10000 cores"):
        ClusterAnalyzer(options)
    assert cluster._ray.is_initialized()
