"""The Live page as a person uses it."""

import base64
import os
import re

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from scipy.signal import resample_poly

from tests.conftest import camera
from tests.support import speech
from tests.support.browser import (
    PATIENT,
    PHONE,
    QUICK,
    chrome,
    eventually,
    serve,
    take,
    until,
    wait_drawn,
)
from tests.support.live_stand_in import colored, gray
from tests.support.visits import visitors

SIZE = (640, 480)
RATE = 6
ELSEWHERE = "unmask.test"
"""A name for this machine that no browser takes for this machine."""

KEEP_CLONES = """() => {
  window.tracks = [];
  const clone = MediaStream.prototype.clone;
  MediaStream.prototype.clone = function () {
    const made = clone.call(this);
    window.tracks.push(...made.getTracks());
    return made;
  };
}"""
"""Lets a test ask what became of the tracks that the video link was given."""


def film(path, seconds=4):
    """A clip of a face as Chromium's made camera plays it, around and around."""
    picture = gray(camera(SIZE))
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*SIZE, RATE))
        for number in range(seconds * RATE):
            planes = cv2.cvtColor(picture(4 * number), cv2.COLOR_RGB2YUV_I420)
            file.write(b"FRAME\n" + planes.tobytes())
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    # The name is this server's, as on a network: an unknown one is refused (test_beside.py).
    named = {
        "UNMASK_PUBLIC_URL": f"http://{ELSEWHERE}",
        "STREAMLIT_BROWSER_SERVER_ADDRESS": ELSEWHERE,
    }
    with serve(data, UNMASK_LIVE_VIEWERS="2", **named) as up:
        yield up


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = tmp_path_factory.mktemp("camera")
    clip = film(made / "face.y4m")
    spoken = resample_poly(speech.speech(10), 3, 1)
    sound = speech.write(made / "voice.wav", spoken, rate=48_000)
    with chrome(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
        f"--use-file-for-fake-audio-capture={sound}",
        f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    ) as opened:
        yield opened


def start(person):
    """Press Start and wait for the first frames."""
    page = person.page
    page.set_default_timeout(PATIENT)
    stop = page.locator(".st-key-live-stop button")
    until(page.locator(".st-key-live-start button").click, stop.wait_for)
    page.locator(".um-foot .on").wait_for()


def listen(page, name="Listen to the microphone"):
    """Switch sound on under Options."""
    options = page.get_by_role("button", name="Options")
    options.wait_for(timeout=PATIENT)
    switch = page.get_by_test_id("stPopoverBody").get_by_text(name)
    until(options.click, switch.wait_for)
    until(switch.click, page.get_by_text("Sound is never kept.").wait_for)
    page.keyboard.press("Escape")
    wait_drawn(page)


def shown(page):
    """What the person sees now: uint8 [480, 640, 3]."""
    video = page.frame_locator('iframe[src*="webrtc_streamer"]').locator("video").first
    pixels = video.evaluate(
        """(video, [width, height]) => {
          const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
          context.drawImage(video, 0, 0, width, height);
          const bytes = context.getImageData(0, 0, width, height).data;
          let text = ""; const step = 0x8000;
          for (let i = 0; i < bytes.length; i += step)
            text += String.fromCharCode(...bytes.subarray(i, i + step));
          return btoa(text); }""",
        list(SIZE),
    )
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(SIZE[1], SIZE[0], 4)[..., :3]


def seconds(page):
    """How long the session says it has been on."""
    on, clock = page.locator(".um-foot .on"), re.compile(r"(\d+):(\d+)")
    expect(on).to_have_text(clock, timeout=PATIENT)
    minutes, rest = clock.findall(on.inner_text())[0]
    return int(minutes) * 60 + int(rest)


def test_two_people_at_a_time_and_what_becomes_of_a_session(visit, tmp_path):
    person = visit("/live")
    person.page.set_default_timeout(PATIENT)
    asked: set[str] = set()
    person.page.on("request", lambda request: asked.add(request.url.split("/")[2]))
    page = person.page
    page.locator(".st-key-live-start button").wait_for(timeout=PATIENT)
    person.assert_hooks("everywhere", "live")
    until(
        page.get_by_role("button", name="Test it").click,
        page.get_by_text("Everything that a video link needs is there.").wait_for,
    )
    person.picture("live-off")

    start(person)
    # A reading is there as soon as the models are, which takes a while on a busy machine.
    page.locator(".st-key-card-image .um-chip").first.wait_for(timeout=PATIENT)
    page.locator('[class*="st-key-verdict"] .um-scale').wait_for(timeout=PATIENT)
    # A box is seen in the picture that comes back.
    eventually(lambda: colored(shown(page)), lambda seen: seen > 150, PATIENT)
    before = seconds(page)
    expect(page.locator(".um-foot")).to_have_text(re.compile("scored [1-9]"), timeout=PATIENT)
    person.inspect("live-desktop")

    other = visit("/live", dark=True)
    listen(other.page)
    start(other)
    # The first goes on beside the second.
    eventually(lambda: seconds(page), lambda now: now > before, PATIENT)
    other.page.locator('[class*="st-key-verdict"] .um-scale').wait_for(timeout=PATIENT)
    # What the second says is heard, and nothing of the first, whose microphone is off.
    voice = other.page.locator(".st-key-card-live-voice")
    expect(voice.locator(".um-evidence")).to_contain_text("Speech", timeout=PATIENT)
    expect(voice.locator(".um-number")).to_contain_text("% likelihood", timeout=PATIENT)
    expect(voice.get_by_text("Measured on recordings, not on microphones")).to_be_visible()
    assert not page.locator(".st-key-card-live-voice").count()
    other.picture("live-dark")
    other.inspect("live-phone", size=PHONE)

    third = visit("/live")
    third.page.set_default_timeout(PATIENT)
    third.page.locator(".st-key-live-start button").wait_for()
    wait_drawn(third.page)

    until(
        third.page.locator(".st-key-live-start button").click,
        third.page.get_by_text("Enough for now").wait_for,
    )

    until(
        page.locator(".st-key-live-stop button").click, page.get_by_text("Session ended").wait_for
    )
    eventually(lambda: seconds(other.page), lambda now: now > 0, PATIENT)
    person.picture("live-ended")
    until(
        page.get_by_role("button", name="Open the analysis").click,
        page.get_by_text("Nothing was recorded").first.wait_for,
    )
    page.locator(".um-verdict").wait_for(timeout=PATIENT)
    person.picture("live-analysis")
    report = page.locator(".st-key-title-actions").get_by_role("button", name="Report")
    file = take(report, tmp_path)
    assert file.suffix == ".pdf" and file.read_bytes().startswith(b"%PDF")
    assert asked == {page.url.split("/")[2]}, "nobody else is asked for anything"


SLOW_SCORING = """
import importlib.abc, importlib.util, sys, time

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "detector.live.scoring":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            score = module.LiveScorer.frame

            def slow(self, *args):
                time.sleep(5)
                return score(self, *args)

            module.LiveScorer.frame = slow

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Slow())
"""
"""Python reads it as it starts (`sitecustomize`): a computer that takes 5 s for each frame."""


def test_a_computer_that_is_too_slow_says_so_in_place_of_a_label(browser, tmp_path):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW_SCORING)
    paths = [str(tmp_path / "slow"), *filter(None, [os.environ.get("PYTHONPATH")])]
    data = tmp_path / "data"
    data.mkdir()
    headline = "Too slow here: don’t rely on this session"
    with (
        serve(data, PYTHONPATH=os.pathsep.join(paths)) as server,
        visitors(browser, server.url) as visit,
    ):
        person = visit("/live")
        page = person.page
        start(person)
        card = page.locator('[class*="st-key-verdict"]')
        expect(card.locator(".um-verdict")).to_contain_text(headline, timeout=PATIENT)
        expect(card).to_contain_text(re.compile(r"[0-3] frames? in \d+\ss (was|were) scored"))
        assert not card.locator(".um-number").count()
        person.picture("live-too-slow")
        person.inspect("live-too-slow-phone", size=PHONE)
        until(
            page.locator(".st-key-live-stop button").click,
            page.get_by_text("Session ended").wait_for,
        )
        expect(card.locator(".um-verdict")).to_contain_text(headline)
        until(
            page.get_by_role("button", name="Open the analysis").click,
            page.get_by_text(headline).first.wait_for,
        )
        wait_drawn(page)
        person.picture("live-too-slow-analysis")


def meeting(folder):
    """A page with two faces that move, and a voice."""
    voice = speech.write(folder / "voice.wav", resample_poly(speech.speech(10), 3, 1), rate=48_000)
    Image.fromarray(gray(camera(SIZE))(0)).save(folder / "face.png")
    page = folder / "meeting.html"
    page.write_text(
        "<title>Meeting</title><style>img { animation: sway 1s infinite alternate; } "
        "@keyframes sway { to { transform: translate(20px, 10px); } }</style>"
        f"<img src=face.png><img src=face.png><audio autoplay loop src={voice.name}></audio>"
    )
    return page.as_uri()


def test_a_meeting_is_shared_from_its_tab(server, tmp_path):
    flags = (
        "--auto-select-tab-capture-source-by-title=Meeting",
        "--autoplay-policy=no-user-gesture-required",
    )
    with chrome(*flags, sound=True) as own, visitors(own, server.url) as go:
        person = go("/live", own=True)
        page = person.page
        other = page.context.new_page()
        other.set_viewport_size({"width": 1400, "height": 720})
        other.goto(meeting(tmp_path))
        nothing = page.get_by_text("Nothing is shared yet")
        until(page.get_by_text("Window or tab").click, nothing.wait_for)
        expect(page.get_by_text("Everyone in the meeting must agree")).to_be_visible()
        person.picture("live-window-off")
        listen(page, "Listen to its sound")
        page.evaluate(KEEP_CLONES)
        start(person)
        eventually(lambda: colored(shown(page)), lambda seen: seen > 150, PATIENT)
        reading = page.locator('[class*="st-key-verdict"]')
        expect(reading).to_contain_text("alone", timeout=PATIENT)  # of one person among several
        voice = page.locator(".st-key-card-live-voice .um-evidence")
        expect(voice).to_contain_text("Speech", timeout=PATIENT)
        person.inspect("live-window")
        # What is left behind is not shared, and the next Start shares it anew.
        pages = page.get_by_test_id("stTopNavLink")
        stopped = page.get_by_text("Sharing was stopped, or the window was closed.")
        until(pages.filter(has_text="Models").click, lambda: page.wait_for_url("**/models"))
        page.wait_for_function("tracks.length && tracks.every((one) => one.readyState === 'ended')")
        until(pages.filter(has_text="Live").click, stopped.wait_for)
        page.get_by_role("button", name="Open the analysis").wait_for()
        start(person)
        expect(stopped).to_have_count(0)
        person.inspect("live-window-phone", size=PHONE)
        other.close()
        stopped.wait_for()

        # As on a phone.
        page.add_init_script("delete MediaDevices.prototype.getDisplayMedia")
        page.reload()
        until(
            page.get_by_text("Window or tab").click, page.get_by_text("Phones and tablets").wait_for
        )
        expect(page.locator(".st-key-live-start button")).to_be_disabled()


def test_an_address_that_is_not_secure(visit, server, browser):
    with visitors(browser, server.url.replace("127.0.0.1", ELSEWHERE)) as go:
        page = go("/live").page
        page.get_by_text("Browsers give cameras and windows only to pages over HTTPS").wait_for(
            timeout=PATIENT
        )
        expect(page.locator(".st-key-live-start button")).to_be_disabled()


def test_a_person_who_says_no(server):
    flags = "--use-fake-device-for-media-stream", "--deny-permission-prompts"
    with chrome(*flags) as strict, visitors(strict, server.url) as go:
        page = go("/live").page
        page.set_default_timeout(PATIENT)
        blocked = page.get_by_text(
            "The browser blocked the camera. Allow it in the address bar, then press Start."
        )
        wait_drawn(page)
        until(
            page.locator(".st-key-live-start button").click, lambda: blocked.wait_for(timeout=QUICK)
        )
        until(
            page.get_by_role("button", name="Test it").click,
            page.get_by_text("the camera is the reason").wait_for,
        )
