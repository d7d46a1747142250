"""What a first visitor does in two minutes: a sample, its verdict, four models, their own camera.

Two minutes on two idle cores; how long it took is printed (`pytest -rP`).
"""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.test_browser_live import film, start
from tests.support.browser import (
    PATIENT,
    chrome,
    open_sample,
    serve,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("data")) as up:
        yield up


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    clip = film(tmp_path_factory.mktemp("camera") / "face.y4m")
    with chrome(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    ) as opened:
        yield opened


def test_from_the_first_screen_to_the_camera(visit):
    began = time.monotonic()
    person = visit()
    page = person.page
    wait_ready(page)
    open_sample(page, "manipulated")
    assert "manipulated" in wait_verdict(page)

    page.get_by_role("link", name="Compare", exact=True).click()
    sample = page.locator(".st-key-compare-sample-manipulated button")
    until(sample.click, lambda: page.wait_for_url(re.compile(r"/compare\?.*a="), timeout=PATIENT))
    names = page.locator(".st-key-card-lanes .um-who > b:not(.um-big)")
    expect(names).to_have_count(4, timeout=PATIENT)
    assert any("VideoMAE" in name for name in names.all_inner_texts())
    expect(page.locator(".st-key-card-lanes .js-plotly-plot .scatterlayer .trace")).to_have_count(4)
    expect(page.get_by_text(re.compile(r"of 4 models say fake; scores from"))).to_be_visible()
    heatmaps = page.locator(".st-key-looked-grid img")
    expect(heatmaps).to_have_count(4, timeout=PATIENT)
    person.inspect("first-visit-compare", "everywhere", "compare")

    wait_drawn(page)
    page.get_by_role("link", name="Live", exact=True).click()
    start(person)
    expect(page.locator(".st-key-live-challenge button")).to_be_enabled(timeout=PATIENT)
    page.locator(".st-key-live-stop button").click()
    page.locator(".st-key-live-start button").wait_for(timeout=PATIENT)
    print(f"{time.monotonic() - began:.0f} s")
