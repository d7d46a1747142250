"""Pages in Arabic, which is read from right to left."""

import pytest

from service import languages
from tests.support.browser import PHONE, until, wait_drawn, wait_ready, wait_verdict
from tests.support.visits import Visit, Visitor

PAGES = (
    "Analyze", "Live", "Compare", "Evaluate", "Batch", "History", "Cases", "Models", "Settings",
    "Operator",
)  # fmt: skip
_FAULTS = """() => {
  const faults = []
  const name = node => node.className || node.dataset.testid || node.tagName
  for (const card of document.querySelectorAll('[class*="st-key-card"]')) {
    if (card.scrollWidth > card.clientWidth) faults.push(`clipped: ${name(card)}`)
    if (getComputedStyle(card).direction !== 'rtl') faults.push(`from the left: ${name(card)}`)
  }
  for (const text of document.querySelectorAll('[data-testid="stMain"] :is(h1, h2, h3, p, th, td)'))
    if (getComputedStyle(text).textAlign === 'left') faults.push(`on the left: ${name(text)}`)
  return faults
}"""


def look(person: Visit, name: str) -> None:
    """Assert that the page as it is now is laid out from right to left, wide and narrow."""
    root = person.page.locator("html")
    assert (root.get_attribute("lang"), root.get_attribute("dir")) == ("ar", "rtl")
    assert person.page.evaluate(_FAULTS) == []
    person.inspect(f"arabic-{name}")
    wide = person.page.viewport_size
    assert wide is not None
    person.inspect(f"arabic-{name}-phone", size=PHONE)
    closed = person.page.locator('[data-testid="stSidebarNavLink"]:visible')
    assert closed.count() == 0, "the navigation of a phone waits off the page"
    person.page.set_viewport_size(wide)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_read_from_right_to_left(visit: Visitor, page: str) -> None:
    path = {"Analyze": "/", "Operator": "/admin"}.get(page, f"/{page.lower()}")
    person = visit(path, locale="ar")
    title = languages.catalog("ar").gettext(page)
    person.page.get_by_role("link", name=title, exact=True).wait_for()
    wait_drawn(person.page)
    look(person, page)


def test_a_result_is_read_from_right_to_left(visit: Visitor) -> None:
    person = visit(locale="ar")
    page = person.page
    wait_ready(page)
    open_it = page.locator(".st-key-open-speaker button")
    until(open_it.click, page.locator(".um-verdict").wait_for)
    assert languages.catalog("ar").gettext("Probably untouched") in wait_verdict(page)
    look(person, "result")


def test_a_language_is_chosen_in_settings(visit: Visitor) -> None:
    person = visit("/settings", locale="ar")
    page = person.page
    wait_drawn(page)
    page.locator(".st-key-language input").click()
    page.get_by_role("option", name="English", exact=True).click()
    page.get_by_role("heading", name="Settings").wait_for()
    page.wait_for_function("document.documentElement.dir === 'ltr'")
    person.open("/settings")
    page.get_by_role("heading", name="Settings").wait_for()
    page.locator(".st-key-language input").click()
    page.get_by_role("option", name="As the browser").click()
    page.wait_for_function("document.documentElement.dir === 'rtl'")
