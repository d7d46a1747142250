"""The image of the Dockerfile, built by tests/support/image.py and used as docs/hosting.md says."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from deploy import space
from tests.conftest import camera, write_clip
from tests.support import image
from tests.support.ports import free_port, listening
from tests.support.processes import running

pytestmark = [
    pytest.mark.skipif(not image.possible(), reason="needs Linux, root, mounts and debootstrap"),
    pytest.mark.timeout(540),
]
BASE_SIZE = 150e6
"""Bytes of python:3.11-slim-bookworm, unpacked."""


@pytest.fixture(scope="module")
def place():
    """A folder that another user may enter; those of pytest belong to who runs it."""
    with tempfile.TemporaryDirectory(prefix="unmask-image-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def built(place):
    """The image, built as a Space builds it: from what was pushed to its repository."""
    remote, pushed = place / "space.git", place / "pushed"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    space.main([str(remote), "--push"])
    subprocess.run(["git", "clone", "-q", remote, pushed], check=True)
    stage, left = image.build(place, pushed)
    # All that is not done as Docker does it: no registry of images is asked, and what a port and a
    # volume are made of is chosen when a container starts.
    base = "FROM python:3.11-slim-bookworm"
    assert left == [base, base, "EXPOSE 8501", 'VOLUME ["/data"]']
    return stage


def size(*folders):
    listed = subprocess.run(["du", "-sbc", *folders], capture_output=True, text=True, check=True)
    return int(listed.stdout.splitlines()[-1].split()[0])


def test_the_image_is_small_and_holds_no_tools(built):
    total = size(built.root / "opt/unmask", built.root / "app") + BASE_SIZE
    print(f"{total / 1e9:.2f} GB")
    assert total <= 2.5e9
    packages = {p.name for p in built.root.glob("opt/unmask/lib/python3.11/site-packages/*")}
    assert {"torch", "streamlit", "psycopg", "boto3", "yt_dlp", "published", "s3"} <= packages
    assert not packages & {"uv", "hatchling", "pytest", "ruff", "ray", "nvidia"}
    assert {p.name for p in (built.root / "app").iterdir()} == {
        ".streamlit", "__pycache__", "app.py", "cli", "dashboard", "detector", "LICENSE", "NOTICE",
        "locale", "pages", "service", "weights",
    }  # fmt: skip
    own = [
        p for p in (built.root / "app").rglob("*") if p.lstat().st_uid or p.stat().st_mode & 0o22
    ]
    assert not own, "its code is not its own"


def test_it_starts_and_analyzes_as_an_ordinary_user(built, place, tmp_path):
    """With its files read-only but for /data and /tmp, and without capabilities."""
    port = free_port()
    more = {"STREAMLIT_SERVER_PORT": str(port), "UNMASK_LOCAL": "all"}
    environment = os.environ | {"READ_ONLY": "1"}
    url, log = f"http://127.0.0.1:{port}", place / "log"
    begun = time.monotonic()
    start = built.command(*built.commands["CMD"], **more)
    with running(start, f"{url}/healthz", log, env=environment) as server:
        seconds = time.monotonic() - begun
        print(f"healthy after {seconds:.1f} s")
        assert seconds <= 20
        check = built.command(*built.commands["HEALTHCHECK"], **more)
        subprocess.run(check, env=environment, check=True)
        # To all: what is published of its port decides who gets in.
        assert listening(port) == {"0.0.0.0"}
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "\nUid:\t1000\t1000\t1000\t1000\n" in status
        assert "\nCapBnd:\t0000000000000000\n" in status and "\nNoNewPrivs:\t1\n" in status
        assert "<title>" in httpx.get(url).text
        picture = tmp_path / "picture.png"
        Image.fromarray(camera((320, 240))(0)).save(picture)
        for file in (picture, write_clip(tmp_path / "clip.mp4", seconds=1)):
            answer = httpx.post(
                f"{url}/v1/analyses",
                params={"wait": 200},
                files={"file": (file.name, file.read_bytes())},
                timeout=240,
            )
            assert answer.status_code == 200, answer.text
            assert answer.json()["state"] == "done"
    said = log.read_text()
    assert "Traceback" not in said and "PermissionError" not in said, said


def test_the_command_line_analyzes_inside(built):
    write_clip(built.root / "data" / "clip.mp4", seconds=1)
    words = ["python", "-m", "cli", "analyze", "--sandbox", "/data/clip.mp4", "--json", "-"]
    environment = os.environ | {"READ_ONLY": "1"}
    run = subprocess.run(
        built.command(*words), env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["media"]["name"] == "clip.mp4"
    run = subprocess.run(
        built.command("python", "-m", "cli", "models", "--json"),
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "gend_clip_l14" in {model["id"] for model in json.loads(run.stdout)}
