"""A run tells what it has seen so far, marked as such, and then its verdict."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.conftest import camera, write_clip
from tests.support.browser import PATIENT, upload, wait_ready, wait_verdict


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a minute of four faces: several rounds of moments."""
    face = camera((320, 180))
    return write_clip(
        tmp_path_factory.mktemp("clips") / "four.mp4",
        seconds=30,
        fps=10,
        size=(640, 360),
        options={"preset": "ultrafast"},
        picture=lambda number: np.tile(face(number), (2, 2, 1)),
    )


def test_a_reading_comes_before_the_verdict(visit, clip):
    person = visit()
    page = person.page
    wait_ready(page)
    upload(page, clip)
    so_far = page.locator(".st-key-reading")
    so_far.wait_for(timeout=PATIENT)
    said = so_far.inner_text()
    assert re.search(r"So far, \d+ of \d+\s+moments", said, re.IGNORECASE), said
    assert "Likely manipulated" not in said
    person.picture("reading-desktop")
    wait_verdict(page)
    expect(so_far).to_have_count(0)
