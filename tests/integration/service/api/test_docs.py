"""The lines of docs/api.md, run as they stand against `unmask serve` with the real models."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import write_clip
from tests.support.api import unmask_serve
from tests.support.browser import assert_discreet
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PORT = "8502"


@dataclass(frozen=True)
class Shell:
    """A folder with a clip, where `unmask` and the server are as the page says."""

    folder: Path
    port: str
    environment: dict[str, str]

    def run(self, *command):
        run = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def at_its_port(self, text):
        assert PORT in text
        return text.replace(PORT, self.port)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    write_clip(folder / "clip.mp4", seconds=2, size=(640, 360))
    command = folder / "bin" / "unmask"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "UNMASK_DATA": str(folder / "data"),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
    }
    (folder / "data").mkdir()
    with unmask_serve(folder / "data", variables=environment) as url:
        yield Shell(folder, url.rpartition(":")[2], environment)
    text = (folder / "data" / "log").read_text()
    assert "No key is in force" in text
    assert_discreet(text, folder / "data")


def test_the_lines_for_a_shell_work_in_their_order(shell):
    found = [block for block in blocks("sh") if "curl" in block]
    assert len(found) >= 6
    names = {"KEY": shell.run("unmask", "keys", "add", "first").strip()}
    for block in found:
        exports = "".join(f"{name}='{value}'\n" for name, value in names.items())
        said = shell.run("bash", "-c", f"set -euo pipefail\n{exports}{shell.at_its_port(block)}")
        try:
            answer = json.loads(said)
        except ValueError:
            continue
        if isinstance(answer, dict) and "task" in answer:
            names |= {"ID": answer["id"], "TASK": answer["task"]["id"]}
    assert (shell.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (shell.folder / "heatmap.jpg").read_bytes().startswith(b"\xff\xd8")
    until(lambda: all(t == 0 for t in _running(shell.port)), every=0.1)


def _running(port):
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith('unmask_tasks{kind="analysis"')
    ]


def test_the_lines_of_python_work(shell):
    (block,) = blocks("python")
    said = shell.run(sys.executable, "-c", shell.at_its_port(block)).split()
    assert said[0] in ("FAKE", "REAL", "INCONCLUSIVE") and 0 <= float(said[1]) <= 1
