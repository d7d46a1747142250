"""The History page as a person uses it."""

import re
import urllib.error
import urllib.request
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect
from skimage.data import astronaut

from detector.schema.analysis import Label
from service.context import new_id
from service.records import thumbnails
from service.records.database import FILE
from service.records.model import LOCAL, Confirmed, Record, State
from service.records.sql import open_store
from tests.conftest import write_clip
from tests.support.browser import (
    PATIENT,
    PHONE,
    enter,
    eventually,
    fill,
    open_sample,
    serve,
    take,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.result_sample import make_analysis

NOTE = "Source asked for original"
EARLIER = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a dozen results of earlier days, whose files are gone; two were confirmed."""
    data = tmp_path_factory.mktemp("data")
    store, sample = open_store(data / FILE), make_analysis()
    verdicts = (Label.FAKE, Label.REAL, Label.INCONCLUSIVE)
    for number in range(EARLIER):
        when = datetime.now(UTC) - timedelta(days=1 + number)
        verdict = sample.verdict.model_copy(update={"label": verdicts[number % 3]})
        analysis = sample.model_copy(update={"created": when, "verdict": verdict})
        record = Record(
            id=new_id(), owner=LOCAL, created=when, touched=when, name=f"earlier-{number}.mp4",
            sha256=f"{number:064x}", state=State.DONE, run="before:1",
        )  # fmt: skip
        store.add(record, analysis, thumbnails.small(astronaut()[:288]))
        if number < 2:
            store.change(LOCAL, record.id, confirmed=Confirmed.FAKE)
    store.close()
    with serve(data) as started:
        yield started


def open_history(page):
    until(
        page.get_by_test_id("stHeader").get_by_role("link", name="History").click,
        page.locator(".um-preview h2").wait_for,
    )


def preview(page, name):
    """The record that is shown beside the list."""
    expect(page.locator(".um-preview h2")).to_have_text(name, timeout=PATIENT)


def search(page, words, finds):
    field = page.get_by_placeholder("File name, note, tag or SHA-256")

    until(lambda: enter(field, words), lambda: preview(page, finds))


def close(dialog):
    until(lambda: dialog.page.keyboard.press("Escape"), lambda: expect(dialog).to_be_hidden())


def test_from_a_sample_to_nothing_left_of_it(visit, server, tmp_path):
    person = visit()
    page = person.page
    wait_ready(page)
    open_sample(page, "picture")
    page.locator(".um-verdict").wait_for(timeout=2 * PATIENT)  # the first one loads the models
    verdict = wait_verdict(page)
    name = page.locator(".um-title h1").inner_text()
    id = re.search(r"[?&]a=([\w-]{22})", page.url)

    # Found: the newest, with its picture; the search narrows the list and stands in the address.
    open_history(page)
    preview(page, name)
    expect(page.locator(".um-title")).to_contain_text(re.compile(rf"{EARLIER + 1}\sanalyses"))
    person.inspect("history", "history")
    search(page, "earlier-3", finds="earlier-3.mp4")
    page.wait_for_url(re.compile(r"[?&]q=earlier-3"))
    page.reload()
    preview(page, "earlier-3.mp4")
    search(page, name, finds=name)

    # Written to, and still there after a reload.
    note = page.locator('[class*="st-key-note-"] textarea')
    store = open_store(server.data / FILE)  # another process, while the server runs

    def write():
        note.fill(NOTE)
        note.press("Control+Enter")

    def kept():
        record = store.get(LOCAL, id[1])
        return record.note if record else ""

    until(write, lambda: eventually(kept, NOTE.__eq__))
    until(
        page.locator('[class*="st-key-found-"]').get_by_text("Fake", exact=True).click,
        lambda: expect(page.locator(".um-preview")).to_contain_text("Confirmed fake"),
    )
    page.reload()
    expect(note).to_have_value(NOTE, timeout=PATIENT)

    # Exported.
    wait_drawn(page)
    whole = page.get_by_role("button", name="ZIP, both with pictures")
    until(page.get_by_role("button", name="Export").click, whole.wait_for)
    file = take(whole, tmp_path)
    with zipfile.ZipFile(file) as archive:
        assert NOTE in archive.read("analyses.csv").decode()
        assert len([n for n in archive.namelist() if n.startswith("results/")]) == 1
    close(whole)

    # Shared: a stranger reads it, and finds neither the note nor a way to change anything.
    dialog = page.get_by_role("dialog")
    make = dialog.get_by_role("button", name="Make a link")
    until(page.locator('[class*="st-key-share-"] button').click, make.wait_for)
    code = dialog.locator("code")
    until(make.click, code.wait_for)
    link = code.inner_text().strip()
    person.picture("history-share")
    stranger = visit(link.removeprefix(server.url))
    assert wait_verdict(stranger.page) == verdict
    text = stranger.page.content()
    assert NOTE not in text and id[1] not in text
    for action in ("Compare", "Delete", "Share"):
        expect(stranger.page.get_by_role("button", name=action, exact=True)).to_have_count(0)
    stranger.picture("shared")
    revoke = dialog.get_by_role("button", name="Revoke")
    until(revoke.click, lambda: expect(revoke).to_have_count(0))
    stranger.page.reload()
    stranger.page.locator(".um-state").wait_for(timeout=PATIENT)
    wait_drawn(stranger.page)
    expect(stranger.page.locator(".um-verdict")).to_have_count(0)
    stranger.picture("shared-revoked")
    close(dialog)

    # Deleted: row, media and picture.
    folder = server.data / "uploads" / id[1]
    assert folder.is_dir()
    until(
        page.locator('[class*="st-key-delete-"] button').click,
        lambda: expect(dialog).to_contain_text("This can’t be undone."),
    )
    until(
        dialog.locator(".st-key-deleted button").click,
        lambda: expect(page.locator(".um-said").first).to_contain_text(f"{name} was deleted."),
    )
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    eventually(folder.exists, lambda there: not there)
    until(
        page.get_by_role("button", name="Clear the filters").click,
        lambda: preview(page, "earlier-0.mp4"),
    )
    store.close()


def test_on_a_phone_cards_lead_to_one_record_and_back(visit):
    person = visit("/history", size=PHONE)
    page = person.page
    card = page.locator('[class*="st-key-card-history-"]').first
    card.wait_for(timeout=PATIENT)
    expect(page.locator(".st-key-history-table")).to_be_hidden()
    expect(page.locator(".um-preview")).to_be_hidden()
    person.inspect("history-phone")
    until(
        card.get_by_role("button", name="Show").click,
        lambda: expect(page.locator(".um-preview")).to_be_visible(),
    )
    expect(card).to_be_hidden()
    person.inspect("history-phone-one")
    until(
        page.get_by_role("button", name="All analyses").click, lambda: expect(card).to_be_visible()
    )
    person.open("/history", dark=True)
    page.locator(".um-preview h2").wait_for(timeout=PATIENT)
    wait_drawn(page)
    person.picture("history-dark")


def test_a_folder_becomes_known_footage_and_is_forgotten(visit, tmp_path):
    folder = tmp_path / "press"
    folder.mkdir()
    write_clip(folder / "rally.mp4", seconds=1.0)
    (folder / "broken.mp4").write_bytes(b"no film")
    person = visit("/history?tab=library")
    page = person.page
    field = page.get_by_label("Folder on this computer")
    field.wait_for(timeout=PATIENT)
    expect(page.get_by_role("heading", name="No footage yet")).to_be_visible()
    person.picture("library-empty")

    def add():
        enter(field, str(folder))
        page.get_by_role("button", name="Add the folder").click()

    done = page.get_by_role("button", name="Done")
    until(add, done.wait_for)
    expect(page.get_by_text("1 file added")).to_be_visible()
    until(
        page.get_by_text("1 file not added").click,
        lambda: expect(page.get_by_text("broken.mp4:")).to_be_visible(),
    )
    person.inspect("library")
    until(done.click, lambda: expect(done).to_be_hidden())

    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    card = page.locator('[class*="st-key-card-library-"]').filter(has_text="rally.mp4")
    expect(card).to_be_visible(timeout=PATIENT)
    person.inspect("library-phone")
    dialog = page.get_by_role("dialog")
    remove = dialog.get_by_role("button", name="Remove")
    until(card.get_by_role("button", name="Remove").click, remove.wait_for)
    until(
        remove.click,
        lambda: expect(page.get_by_role("heading", name="No footage yet")).to_be_visible(),
    )
    page.get_by_text("Analyses", exact=True).click()
    page.wait_for_url(lambda url: "tab=" not in url)


def answer(server, key):
    """The status that the API gives to who shows a key."""
    request = urllib.request.Request(
        f"{server.url}/v1/models",
        headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.9"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_operator_sees_counts_and_makes_and_ends_a_key(visit, server):
    person = visit("/admin")
    page = person.page
    page.get_by_text("Tasks now").wait_for(timeout=PATIENT)
    expect(page.get_by_text("2 files that were confirmed")).to_be_visible()
    assert "earlier-" not in page.locator("body").inner_text()
    wait_drawn(page)
    # Who brings a file while new jobs are paused waits, and is told why.
    pause, go = (page.get_by_role("button", name=n) for n in ("Pause new jobs", "Start jobs again"))
    until(pause.click, go.wait_for)
    guest = visit("/")
    wait_ready(guest.page)
    open_sample(guest.page, "picture")
    paused = guest.page.get_by_role("heading", name="Paused by who runs this server")
    paused.wait_for(timeout=PATIENT)
    waiting = page.locator('[class*="st-key-admin-task-"]').filter(has_text="Waiting")
    expect(waiting.first).to_be_visible(timeout=PATIENT)
    expect(waiting.first.get_by_role("button", name="First")).to_be_visible()
    person.picture("admin-paused")
    wait_drawn(page)
    until(go.click, pause.wait_for)
    wait_verdict(guest.page)
    wait_drawn(page)
    dialog = page.get_by_role("dialog")
    until(page.get_by_role("button", name="Make a key").click, dialog.wait_for)
    fill(dialog.get_by_role("textbox", name="Whose, or what for"), "newsroom")
    until(dialog.get_by_role("button", name="Make it").click, dialog.locator("code").wait_for)
    key = dialog.locator("code").inner_text().strip()
    assert re.fullmatch(r"um_[0-9a-f]{12}_[\w-]{32}", key)
    assert answer(server, key) == 200
    done = dialog.get_by_role("button", name="Done")
    until(done.click, lambda: expect(dialog).to_be_hidden())
    row = page.locator('[class*="st-key-admin-key-"]').filter(has_text="newsroom").last
    expect(row).to_contain_text("Active")
    assert key not in page.content()  # it was shown this once
    person.inspect("admin")

    wait_drawn(page)
    withdraw = page.get_by_role("button", name="Withdraw it")
    until(page.get_by_role("button", name="Withdraw").first.click, withdraw.wait_for)
    until(withdraw.click, lambda: expect(dialog).to_be_hidden())
    expect(row).to_contain_text("Withdrawn")
    assert answer(server, key) == 401

    person.open("/admin", size=PHONE)
    page.get_by_text("How often it was right").wait_for(timeout=PATIENT)
    wait_drawn(page)
    person.inspect("admin-phone")
    person.open("/admin", dark=True)
    page.get_by_text("How often it was right").wait_for(timeout=PATIENT)
    wait_drawn(page)
    person.picture("admin-dark")
