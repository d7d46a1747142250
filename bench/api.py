"""What REST costs over the library, and what a server does when many ask at once.

    python -m bench.api [--seconds 10] [--requests 200] [--runs 3]

One server (`unmask serve`) with the bundled models, one client, both on this computer.

1. A clip analyzed by the library in this process and by the server, in turns; medians, and what
   REST adds: in all, and to the time that the analysis itself took (upload, queue, a look at the
   file when it comes, picture, record, answer). Files are read in confined processes by both, as
   every server does. Each time another number of frames is asked for, so that none is remembered.
   A server asks its library for each file's original when its answer is out: that is waited for,
   and no part of the figures.
2. Many small requests at once, pictures each of its own, sent again when the server is full: none
   may be lost, and its memory is looked at before and after.
3. Answers of /healthz while two clips are analyzed.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from detector import media
from detector.client import UnmaskClient
from detector.pipeline import Analyzer
from detector.schema.analysis import Settings
from tests.conftest import camera, write_clip

ROOT = Path(__file__).resolve().parents[1]
PATIENT = 600.0


@contextmanager
def server(data: Path) -> Iterator[tuple[str, int]]:
    """A server that is ready; its address and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = subprocess.Popen(
        [sys.executable, "-m", "detector", "serve", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "UNMASK_DATA": str(data), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENT
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        yield url, run.pid
    finally:
        run.terminate()
        run.wait(60)


def memory(pid: int) -> float:
    """MB of a process that are in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cost(url: str, clip: Path, runs: int) -> None:
    """Print what an analysis takes by the library and by REST."""
    media.isolate()
    analyzer = Analyzer()
    analyzer.warm_up()
    analyzer.analyze(clip, Settings(frames=30))
    times: dict[str, list[float]] = {"library": [], "REST": []}
    around: list[float] = []
    # One client for all: making one takes 20 ms, which are not the server's.
    with httpx.Client(base_url=url, timeout=PATIENT) as client, clip.open("rb") as file:

        def ask(frames: int) -> httpx.Response:
            file.seek(0)
            return client.post(
                "/v1/analyses?wait=600",
                files={"file": ("clip.mp4", file)},
                data={"frames": str(frames)},
            )

        ask(30)
        for run in range(runs):
            frames = 31 + run
            for way in ("library", "REST") if run % 2 else ("REST", "library"):
                wait_idle(client)
                begun = time.perf_counter()
                if way == "library":
                    analyzer.analyze(clip, Settings(frames=frames))
                else:
                    answer = ask(frames)
                    assert answer.status_code == 200, answer.text
                times[way].append(time.perf_counter() - begun)
                if way == "REST":
                    inside = answer.json()["result"]["timings"]["total"]
                    around.append(times[way][-1] - inside)
    library, rest = (statistics.median(times[way]) for way in ("library", "REST"))
    print(f"around the analysis itself: {1000 * statistics.median(around):.0f} ms")
    print(
        f"one clip: library {library:.2f} s, REST {rest:.2f} s, {100 * (rest / library - 1):+.1f} %"
    )


def wait_idle(client: httpx.Client) -> None:
    """Wait until a server has nothing more to do."""
    busy = re.compile(r"^unmask_tasks\{.*\} [1-9]", re.M)
    while busy.search(client.get("/metrics").text):
        time.sleep(0.2)


def crowd(url: str, pid: int, count: int) -> None:
    """Print what becomes of many requests at once."""
    picture = camera((320, 240))

    def send(number: int) -> str:
        out = io.BytesIO()
        noise = np.random.default_rng(number).integers(0, 3, (240, 320, 3), np.uint8)
        Image.fromarray(np.clip(picture(number) + noise, 0, 255).astype(np.uint8)).save(out, "PNG")
        path = Path(folder) / f"{number}.png"
        path.write_bytes(out.getvalue())
        with UnmaskClient(url, timeout=PATIENT, retries=10_000) as client:
            return client.wait(client.submit(path, models=["texture"]).id).verdict.label

    with tempfile.TemporaryDirectory() as folder:
        send(count)  # what is loaded once is
        before, begun = memory(pid), time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            done = list(pool.map(send, range(count)))
        elapsed, after = time.perf_counter() - begun, memory(pid)
    rate, lost = count / elapsed, count - len(done)
    print(f"{count} at once: {elapsed:.0f} s, {rate:.1f} a second, {lost} lost")
    print(f"memory of the server: {before:.0f} MB before, {after:.0f} MB after")


def health(url: str, clip: Path) -> None:
    """Print how long /healthz takes while two clips are analyzed."""
    with UnmaskClient(url, timeout=PATIENT) as client, httpx.Client(base_url=url) as http:
        sent = [client.submit(clip, frames=frames) for frames in (61, 62)]
        over = threading.Event()

        def wait() -> None:
            for one in sent:
                client.wait(one.id)
            over.set()

        threading.Thread(target=wait).start()
        times = []
        while not over.is_set():
            begun = time.perf_counter()
            assert http.get("/healthz").status_code == 200
            times.append(1000 * (time.perf_counter() - begun))
            time.sleep(0.01)
    p50, p99 = np.percentile(times, [50, 99])
    print(f"/healthz beside two analyses: {len(times)} answers, p50 {p50:.1f} ms, p99 {p99:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["cost", "health", "crowd"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder) / "clip.mp4", seconds=args.seconds, size=(640, 360))
        with server(Path(folder) / "data") as (url, pid):
            if args.only in (None, "cost"):
                cost(url, clip, args.runs)
            if args.only in (None, "health"):
                health(url, clip)
            if args.only in (None, "crowd"):
                crowd(url, pid, args.requests)


if __name__ == "__main__":
    main()
