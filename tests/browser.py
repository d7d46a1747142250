"""What the browser tests share: the app on a port of its own, a browser, people who look at it."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    sync_playwright,
)

from dashboard import theme
from dashboard.records.sqlite import FILE
from dashboard.theme import Where
from tools import chromium

ROOT = Path(__file__).parents[1]
ARTIFACTS = Path(__file__).parent / "artifacts"
"""Screenshots, to look at."""
DESKTOP, PHONE = (1440, 900), (390, 844)
PATIENT = 120_000
"""ms to wait for what needs a network to run, on a machine that others use as well."""
QUICK = 40_000


@dataclass(frozen=True)
class Server:
    url: str
    data: Path
    log: Path


@contextmanager
def serve(data: Path, **environment: str) -> Iterator[Server]:
    """The app, started the way the README says, on a folder of its own."""
    log = data / "server.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if k != "UNMASK_RETENTION_HOURS"}
    own = {"UNMASK_DATA": str(data), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1", **environment}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=inherited | own,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while not _answers(f"{url}/_stcore/health"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield Server(url, data, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert_discreet(log.read_text(), data)


def assert_discreet(said: str, data: Path) -> None:
    """A log names no file that was brought and no address that opens one."""
    words = {path.name for path in data.glob("uploads/*")}
    if (records := data / FILE).exists():
        with closing(sqlite3.connect(records)) as rows:
            words |= {word for row in rows.execute("SELECT id, name FROM records") for word in row}
    assert not [word for word in words if word in said]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def chrome(*flags: str) -> Iterator[Browser]:
    """A browser, with flags of its own."""
    path = chromium.find()
    assert path, "There is no Chromium: python tools/chromium.py installs one."
    ARTIFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *flags])
        yield opened
        opened.close()


@dataclass
class Visit:
    """One person's page, and what their browser complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note an error. On a link straight to a page Streamlit's own script looks for its server
        below that page first, and the browser mentions that it isn't there."""
        sought = "/_stcore/" in message.location.get("url", "") and "404" in message.text
        if message.type == "error" and not sought:
            self.complaints.append(message.text)

    def picture(self, name: str) -> None:
        """A screenshot of the whole page, without a bar at its side."""
        size = self.page.viewport_size or {"width": DESKTOP[0], "height": DESKTOP[1]}
        self.page.evaluate("document.activeElement?.blur()")
        tall = self.page.evaluate(
            "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight + 64"
        )
        self.page.set_viewport_size(
            {"width": size["width"], "height": max(size["height"], int(tall))}
        )
        self.page.wait_for_timeout(700)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
        self.page.set_viewport_size(size)

    def assert_fits(self) -> None:
        """Nothing reaches over the right edge."""
        wide, room = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room
        inner, outer = self.page.evaluate(
            "(e => [e.scrollWidth, e.clientWidth])(document.querySelector('[data-testid=stMain]'))"
        )
        assert inner <= outer

    def assert_hooks(self, *places: Where) -> None:
        """What the style sheet hangs on is there, or comes: heatmaps and charts take a while."""
        for rule in theme.RULES:
            if rule.where in places:
                self.page.locator(rule.hook).first.wait_for(state="attached")


Visitor = Callable[..., Visit]
"""visit(path="/", size=DESKTOP, dark=False): open the app as a person with a browser of their own.
"""


@contextmanager
def visitors(browser: Browser, url: str) -> Iterator[Visitor]:
    """Lets people in; at the end no browser may have complained."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def go(path: str = "/", size: tuple[int, int] = DESKTOP, dark: bool = False) -> Visit:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        visit = Visit(context.new_page())
        visits.append(visit)
        visit.page.set_default_timeout(QUICK)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("console", lambda message: visit.hear(message))
        visit.page.goto(url + path, timeout=QUICK)
        return visit

    yield go
    for context in contexts:
        context.close()
    assert [complaint for visit in visits for complaint in visit.complaints] == []


def wait_ready(page: Page) -> None:
    """The first screen with its samples."""
    page.locator(".st-key-drop input").wait_for(state="attached")
    page.locator('[class*="st-key-card-sample"]').first.wait_for(timeout=PATIENT)


def take(button: Locator, folder: Path) -> Path:
    """What a button offers to download, in a folder, under the name that it is offered by."""
    page = button.page
    # What a page offers is dropped when it is drawn anew, and a click on it comes to nothing.
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(
        timeout=PATIENT
    )
    with page.expect_download(timeout=PATIENT) as waiting:
        button.click()
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def wait_verdict(page: Page) -> str:
    """The head of the verdict card, once there is one."""
    head = page.locator(".um-verdict")
    head.wait_for(timeout=PATIENT)
    return head.inner_text()
