"""Measure the seconds from the start of the server to the first verdict on a sample, in a browser.

    python -m lab.bench.startup [--runs 3] [--analyses 200]

The install is warm: an earlier start has made the samples and the database, compiled the imports
and converted the networks. Each run has a separate data folder without analyses, which would be
answered from History. The first line of figures is of a start without converted networks; memory is
the server's, without its children: its peak, and its private memory half a minute after the
verdict.

With --analyses: private memory of a process with the library alone after the first analysis of a
sample, after that number, and after four at a time.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import sync_playwright

from detector import Analyzer, samples
from lab.bench import command
from service.records.database import FILE, Database
from tools import programs

ROOT = Path(__file__).parents[2]
PATIENCE = 600_000  # ms
IDLE = 30.0  # s after the verdict


def peak(pid: int) -> float:
    """Return the peak memory of a process, GB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6


def own(pid: int | str = "self") -> float:
    """Return the private dirty memory of a process, GB: pages of mapped networks can be evicted."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("Private_Dirty:")[2].split()[0]) / 1e6


def library(count: int) -> None:
    """Print the private memory of this process after one, `count` and four analyses at a time."""
    with tempfile.TemporaryDirectory() as folder:
        videos = [
            str(one.path) for one in samples.make_samples(Path(folder)) if one.kind == "video"
        ]
        analyzer = Analyzer()
        begun = time.perf_counter()
        analyzer.analyze(videos[0])
        print(f"after 1: {own():.2f} GB, {time.perf_counter() - begun:.1f} s", flush=True)
        for n in range(1, count):
            analyzer.analyze(videos[n % len(videos)])
            if n % 50 == 49:
                print(f"after {n + 1}: {own():.2f} GB", flush=True)
        with ThreadPoolExecutor(4) as four:
            list(four.map(analyzer.analyze, (videos * 8)[:8]))
        print(f"after 8, four at a time: {own():.2f} GB, peak {peak(os.getpid()):.2f} GB")


def once(settings: dict[str, str]) -> dict[str, float]:
    """Return the seconds from the start to each step, and the memory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
        cwd=ROOT,
        env=os.environ | settings | {"STREAMLIT_SERVER_HEADLESS": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    steps: dict[str, float] = {}
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=programs.chromium(), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page()
            while True:
                try:
                    page.goto(f"http://127.0.0.1:{port}")
                    break
                except Exception:
                    if time.perf_counter() - begun > PATIENCE / 1000:
                        raise
                    time.sleep(0.1)
            steps["server answers"] = time.perf_counter() - begun
            page.get_by_role("button", name="Open").first.click(timeout=PATIENCE)
            steps["sample opened"] = time.perf_counter() - begun
            page.wait_for_selector(
                ".st-key-verdict-fake, .st-key-verdict-real, .st-key-verdict-inc", timeout=PATIENCE
            )
            steps["verdict"] = time.perf_counter() - begun
            time.sleep(IDLE)
            steps["own GB"] = own(server.pid)
            browser.close()
        steps["peak GB"] = peak(server.pid)
    finally:
        server.terminate()
        server.wait(20)
    return steps


def main(runs: int = 3, analyses: int = 0) -> None:
    if analyses:
        return library(analyses)
    with tempfile.TemporaryDirectory() as folder:
        made, converted = Path(folder, "made"), f"{folder}/converted"
        samples.make_samples(made)
        Database(made / FILE).close()
        each = []
        for n in range(runs + 1):
            data = str(shutil.copytree(made, f"{folder}/{n}"))
            each.append(once({"UNMASK_DATA": data, "UNMASK_CONVERTED": converted}))
    first, *others = each
    print("first start:    ", ", ".join(f"{step} {value:.1f}" for step, value in first.items()))
    for step in first:
        values = [run[step] for run in others or each]
        print(f"{step:16} {statistics.median(values):5.1f}  ({min(values):.1f}–{max(values):.1f})")


if __name__ == "__main__":
    command(main)
