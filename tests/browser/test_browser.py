"""The dashboard as a person uses it: a real server, a real browser, real files."""

import json
import re
import urllib.error
import urllib.request
from contextlib import closing

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard import theme
from detector.schema.analysis import Analysis
from detector.schema.comparison import ComparisonFinding
from detector.schema.origin import GeneratorMark
from service.records.database import FILE
from service.records.model import LOCAL
from service.records.sql import open_store
from tests.conftest import camera, write_clip
from tests.support import layout_shift
from tests.support.browser import (
    DESKTOP,
    PATIENT,
    PHONE,
    click_plot,
    eventually,
    open_details,
    open_sample,
    serve,
    still,
    take,
    until,
    upload,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.kept import put
from tests.support.samples import samples
from tests.support.visits import rgb
from tests.unit.detector.test_comparison_words import made

LIMIT_MB = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    with serve(data, first_start=True, UNMASK_MAX_UPLOAD_MB=str(LIMIT_MB)) as started:
        yield started


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Eight seconds of two real faces, two pictures each: each is looked at."""
    half = camera((320, 480))

    def two(number):
        return np.hstack([half(number), half(number + 40)[:, ::-1]])

    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "statement.mp4", seconds=8, fps=2, size=(640, 480), picture=two)


def test_first_screen(visit):
    person = visit()
    page = person.page
    look_at_the_first_screen(person, "desktop", theme.LIGHT)
    # The keyboard reaches the upload, and focus is seen.
    wait_drawn(page)
    focused = page.locator("button:focus", has_text="Upload")
    for _ in range(24):
        page.keyboard.press("Tab")
        if focused.count():
            break
    expect(focused).to_have_css("outline", re.compile("solid 2px"))
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    look_at_the_first_screen(person, "phone", theme.LIGHT)
    person.open(dark=True)
    look_at_the_first_screen(person, "desktop-dark", theme.DARK)


def look_at_the_first_screen(person, name, palette):
    wait_ready(person.page)
    expect(person.page).to_have_title("Unmask")
    expect(person.page.get_by_role("heading", level=1)).to_have_count(1)
    expect(person.page.get_by_test_id("stHeaderLogo")).to_be_visible()
    person.inspect(f"empty-{name}", "everywhere", "empty")
    expect(person.page.locator(".stApp")).to_have_css("background-color", rgb(palette.bg))


def test_a_clip_goes_from_upload_to_verdict_and_evidence(visit, server, clip, tmp_path):
    person = visit()
    page = person.page
    wait_ready(page)
    upload(page, clip)
    head = wait_verdict(page)
    assert any(word in head for word in ("Likely", "Probably", "No sign", "Can’t tell"))
    address = page.url.removeprefix(server.url)
    token = address.split("a=")[1]
    store = open_store(server.data / FILE)  # another process, while the server runs
    analysis = store.analysis(LOCAL, token)
    assert analysis is not None and store.thumbnails(LOCAL, [token])[token][:4] == b"RIFF"
    store.close()
    assert analysis.verdict.probability is not None

    page.wait_for_function("document.querySelector('.st-key-player video')?.readyState >= 1")
    plot = page.locator(".st-key-lanes .nsewdrag").first
    plot.wait_for(timeout=PATIENT)
    sought = 0.75 * (analysis.media.duration or 0)
    # A chart that was drawn this very moment may not listen yet.
    click_plot(
        plot,
        0.75,
        lambda: page.wait_for_function(
            "t => Math.abs(document.querySelector('.st-key-player video').currentTime - t) < 1",
            arg=sought,
        ),
    )

    open_details(page)
    file = take(page.get_by_role("button", name="JSON", exact=True), tmp_path)
    taken = Analysis.model_validate(json.loads(file.read_text("utf-8"))["analysis"])
    assert taken.id == analysis.id
    assert (taken.verdict, taken.judged) == (analysis.verdict, analysis.judged)

    media = page.locator("video").first.get_attribute("src") or ""
    assert f"/file/{token}/" in media
    is_handed_out_in_ranges(server, media, clip.read_bytes())

    look_at_the_result(person, "desktop")
    person.open(address, dark=True)
    look_at_the_result(person, "desktop-dark")
    person.open(address, size=PHONE)
    look_at_the_result(person, "phone")


def look_at_the_result(person, name):
    wait_verdict(person.page)
    person.page.locator(".js-plotly-plot").first.wait_for(timeout=PATIENT)
    open_details(person.page)
    person.inspect(f"result-{name}", "everywhere", "result")


def is_handed_out_in_ranges(server, media, data):
    """And only to who was given the pass."""
    token, given = media.rsplit("/", 2)[1:]
    request = urllib.request.Request(media, headers={"Range": "bytes=100-199"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 206
        assert answer.read() == data[100:200]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "video/mp4"
    wrong = [f"file/{token}", f"file/{token}/{'0' * 32}", f"file/{'x' * 22}/{given}"]
    wrong += [f"file/..%2F..%2Fserver.log/{given}", f"shared/{token}", f"shared/{given}"]
    for path in wrong:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{server.url}/{path}")
        assert caught.value.code in (400, 404)


def test_a_verdict_stands_alone_and_nothing_jumps(visit, tmp_path):
    person = visit(own=True)
    page = person.page
    layout_shift.watch(page)
    page.reload()
    wait_ready(page)
    moved = {"first page": _moved(page)}
    upload(page, write_clip(tmp_path / "alone.mp4", seconds=3, fps=8))
    page.locator(".um-progress ol").wait_for(timeout=PATIENT)
    moved["drop"] = _moved(page)
    wait_verdict(page)
    moved["verdict"] = _moved(page)
    assert layout_shift.beside(page) == {}
    page.reload()
    wait_verdict(page)
    page.locator(".js-plotly-plot").first.wait_for(timeout=PATIENT)
    moved["kept result"] = _moved(page)
    assert all(sum(s["value"] for s in found) <= 0.1 for found in moved.values()), moved


def _moved(page):
    wait_drawn(page)
    still(page)
    return layout_shift.shifts(page)


def test_several_files_at_once_get_a_row_each(visit, tmp_path):
    person = visit()
    page = person.page
    wait_ready(page)
    notes = tmp_path / "notes.docx"
    notes.write_bytes(b"PK\x03\x04 a document")
    short = write_clip(tmp_path / "short.mp4", seconds=1, fps=5)
    page.locator(".st-key-drop input").set_input_files([short, notes])
    page.wait_for_url(re.compile(r"batch\?b="))
    rows = page.locator(".st-key-batch-cards .um-kept")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="notes.docx")).to_contain_text("Not taken")


def test_a_file_without_a_face_is_judged_by_its_picture(visit):
    person = visit()
    wait_ready(person.page)
    (without,) = (sample.path for sample in samples() if sample.id == "no-face")
    person.page.locator(".st-key-drop input").set_input_files(without)
    wait_verdict(person.page)
    rows = person.page.locator(".um-questions")
    expect(rows).to_contain_text("AI-generated picture?")
    expect(rows).to_contain_text("Not judged: no face")
    person.picture("no-face-desktop")
    person.inspect("no-face-phone", size=PHONE)


SHOWN = """() => {
  const seen = e => e.checkVisibility({opacityProperty: true, visibilityProperty: true})
                    && e.getBoundingClientRect().width > 1;
  const page = document.querySelector('[data-testid="stMain"]'), words = [];
  const walk = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const of = node.parentElement;
    if (!of.closest(`[data-testid="stIconMaterial"], .um-icon, svg, style, script`)
        && seen(of))
      words.push(...node.data.split(/\\s+/).filter(word => /[\\p{L}\\p{N}]/u.test(word)));
  }
  const controls = [...page.querySelectorAll(
    'button, input, select, textarea, summary, video, a, [role=tab], [role=slider]')];
  return {words, controls: controls.filter(e => seen(e) && !e.disabled
                                     && !e.closest('.st-key-original-lookup'))
                                   .map(e => e.innerText || e.ariaLabel)};
}"""
"""Words and controls that a page shows, without what opens a find of the library."""


@pytest.mark.parametrize("sample", ["manipulated", "picture"])
def test_an_altered_sample_is_called_manipulated(visit, server, sample):
    page = visit().page
    wait_ready(page)
    open_sample(page, sample)
    assert wait_verdict(page).splitlines()[-1] == "Likely manipulated"
    # It is read in ten seconds: everything else opens in Details.
    page.get_by_text("Heatmap options").wait_for(timeout=PATIENT)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)  # the search for the original
    assert_reads_quickly(page)
    if sample == "picture":
        return
    (id,) = re.findall(r"[?&]a=([^&]+)", page.url)
    with closing(open_store(server.data / FILE)) as store:
        analysis = store.analysis(LOCAL, id)
    clip = next(one.path for one in samples() if one.id == sample)
    against = made(ComparisonFinding.FACE_DIFFERS, role_source="unknown")
    with_it = analysis.model_copy(update={"comparison": against})
    page.goto(f"{server.url}/?a={put(server.data, clip, with_it)}")
    wait_verdict(page)
    expect(page.locator(".st-key-card-original")).to_contain_text("Compared with")
    assert_reads_quickly(page)
    assert analysis.provenance is not None
    mark = GeneratorMark(
        name="Gemini", maker="Google", place="bottom right", score=0.95, certain=True
    )
    origin = analysis.provenance.model_copy(update={"marks": [mark], "maker": "Google"})
    with_mark = analysis.model_copy(update={"provenance": origin})
    page.goto(f"{server.url}/?a={put(server.data, clip, with_mark)}")
    assert wait_verdict(page).splitlines()[-1] == "Marked as AI-generated by Gemini"
    assert_reads_quickly(page)


def assert_reads_quickly(page):
    """A result shows few controls and words before Details, on every width."""
    for size in (PHONE, (820, 1180), DESKTOP):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.get_by_text("Heatmap options").wait_for(timeout=PATIENT)
        still(page)
        shown = page.evaluate(SHOWN)
        assert len(shown["controls"]) <= 20, " | ".join(shown["controls"])
        assert len(shown["words"]) <= 280, " ".join(shown["words"])


def test_two_people_at_once_get_their_own_results(visit, tmp_path):
    people = {}
    for name, seconds in (("anna.mp4", 2.2), ("bert.mp4", 2.6)):  # nobody else's
        file = write_clip(tmp_path / name, seconds=seconds, fps=5)
        people[name] = (visit(), file, seconds)
    for person, file, _ in people.values():
        upload(person.page, file)
    for name, (person, _, seconds) in people.items():
        wait_verdict(person.page)
        expect(person.page.get_by_role("heading", level=1)).to_have_text(name)
        expect(person.page.locator(".um-title")).to_contain_text(f"00:0{seconds:.1f}")


def test_a_run_survives_a_reload_and_can_be_canceled(visit, tmp_path):
    # Four faces in 1,500 frames, ten a second: long enough to be looked at and canceled, on a
    # quick computer too.
    face = camera((320, 180))
    long = write_clip(
        tmp_path / "long.mp4",
        seconds=150,
        fps=10,
        size=(640, 360),
        options={"preset": "ultrafast"},
        picture=lambda number: np.tile(face(number), (2, 2, 1)),
    )
    person = visit()
    page = person.page
    wait_ready(page)
    by_rate = page.get_by_role("radio", name="By rate")
    until(page.locator(".st-key-options summary").click, by_rate.wait_for)
    ten = page.get_by_role("radio", name="10", exact=True)
    until(by_rate.click, ten.wait_for)
    until(ten.click, lambda: expect(ten).to_be_checked())
    upload(page, long)
    page.locator(".um-progress ol").wait_for(timeout=PATIENT)
    page.reload()
    page.locator(".um-progress ol").wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("long.mp4")
    page.locator(".um-progress", has_text="of 600").wait_for(timeout=PATIENT)
    expect(page.locator(".um-people li")).to_have_count(4, timeout=PATIENT)
    for name, (width, height) in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size({"width": width, "height": height})
        page.locator(".js-plotly-plot").first.wait_for(timeout=PATIENT)
        expect(page.locator(".st-key-verdict-na-none")).to_contain_text("No verdict yet")
        person.inspect(f"running-{name}", "everywhere", "running")
    canceled = page.get_by_role("heading", name="Canceled")
    until(
        page.get_by_role("button", name="Cancel").click, lambda: canceled.wait_for(timeout=30_000)
    )
    person.picture("canceled-phone")


def test_a_file_over_the_limit_is_refused_in_words(visit, tmp_path):
    person = visit()
    wait_ready(person.page)
    file = tmp_path / "large.mp4"
    with file.open("wb") as out:
        out.truncate((LIMIT_MB + 1) << 20)
    person.page.set_input_files(".st-key-drop input", file)
    person.page.get_by_test_id("stTooltipErrorHoverTarget").wait_for()
    eventually(
        lambda: person.page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stFileUploaderDropzone]'),"
            " '::after').content"
        ),
        lambda said: f"The limit here is {LIMIT_MB} MB" in said,
    )
    person.picture("too-large-desktop")


def test_the_server_asks_nobody_for_its_address(server):
    """Streamlit would: at the start, and for a page whose address it does not know."""
    request = urllib.request.Request(
        f"{server.url}/_stcore/health", headers={"Origin": "http://elsewhere.example"}
    )
    urllib.request.urlopen(request).close()
    assert "external IP" not in server.log.read_text("utf-8")
