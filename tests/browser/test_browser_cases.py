"""A case as a person uses it: opened from History, filled, reviewed and exported."""

import json
import zipfile

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from detector import media
from service.records.cases import first_broken
from tests.support.browser import fill, serve, take, until, wait_drawn
from tests.support.kept import put
from tests.support.result_sample import make_analysis, make_clip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    clip = make_clip(data / "council statement.webm")
    made = make_analysis(clip).model_copy(update={"media": media.probe(clip)})
    put(data, clip, made)
    with serve(data) as started:
        yield started


def write(page, label, text, button, shows):
    def act():
        fill(page.get_by_label(label, exact=True), text)
        page.get_by_role("button", name=button, exact=True).click()

    until(act, lambda: expect(shows).to_be_visible())


def test_a_case_from_history_to_its_export(visit, server, tmp_path):
    person = visit(own=True)
    page = person.page
    zone = {"timezoneId": "Asia/Kathmandu"}
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", zone)
    page.goto(f"{server.url}/history")
    dialog = page.get_by_role("dialog")
    add = page.get_by_role("button", name="Add to a case")
    until(add.click, lambda: expect(dialog).to_be_visible())
    fill(dialog.get_by_label("Title"), "Council statement")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".um-title h1")).to_have_text("Council statement")
    files = page.locator('[class*="st-key-card-case-files"]')
    expect(files).to_contain_text("council statement.webm")
    page.get_by_role("button", name="Remove").click()
    expect(files).not_to_contain_text("council statement.webm")
    until(
        page.get_by_role("button", name="Add from History").click,
        lambda: expect(dialog).to_be_visible(),
    )
    dialog.get_by_role("combobox").fill("council")
    page.get_by_role("option", name="council statement.webm").click()
    dialog.get_by_role("combobox").press("Tab")  # closes the list
    wait_drawn(page)
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(files).to_contain_text("council statement.webm")
    fill(page.get_by_label("Your name", exact=True), "Ada")
    link, note = "https://example.org/post/1", "Brought by mail."
    write(page, "Link", link, "Add link", page.get_by_text(link, exact=True))
    write(page, "Note", note, "Add note", page.get_by_text(note, exact=True))
    wait_drawn(page)
    head = page.locator(".um-title")

    def review():
        # Again where the log has grown meanwhile: its length is in the key of the status.
        page.get_by_text("Reviewed", exact=True).first.click()
        fill(page.get_by_label("Reviewer", exact=True), "Bob")
        page.get_by_role("button", name="Save").click()

    until(review, lambda: expect(head).to_contain_text("reviewed by Bob"))
    person.inspect("case")

    page.get_by_role("button", name="Export").click()
    bag = zipfile.ZipFile(take(page.get_by_role("button", name="ZIP (BagIt)"), tmp_path))
    (log,) = [name for name in bag.namelist() if name.endswith("data/log.jsonl")]
    entries = [json.loads(line) for line in bag.read(log).splitlines()]
    assert first_broken(entries) is None
    assert [entry["action"] for entry in entries][:5] == [
        "created", "file_added", "file_removed", "file_added", "link_added",
    ]  # fmt: skip
    assert entries[4]["actor"] == "Ada (local)"
    pdf = PdfReader(take(page.get_by_role("button", name="PDF: case"), tmp_path))
    first = pdf.pages[0].extract_text()
    assert "Council statement" in first and len(pdf.pages) > 2
    assert all("UTC+05:45" in page.extract_text() for page in pdf.pages[:2])  # the browser's zone
