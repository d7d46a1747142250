"""Strangers at a server: uploads that end in the middle, a thousand of them."""

import gc
import json
import os
import socket
import struct
import sys
import threading
from pathlib import Path

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.support.api import unmask_serve
from tests.support.browser import serve
from tests.support.processes import ROOT, python
from tests.support.strangers import WATCH, Bait, called_home, hostile
from tests.support.tasks import busy
from tests.support.waiting import PATIENT, until

ABORTS = 1000
SMALL = {"frames": "1", "models": "texture"}


def open_files(pid="self"):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid="self"):
    """MiB that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def abort(port, number, line="POST /v1/analyses", more=""):
    """Begin an upload of a megabyte and go, after some of it, in one of four ways."""
    head = (
        f"{line} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 1000000\r\n{more}"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    ).encode()
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    sent = [head[:60], head, head + part, head + part + bytes(30_000)][number % 4]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        if number % 2:  # as a cable that is pulled
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.sendall(sent)


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux says of a process")
def test_a_thousand_uploads_that_end_in_the_middle_leave_nothing(
    application, url, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    port = int(url.rsplit(":", 1)[1])

    def settled(files):
        return open_files() <= files + 3 and not list(application.jobs.uploads.root.iterdir())

    for number in range(100):  # what is imported and remembered once
        abort(port, number)
    gc.collect()
    until(lambda: httpx.get(f"{url}/healthz", timeout=30).status_code == 200)
    files, threads, memory = open_files(), threading.active_count(), resident()
    for number in range(ABORTS):
        abort(port, number)
    until(lambda: settled(files))
    gc.collect()
    # Worker threads are made as they are needed, 40 at most (AnyIO); a leak would be 1,000.
    assert threading.active_count() <= threads + 40
    assert resident() - memory < 40
    assert list(temporary.iterdir()) == []
    assert application.jobs.store.ids("local") == [] and busy(application.jobs) == []
    small = {"file": ("clip.mp4", b"content", "video/mp4")}
    assert httpx.post(f"{url}/v1/analyses", files=small, timeout=PATIENT).status_code == 202


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux says of a process")
def test_uploads_to_a_page_that_end_in_the_middle_leave_nothing(tmp_path):
    """The page's own uploader keeps what it gets in the server's memory."""
    (temporary := tmp_path / "temporary").mkdir()
    (data := tmp_path / "data").mkdir()
    with (
        serve(data, TMPDIR=str(temporary)) as server,
        httpx.Client(base_url=server.url, timeout=PATIENT) as client,
    ):
        client.get("/_stcore/health")
        token = client.cookies["_streamlit_xsrf"]
        cookie, port = f"_streamlit_xsrf={token}", int(server.url.rsplit(":", 1)[1])
        address = f"{server.url.replace('http', 'ws', 1)}/_stcore/stream"
        page = connect(
            address, origin=server.url, additional_headers={"Cookie": cookie}, max_size=None
        )
        with page:
            page.send(BackMsg(rerun_script=ClientState()).SerializeToString())
            said = ForwardMsg()
            while said.WhichOneof("type") != "script_finished":
                said.ParseFromString(bytes(page.recv()))
                if said.WhichOneof("type") == "new_session":
                    path = f"/_stcore/upload_file/{said.new_session.initialize.session_id}"
            more = f"X-Xsrftoken: {token}\r\nCookie: {cookie}\r\n"

            def flood():
                """Return by how much the server grew, MiB."""
                before = resident(server.pid)
                for number in range(ABORTS):
                    abort(port, number, f"PUT {path}/f{number}", more)
                until(lambda: client.get("/_stcore/health").status_code == 200)
                until(lambda: open_files(server.pid) <= files + 3)
                return resident(server.pid) - before

            files = open_files(server.pid)
            # What the server still imports meanwhile, it imports once, and a busy one frees bodies
            # late. They are 7 MiB, so what was kept would show every time.
            until(lambda: flood() < 5)
            assert [file for file in temporary.rglob("*") if file.is_file()] == []
            whole = {"file": ("clip.mp4", b"content", "video/mp4")}
            put = client.put(f"{path}/whole", files=whole, headers={"X-Xsrftoken": token})
            assert put.status_code == 204
    assert "Traceback" not in server.log.read_text()


def test_hostile_files_come_through_the_api_and_nothing_calls_home(tmp_path):
    bait, log, data = Bait(), tmp_path / "watched", tmp_path / "data"
    log.touch()
    files = hostile(tmp_path, bait.port)
    knock = f"import socket; socket.create_connection(('127.0.0.1', {bait.port}))"
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    python("-c", knock, variables={"WATCHED": str(log), "PYTHONPATH": str(tmp_path)}, check=True)
    assert bait.came() == 1 and str(bait.port) in log.read_text(), "both would notice"
    log.write_text("")
    printed: list[str] = []
    variables = {
        "WATCHED": str(log), "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "UNMASK_ADDRESS_FILES_PER_HOUR": "0",
    }  # fmt: skip
    data.mkdir()
    with (
        unmask_serve(data, variables=variables) as url,
        httpx.Client(base_url=url, timeout=PATIENT) as client,
    ):
        for name, content in files.items():
            sent = {"file": (name, content, "application/octet-stream")}
            answer = client.post("/v1/analyses", files=sent, data=SMALL, params={"wait": 60})
            assert answer.status_code in (200, 202, 422), (name, answer.text[:300])
            if answer.status_code == 422:
                error = answer.json()["error"]
                assert error["message"].endswith(".") and "Traceback" not in answer.text, name
                assert error["code"] not in ("internal", "unexpected"), (name, error)
            assert client.get("/healthz").status_code == 200, name
            if answer.status_code == 200 and name in ("titles.png", "long.png"):
                pdf = client.get(f"{answer.json()['href']}/report.pdf")
                assert pdf.content.startswith(b"%PDF") and len(pdf.content) < 5_000_000, name
                printed.append(name)
    assert printed == ["titles.png", "long.png"]
    assert called_home(log, bait) == []
    assert bait.came() == 0
    bait.close()
    said = (data / "log").read_text()
    assert "Traceback" not in said, said[-3000:]


@pytest.mark.parametrize("more", [[], ["--sandbox"]])
def test_hostile_files_come_through_the_command_and_nothing_calls_home(tmp_path, more):
    bait, log, told = Bait(), tmp_path / "watched", tmp_path / "told.json"
    for folder in ("site", "files", "temporary"):
        (tmp_path / folder).mkdir()
    log.touch()
    (tmp_path / "site" / "sitecustomize.py").write_text(WATCH)
    files = hostile(tmp_path, bait.port)
    for name, content in files.items():
        (tmp_path / "files" / name).write_bytes(content)
    command = ["-m", "cli", "analyze", *more, "--frames", "1", "--models", "texture", "--json"]
    variables = {
        "WATCHED": str(log), "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}",
        "TMPDIR": str(tmp_path / "temporary"), "UNMASK_DATA": str(tmp_path / "data"),
    }  # fmt: skip
    paths = [tmp_path / "files" / name for name in files]
    run = python(*command, told, *paths, variables=variables)
    said = run.stdout + run.stderr
    assert run.returncode == 2, said[-3000:]
    assert "Traceback" not in said and "our failure" not in said
    results = json.loads(told.read_text())
    assert len(results) == len(files)
    refused = [one["error"] for one in results if "error" in one]
    assert 15 < len(refused) < len(files)
    assert all(error["message"].endswith(".") for error in refused)
    lines = [line for line in run.stderr.splitlines() if line.startswith("unmask: ")]
    assert len(lines) == len(refused)
    assert called_home(log, bait) == [] and bait.came() == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    bait.close()
