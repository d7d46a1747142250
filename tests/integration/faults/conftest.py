"""Real servers (`unmask serve`) from which a test takes the ground away."""

import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import httpx
import pytest

from tests.support.api import unmask_serve
from tests.support.clips import face_clip
from tests.support.waiting import PATIENT, until

ANSWER_SECONDS = 10.0
"""within which a request has an answer, or a clear sentence, whatever was taken away"""
QUICK = {"models": "texture", "frames": "8"}


@contextmanager
def small_disk(folder, megabytes):
    """Mount a disk of this size, which only root may."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    made = mount and subprocess.run(command, capture_output=True, check=False)
    if not made or made.returncode:
        pytest.skip("this computer lets nobody mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder, leave=0):
    """Fill a disk, up to some free bytes."""
    size = shutil.disk_usage(folder).free - leave
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while size > 0:
                size -= file.write(bytes(min(size, 1 << 20)))
        except OSError:
            pass


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """Networks as they are converted, for all servers of these tests."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(scope="session")
def clip():
    return face_clip(1, 320, 240, 10)


class Server:
    """A running server and a client on this computer."""

    def __init__(self, url, data):
        self.url, self.data = url, data
        self.client = httpx.Client(base_url=url, timeout=PATIENT)

    def request(self, method, path, **options):
        """Send a request; return its answer, which has to come in time."""
        begun = time.monotonic()
        answer = self.client.request(method, path, **options)
        assert time.monotonic() - begun < ANSWER_SECONDS, f"{method} {path}"
        return answer

    def upload(self, clip, name="clip.mp4", **fields):
        files = {"file": (name, clip.read_bytes())}
        return self.request("POST", "/v1/analyses", files=files, data=QUICK | fields)

    def analyzed(self, clip, **fields):
        """Upload a file and wait for its result; its address."""
        answer = self.upload(clip, **fields)
        assert answer.status_code in (200, 202), answer.text
        href = answer.json()["href"]
        until(lambda: self.get(href).json()["state"] not in ("queued", "running"), every=0.1)
        assert self.get(href).json()["state"] == "done", self.get(href).text
        return href

    def get(self, path):
        return self.request("GET", path)

    def goes_on(self):
        """Check that the server answers, and that its log has no traceback of ours."""
        assert self.get("/healthz").status_code == 200

    def uploads(self):
        return sorted(path.name for path in (self.data / "uploads").iterdir())


@pytest.fixture
def serving(converted):
    """Run a server on a data folder."""

    @contextmanager
    def run(data, **variables):
        data.mkdir(parents=True, exist_ok=True)
        own = {"UNMASK_CONVERTED": str(converted), "UNMASK_WARM_UP": "off", **variables}
        with unmask_serve(data, variables=own) as url:
            server = Server(url, data)
            try:
                yield server
            finally:
                server.client.close()

    return run


@pytest.fixture
def server(serving, tmp_path):
    with serving(tmp_path / "data") as server:
        yield server


def clear(answer, *codes):
    """Check that a refusal says in a sentence what is wrong."""
    error = answer.json()
    error = error.get("error", error)
    assert error["message"].endswith(".") and error["code"] in codes, answer.text
    return answer


def children(pid):
    """Return the processes that descend from one, with their command lines."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            found.setdefault(parent, []).append(int(name))
    level, all_of_them = [pid], []
    while level:
        level = [child for parent in level for child in found.get(parent, [])]
        all_of_them += level
    return all_of_them
