"""How much the pages jump while they are drawn, in a real browser.

    python -m bench.shifts ADDRESS [FILE] [--phone] [--why]

ADDRESS is that of the app, http://localhost:8501. FILE (else a clip made here) is dropped on the
first screen, watched until its verdict is there, and opened once more as a kept result. Each line
is one of these steps with its cumulative layout shift: the sum over what moved without a person's
doing, in shares of the window (https://web.dev/articles/cls; up to 0.1 is good). `--why` names what
moved. `beside a verdict` is how long something of the running page stood beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.clips import face_clip
from tools import programs

PATIENCE = 240_000  # ms
SETTLED = 3_000
"""ms after which what comes late (fonts, strips, a heatmap) has come."""

WATCH = """
(() => {
  window.shifts = []
  window.beside = {}
  const name = node => {
    const element = node?.nodeType === 1 ? node : node?.parentElement
    if (!element) return 'gone'
    const key = element.closest('[class*="st-key-"]')?.className.match(/st-key-[\\w-]+/)?.[0] ?? ''
    return `${key} ${element.dataset?.testid ?? element.tagName}.${element.className}`.slice(0, 90)
  }
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      if (!entry.hadRecentInput)
        shifts.push({value: entry.value, at: Math.round(entry.startTime),
          moved: entry.sources.map(s => `${name(s.node)} x${Math.round(s.previousRect.x)}` +
            `->${Math.round(s.currentRect.x)} y${Math.round(s.previousRect.y)}` +
            `->${Math.round(s.currentRect.y)} h${Math.round(s.previousRect.height)}` +
            `->${Math.round(s.currentRect.height)}`)})
  }).observe({type: 'layout-shift', buffered: true})
  let last = performance.now()
  const seen = () => {
    const now = performance.now()
    const there = selector => document.querySelector(selector) !== null
    if (there('.um-verdict')) {
      const old = {progress: there('.um-progress'), cancel: there('.st-key-cancel'),
        player: document.querySelectorAll('video').length > 1,
        'no verdict yet': there('.um-state.none')}
      for (const [what, stands] of Object.entries(old))
        if (stands) beside[what] = Math.round((beside[what] ?? 0) + now - last)
    }
    last = now
    requestAnimationFrame(seen)
  }
  requestAnimationFrame(seen)
})()
"""
"""Runs in every page from its first moment on."""

DRAWN = (
    '[data-testid="stApp"][data-test-script-state="notRunning"]'
    '[data-test-connection-state="CONNECTED"]'
)


def watch(page: Page) -> None:
    """Count from the next page that is opened on."""
    page.add_init_script(WATCH)


def shifts(page: Page) -> list[dict[str, Any]]:
    """What moved since the last call, and how far: dicts with `value`, `at` (ms), `moved`."""
    found: list[dict[str, Any]] = page.evaluate("window.shifts.splice(0)")
    return found


def beside(page: Page) -> dict[str, int]:
    """What of a running page stood beside a verdict, and for how long, ms."""
    found: dict[str, int] = page.evaluate("window.beside")
    return found


def drawn(page: Page) -> None:
    """Wait until no run is under way and what comes late has come."""
    page.locator(DRAWN).wait_for()
    page.wait_for_timeout(SETTLED)
    page.locator(DRAWN).wait_for()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--phone", action="store_true", help="390 px wide, else 1440")
    parser.add_argument("--why", action="store_true", help="say what moved")
    args = parser.parse_args()
    file = args.file or face_clip(6, 640, 360, 25)
    size = (390, 844) if args.phone else (1440, 900)

    def say(step: str) -> None:
        found = shifts(page)
        total = sum(shift["value"] for shift in found)
        print(f"{step}: layout shift {total:.3f}", flush=True)
        if args.why:
            for shift in found:
                print(f"  {shift['value']:.3f} at {shift['at']} ms")
                print("".join(f"    {moved}\n" for moved in shift["moved"]), end="")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=programs.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(PATIENCE)
        watch(page)
        page.goto(args.address)
        page.locator('[class*="st-key-card-sample"]').first.wait_for()
        drawn(page)
        say("first page")
        page.locator(".st-key-drop input").set_input_files(file)
        page.locator(".um-progress, .um-verdict").first.wait_for()
        page.wait_for_timeout(1500)
        say("drop")
        page.locator(".um-verdict").wait_for()
        drawn(page)
        say("run and verdict")
        print(f"beside a verdict, ms: {beside(page) or 'nothing'}")
        page.reload()
        page.locator(".um-verdict").wait_for()
        drawn(page)
        say("a kept result")
        browser.close()


if __name__ == "__main__":
    main()
