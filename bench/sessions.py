"""Ten people at once, each with a sample, on one server: does it still answer, do pages still come?

    python -m bench.sessions [--people 10]

A real server and real browser tabs, each a session of its own. All open the page at once, then all
press Open on a sample at once. Printed: how long the front page took, how long from the press to
something of the answer, how long to the verdict; and /_stcore/health, asked twenty times a second
all the while. Says the computer's load: beside other work the figures are that work's too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from detector import samples
from tools import chromium

ROOT = Path(__file__).parent.parent
PATIENCE = 300_000  # ms
VERDICT = ".st-key-verdict-fake, .st-key-verdict-real, .st-key-verdict-inc"


def health(url: str, over: threading.Event, took: list[float]) -> None:
    """Ask until it is over."""
    while not over.wait(0.05):
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=30) as answer:
            answer.read()
        took.append(time.perf_counter() - begun)


async def person(browser: Browser, url: str, ready: asyncio.Barrier) -> tuple[float, float, float]:
    """Seconds to the front page, from the press to a first answer, and to the verdict."""
    page = await (await browser.new_context()).new_page()
    await ready.wait()
    begun = time.perf_counter()
    await page.goto(url, timeout=PATIENCE)
    button = page.get_by_role("button", name="Open").first
    await button.wait_for(timeout=PATIENCE)
    front = time.perf_counter() - begun
    await ready.wait()
    begun = time.perf_counter()
    await button.click(timeout=PATIENCE)
    await page.wait_for_url("**a=*", timeout=PATIENCE)
    pressed = time.perf_counter() - begun
    await page.wait_for_selector(VERDICT, timeout=PATIENCE)
    return front, pressed, time.perf_counter() - begun


async def everybody(url: str, people: int) -> list[tuple[float, float, float]]:
    """Let them all come at once."""
    ready = asyncio.Barrier(people)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.find(), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            return await asyncio.gather(*(person(browser, url, ready) for _ in range(people)))
        finally:
            await browser.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=10)
    args = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="unmask-sessions-") as folder:
        os.environ["UNMASK_DATA"] = folder
        samples.make_samples(Path(folder))
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=os.environ | {"STREAMLIT_SERVER_HEADLESS": "true"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.2)
            time.sleep(20)  # the models load
            took: list[float] = []
            over = threading.Event()
            asking = threading.Thread(target=health, args=(url, over, took))
            asking.start()
            times = asyncio.run(everybody(url, args.people))
            over.set()
            asking.join()
        finally:
            server.terminate()
            server.wait(60)
    for name, column in zip(
        ("front page", "answer to the press", "verdict"), zip(*times, strict=True), strict=True
    ):
        print(f"{name}: median {statistics.median(column):.1f} s, slowest {max(column):.1f} s")
    centiles = statistics.quantiles(took, n=100)
    print(
        f"health, {len(took)} answers: median {statistics.median(took) * 1000:.0f} ms, "
        f"99 of 100 under {centiles[98] * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms"
    )
    print(f"load of the computer, 1 and 5 minutes: {os.getloadavg()[:2]}")


if __name__ == "__main__":
    main()
