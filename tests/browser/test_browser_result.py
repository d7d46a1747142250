"""The linked view in a real browser: one moment for player, cursor, strips, boxes and inspector."""

import re
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from skimage.data import astronaut

from dashboard import theme
from detector import media
from detector.presentation import pulls
from detector.provenance import conclude
from detector.schema.origin import GeneratorMark, Provenance
from tests.conftest import write_clip
from tests.support.browser import (
    PATIENT,
    PHONE,
    TABLET,
    click_plot,
    eventually,
    open_details,
    still,
    take,
    until,
    wait_drawn,
)
from tests.support.kept import put
from tests.support.result_sample import (
    DURATION,
    HEIGHT,
    WIDTH,
    make_analysis,
    make_clip,
    make_picture,
)
from tests.support.style_sheet import rules
from tests.support.visits import rgb, visitors

NAME = "council <b>statement</b>.webm"


@dataclass(frozen=True)
class Served:
    """The addresses of four results."""

    video: str
    picture: str
    unplayable: str
    avi: str


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("files"), server.data
    clip = make_clip(folder / "made.webm")
    video = put(data, clip, make_analysis(clip, name=NAME), name=NAME)
    still = folder / "portrait.png"
    Image.fromarray(astronaut()).save(still)
    picture = put(data, still, make_picture())

    # Said to be H.264, so the page tries the player; no browser plays what it is.
    old = _mpeg4(folder / "old.mp4")
    analysis = make_analysis(old, name="old.mp4")
    analysis.media.container, analysis.media.codec = "mp4", "h264"
    unplayable = put(data, old, analysis)

    # A real AVI, with a number of its own in each picture.
    camcorder = _mpeg4(folder / "camcorder.avi")
    analysis = make_analysis(camcorder, name="camcorder.avi")
    about = media.probe(camcorder)
    analysis.media = about.model_copy(update={"duration": analysis.media.duration})
    avi = put(data, camcorder, analysis)

    return Served(*(f"/?a={id}" for id in (video, picture, unplayable, avi)))


def _mpeg4(path):
    """Brighter by three with each of five pictures a second."""

    def brighter(number):
        return np.full((HEIGHT, WIDTH, 3), 3 * number, np.uint8)

    size = (WIDTH, HEIGHT)
    return write_clip(path, seconds=DURATION, fps=5, size=size, codec="mpeg4", picture=brighter)


@pytest.fixture(scope="module")
def person(browser, server, served):
    """One for all tests, in their order."""
    with visitors(browser, server.url) as visit:
        one = visit(served.video)
        yield one
        refused = "Video source error"  # said of the file that no browser plays
        one.complaints = [said for said in one.complaints if refused not in said]


@pytest.fixture
def page(person, served):
    """The clip's page, for one test after another."""
    page = person.page
    if page.url != person.url + served.video:
        person.open(served.video)
    page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
    page.wait_for_function("document.querySelector('.st-key-player video').readyState >= 1")
    page.wait_for_function("document.querySelectorAll('.um-cursor-line').length === 2")
    wait_drawn(page)
    return page


def wait_for_moment(page, time):
    """Player, cursor and inspector are all at a moment."""
    page.wait_for_function(
        "t => Math.abs(document.querySelector('.st-key-player video').currentTime - t) < 0.06",
        arg=time,
    )
    minutes, seconds = divmod(round(time * 10) / 10, 60)
    text = f"{int(minutes):02}:{seconds:04.1f}"
    expect(page.locator(".um-cursor-tag")).to_have_text(text)
    expect(page.locator(".st-key-card-inspector h2").first).to_have_text(f"Frame at {text}")


def click_lane(page, person, time):
    """Click into a person's lane at a time, and everything goes there."""
    plot = page.locator(f".st-key-lane-{person} .js-plotly-plot .nsewdrag")
    click_plot(plot, time / DURATION, lambda: wait_for_moment(page, time))


def click_tile(tile, shows):
    wait_drawn(tile.page)
    until(tile.click, shows)


# These two look at the page as it opens.
def test_every_hook_of_the_style_sheet_is_there(page):
    open_details(page)
    for rule in rules():
        if rule.where == "result":
            page.locator(rule.hook).first.wait_for(state="attached", timeout=PATIENT)


def test_a_start_that_nobody_chose_moves_nothing(page):
    """Streamlit sets a player's start, 0, when it has mounted it."""
    page.reload()
    page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
    page.wait_for_function("document.querySelector('.st-key-player video')?.readyState >= 1")
    head = page.locator(".st-key-card-inspector h2").first
    head.wait_for(timeout=PATIENT)
    before, moment = head.inner_text(), make_analysis().timestamps
    video = "document.querySelector('.st-key-player video')"
    eventually(lambda: page.evaluate(f"{video}.currentTime"), lambda now: now > moment[0])
    at = page.evaluate(f"{video}.currentTime")
    page.evaluate(f"{video}.currentTime = 0")
    eventually(lambda: page.evaluate(f"{video}.currentTime"), lambda now: abs(now - at) < 0.05)
    still(page)
    assert head.inner_text() == before


def test_pausing_tells_the_inspector_and_playing_moves_boxes_without_a_rerun(page):
    head = page.locator(".st-key-card-inspector h2").first
    before = head.inner_text()
    box = page.locator(".um-box").first
    place = box.get_attribute("style")
    # Looked at while it plays, and paused, in one go: nobody knows how far it is after another.
    playing = page.evaluate(
        """() => new Promise(done => {
          const video = document.querySelector('.st-key-player video'), start = video.currentTime;
          const look = () => {
            if (video.currentTime < start + 1.2) return requestAnimationFrame(look);
            done([document.querySelector('.um-box').getAttribute('style'),
                  document.querySelector('.st-key-card-inspector h2').innerText]);
            video.pause();
          };
          video.muted = true;
          video.play().then(look);
        })"""
    )
    assert playing[0] != place and playing[1] == before
    expect(head).not_to_have_text(before)
    eventually(
        lambda: page.evaluate(
            "[document.querySelector('.st-key-player video').currentTime,"
            " document.querySelector('.um-cursor-tag').innerText]"
        ),
        lambda now: abs(now[0] - _seconds(now[1])) < 0.06,
    )


def _seconds(text):
    minutes, seconds = text.split(":")
    return int(minutes) * 60 + float(seconds)


def test_a_click_on_a_lane_moves_everything_and_keeps_the_player(page):
    moments = make_analysis().timestamps
    page.evaluate("document.querySelector('.st-key-player video').dataset.same = 'yes'")
    click_lane(page, "A", moments[20])
    expect(page.locator(".st-key-card-inspector")).to_contain_text("Person A")
    # the same point again, after going elsewhere: plotly reports it as a deselection
    earlier = "document.querySelector('.st-key-player video').currentTime < 5"
    click_tile(page.locator(".tile:visible").nth(13), lambda: page.wait_for_function(earlier))
    click_lane(page, "A", moments[20])
    assert page.evaluate("document.querySelector('.st-key-player video').dataset.same") == "yes"


def test_reasons_peaks_and_table_rows_lead_to_their_moment(page):
    second = pulls.rows(make_analysis())[1]
    assert second.time is not None
    time = second.time
    open_details(page)
    until(
        page.locator(f".st-key-pull-to-{second.id}").get_by_role("button").click,
        lambda: wait_for_moment(page, time),
    )
    wait_drawn(page)
    until(
        page.get_by_role("button", name="Later peak").click,
        lambda: page.wait_for_function(
            "t => document.querySelector('.st-key-player video').currentTime > t + 0.2", arg=time
        ),
    )


def test_tiles_are_named_buttons_that_arrow_keys_walk_through(page):
    group = page.get_by_role("group", name="Person B")
    tiles = group.get_by_role("button")
    expect(tiles).to_have_count(11)
    out, scored = r"^Person B, 00:0\d\.\d.*not in frame$", r"^Person B, 00:\d\d\.\d, score \d+, "
    expect(tiles.nth(0)).to_have_accessible_name(re.compile(out))
    expect(tiles.nth(3)).to_have_accessible_name(re.compile(scored + "likely manipulated$"))
    tiles.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(tiles.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("End")
    expect(tiles.nth(10)).to_be_focused()
    expect(group.locator("img").first).to_be_visible()


# These leave the clip's page.
def test_boxes_stand_on_the_faces_of_a_letterboxed_picture(person, served):
    page = person.page
    person.open(served.picture)
    page.wait_for_function("document.querySelector('.st-key-player img')?.naturalWidth > 0")
    wait_drawn(page)
    box, image = page.locator(".um-box"), page.locator(".st-key-player img")
    x0, y0, x1, _ = make_picture().judged[0].frames[0].box

    def off():
        """px from where the box belongs."""
        inner, outer = box.bounding_box(), image.bounding_box()
        assert inner is not None and outer is not None
        scale = outer["height"] / 512
        left = outer["x"] + (outer["width"] - 512 * scale) / 2
        return max(
            abs(inner["x"] - left - x0 * scale),
            abs(inner["y"] - outer["y"] - y0 * scale),
            abs(inner["width"] - (x1 - x0) * scale),
        )

    box.wait_for(timeout=PATIENT)
    eventually(off, lambda far: far <= 2)
    expect(page.locator(".st-key-card-timeline")).to_have_count(0)


def test_a_file_the_browser_refuses_is_shown_frame_by_frame(person, served):
    page = person.page
    person.open(served.unplayable)
    page.locator(".st-key-player img").wait_for(timeout=PATIENT)
    expect(page.get_by_text("This browser can’t play the file")).to_be_visible()
    tile = page.locator(".tile").nth(3)
    click_tile(tile, lambda: expect(tile).to_have_attribute("aria-current", "true"))
    expect(page.locator(".um-box:not([hidden])")).to_have_count(2)
    tag = page.locator(".um-cursor-tag").inner_text()
    expect(page.get_by_text(f"so the frame at {tag} is shown")).to_be_visible()


def test_an_avi_is_played_from_a_copy_at_its_own_times(person, served):
    page = person.page
    person.open(served.avi)
    page.wait_for_function(
        "document.querySelector('.st-key-player video')?.readyState >= 2", timeout=PATIENT
    )
    wait_drawn(page)
    video = page.locator(".st-key-player video")
    assert video.evaluate("v => v.currentSrc").endswith("?copy")
    assert video.evaluate("v => v.duration") == pytest.approx(DURATION, abs=0.3)
    expect(page.get_by_text("This browser can’t play the file")).to_have_count(0)
    tile = page.locator(".tile").nth(3)
    click_tile(tile, lambda: expect(tile).to_have_attribute("aria-current", "true"))

    def shown():
        """Moment, and how bright the picture on screen is; 0 while it seeks."""
        read: tuple[float, float] = video.evaluate(
            """v => {
                const canvas = document.createElement('canvas');
                canvas.width = canvas.height = 8;
                const pen = canvas.getContext('2d');
                pen.drawImage(v, 0, 0, 8, 8);
                return [v.seeking ? 0 : v.currentTime, pen.getImageData(4, 4, 1, 1).data[0]];
            }"""
        )
        return read

    def own(read):
        """Whether the picture is the one that the file has at this moment."""
        return read[0] > 0 and read[1] == pytest.approx(3 * int(read[0] * 5 + 0.01), abs=4)

    time, _bright = eventually(shown, own)
    page.evaluate("document.querySelector('.st-key-player video').play()")
    page.wait_for_function(
        "t => document.querySelector('.st-key-player video').currentTime > t + 0.5",
        arg=time,
        timeout=PATIENT,
    )


CUT = """() => [...document.querySelectorAll('[class^=um-] *, .strip *')]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden'
                 && !e.closest('.um-icon, .um-quiet, .name, thead'))
    .map(e => e.className + ': ' + e.textContent)"""
"""What does not show all of its text."""


def test_a_phone_has_no_sideways_scroll_and_seven_tiles(visit, served):
    """And no button before the verdict."""
    person = visit(served.video, size=PHONE, touch=True)
    page = person.page
    for dark in (False, True):
        if dark:
            person.darken()
        page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
        wait_drawn(page)
        person.assert_fits()
        tiles = page.get_by_role("group", name="Person B").get_by_role("button")
        expect(tiles).to_have_count(7)
        eventually(
            tiles.first.bounding_box,
            lambda tile: tile and tile["width"] >= 40 and tile["height"] >= 40,
        )
        eventually(lambda: page.evaluate(CUT), lambda cut: cut == [])
    places = page.evaluate(
        """() => ['.um-title', '[class*="st-key-verdict-"]', '.st-key-player',
                  '.st-key-card-timeline', '.st-key-card-next', '.st-key-title-actions']
             .map(hook => document.querySelector(hook).getBoundingClientRect().top)"""
    )
    assert places == sorted(places)


OUTSIDE = """() => [...document.querySelectorAll(
    '[class*="st-key-card"], [class*="st-key-verdict"]')].flatMap(card => {
  const edge = card.getBoundingClientRect()
  return [...card.querySelectorAll('[class^=um-], [class^=um-] *')]
    .filter(e => !e.closest('.um-quiet, .um-cursor, .um-scale'))
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([, box]) => box.width > 1 && box.right > edge.right)
    .map(([e]) => e.className + ': ' + e.textContent)
})"""
"""What stands outside its card."""


def test_a_tablet_keeps_everything_within_its_card(visit, served):
    person = visit(served.video, size=TABLET)
    page = person.page
    page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
    for width in (TABLET[0], 901):  # below each other; and just side by side
        page.set_viewport_size({"width": width, "height": 1024})
        wait_drawn(page)
        person.assert_fits()
        eventually(lambda: page.evaluate(OUTSIDE), lambda found: found == [])
    verdict, player = page.locator("[class*=st-key-verdict]"), page.locator(".st-key-player")
    page.set_viewport_size({"width": TABLET[0], "height": 1024})
    eventually(
        lambda: [place.first.bounding_box() for place in (verdict, player)],
        lambda boxes: all(boxes) and boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"],
    )


def test_what_is_open_follows_the_computer_into_the_dark(visit, served):
    person = visit(served.video)
    page = person.page
    page.locator(".um-cursor-tag").wait_for(timeout=PATIENT)
    wait_drawn(page)
    bands = page.locator(".st-key-lanes .js-plotly-plot .shapelayer path").first
    expect(bands).to_have_css("fill", rgb(theme.LIGHT.band))
    logo = page.get_by_test_id("stHeaderLogo")
    light = logo.get_attribute("src") or ""
    time = page.locator(".um-cursor-tag").inner_text()
    person.darken()
    expect(bands).to_have_css("fill", rgb(theme.DARK.band))
    expect(logo).not_to_have_attribute("src", light)
    expect(page.locator(".um-cursor-tag")).to_have_text(time)


def test_keyframes_are_saved_and_picture_searches_get_nothing_by_themselves(
    visit, served, tmp_path
):
    person = visit(served.video)
    page = person.page
    wait_drawn(page)
    open_details(page)
    dialog = page.get_by_role("dialog")
    find = page.get_by_role("button", name="Find the original").last
    until(find.click, lambda: expect(dialog).to_be_visible())
    expect(dialog).to_contain_text("Nothing leaves by itself")
    expect(dialog.locator("img").first).to_be_visible()
    links = dialog.get_by_role("link")
    expect(links).to_have_count(4)
    for link in links.all():
        assert link.get_attribute("target") == "_blank"
        assert str(link.get_attribute("href")).count("?") == 0, "nothing is in the address"
    person.picture("find-original")
    frame = take(dialog.get_by_role("button", name="Save this frame"), tmp_path)
    with Image.open(frame) as picture:
        assert picture.size == (WIDTH, HEIGHT)
    saved = dialog.get_by_role("button", name=re.compile("as ZIP"))
    assert len(zipfile.ZipFile(take(saved, tmp_path)).namelist()) > 1


def test_the_magnifier_goes_frame_by_frame_with_the_arrow_keys(visit, served):
    person = visit(served.video)
    page = person.page
    wait_drawn(page)
    open_details(page)
    dialog = page.get_by_role("dialog")
    until(page.get_by_role("button", name="Magnify").click, lambda: expect(dialog).to_be_visible())
    shown = dialog.get_by_test_id("stCaptionContainer").or_(dialog.locator(".um-caption")).first
    expect(dialog.locator("img")).to_be_visible()
    before = dialog.locator("img").get_attribute("src")
    first = shown.inner_text()
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_text(first)
    wait_drawn(page)
    assert dialog.locator("img").get_attribute("src") != before
    second = shown.inner_text()
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_text(second)
    wait_drawn(page)
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_text(second)
    person.picture("magnifier")


def test_a_generators_mark_is_a_finding_and_leads_to_its_verifier(visit, served, server, tmp_path):
    clip = make_clip(tmp_path / "made.webm")
    mark = GeneratorMark(
        name="Gemini", maker="Google", place="bottom right", score=0.95, certain=True
    )
    origin = Provenance(marks=[mark])
    conclude(origin)
    analysis = make_analysis(clip, name="marked.webm")
    marked = put(server.data, clip, analysis.model_copy(update={"provenance": origin}))
    person = visit(f"/?a={marked}")
    page = person.page
    wait_drawn(page)
    step = page.locator('[class*="st-key-next-check_synthid"]')
    expect(step).to_contain_text("Check SynthID in the verifier of Google")
    expect(step).to_contain_text("no hit proves nothing")
    open_details(page)
    page.get_by_role("tab", name="Provenance").click()
    sentence = page.get_by_text("A mark like that of Gemini stands at the bottom right")
    expect(sentence).to_be_visible()
    person.picture("generator-mark")
