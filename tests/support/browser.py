"""What the browser tests share: the app on a port of its own, a browser, and how to wait for pages.
Who looks at them is in `tests.support.visits`."""

import os
import re
import socket
import sqlite3
import sys
import time
import warnings
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright, TimeoutError, expect, sync_playwright

from service.records.database import FILE
from tests.support.ports import free_port
from tests.support.processes import ROOT, running
from tests.support.samples import copy_samples
from tools import programs

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
"""What pages were like when a test failed; and screenshots, for whoever wants to look at them."""
PICTURES = not {"UNMASK_PICTURES", "UNMASK_DOCS"}.isdisjoint(os.environ)
"""Whether screenshots are taken: nobody looks at those of most runs, and each takes a second."""
DESKTOP, TABLET, PHONE = (1440, 900), (768, 1024), (390, 844)
PATIENT = 240_000
"""ms to wait for what needs a network to run, on a machine that others use as well."""
QUICK = 60_000
expect.set_options(timeout=QUICK)

_NOT_NEEDED = (
    # Two hidden pages for each window, below an address bar that nobody sees: a quarter of what a
    # visit costs.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # What Playwright turns off by the same flag, of which a browser hears the last alone.
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
"""Features of Chromium's that tests do without"""
_SPARED = (
    f"--disable-features={','.join(_NOT_NEEDED)}",
    # Half-way to a GPU that is not there.
    "--disable-gpu",
    "--disable-software-rasterizer",
)
BRIEF = "--js-flags=--no-opt"
"""For pages that live for seconds: scripts are not compiled twice. With the GPU's a fifth of what a
result costs."""
_browsers: list[Browser] = []
_drivers: list[Playwright] = []
_ports: list[int] = []


@dataclass(frozen=True)
class Server:
    url: str
    data: Path
    log: Path
    pid: int


@contextmanager
def serve(data, *, first_start=False, **environment):
    """The app, started the way the README says, on a folder of its own. It finds its samples made
    and loads models when they are asked for, unless this is to be a `first_start`."""
    if not first_start:
        copy_samples(data)
    log, port = data / "server.log", _port()
    inherited = {k: v for k, v in os.environ.items() if k != "UNMASK_RETENTION_HOURS"}
    ahead = "on" if first_start else "off"
    own = {"UNMASK_DATA": str(data), "UNMASK_WARM_UP": ahead, **environment}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/_stcore/health", log, cwd=ROOT, env=inherited | own) as process:
        yield Server(url, data, log, process.pid)
    assert_discreet(log.read_text(), data)


def _port():
    """A port that nothing listens to: where there was a server before if that can be, since a
    browser that was there has compiled the app."""
    for port in _ports:
        with socket.socket() as free, suppress(OSError):
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            free.bind(("127.0.0.1", port))
            return port
    _ports.append(free_port())
    return _ports[-1]


def assert_discreet(said, data):
    """A log names no file that was brought and no address that opens one."""
    words = {path.name for path in data.glob("uploads/*")}
    if (records := data / FILE).exists():
        with closing(sqlite3.connect(records)) as rows:
            words |= {word for row in rows.execute("SELECT id, name FROM records") for word in row}
    assert not [word for word in words if word in said]


@contextmanager
def chrome(*flags, sound=False):
    """A browser, with flags of its own. With `sound` tabs have one, which nobody hears."""
    path = programs.chromium()
    assert path, "There is no Chromium: python tools/programs.py installs one."
    ARTIFACTS.mkdir(exist_ok=True)
    with driver() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path,
            args=[*_SPARED, *flags],
            ignore_default_args=["--mute-audio"] if sound else None,
            timeout=PATIENT,
        )
        _browsers.append(opened)
        yield opened
        _browsers.remove(opened)
        opened.close()


@contextmanager
def driver():
    """What starts browsers, of which a process can have one."""
    if _drivers:
        yield _drivers[0]
        return
    with sync_playwright() as started:
        _drivers.append(started)
        try:
            yield started
        finally:
            _drivers.clear()


def seen(test):
    """What all open pages show, by their number and address, for whoever reads why a test failed.
    Their pictures and HTML stay in `ARTIFACTS`."""
    pages = [
        page for browser in _browsers for context in browser.contexts for page in context.pages
    ]
    for number, page in enumerate(pages, 1):
        file = ARTIFACTS / f"failed-{re.sub(r'[^a-z0-9]+', '-', test)}-{number}"
        try:
            text = re.sub(r"\n\s*\n", "\n", page.locator("body").inner_text(timeout=QUICK))
            file.with_suffix(".html").write_text(page.content(), "utf-8")
            page.screenshot(path=file.with_suffix(".png"), full_page=True)
        except Exception as error:  # a page that hangs; the test's own failure is what counts
            text = f"It can't be read: {error}"
        yield f"page {number}, {page.url}", text[:2000]


def wait_ready(page):
    """The first screen with its samples."""
    page.locator(".st-key-drop input").wait_for(state="attached")
    page.locator('[class*="st-key-card-sample"]').first.wait_for(timeout=PATIENT)


def open_sample(page, name):
    """Open one of the first screen's samples."""
    card = page.locator(f".st-key-card-sample-{name}")
    until(
        card.get_by_role("button", name="Open").click,
        lambda: page.wait_for_url(re.compile(r"[?&]a=")),
    )


def wait_drawn(page):
    """No run of the page is under way."""
    page.locator(
        '[data-testid="stApp"][data-test-script-state="notRunning"]'
        '[data-test-connection-state="CONNECTED"]'
    ).wait_for(timeout=PATIENT)


def upload(page, file):
    """Drop a file on the first screen and wait for the address of its result."""
    place = page.locator(".st-key-drop input")
    place.wait_for(state="attached")
    until(
        lambda: place.set_input_files(file),
        lambda: page.wait_for_url(re.compile(r"[?&]a="), timeout=PATIENT, wait_until="commit"),
    )


def enter(field, text):
    """Write into a field of a page that is drawn, and press Enter."""
    wait_drawn(field.page)
    field.fill(text)
    field.press("Enter")


def fill(field, text):
    """Write into a field, leave it, and wait until the page was drawn with it."""
    field.fill(text)
    field.blur()
    wait_drawn(field.page)


def wait_verdict(page):
    """The head of the verdict card, once there is one."""
    head = page.locator(".um-verdict")
    head.wait_for(timeout=PATIENT)
    wait_drawn(page)
    return head.inner_text()


def open_details(page):
    """Open what a result shows on demand."""
    if page.locator(".st-key-card-details").count() == 0:
        head = page.locator('[class*="widget-details"] summary')
        until(head.click, page.locator(".st-key-card-details").wait_for)
        wait_drawn(page)


def eventually(read, holds, patience=QUICK):
    """What is read, again and again for `patience` ms, until something holds of it; for what
    `expect` can't see."""
    deadline = time.monotonic() + patience / 1000
    while not holds(value := read()):
        assert time.monotonic() < deadline, f"after {patience / 1000:g} s it is {value!r}"
        time.sleep(0.1)
    return value


_STILL = """most => new Promise(done => {
  const end = quiet => { seen.disconnect(); clearTimeout(timer); clearTimeout(last); done(quiet) }
  const again = () => setTimeout(end, 500, true)
  let timer = again()
  const last = setTimeout(end, most, false)
  const seen = new MutationObserver(() => { clearTimeout(timer); timer = again() })
  seen.observe(document, {attributes: true, characterData: true, childList: true, subtree: true})
})"""


def still(page):
    """Wait until nothing of a page has changed for half a second; whether that came within 10 s."""
    return bool(page.evaluate(_STILL, 10_000))


def until(act, shows):
    """Do something and wait for what it brings, and do it once more where that does not come: what
    is drawn anew at the very moment of a click does not hear it, or is there twice. Doing it twice
    must do no harm."""
    try:
        act()
        shows()
    except (AssertionError, Error) as first:
        with suppress(TimeoutError):  # what it brings was late, and what is acted on has gone
            act()
        shows()
        warnings.warn(f"It was done twice, since at first: {first}", stacklevel=2)


def take(button, folder):
    """What a button offers to download, in a folder, under the name that it is offered by."""
    page = button.page
    for patience in (QUICK, PATIENT):
        # What a page offers is dropped when it is drawn anew, and a click on it comes to nothing.
        wait_drawn(page)
        try:
            with page.expect_download(timeout=patience) as waiting:
                button.click()
            if waiting.value.failure() is None:
                break
        except TimeoutError as error:
            warnings.warn(f"A click brought no file: {error}", stacklevel=2)
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def click_plot(plot, across, shows):
    """Click at half the height of a chart, `across` of its width (0 to 1), until it shows."""

    def click():
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        x, y = box["x"] + across * box["width"], box["y"] + box["height"] / 2
        page.mouse.move(0, 0)
        page.wait_for_function(f"plot => !{hovered}", arg=plot.element_handle())
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.wait_for_function(f"plot => {hovered}", arg=plot.element_handle())
        page.mouse.click(x, y)

    page = plot.page
    # Plotly looks for the point below the mouse at its leisure.
    hovered = "plot.closest('.js-plotly-plot')._hoverdata"
    wait_drawn(page)
    until(click, shows)
