"""Count layout shifts, and what stands beside a verdict, in a real browser.

Cumulative layout shift is the sum over what moved without user input, in shares of the window
(https://web.dev/articles/cls; up to 0.1 is good).
"""

from typing import Any

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


def watch(page):
    """Count from the next page load on."""
    page.add_init_script(WATCH)


def shifts(page):
    """Return the shifts since the last call: dicts with `value`, `at` (ms), `moved`."""
    found: list[dict[str, Any]] = page.evaluate("window.shifts.splice(0)")
    return found


def beside(page):
    """Return what of a running page stood beside a verdict, and for how long, ms."""
    found: dict[str, int] = page.evaluate("window.beside")
    return found
