"""The Batch page as a person uses it."""

import csv
import io
import json
import re
import sqlite3
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image
from playwright.sync_api import FilePayload, expect

from dashboard.components.record_cells import ROW
from service.records.database import FILE
from tests.conftest import portrait, write_clip
from tests.support import waiting
from tests.support.browser import PATIENT, PHONE, fill, serve, take, until, wait_drawn
from tests.support.containers import packed
from tests.support.visits import visitors

HEADER = 35
"""px of the table's"""


@dataclass(frozen=True)
class Interrupted:
    """A batch of eight pictures and a text, whose server went before it was done."""

    data: Path
    path: str


@pytest.fixture(scope="module")
def interrupted(browser, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with serve(data, UNMASK_WORKERS="1") as started, visitors(browser, started.url) as visit:
        page = visit("/batch").page
        bring(page, files(8, first=60))
        judged = page.get_by_text(re.compile("^[2-9] of 9 files done"))
        expect(judged).to_be_visible(timeout=2 * PATIENT)
        return Interrupted(data, page.url.removeprefix(started.url))


@pytest.fixture(scope="module")
def server(interrupted):
    with serve(interrupted.data, UNMASK_WORKERS="1") as started:
        yield started


def files(number, first=0):
    """Pictures of a face, each another file (others than those before `first`)."""
    out: list[FilePayload] = []
    for size in range(first, first + number):
        buffer = io.BytesIO()
        Image.fromarray(portrait((400 + 8 * size, 400 + 8 * size))).save(buffer, "JPEG")
        name = f"clip-{size}.jpg"
        out.append({"name": name, "mimeType": "image/jpeg", "buffer": buffer.getvalue()})
    return [*out, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture at all"}]


def bring(page, given):
    drop = page.locator(".st-key-batch-drop input")
    drop.wait_for(state="attached")
    wait_drawn(page)
    drop.set_input_files(given)
    page.wait_for_url(re.compile(r"[?&]b=[\w-]{22}"), timeout=PATIENT)


def done(page, number):
    expect(finished(page, number)).to_be_visible(timeout=2 * PATIENT)


def finished(page, number):
    return page.get_by_role("heading", name=re.compile(rf"^Done: {number}\sfiles"))


def turns(server):
    """How often a file was put first, of the batch where that was most often."""
    with sqlite3.connect(server.data / FILE) as database:
        rows = database.execute("SELECT items FROM api_batches").fetchall()
    return max(item["turn"] for (items,) in rows for item in json.loads(items))


def put_first(act, server):
    """Do something until it has put a file first."""
    before = turns(server)
    until(act, lambda: waiting.until(lambda: turns(server) != before, 0.1, patience=5))


def test_a_batch_outlives_its_server(visit, interrupted):
    """It goes on by itself, once: tests/unit/service/test_batches.py has the second time."""
    done(visit(interrupted.path).page, 9)


def test_a_whole_folder_is_brought_without_what_is_no_media(visit, tmp_path):
    inner = tmp_path / "press" / "monday"
    inner.mkdir(parents=True)
    for payload in files(2, first=40):
        (inner / payload["name"]).write_bytes(payload["buffer"])
    (inner / "notes.txt").write_text("seen at noon")
    (inner.parent / "#recycle").mkdir()
    (inner.parent / "#recycle" / "old.png").write_bytes(files(1, first=50)[0]["buffer"])
    person = visit("/batch")
    page = person.page
    dialog = page.get_by_role("dialog")
    until(page.get_by_role("button", name="A whole folder").click, dialog.wait_for)
    choose = dialog.locator("[data-testid=stFileUploaderDropzone] button")
    choose.wait_for()
    with page.expect_file_chooser(timeout=PATIENT) as chooser:
        choose.click()
    chooser.value.set_files(tmp_path / "press")
    page.wait_for_url(re.compile(r"[?&]b=[\w-]{22}"), timeout=PATIENT)
    done(page, 2)
    counted = "2 files passed over: 1 text, 1 in a recycle bin."
    expect(page.get_by_text(counted).first).to_be_visible(timeout=PATIENT)
    person.picture("batch-passed-over")


def test_from_many_files_to_their_evidence(visit, server, tmp_path):
    person = visit("/batch")
    page = person.page
    bring(page, files(6))
    paused = page.get_by_role("heading", name=re.compile(r"^Paused, \d of 7 done\."))
    until(page.get_by_role("button", name="Pause").click, paused.wait_for)
    expect(finished(page, 7)).to_be_hidden()
    page.reload()  # the address is all it takes
    paused.wait_for(timeout=PATIENT)
    wait_drawn(page)
    table = page.locator(".st-key-batch-table canvas").first
    box = table.bounding_box()
    place = {"x": box["width"] - 45, "y": HEADER + ROW * 3.5}  # a row that waits
    put_first(lambda: table.click(position=place, force=True), server)
    person.picture("batch-paused")
    address = page.url.removeprefix(server.url)
    person.open(address, size=PHONE)
    select = page.locator(".st-key-batch-selecting label")
    select.wait_for(timeout=PATIENT)
    wait_drawn(page)
    cards = page.locator('[class*="st-key-card-batch-"]').filter(has_text="Waiting")
    tick = cards.last.locator('[class*="st-key-batch-tick-"]')
    until(select.click, tick.wait_for)
    wait_drawn(page)
    first = page.get_by_role("button", name="Do it first").first
    until(tick.click, first.wait_for)
    person.picture("batch-phone-paused")
    put_first(first.click, server)
    person.open(address)
    paused.wait_for(timeout=PATIENT)
    wait_drawn(page)
    going = page.get_by_role("button", name="Go on")
    until(going.click, page.get_by_role("button", name="Pause").wait_for)
    done(page, 7)
    expect(page.get_by_role("button", name="Stop here")).to_be_hidden()
    expect(page.get_by_text("1 not read.")).to_be_visible()
    expect(page.locator(".st-key-card-batch-summary")).to_be_hidden()
    person.inspect("batch", "batch")
    rename(page, "Forwards, week 47")

    wait_drawn(page)
    table = take(page.get_by_role("button", name="CSV"), tmp_path).read_text()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sorted(row["file"] for row in rows) == [
        *(f"clip-{n}.jpg" for n in range(6)),
        "notes.txt",
    ]
    lines = take(page.get_by_role("button", name="JSONL"), tmp_path).read_text().splitlines()
    entries = {entry["name"]: entry for entry in map(json.loads, lines)}
    assert entries["clip-0.jpg"]["analysis"] and not entries["clip-0.jpg"]["error"]
    assert not entries["notes.txt"]["analysis"] and entries["notes.txt"]["error"]
    with zipfile.ZipFile(
        take(page.locator(".st-key-batch-zip").get_by_role("button"), tmp_path)
    ) as archive:
        reports = [name for name in archive.namelist() if name.endswith(".pdf")]
        assert len(reports) == 6
        assert all(archive.read(name).startswith(b"%PDF") for name in reports)

    # Only what is asked for is shown; the filter stands until it is changed.
    pills = page.locator(".st-key-batch-toolbar")
    until(
        pills.get_by_test_id("stButtonGroup").locator("button").last.click,
        lambda: expect(page.locator(".um-preview h2")).to_have_text("notes.txt"),
    )
    until(
        pills.get_by_text(re.compile("^All")).click,
        lambda: expect(page.locator(".um-preview h2")).not_to_have_text("notes.txt"),
    )
    wait_drawn(page)
    until(
        page.get_by_role("button", name="Open the evidence").click,
        lambda: page.wait_for_url(re.compile(r"[?&]a=[\w-]{22}")),
    )
    page.locator(".um-verdict, .um-state").first.wait_for(timeout=PATIENT)

    # A phone has cards; the list of earlier batches leads back.
    person.open("/batch", size=PHONE)
    page.get_by_text("Forwards, week 47").wait_for(timeout=PATIENT)
    open_the_last(page)
    expect(page.locator('[class*="st-key-card-batch-"] .um-kept')).to_have_count(7)
    person.inspect("batch-phone")
    ticks = page.locator('[class*="st-key-batch-tick-"]')
    until(select.click, lambda: expect(ticks).to_have_count(7))
    wait_drawn(page)
    chosen = page.get_by_text("1 selected")
    until(ticks.first.click, lambda: expect(chosen).to_be_visible())
    person.inspect("batch-phone-selected")
    person.open("/batch", dark=True)
    open_the_last(page)
    person.picture("batch-dark")


def open_the_last(page):
    last = page.get_by_role("button", name="Open").first
    last.wait_for(timeout=PATIENT)
    wait_drawn(page)
    until(last.click, lambda: expect(finished(page, 7)).to_be_visible())


def rename(page, name):
    wait_drawn(page)
    dialog = page.get_by_role("dialog")
    until(page.get_by_role("button", name="Name it").click, dialog.wait_for)
    fill(dialog.get_by_role("textbox", name="Name"), name)
    until(dialog.get_by_role("button", name="Save").click, lambda: expect(dialog).to_be_hidden())
    expect(page.get_by_text(f"“{name}” · 7 files")).to_be_visible()


def test_archives_and_documents_are_what_is_in_them(visit, server, tmp_path):
    face = [file["buffer"] for file in files(3, first=20)]
    inner = packed(tmp_path / "inner.zip", {"x.jpg": face[0]}).read_bytes()
    # Its first file takes seconds on any computer: nobody is too late to pause.
    long = tmp_path / "long.mp4"
    write_clip(long, seconds=40, fps=1, size=(1280, 720), options={"preset": "ultrafast"})
    content = {"in/long.mp4": long.read_bytes(), "in/a.jpg": face[0], "b.jpg": face[1]}
    content |= {"../c.jpg": face[2], "inner.zip": inner}
    archive = packed(tmp_path / "press.zip", content)
    paper = FPDF()
    paper.add_page()
    paper.add_page()
    paper.image(io.BytesIO(face[2]), w=100)
    paper.image(io.BytesIO(face[1]), w=80)
    paper.output(str(tmp_path / "paper.pdf"))
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(face[0])
    sheet = tmp_path / "labels.csv"
    sheet.write_text(f"path\n{secret}\n")

    person = visit("/batch")
    page = person.page
    bring(page, [archive, tmp_path / "paper.pdf", sheet])
    wait_drawn(page)
    paused = page.get_by_role("heading", name=re.compile(r"^Paused"))
    until(page.get_by_role("button", name="Pause").click, paused.wait_for)
    person.picture("batch-archive-paused")
    going = page.get_by_role("button", name="Go on")
    until(going.click, lambda: expect(going).to_be_hidden())
    done(page, 8)
    known = page.get_by_role("heading", name="1 of 8 was here before.")
    expect(known).to_be_visible()
    wait_drawn(page)
    table = take(page.get_by_role("button", name="CSV"), tmp_path).read_text()
    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(table))}
    assert rows.keys() == {
        "press.zip/in/long.mp4",
        "press.zip/in/a.jpg",
        "press.zip/b.jpg",
        "press.zip/../c.jpg",
        "press.zip/inner.zip",
        "paper.pdf, page 2, picture 1.jpg",
        "paper.pdf, page 2, picture 2.jpg",
        "labels.csv",
    }
    assert "leads out" in rows["press.zip/../c.jpg"]["note"]
    assert "archive in an archive" in rows["press.zip/inner.zip"]["note"]
    assert rows["labels.csv"]["state"] == "failed"
    assert all(rows[name]["verdict"] for name in rows if name.endswith("1.jpg"))
    person.inspect("batch-archive", "batch")
