"""A camera by its address on the Live page: a real RTSP camera, a real browser, the real engine."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import PATIENT, PHONE, enter, eventually, serve, until
from tests.support.cameras import rtsp, secrets_in
from tests.support.links import PRIVATE

LOGIN = "ann:s3cret"
SECONDS = 6.0
"""of what the camera sends before it breaks off"""


@pytest.fixture(scope="module")
def source():
    with rtsp(PRIVATE, login=LOGIN, seconds=SECONDS) as camera:
        yield camera


@pytest.fixture(scope="module")
def server(tmp_path_factory, source):
    newsroom = {"UNMASK_CAMERAS": "1", "UNMASK_CAMERA_NETWORKS": f"{PRIVATE}/32"}
    port = str(source.port)
    with serve(tmp_path_factory.mktemp("data"), UNMASK_CAMERA_PORTS=port, **newsroom) as started:
        yield started


def test_a_camera_is_watched_lost_and_watched_again(visit, server, source):
    person = visit("/live")
    page = person.page
    page.set_default_timeout(PATIENT)
    start, moving = page.locator(".st-key-live-start button"), page.locator("img.um-moving")
    start.wait_for()
    page.get_by_role("combobox", name="Camera").click()
    page.get_by_role("option", name="By its address").click()
    field = page.get_by_role("textbox", name="Address of the camera")
    field.wait_for()
    person.inspect("live-address-off", "everywhere", "live")

    def ask(url):
        enter(field, url)
        start.click()

    until(
        lambda: ask("rtsp://169.254.169.254/key-7"),
        page.get_by_text("watches no cameras in").wait_for,
    )
    until(lambda: ask(source.url(PRIVATE, f"{LOGIN}@")), moving.wait_for)
    # The name and the password have left the field, and stand nowhere on the page.
    expect(field).to_have_value(source.url(PRIVATE))
    assert "s3cret" not in page.content()
    # Stopped and started again, without typing the password again.
    stop, ended = page.locator(".st-key-live-stop button"), page.get_by_text("Session ended")
    until(stop.click, ended.wait_for)
    until(start.click, moving.wait_for)
    width = "image => image.naturalWidth"
    eventually(lambda: moving.evaluate(width), lambda seen: seen == 640, PATIENT)
    page.locator('[class*="st-key-verdict"] .um-scale').wait_for()
    expect(page.locator(".um-foot")).to_have_text(re.compile("scored [1-9]"), timeout=PATIENT)
    # What it sends ends after six seconds: it is called again, and the session goes on.
    calls = [method for method, _headers in source.came].count("PLAY")
    eventually(
        lambda: [method for method, _headers in source.came].count("PLAY"),
        lambda now: now > calls,
        PATIENT,
    )
    expect(page.locator(".um-foot .on:not(.lost)")).to_be_visible(timeout=PATIENT)
    person.inspect("live-address-on")
    person.inspect("live-address-phone", size=PHONE)
    until(stop.click, ended.wait_for)
    page.get_by_role("button", name="Open the analysis").click()
    page.get_by_text("Nothing was recorded").first.wait_for()
    assert not secrets_in(server.log.read_text() + page.content())
