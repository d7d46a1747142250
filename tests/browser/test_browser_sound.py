"""A voice message in a real browser: brought, listened to, and looked at."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import PATIENT, PHONE, open_details, until, wait_drawn
from tests.support.kept import put
from tests.support.voice_sample import make_analysis, write_clip


@pytest.fixture(scope="module")
def address(server, tmp_path_factory):
    """Keep the result of a voice message: a made voice is unlike all that was tested, so that an
    analysis would not judge it."""
    message = write_clip(tmp_path_factory.mktemp("voice") / "message.wav")
    return f"/?a={put(server.data, message, make_analysis(message))}"


def test_a_voice_message_is_heard_and_a_click_goes_there(visit, address):
    person = visit(address)
    page = person.page
    look_at_the_sound(person, "sound-desktop")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    look_at_the_sound(person, "sound-phone")
    picture = page.locator(".st-key-card-sound img.picture")
    until(
        page.locator(".st-key-card-sound").get_by_text("MFCC", exact=True).click,
        lambda: expect(picture).to_have_attribute("alt", re.compile("cepstral")),
    )
    person.open(address, dark=True)
    look_at_the_sound(person, "sound-dark")


def look_at_the_sound(person, name):
    page = person.page
    expect(page.locator("h2", has_text="Likely cloned")).to_be_visible(timeout=PATIENT)
    expect(page.get_by_text("Voice cloned?")).to_be_visible()
    scale = page.locator(".um-scale")
    expect(scale).to_have_attribute("aria-label", re.compile("can’t tell"))
    picture = page.locator(".st-key-card-sound img.picture")
    expect(picture).to_have_attribute("alt", re.compile("^Spectrogram of 13"))
    assert picture.evaluate("img => img.complete && img.naturalWidth") == 900
    expect(page.locator(".st-key-card-sound .speech button")).to_have_count(2)
    expect(page.locator(".st-key-player audio")).to_be_attached()
    person.inspect(name)
    over = page.locator(".st-key-card-sound .over")

    def click_its_middle():
        wait_drawn(page)  # what is drawn anew at the very moment does not hear it
        box = over.bounding_box()
        over.click(position={"x": box["width"] / 2, "y": box["height"] / 2})

    until(
        click_its_middle,
        lambda: page.wait_for_function(
            "Math.abs(document.querySelector('.st-key-player audio').currentTime - 6.5) < 0.3"
        ),
    )
    expect(over).to_have_attribute("aria-valuetext", re.compile("^00:06"))
    wait_drawn(page)
    over.press("ArrowRight")
    expect(over).to_have_attribute("aria-valuetext", re.compile("^00:0(6.9|7)"))


def test_what_the_score_rests_on_lies_over_the_spectrogram(visit, address):
    seen = visit(address)
    page = seen.page
    card = page.locator(".st-key-card-sound")
    expect(card.locator("img.picture")).to_be_visible(timeout=PATIENT)
    rests = card.locator("img.rests")
    ask = card.get_by_role("button", name=re.compile("^Show what the score rests on"))
    until(ask.click, lambda: expect(rests).to_be_visible(timeout=PATIENT))
    expect(rests).to_have_attribute("alt", re.compile("hiding .* Places, not proof"))
    inside, over = rests.bounding_box(), card.locator("img.picture").bounding_box()
    assert inside and over and inside["height"] == over["height"]
    assert over["x"] <= inside["x"] < inside["x"] + inside["width"] <= over["x"] + over["width"] + 1
    seen.picture("sound-rests")
    open_details(page)
    until(
        page.get_by_role("tab", name="Scores").click,
        lambda: expect(
            page.locator('.st-key-card-details [data-testid="stDataFrame"]').first
        ).to_be_visible(),
    )
