"""`unmask batch --ray`: the command, a cluster of its own, and what it says where there is none."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from cluster import connection
from detector.errors import ClusterError
from tests.integration.detector.test_cluster import many
from tests.support.processes import descendants
from tests.support.waiting import until

QUICK = ["--models", "texture", "--frames", "3"]
SMALL = {**os.environ, "UNMASK_RAY_WORKERS": "2", "UNMASK_RAY_CPUS": "0.5"}


def workers(driver):
    found = []
    for pid in descendants(driver):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::ClusterWorker"):
                found.append(pid)
    return found


def test_a_batch_on_a_cluster_of_its_own_outlives_a_worker_and_itself(tmp_path):
    source, out = many(tmp_path / "clips", 12), tmp_path / "out"
    command = [sys.executable, "-m", "cli", "batch", str(source), "--out", str(out), *QUICK]
    journal = out / "results.jsonl"

    def count():
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    process = subprocess.Popen(
        [*command, "--ray", "local"], env=SMALL, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: count() >= 1)
        both = workers(process.pid)
        assert len(both) == 2
        os.kill(both[0], signal.SIGKILL)
        least = count() + 3
        until(lambda: count() >= least)
    finally:
        process.kill()
        told = process.communicate()[1]
    assert "Traceback" not in told and "failed" not in told
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both))  # with its cluster
    kept = [line for line in journal.read_bytes().splitlines(True) if line.endswith(b"\n")]
    assert 4 <= len(kept) <= 12
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{12 - len(kept)} analyzed, {len(kept)} known already" in done.stderr
    assert journal.read_bytes().splitlines(True)[: len(kept)] == kept
    names = sorted(json.loads(line)["file"] for line in journal.read_bytes().splitlines())
    assert names == [f"{n:02}.mp4" for n in range(12)]


@pytest.mark.parametrize("kind", ["closed", "client"])
def test_an_address_where_no_cluster_answers_is_one_sentence(kind, tmp_path):
    source = many(tmp_path / "clips", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address, status, words = {
        "closed": (f"127.0.0.1:{port}", 1, "Connection refused"),
        "client": ("ray://127.0.0.1:10001", 2, "ray start --address=HOST:PORT"),
    }[kind]
    done = subprocess.run(
        [sys.executable, "-m", "cli", "batch", str(source), "--out", str(tmp_path / "out")],
        env={**SMALL, "UNMASK_RAY_ADDRESS": address},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1), done.stderr
    assert done.stderr.startswith("unmask: ") and words in done.stderr
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_who_answers_and_is_no_cluster_is_not_waited_for_long(monkeypatch):
    """Ray's own way in waits for minutes, or ends the process."""
    monkeypatch.setattr(connection, "TRY_SECONDS", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"No Ray cluster answers at {address}"):
            connection.join(address)


def _answer(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
