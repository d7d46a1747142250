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
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from detector import Analyzer, samples
from lab.bench import command
from service.records.database import FILE, Database
from tests.support.browser import chrome, serve

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


def once(data: Path, converted: Path) -> dict[str, float]:
    """Return the seconds from the start to each step, and the memory."""
    with chrome() as browser:
        page, begun = browser.new_page(), time.perf_counter()
        with serve(data, first_start=True, UNMASK_CONVERTED=str(converted)) as server:
            page.goto(server.url, timeout=PATIENCE)
            steps = {"server answers": time.perf_counter() - begun}
            page.get_by_role("button", name="Open").first.click(timeout=PATIENCE)
            steps["sample opened"] = time.perf_counter() - begun
            page.wait_for_selector(
                ".st-key-verdict-fake, .st-key-verdict-real, .st-key-verdict-inc", timeout=PATIENCE
            )
            steps["verdict"] = time.perf_counter() - begun
            time.sleep(IDLE)
            return steps | {"own GB": own(server.pid), "peak GB": peak(server.pid)}


def main(runs: int = 3, analyses: int = 0) -> None:
    if analyses:
        return library(analyses)
    with tempfile.TemporaryDirectory() as folder:
        made, converted = Path(folder, "made"), Path(folder, "converted")
        samples.make_samples(made)
        Database(made / FILE).close()
        each = [
            once(Path(shutil.copytree(made, f"{folder}/{n}")), converted) for n in range(runs + 1)
        ]
    first, *others = each
    print("first start:    ", ", ".join(f"{step} {value:.1f}" for step, value in first.items()))
    print(pd.DataFrame(others or each).agg(["median", "min", "max"]).T.round(1))


if __name__ == "__main__":
    command(main)
