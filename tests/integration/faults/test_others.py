"""A database that is locked, readers that are killed, clients that read nothing, odd clocks."""

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from service.application import JumpGuard
from tests.integration.faults.conftest import QUICK, children, clear
from tests.support.waiting import PATIENT, until

LOCKED_SECONDS = 30.0


def test_records_that_are_locked_for_half_a_minute(server, clip):
    kept = server.analyzed(clip)
    with closing(sqlite3.connect(server.data / "unmask.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        until_free = time.monotonic() + LOCKED_SECONDS
        seen = set()
        while time.monotonic() < until_free:
            answer = server.upload(clip, frames="9")
            assert answer.status_code != 202, "nothing was stored"
            seen.add(clear(answer, "records_locked").status_code)
            assert server.get(kept).status_code == 200, "what is there can be read"
            server.goes_on()
        other.execute("ROLLBACK")
    assert seen and all(status >= 500 or status == 422 for status in seen)
    server.analyzed(clip, frames="9")
    assert len(server.uploads()) == 2, "nothing is left of those that were refused"


def pid_of(server):
    """The process that listens at the server's port."""
    port = urlsplit(server.url).port
    out = subprocess.run(["pgrep", "-f", f"serve --port {port}"], capture_output=True, text=True)
    return int(out.stdout.split()[0])


@pytest.mark.parametrize("stage", ["arrival", "read", "score"])
def test_a_helper_process_that_is_killed_in_each_stage(server, clip, stage):
    server.analyzed(clip)
    pid = pid_of(server)
    href = server.upload(clip, frames="16").json()["href"]
    if stage != "arrival":
        until(lambda: server.get(href).json()["state"] != "queued", every=0.02)
    if stage == "score":
        until(lambda: server.get(href).json()["task"]["fraction"] > 0.3
              or server.get(href).json()["state"] == "done", every=0.02)  # fmt: skip
    for child in children(pid):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    begun = time.monotonic()
    until(lambda: server.get(href).json()["state"] in ("done", "failed"), every=0.1)
    view = server.get(href).json()
    if view["state"] == "failed":
        assert time.monotonic() - begun < PATIENT and view["error"]["message"].endswith(".")
    server.analyzed(clip, frames="24")
    server.goes_on()


def test_clients_that_stop_reading_hold_nobody_up(server, clip):
    kept = server.analyzed(clip)
    where = urlsplit(server.url)
    stuck = []
    for number in range(60):
        one = socket.create_connection((where.hostname, where.port), timeout=PATIENT)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        path = kept if number % 2 else f"{kept}/report.pdf"
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        stuck.append(one)
    server.goes_on()
    assert server.get(kept).status_code == 200
    server.analyzed(clip, frames="9")
    for one in stuck:
        one.close()
    server.goes_on()


def test_a_client_that_goes_in_the_middle_of_an_upload_leaves_nothing(server, clip):
    where = urlsplit(server.url)
    before = server.uploads()
    with socket.create_connection((where.hostname, where.port), timeout=PATIENT) as one:
        head = (
            f"POST /v1/analyses HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        )
        one.sendall(head.encode() + clip.read_bytes()[:1000])
    server.goes_on()
    assert server.uploads() == before
    server.analyzed(clip)


def test_two_people_at_once_while_one_batch_runs(server, clip):
    """Answers stay quick while work goes on."""
    files = [("files", (f"{n}.mp4", clip.read_bytes() + bytes(n))) for n in range(4)]
    batch = server.request("POST", "/v1/batches", files=files, data=QUICK).json()
    asks = [threading.Thread(target=server.goes_on) for _ in range(8)]
    for ask in asks:
        ask.start()
    for ask in asks:
        ask.join(PATIENT)
    until(lambda: server.get(batch["href"]).json()["done"], every=0.2)
    assert server.get(batch["href"]).json()["counts"] == {"done": 4}


@pytest.mark.parametrize("jump", [-40 * 86400.0, 40 * 86400.0])
def test_a_clock_that_jumps_deletes_nothing_and_stops_nothing(jump):
    wall, steady = [1e9], [0.0]
    clock = JumpGuard(lambda: wall[0], lambda: steady[0])
    assert not clock.jumped()
    wall[0] += jump
    steady[0] += 600
    assert clock.jumped(), "this round deletes nothing"
    wall[0] += 600
    steady[0] += 600
    assert not clock.jumped(), "the next one does again"
