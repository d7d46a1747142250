"""The linked view in a real browser: one moment for player, cursor, strips, boxes and inspector.

The result is made (tests/result_sample.py) and put into the server's data folder, so that no
network runs and every number is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from skimage.data import astronaut

from dashboard import theme_result
from tests.browser import serve
from tests.kept import put
from tests.result_sample import DURATION, HEIGHT, WIDTH, make_analysis, make_clip, make_picture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NAME = "council <b>statement</b>.webm"
START = 90_000
"""ms for a first page: the server loads its models meanwhile, on a machine that may be busy."""


@dataclass(frozen=True)
class Served:
    """A running dashboard and the addresses of three results."""

    video: str
    picture: str
    unplayable: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("data")
    clip = make_clip(folder / "made.webm")
    video = put(folder, clip, make_analysis(clip, name=NAME), name=NAME)
    still = folder / "portrait.png"
    Image.fromarray(astronaut()).save(still)
    picture = put(folder, still, make_picture())

    # Said to be H.264, so the page tries the player; no browser plays what it is.
    old = _mpeg4(folder / "old.mp4")
    analysis = make_analysis(old, name="old.mp4")
    analysis.media.container, analysis.media.codec = "mp4", "h264"
    unplayable = put(folder, old, analysis)

    with serve(folder, OMP_NUM_THREADS="1") as server:
        yield Served(*(f"{server.url}/?a={id}" for id in (video, picture, unplayable)))


def _mpeg4(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(round(DURATION * 5)):
            rgb = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.video)
    page.locator(".um-cursor-tag").wait_for(timeout=START)
    page.wait_for_function("document.querySelector('.st-key-player video').readyState >= 1")
    page.wait_for_function("document.querySelectorAll('.um-cursor-line').length === 2")
    yield page
    page.close()
    assert errors == []


def video_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('.st-key-player video').currentTime"))


def inspector(page: Page) -> str:
    return page.locator(".st-key-card-inspector h2").inner_text()


def wait_for_moment(page: Page, time: float) -> None:
    """Player, cursor and inspector are all at a moment."""
    page.wait_for_function(
        "t => Math.abs(document.querySelector('.st-key-player video').currentTime - t) < 0.06",
        arg=time,
    )
    minutes, seconds = divmod(round(time * 10) / 10, 60)
    text = f"{int(minutes):02}:{seconds:04.1f}"
    expect(page.locator(".um-cursor-tag")).to_have_text(text)
    expect(page.locator(".st-key-card-inspector h2").first).to_have_text(
        f"Frame at {text}", timeout=20_000
    )


def click_lane(page: Page, person: str, time: float) -> None:
    """Click into a person's lane at a time."""
    plot = page.locator(f".st-key-lane-{person} .js-plotly-plot .nsewdrag")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * time / DURATION, box["y"] + box["height"] * 0.5
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.wait_for_timeout(150)
    page.mouse.click(x, y)


def test_a_click_on_a_lane_moves_everything_and_keeps_the_player(page: Page) -> None:
    moments = make_analysis().moments
    page.evaluate("document.querySelector('.st-key-player video').dataset.same = 'yes'")
    click_lane(page, "A", moments[20])
    wait_for_moment(page, moments[20])
    expect(page.locator(".st-key-card-inspector")).to_contain_text("Person A")
    # the same point again, after going elsewhere: plotly reports it as a deselection
    page.locator(".tile").nth(13).click()
    page.wait_for_function(
        "document.querySelector('.st-key-player video').currentTime < 5", timeout=20_000
    )
    click_lane(page, "A", moments[20])
    wait_for_moment(page, moments[20])
    assert page.evaluate("document.querySelector('.st-key-player video').dataset.same") == "yes"


def test_reasons_peaks_and_table_rows_lead_to_their_moment(page: Page) -> None:
    analysis = make_analysis()
    reason = analysis.verdict.reasons[1]
    assert reason.time is not None
    page.locator(".st-key-reason-2").get_by_role("button").click()
    wait_for_moment(page, reason.time)
    page.get_by_role("button", name="Later peak").click()
    page.wait_for_function(
        "t => document.querySelector('.st-key-player video').currentTime > t + 0.2",
        arg=reason.time,
    )


def test_pausing_tells_the_inspector_and_playing_moves_boxes_without_a_rerun(page: Page) -> None:
    start = video_time(page)
    before = inspector(page)
    box = page.locator(".um-box").first
    place = box.get_attribute("style")
    page.evaluate("document.querySelector('.st-key-player video').muted = true")
    page.evaluate("document.querySelector('.st-key-player video').play()")
    page.wait_for_function(
        "t => document.querySelector('.st-key-player video').currentTime > t + 1.2", arg=start
    )
    assert box.get_attribute("style") != place
    assert inspector(page) == before
    page.evaluate("document.querySelector('.st-key-player video').pause()")
    expect(page.locator(".st-key-card-inspector h2").first).not_to_have_text(before, timeout=20_000)
    tag = page.locator(".um-cursor-tag").inner_text()
    assert abs(video_time(page) - _seconds(tag)) < 0.06


def _seconds(text: str) -> float:
    minutes, seconds = text.split(":")
    return int(minutes) * 60 + float(seconds)


def test_boxes_stand_on_the_faces_of_a_letterboxed_picture(page: Page, served: Served) -> None:
    page.goto(served.picture)
    page.locator(".um-box").wait_for(timeout=START)
    page.wait_for_function("document.querySelector('.st-key-player img').naturalWidth > 0")
    page.wait_for_timeout(300)
    box = page.locator(".um-box").bounding_box()
    image = page.locator(".st-key-player img").bounding_box()
    assert box is not None and image is not None
    scale = image["height"] / 512
    left = image["x"] + (image["width"] - 512 * scale) / 2
    x0, y0, x1, _ = make_picture().tracks[0].faces[0].box
    assert box["x"] == pytest.approx(left + x0 * scale, abs=2)
    assert box["y"] == pytest.approx(image["y"] + y0 * scale, abs=2)
    assert box["width"] == pytest.approx((x1 - x0) * scale, abs=2)
    assert page.locator(".st-key-card-timeline").count() == 0


def test_a_file_the_browser_refuses_is_shown_frame_by_frame(page: Page, served: Served) -> None:
    page.goto(served.unplayable)
    page.locator(".st-key-player img").wait_for(timeout=START)
    expect(page.get_by_text("This browser can’t play the file")).to_be_visible()
    page.locator(".tile").nth(3).click()
    expect(page.locator(".um-box:not([hidden])")).to_have_count(2)
    tag = page.locator(".um-cursor-tag").inner_text()
    expect(page.get_by_text(f"so the frame at {tag} is shown")).to_be_visible(timeout=20_000)


def test_tiles_are_named_buttons_that_arrow_keys_walk_through(page: Page) -> None:
    group = page.get_by_role("group", name="Person B")
    tiles = group.get_by_role("button")
    assert tiles.count() == 11
    expect(tiles.nth(0)).to_have_accessible_name(re.compile(r"Person B, 00:0\d\.\d, "))
    tiles.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(tiles.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("End")
    expect(tiles.nth(10)).to_be_focused()
    images = group.locator("img")
    expect(images.first).to_be_visible(timeout=20_000)


def test_thresholds_and_models_redraw_the_verdict_at_once(page: Page) -> None:
    page.get_by_role("button", name="Thresholds and models").click()
    page.get_by_role("button", name="SBI", exact=True).last.click()
    expect(page.locator(".um-own")).to_have_text("with your models", timeout=20_000)
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".um-own")).to_have_count(0, timeout=20_000)


def test_every_hook_of_the_style_sheet_is_there(page: Page) -> None:
    page.locator(".st-key-downloads").wait_for()
    missing = [
        hook for hook, _ in theme_result.RULES
        if page.evaluate("hook => document.querySelector(hook) === null", hook)
    ]  # fmt: skip
    assert missing == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scroll_and_seven_tiles(
    browser: Browser, served: Served, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True,
        color_scheme="dark" if scheme == "dark" else "light",
    )  # fmt: skip
    page = context.new_page()
    page.goto(served.video)
    page.locator(".um-cursor-tag").wait_for(timeout=START)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("group", name="Person B").get_by_role("button").count() == 7
    tile = page.get_by_role("group", name="Person B").get_by_role("button").first.bounding_box()
    assert tile is not None and tile["width"] >= 40 and tile["height"] >= 40
    cut = page.evaluate(
        """() => [...document.querySelectorAll('[class^=um-] *, .strip *')]
        .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'hidden'
                     && !e.closest('.um-icon, .um-quiet, .name, thead'))
        .map(e => e.className + ': ' + e.textContent)"""
    )
    assert cut == []
    context.close()
