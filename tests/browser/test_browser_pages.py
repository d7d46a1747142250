"""The other pages as a person uses them: Compare, Evaluate, Models and Settings."""

import io
import os
import re
import shutil
import zipfile

import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from safetensors.torch import save

from dashboard import theme
from detector import report
from tests.integration.dashboard.test_evaluate_page import archive, face
from tests.support.browser import (
    ARTIFACTS,
    DESKTOP,
    PATIENT,
    PHONE,
    ROOT,
    TABLET,
    click_plot,
    enter,
    eventually,
    open_sample,
    serve,
    take,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.ports import listening
from tests.support.visits import rgb, visitors

PAGES = (
    "Analyze", "Live", "Compare", "Evaluate", "Batch", "History", "Cases", "Models", "Settings",
)  # fmt: skip


NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
"""Nobody listens there: every download ends like one without a connection."""


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("data"), **NOWHERE) as started:
        yield started


def on_a_phone(person, name):
    """The page as it is now, narrow: nothing reaches over the edge."""
    wide = person.page.viewport_size
    assert wide is not None
    person.inspect(f"{name}-phone", size=PHONE)
    person.page.set_viewport_size(wide)


def press(slider, key):
    slider.scroll_into_view_if_needed()
    slider.focus()
    slider.press(key)


# First in this file: nobody has opened the front page of this server yet.
def test_a_link_straight_to_a_page_has_our_navigation(browser, offline):
    with visitors(browser, offline.url) as visit:
        look_at_the_navigation(visit("/models"))


def look_at_the_navigation(person):
    page = person.page
    for path, there in (
        ("/models", ".um-model"),
        ("/compare", ".st-key-card-bring-a"),
        ("/evaluate", ".st-key-evaluate-files"),
        ("/settings", ".st-key-card-own"),
    ):
        if not page.url.endswith(path):
            page.goto(page.url.rpartition("/")[0] + path, timeout=PATIENT)
        page.locator(there).first.wait_for(timeout=PATIENT)
        bar = page.get_by_test_id("stHeader")
        for name in PAGES:
            expect(bar.get_by_role("link", name=name)).to_be_visible()
        wait_drawn(page)
        expect(page.get_by_test_id("stSidebar")).to_have_count(0)
        person.assert_hooks("everywhere")
        on_a_phone(person, f"{path[1:]}-first")


def test_it_listens_to_this_computer_alone_and_its_owner_is_known_by_either_name(server, visit):
    """Neither name makes a guest of who sits here: a guest is told to ask the administrator."""
    port = int(server.url.rpartition(":")[2])
    assert listening(port) == {"127.0.0.1"}
    page = visit("/settings").page
    assert page.url == f"http://127.0.0.1:{port}/settings"
    for name in ("127.0.0.1", "localhost"):
        if name not in page.url:
            page.goto(f"http://{name}:{port}/settings", timeout=PATIENT)
        page.locator(".st-key-card-own").wait_for(timeout=PATIENT)
        wait_drawn(page)
        assert "administrator" not in page.locator("body").inner_text(), name


def test_the_navigation_shows_where_the_keyboard_is(visit):
    page = visit("/settings").page
    page.locator(".st-key-card-own").wait_for(timeout=PATIENT)
    wait_drawn(page)
    for size, link in ((DESKTOP, "stTopNavLink"), (PHONE, "stSidebarNavLink")):
        if size == PHONE:
            page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            page.get_by_test_id("stExpandSidebarButton").click()
        first = page.get_by_test_id(link).first
        page.keyboard.press("Tab")
        first.focus()
        expect(first).to_have_css("outline-style", "solid")
        expect(first).to_have_css("outline-width", "2px")
        expect(first).to_have_css("outline-color", rgb(theme.LIGHT.accent))


def test_on_a_window_that_is_not_wide_the_last_pages_are_under_more(visit):
    page = visit("/compare", size=(1000, 700)).page
    bar = page.get_by_test_id("stHeader")
    more = bar.get_by_text(re.compile(r"^\d more$"))
    more.wait_for(timeout=PATIENT)
    settings = page.get_by_role("menuitem", name="Settings")
    until(more.click, lambda: expect(settings).to_be_visible())
    items = page.get_by_role("menuitem").all_inner_texts()
    under_more = [text.splitlines()[-1] for text in items]  # after the name of the icon
    assert more.inner_text() == f"{len(under_more)} more"
    titles = [*PAGES, "Operator"]
    assert under_more == titles[-len(under_more) :]
    for title in titles[: -len(under_more)]:
        expect(bar.get_by_role("link", name=title, exact=True)).to_be_visible()
    settings.click()
    page.wait_for_url("**/settings")


NOT_HIGH_ENOUGH = """() => [...document.querySelectorAll(
    '[data-testid=stMainBlockContainer] :is(button, summary)')].filter(e => {
  const box = e.getBoundingClientRect()
  return box.height && box.height < 39.5 && !e.matches('[aria-label^="Help for"]')
    && !e.closest(':is([data-testid=stSelectbox], [data-testid=stNumberInput])')
}).map(e => `${e.innerText || e.ariaLabel} ${e.getBoundingClientRect().height}`)"""
"""Buttons that a finger misses. Of a field the whole is pressed."""


@pytest.mark.parametrize("path", ["", "live", "compare", "evaluate", "history", "models"])
def test_a_finger_finds_its_target_and_nothing_is_cut_off(visit, path):
    """At 390 px; at 200 % zoom of a small window, which has 720; and on a tablet."""
    person = visit(f"/{path}", size=PHONE)
    page = person.page
    if not path:
        wait_ready(page)
        page.locator(".st-key-options summary").click()
    wait_drawn(page)
    eventually(lambda: page.evaluate(NOT_HIGH_ENOUGH), lambda found: not found)
    for width, height in ((720, 450), TABLET):
        page.set_viewport_size({"width": width, "height": height})
        person.assert_fits()


def test_from_a_sample_to_its_report_and_to_compare(visit, tmp_path):
    person, scenes = visit(), []
    page = person.page

    def scene(wait=wait_drawn):
        wait(page)
        scenes.append(Image.open(io.BytesIO(page.screenshot())))

    scene(wait_ready)
    open_sample(page, "two-people")
    scene(lambda page: page.locator(".um-progress").or_(page.locator(".um-verdict")).wait_for())
    wait_verdict(page)
    page.locator(".js-plotly-plot").nth(1).wait_for(timeout=PATIENT)  # a lane for each person
    page.get_by_text("Person A").first.wait_for()
    page.get_by_text("Person B").first.wait_for()
    page.get_by_alt_text("Heatmap").or_(page.get_by_text("what raised")).first.wait_for()
    wait_drawn(page)
    scene()
    click_plot(page.locator(".st-key-lanes .nsewdrag").first, 0.3, lambda: wait_drawn(page))
    for card in ("timeline", "inspector"):
        page.locator(f".st-key-card-{card}").scroll_into_view_if_needed()
        scene()
    film = ARTIFACTS / "analyze.webp"
    scenes[0].save(film, append_images=scenes[1:], save_all=True, duration=4000)
    if os.environ.get("UNMASK_DOCS"):
        shutil.copy(film, ROOT / "docs")
    actions = page.locator(".st-key-title-actions")
    # The running page's row has the same place, and its button goes a moment later.
    expect(actions.get_by_role("button")).to_have_count(5)

    file = take(actions.get_by_role("button", name="Report"), tmp_path)
    assert file.read_bytes().startswith(b"%PDF")
    assert report.verify(file).intact

    until(
        actions.get_by_role("button", name="Compare").click,
        lambda: page.wait_for_url(re.compile(r"/compare\?.*a=")),
    )
    look_at_compare(page)
    person.assert_hooks("everywhere", "compare")

    built = page.locator(".um-built b").first
    before = built.inner_text()
    slider = page.locator(".st-key-card-builder").get_by_role("slider").first
    press(slider, "Home")
    expect(slider).to_have_value("0")
    expect(built).not_to_have_text(before, timeout=PATIENT)

    models = page.locator('[class*="st-key-compare-models"] button')
    one = models.filter(has_text="AI-generated head")  # all are shown, until one is taken away
    until(one.click, lambda: page.wait_for_url(re.compile("[?&]m=")))
    look_at_compare(page)
    later = page.locator('[class*="st-key-looked-go"]').last
    moment = later.inner_text()
    until(later.get_by_role("button").click, lambda: page.wait_for_url(re.compile("[?&]t=")))
    look_at_compare(page)
    person.picture("compare-desktop")
    on_a_phone(person, "compare")

    # The address is all it takes.
    address, models = page.url.removeprefix(person.url), compared(page)
    person.open(address)
    look_at_compare(page)
    expect(page).to_have_url(person.url + address)
    assert compared(page) == models
    marked = page.locator('[class*="st-key-looked-go"] [data-testid="stBaseButton-primary"]')
    # A button with help is there twice, for the mouse and for the finger.
    expect(marked.filter(visible=True)).to_have_text(moment)


def look_at_compare(page):
    """All its cards, down to the pictures that come last."""
    page.locator(".st-key-card-builder .um-built").first.wait_for(timeout=PATIENT)
    page.locator(".st-key-card-lanes .js-plotly-plot").first.wait_for(timeout=PATIENT)
    page.wait_for_function(
        "!document.querySelector('.st-key-looked-grid [data-testid=stSkeleton]')", timeout=PATIENT
    )
    page.wait_for_function(
        "(all => all.length > 1 && all.every(one => one.naturalWidth > 0))"
        "([...document.querySelectorAll('.st-key-looked-grid img')])",
        timeout=PATIENT,
    )
    page.locator(".st-key-card-agree .um-cells .now").first.wait_for(timeout=PATIENT)
    wait_drawn(page)


def compared(page):
    """The models that are compared."""
    return page.locator(".st-key-card-lanes .um-who > b:not(.um-big)").all_inner_texts()


def test_an_evaluation_from_upload_to_its_mistakes(visit, tmp_path):
    # The same pictures under both names: one of each two has to be a mistake.
    files = {
        f"{kind}/{n}.jpg": face(n, smooth=False) for kind in ("real", "fake") for n in range(3)
    }
    person = visit("/evaluate")
    page = person.page
    page.locator(".st-key-evaluate-files input").wait_for(state="attached")
    page.set_input_files(
        ".st-key-evaluate-files input",
        {"name": "set.zip", "mimeType": "application/zip", "buffer": archive(files).getvalue()},
    )
    page.get_by_text("set.zip").wait_for()
    until(
        page.get_by_role("button", name="Evaluate", exact=True).click,
        lambda: page.get_by_test_id("stMetric").first.wait_for(timeout=PATIENT),
    )
    expect(page.locator(".js-plotly-plot")).to_have_count(4, timeout=PATIENT)
    person.assert_hooks("everywhere")

    table = page.locator(".st-key-card-confusion table")
    cut = page.locator(".st-key-evaluate-cut").get_by_role("slider")
    until(lambda: press(cut, "Home"), lambda: expect(table).to_contain_text("3 (100"))
    until(lambda: press(cut, "End"), lambda: expect(table).not_to_contain_text("3 (100"))

    file = take(page.get_by_role("button", name="Export"), tmp_path)
    with zipfile.ZipFile(file) as made:
        assert {"report.json", "scores.csv"} <= set(made.namelist())

    person.picture("evaluate-desktop")
    on_a_phone(person, "evaluate")
    wrong = page.locator(".st-key-card-mistakes b")
    expect(wrong).to_have_count(3)
    until(
        page.get_by_role("button", name="Look at it").first.click,
        lambda: page.wait_for_url(re.compile(r"/\?a=")),
    )
    wait_verdict(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"\.jpg$"))


@pytest.mark.shared
def test_without_a_connection_a_card_stays_calm(browser, offline, shared):
    said = "No connection. Put the file in the weights folder; Check all files will find it."
    with visitors(browser, offline.url) as visit:
        person = visit("/models")
        page = person.page
        field = page.locator(".st-key-models-find input")

        card = page.locator(".st-key-card-model-meso4-df")
        get = page.locator(".st-key-get-meso4-df button")
        until(lambda: enter(field, "meso4-df"), get.wait_for)
        until(get.click, lambda: card.get_by_text(said).wait_for(timeout=PATIENT))
        expect(card.locator(".um-chip").first).to_contain_text("Not downloaded")
        expect(page.get_by_text("Can’t be used")).to_have_count(0)
        expect(page.get_by_text(re.compile("rrno|https://"))).to_have_count(0)
        for width in (1440, PHONE[0]):
            page.set_viewport_size({"width": width, "height": 900})
            wait_drawn(page)
            outer, inner = card.bounding_box(), card.get_by_text(said).bounding_box()
            assert outer and inner
            assert outer["x"] <= inner["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
            person.assert_fits()
        # What the sentence promises: under the name that a browser gave it.
        weights = offline.data / "weights"
        shutil.copy(shared / "weights" / "mesonet" / "Meso4_DF.h5", weights / "Meso4_DF (1).h5")
        found = page.get_by_text("Found in the weights folder: Meso4 (Deepfakes).")
        until(page.get_by_role("button", name="Check all files").click, found.wait_for)
        expect(card.locator(".um-chip").first).to_contain_text("Ready")
        assert "Connection refused" in offline.log.read_text()


def test_models_are_found_read_and_a_misfit_is_refused_in_words(visit):
    person = visit("/models")
    page = person.page
    cards = page.locator(".um-model")
    cards.first.wait_for(timeout=PATIENT)
    person.assert_hooks("everywhere", "models")
    person.picture("models-desktop")
    on_a_phone(person, "models")

    card = page.get_by_role("dialog")
    until(
        page.locator(".st-key-card-model-texture").get_by_role("button", name="Card").click,
        card.get_by_text("Which output means fake").wait_for,
    )
    expect(card.locator("table").first).to_be_visible()
    until(lambda: page.keyboard.press("Escape"), lambda: expect(card).to_have_count(0))

    form = page.get_by_test_id("stPopoverBody")
    until(page.get_by_role("button", name="Add a model").click, form.wait_for)
    misfit = save({"somewhere.weight": torch.zeros(3, 3)})
    form.locator("input[type=file]").set_input_files(
        {"name": "mine.safetensors", "mimeType": "application/octet-stream", "buffer": misfit}
    )
    form.get_by_text("mine.safetensors").wait_for()
    wait_drawn(page)
    form.get_by_role("combobox").first.fill("dfb_meso4inception")
    page.get_by_role("option", name="dfb_meso4inception").first.click()
    refusal = form.get_by_role("alert").filter(has_text="do not fit the network")
    until(
        form.get_by_role("button", name="Check and add").click,
        lambda: refusal.wait_for(timeout=PATIENT),
    )
    expect(refusal).to_contain_text("somewhere.weight")
    until(lambda: page.keyboard.press("Escape"), lambda: expect(form).to_be_hidden())

    field = page.locator(".st-key-models-find input")

    others = cards.filter(has_not_text=re.compile("mesoinception", re.IGNORECASE))
    until(lambda: enter(field, "mesoinception"), lambda: expect(others).to_have_count(0))
    expect(cards).not_to_have_count(0)
