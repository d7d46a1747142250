"""People who look at the app in a browser.

The first one in a test gets the page that was left by those before, with nothing of theirs: the app
is compiled in it, which is half of what a visit costs.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from dashboard import theme
from tests.support.browser import ARTIFACTS, DESKTOP, PATIENT, PICTURES, QUICK, eventually, still
from tests.support.style_sheet import rules

_left: dict[tuple[Browser, bool], Page] = {}
"""The page that somebody has left, by its browser and whether it has a touch screen."""


def rgb(color):
    """A color of the theme, as a browser says it."""
    return "rgb({}, {}, {})".format(*bytes.fromhex(color.removeprefix("#")))


@dataclass
class Visit:
    """One person's page, and what their browser complained about."""

    page: Page
    url: str
    """Of the app"""
    complaints: list[str] = field(default_factory=list)

    def hear(self, message):
        """Note an error."""
        if message.type == "error":
            self.complaints.append(message.text)

    def fail(self, error):
        """Note what no script caught."""
        self.complaints.append(str(error))

    def open(self, path="/", size=DESKTOP, dark=False):
        """Open an address of the app anew, in a window of this size."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        self.page.goto(self.url + path, timeout=QUICK)

    def darken(self):
        """The computer turns dark, and what is open with it; what the server draws in colors of its
        own follows a moment later."""
        self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        expect(self.page.locator(".stApp")).to_have_css("background-color", rgb(theme.DARK.bg))

    def picture(self, name):
        """A screenshot of the whole page, without a bar at its side, where they are wanted."""
        if not PICTURES:
            return
        size = self.page.viewport_size or {"width": DESKTOP[0], "height": DESKTOP[1]}
        self.page.evaluate("document.activeElement?.blur()")
        tall = self.page.evaluate(
            "document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight + 64"
        )
        self.page.set_viewport_size(
            {"width": size["width"], "height": max(size["height"], int(tall))}
        )
        still(self.page)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
        self.page.set_viewport_size(size)

    def assert_fits(self):
        """Nothing reaches over the right edge."""
        eventually(
            lambda: self.page.evaluate(
                "[document.documentElement, document.querySelector('[data-testid=stMain]')]"
                ".map(e => e && [e.scrollWidth, e.clientWidth])"
            ),
            lambda found: all(one and one[0] <= one[1] for one in found),
        )

    def inspect(self, name, *places, size=None):
        """Look for the hooks of these states and for what reaches over the edge, in a window of
        this size, and take a picture."""
        if size:
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.assert_hooks(*places)
        self.assert_fits()
        self.picture(name)

    def assert_hooks(self, *places):
        """What the style sheet hangs on is there, or comes: heatmaps and charts take a while."""
        for rule in rules():
            if rule.where in places:
                self.page.locator(rule.hook).first.wait_for(state="attached", timeout=PATIENT)


Visitor = Callable[..., Visit]
"""visit(path="/", size=DESKTOP, dark=False, touch=False, own=False, locale=None): open the app as a
person whose browser knows nothing of others. Nobody gets a page of one's `own` afterwards, or one
with a `locale`: it is for who leaves scripts or listeners there."""


@contextmanager
def visitors(browser, url):
    """Lets people in; at the end no browser may have complained."""
    contexts: list[BrowserContext] = []
    taken: dict[bool, Page] = {}
    visits: list[Visit] = []

    def go(path="/", size=DESKTOP, dark=False, touch=False, own=False, locale=None):
        if touch not in taken and not own and locale is None:
            page = taken[touch] = _left.pop((browser, touch), None) or _new(browser, touch)
        else:
            page = _new(browser, touch, locale)
            contexts.append(page.context)
        visit = Visit(page, url)
        visits.append(visit)
        page.set_default_timeout(QUICK)
        page.on("pageerror", visit.fail)
        page.on("console", visit.hear)
        visit.open(path, size, dark)
        return visit

    yield go
    for context in contexts:
        context.close()
    for visit in visits:
        visit.page.remove_listener("pageerror", visit.fail)
        visit.page.remove_listener("console", visit.hear)
    for touch, page in taken.items():
        _leave(page, browser, touch)
    complaints = [complaint for visit in visits for complaint in visit.complaints]
    assert not complaints, complaints


def _new(browser, touch, locale=None):
    """A page of somebody whom nobody knows."""
    context = browser.new_context(
        locale=locale,
        is_mobile=touch,
        has_touch=touch,
        reduced_motion="reduce",  # what moves is drawn by the cores that the tests need
        accept_downloads=True,
    )
    return context.new_page()


def _leave(page, browser, touch):
    """Leave a page to the next person, with nothing of the one who used it: what its browser has
    compiled is all that stays, which is half of what a visit costs."""
    try:
        page.evaluate("localStorage.clear(), sessionStorage.clear()")
        page.goto("about:blank")
        page.context.clear_cookies()
        page.context.clear_permissions()
        _left[browser, touch] = page
    except Error:  # it was closed, or hangs
        page.context.close()
