"""A link on the Analyze and the Batch page: fetched and judged, or refused in words."""

import csv
import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import portrait
from tests.support.browser import (
    DESKTOP,
    PATIENT,
    PHONE,
    enter,
    fill,
    serve,
    take,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.links import PRIVATE, serving, whole


@pytest.fixture(scope="module")
def web():
    with serving(PRIVATE, {"/watch": whole(b"<!doctype html><p>Watch!")}) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory, web):
    data = tmp_path_factory.mktemp("data")
    allowed = {"UNMASK_LINKS": "1", "UNMASK_LINKS_PRIVATE": "1"}
    with serve(data, UNMASK_LINKS_PORTS=str(web.server_port), **allowed) as started:
        yield started


def test_the_field_of_a_link(visit):
    person = visit()
    for dark in (False, True):
        if dark:
            person.open(dark=True)
        wait_ready(person.page)
        for name, (width, height) in (("desktop", DESKTOP), ("phone", PHONE)):
            person.page.set_viewport_size({"width": width, "height": height})
            expect(person.page.get_by_role("textbox", name="Or the address")).to_be_visible()
            person.inspect(f"link-{name}-{'dark' if dark else 'light'}", "everywhere", "empty")


def test_a_link_is_refused_in_words_and_then_judged(visit, server, web):
    picture = next(server.data.glob("samples-*/picture.jpg"))
    web.answers["/someone.jpg"] = whole(picture.read_bytes())
    person = visit()
    page = person.page
    wait_ready(page)
    field = page.get_by_role("textbox", name="Or the address")

    words = page.get_by_text("leads to a page, not to a video")
    until(lambda: enter(field, web.url(PRIVATE, "/watch")), words.wait_for)
    expect(page.get_by_text("No file from this link")).to_be_visible()
    person.inspect("link-refused-desktop")
    until(
        lambda: enter(field, web.url(PRIVATE, "/someone.jpg")),
        lambda: page.wait_for_url(lambda url: "a=" in url),
    )
    wait_verdict(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("someone.jpg", timeout=PATIENT)


def test_links_are_rows_and_one_that_is_refused_says_why(visit, web, tmp_path):
    picture = io.BytesIO()
    Image.fromarray(portrait((400, 400))).save(picture, "JPEG")
    web.answers["/row.jpg"] = whole(picture.getvalue())
    person = visit("/batch")
    page = person.page
    paste = page.get_by_role("button", name="Paste links")
    paste.wait_for(timeout=PATIENT)
    wait_drawn(page)
    dialog = page.get_by_role("dialog")
    until(paste.click, dialog.wait_for)
    urls = [web.url(PRIVATE, "/row.jpg"), web.url(PRIVATE, "/watch?token=1")]
    fill(dialog.get_by_role("textbox"), "\n".join(urls))
    dialog.get_by_role("button", name="Fetch").click()
    page.wait_for_url(re.compile(r"[?&]b=[\w-]{22}"), timeout=PATIENT)
    ended = page.get_by_role("heading", name=re.compile(r"^Done: 2\sfiles"))
    expect(ended).to_be_visible(timeout=2 * PATIENT)
    wait_drawn(page)
    person.inspect("batch-links")
    table = take(page.get_by_role("button", name="CSV"), tmp_path).read_text()
    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(table))}
    assert rows["row.jpg"]["verdict"]
    assert "leads to a page" in rows[urls[1]]["note"]


def test_a_fetch_says_how_far_it_is_and_is_canceled(visit, server, web):
    def slowly(handler):
        handler.begin(Content_Length="9000000")
        handler.wfile.write(b"GIF89a" + bytes(46 * 65_536 - 6))
        handler.wfile.flush()
        while not handler.server.left.wait(0.5):
            handler.wfile.write(b"0")
            handler.wfile.flush()

    web.answers["/slow.gif"] = slowly
    before = set(server.data.glob("uploads/*"))
    person = visit(size=PHONE)
    page = person.page
    wait_ready(page)
    field = page.get_by_role("textbox", name="Or the address")

    url = web.url(PRIVATE, "/slow.gif")
    until(lambda: enter(field, url), page.get_by_text("3.0 MB of 9.0 MB").wait_for)
    person.inspect("link-fetching-phone")
    page.reload()  # it goes on, and nothing of it is on a fresh page
    wait_ready(page)
    until(lambda: enter(field, url), page.get_by_text("of 9.0 MB").wait_for)
    until(page.get_by_role("button", name="Cancel").click, field.wait_for)
    expect(page.get_by_text("No file from this link")).to_have_count(0)
    web.left.set()
    assert set(server.data.glob("uploads/*")) == before
