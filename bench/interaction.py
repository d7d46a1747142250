"""How long an answer to a click takes once a result is there: nothing is scored again.

    python -m bench.interaction ADDRESS [--rounds 10]

ADDRESS is that of a result, http://localhost:8501/?a=... Times are the browser's, from the press of
a key or button to the frame in which the page shows its answer, so they hold what a person waits
for: the script's run, the way there and back, and the drawing. The first use of a control is not
counted.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial

from playwright.sync_api import Page, sync_playwright

from tools import programs

PATIENCE = 120_000  # ms

WATCH = """
selector => {
  const shown = () => [...document.querySelectorAll(selector)].map(e => e.outerHTML).join()
  window.answered = new Promise(resolve => {
    let begun = null, before = shown()
    for (const kind of ['pointerdown', 'keydown'])
      addEventListener(kind, () => { begun ??= performance.now() }, {capture: true, once: true})
    const look = () => {
      if (begun !== null && shown() !== before) resolve(performance.now() - begun)
      else requestAnimationFrame(look)
    }
    look()
  })
}
"""


def measure(page: Page, shows: str, act: Callable[[], None]) -> float:
    """ms from an action's first key or button to the frame in which what `shows` selects is new."""
    page.evaluate(WATCH, shows)
    act()
    return float(page.evaluate("answered"))


def lanes(page: Page, rounds: int) -> list[float]:
    """A click into a lane, until the inspector is at that moment."""
    plot = page.locator('[class*="st-key-lane-"] .js-plotly-plot .nsewdrag').first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    times = []
    for number in range(rounds + 1):
        x = box["x"] + box["width"] * (0.15 + 0.7 * ((number * 7) % (rounds + 1)) / (rounds + 1))
        y = box["y"] + box["height"] / 2
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.wait_for_timeout(300)
        head = ".st-key-card-inspector h2"
        times.append(measure(page, head, partial(page.mouse.click, x, y)))
        page.wait_for_timeout(700)
    return times[1:]


def slider(page: Page, within: str, shows: str, rounds: int) -> list[float]:
    """A step of a slider, until what it decides is drawn again."""
    thumb = page.locator(within).get_by_role("slider").first
    thumb.scroll_into_view_if_needed()
    thumb.focus()
    times = []
    for number in range(rounds + 1):
        key = "Home" if number % 2 == 0 else "End"
        times.append(measure(page, shows, partial(thumb.press, key)))
        page.wait_for_timeout(500)
    return times[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=programs.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(args.address)
        page.locator(".st-key-downloads").wait_for()
        page.locator(".um-cursor-tag").wait_for()
        page.wait_for_timeout(3000)
        _say("Analyze: a click on a lane", lanes(page, args.rounds))
        page.goto(args.address.replace("/?", "/compare?"))
        page.locator(".um-built b").first.wait_for()
        page.wait_for_function(
            "!document.querySelector('.st-key-looked-grid [data-testid=stSkeleton]')"
        )
        page.wait_for_timeout(2000)
        times = slider(page, ".st-key-card-builder", ".um-built b", args.rounds)
        _say("Compare: a weight of the ensemble", times)
        browser.close()


def _say(what: str, times: list[float]) -> None:
    middle, most = statistics.median(times), max(times)
    print(f"{what}: median {middle:.0f} ms, slowest {most:.0f} ms of {len(times)}", flush=True)


if __name__ == "__main__":
    main()
