"""A suspected copy beside its original, in a real browser: compared, looked at, and stopped."""

import re

import pytest
from playwright.sync_api import expect

from detector import media, report
from tests.support.browser import DESKTOP, PATIENT, PHONE, still, until, wait_drawn
from tests.support.compared import write_pair
from tests.support.kept import put
from tests.support.result_sample import make_analysis


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def ids(server, clips):
    return {
        name: put(
            server.data, path, make_analysis().model_copy(update={"media": media.probe(path)})
        )
        for name, path in clips.items()
    }


def pair(ids, copy, original):
    return f"/compare?a={ids[copy]}&b={ids[original]}"


def look(page):
    expect(page.locator(".st-key-near .um-verdict")).to_be_visible(timeout=PATIENT)
    expect(page.locator(".st-key-near-viewer .stage")).to_be_visible(timeout=PATIENT)


def test_a_changed_face_is_found_and_every_view_shows_it(visit, ids, clips):
    person = visit(pair(ids, "copy", "original"), size=DESKTOP)
    page = person.page
    expect(page.locator(".st-key-card-near-running, .st-key-near")).to_be_visible(timeout=PATIENT)
    look(page)
    assert "we can’t tell which is the original" in page.locator(".um-verdict").first.inner_text()
    expect(page.locator(".um-measured")).to_contain_text("of 255 gray levels apart")
    viewer, chart = page.locator(".st-key-near-viewer"), page.locator(".st-key-near-chart")
    expect(viewer.locator(".copy img")).to_have_attribute("alt", re.compile("^shared.mp4 at"))
    expect(viewer.locator(".original img")).to_have_attribute("alt", re.compile("^press.mp4 at"))
    heat = page.locator(".st-key-near-map img")
    expect(heat).to_have_attribute("alt", re.compile(r"\d+\.\d gray levels inside the face"))
    loaded = "img => img.complete && img.naturalWidth > 100"
    assert heat.evaluate(loaded) and viewer.locator(".copy img").evaluate(loaded)

    # Keys move the edge, and the moment in all parts at once.
    edge = viewer.locator(".handle")
    edge.focus()
    page.keyboard.press("ArrowRight")
    expect(edge).to_have_value("52")
    page.keyboard.press("Home")
    expect(edge).to_have_attribute("aria-valuetext", "0 % shared.mp4")
    # A press moves it to where it is, also where the page reads from right to left.
    stage = viewer.locator(".stage")
    box = stage.bounding_box()
    assert box
    for reads in ("rtl", "ltr"):
        page.evaluate("reads => document.documentElement.dir = reads", reads)
        edge.evaluate("edge => edge.value = 50")
        stage.click(position={"x": box["width"] / 4, "y": box["height"] / 2})
        assert abs(int(edge.input_value()) - 25) < 5
    chart.locator(".over").focus()
    page.keyboard.press("Home")
    first = chart.locator(".tag").inner_text()
    page.keyboard.press("ArrowRight")
    second = chart.locator(".tag").inner_text()
    assert first == "00:00.0" and second != first
    expect(page.locator(".st-key-near-map .at")).to_have_text(second)
    expect(viewer.locator(".at").first).to_contain_text("moment 2 of")
    viewer.locator(".tile:visible").last.click()
    last = page.locator(".st-key-near-map .at").inner_text()
    assert last > second and chart.locator(".tag").inner_text() == last
    for name, mode in (("Side by side", "both"), ("Difference", "difference"), ("Wipe", "wipe")):
        viewer.get_by_role("button", name=name).click()
        expect(viewer.locator(".stage")).to_have_attribute("data-mode", mode)
    expect(viewer.locator(".heat img")).not_to_be_visible()
    person.assert_hooks("everywhere", "comparison")
    person.picture("comparison-desktop")
    with page.expect_download(timeout=PATIENT) as begun:
        page.locator(".st-key-near-report button").click()
    assert begun.value.suggested_filename == "shared-comparison.pdf"
    checked = report.verify(begun.value.path())
    assert checked.intact and checked.seal.original == media.probe(clips["original"]).sha256


def test_a_person_names_the_original_and_takes_it_back(visit, ids):
    """In the order that accused the genuine file."""
    person = visit(pair(ids, "original", "copy"), size=DESKTOP)
    page = person.page
    look(page)
    head = page.locator(".st-key-near .um-verdict")
    expect(head).to_contain_text("we can’t tell which is the original")
    person.assert_fits()
    wait_drawn(page)
    page.get_by_role("button", name="press.mp4 is the original").click()
    expect(head).to_have_text(re.compile("Manipulated copy of press.mp4"), timeout=PATIENT)
    person.open(f"/?a={ids['original']}", size=PHONE)
    expect(page.locator(".um-verdict").first).not_to_contain_text("Manipulated copy")
    person.open(f"/?a={ids['copy']}", size=PHONE)
    expect(page.locator(".um-verdict").first).to_contain_text("Manipulated copy of press.mp4")
    person.open(pair(ids, "original", "copy"), size=PHONE)
    look(page)
    wait_drawn(page)
    page.get_by_role("button", name="I don’t know").click()
    expect(head).to_contain_text("we can’t tell which is the original", timeout=PATIENT)
    person.assert_fits()


def bring(page, key, file):
    """Give a file to one of the two places. Streamlit loses what is brought while it draws anew."""
    wait_drawn(page)
    place = page.locator(f".st-key-{key}")
    until(
        lambda: place.locator("input").set_input_files(file),
        lambda: expect(place).to_contain_text(file.name),
    )


def test_two_files_are_brought_canceled_and_compared(visit, clips):
    """One is a copy that was only written again."""
    person = visit("/compare?w=clips")
    page = person.page
    for key, name in (("bring-first", "again"), ("bring-second", "original")):
        bring(page, key, clips[name])
    begin = page.locator(".st-key-bring-compare button")
    expect(begin).to_be_enabled()
    until(
        lambda: begin.click(),
        lambda: page.wait_for_url(re.compile(r"[?&]b="), timeout=PATIENT, wait_until="commit"),
    )
    running = page.locator(".st-key-card-near-running")
    expect(running.or_(page.locator(".st-key-near")).first).to_be_visible(timeout=PATIENT)
    if running.is_visible():
        running.get_by_role("button", name="Cancel").click()
        ended = page.get_by_text("You stopped it.")
        expect(ended.or_(page.locator(".st-key-near")).first).to_be_visible(timeout=PATIENT)
        if ended.is_visible():
            page.get_by_role("button", name="Compare again").click()
    written_again(page)
    address = page.url.removeprefix(person.url)

    # Motion that is not wanted, as by who comes to these tests, does not blink.
    stage, blink = page.locator(".stage"), page.get_by_role("button", name="Blink")
    blink.click()
    before = stage.get_attribute("class")
    assert still(page)
    assert stage.get_attribute("class") == before
    blink.click()
    assert stage.get_attribute("class") != before

    # On a phone the finding is read before anything else, and nothing is wider than it.
    person.open(address, size=PHONE)
    written_again(page)
    top = page.locator(".st-key-near .um-verdict").bounding_box()
    view = page.locator(".st-key-near-viewer").bounding_box()
    assert top["y"] < view["y"]
    assert page.evaluate("document.body.scrollWidth <= innerWidth")
    person.picture("comparison-phone")
    person.open(address, dark=True)
    written_again(page)
    person.picture("comparison-dark")


def written_again(page):
    look(page)
    expect(page.locator(".um-verdict")).to_contain_text("Both files show the same footage")
    expect(page.locator(".um-limits")).to_contain_text("may be manipulated itself")
