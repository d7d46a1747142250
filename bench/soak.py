"""Whether a server grows: analyses at a steady rate for a long time, on a model that is made up.

    python -m bench.soak [--minutes 120] [--rate 1.0]

A real server of the API in a process of its own, with a real queue, real records under seals and
uploads on the disk; only the network is missing. Each file is new, every tenth result is opened and
deleted, every twentieth reported as PDF. Once a minute: resident memory, threads, open
files, temporary files, uploads, the database's size, and the slowest answer of /healthz. It ends
with what each grew by after the first tenth of the time. Traffic stays on this computer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

SERVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from detector.pipeline import Progress
from detector.schema.analysis import Analysis
from service.api.app import create_app
from service.application import Application

data = Path(sys.argv[1])
sample = Analysis.model_validate_json((data / "sample.json").read_bytes())

class Made:
    def get(self):
        return self
    def warm_up(self):
        pass
    def analyze(self, path, settings=None, /, *, name=None, observe=None, cancel=None):
        observe(Progress("faces", 0.4, {}))
        media = sample.media.model_copy(update={"name": name})
        return sample.model_copy(update={"media": media, "created": datetime.now(UTC)})

app = Application(data, Made())
app.jobs._check = lambda path: None  # the files are none
app.start()
uvicorn.run(create_app(lambda: app), port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def figures(process: int, data: Path, temporary: Path) -> dict[str, float]:
    """What the server holds now."""
    proc = Path(f"/proc/{process}")
    pages = int((proc / "statm").read_text().split()[1])
    return {
        "MiB": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "threads": len(list((proc / "task").iterdir())),
        "files open": len(list((proc / "fd").iterdir())),
        "temporary": sum(1 for _ in temporary.rglob("*")),
        "uploads": sum(1 for _ in (data / "uploads").iterdir()),
        "database, MiB": (data / "unmask.db").stat().st_size / 2**20,
    }


def one(client: httpx.Client, number: int) -> None:
    """One analysis, and now and then what people do with it."""
    file = {"file": (f"clip-{number}.mp4", os.urandom(2000), "video/mp4")}
    answer = client.post("/v1/analyses?wait=30", files=file).raise_for_status().json()
    if number % 20 == 7:
        client.get(f"/v1/analyses/{answer['id']}/report.pdf").raise_for_status()
    if number % 10 == 0:
        client.get(f"/v1/analyses/{answer['id']}").raise_for_status()
        client.delete(f"/v1/analyses/{answer['id']}").raise_for_status()


def main() -> None:
    """Print a line a minute, and what grew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=1.0, help="analyses a second")
    parser.add_argument("--sample", type=Path, required=True, help="a result, as --json writes it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unmask-soak-") as name:
        data, temporary = Path(name) / "data", Path(name) / "tmp"
        data.mkdir()
        temporary.mkdir()
        (data / "sample.json").write_bytes(args.sample.read_bytes())
        port = 20000 + os.getpid() % 20000
        environment = os.environ | {"UNMASK_DATA": str(data), "TMPDIR": str(temporary)}
        environment["UNMASK_REQUESTS_PER_MINUTE"] = "0"
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(data), str(port)], env=environment
        )
        try:
            soak(args.minutes * 60, args.rate, server.pid, f"http://127.0.0.1:{port}", data)
        finally:
            server.terminate()
            server.wait(30)


def soak(seconds: float, rate: float, process: int, url: str, data: Path) -> None:
    """Ask for so long, and print."""
    temporary = data.parent / "tmp"
    slowest = [0.0]
    failed: list[str] = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(600):
            try:
                if client.get("/healthz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        begun, number, looked = time.monotonic(), 0, 0.0
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        while (elapsed := time.monotonic() - begun) < seconds:
            if elapsed >= looked:
                last = figures(process, data, temporary)
                if not first and elapsed > seconds / 10:
                    first = last
                said = "  ".join(f"{name} {value:.0f}" for name, value in last.items())
                print(f"{elapsed / 60:5.1f} min  {number} analyses  {said}  "
                      f"slowest /healthz {slowest[0] * 1000:.0f} ms", flush=True)  # fmt: skip
                slowest[0], looked = 0.0, looked + 60
            begun_one = time.monotonic()
            client.get("/healthz")
            slowest[0] = max(slowest[0], time.monotonic() - begun_one)
            try:
                one(client, number)
            except httpx.HTTPError as error:
                failed.append(str(error)[:100])
            number += 1
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        last = figures(process, data, temporary)
    growth = {name: last[name] - first.get(name, last[name]) for name in last}
    print(
        f"{number} analyses, {len(failed)} failed {failed[:3]}; after the first tenth it grew by:"
    )
    print("  ".join(f"{name} {value:+.1f}" for name, value in growth.items()))
    print(f"load of the computer: {os.getloadavg()}, threads here {threading.active_count()}")


if __name__ == "__main__":
    main()
