"""Records in a real browser: an answer given again, a link to read, and its end."""

import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from detector.schema.analysis import Settings
from service.records.database import FILE
from service.records.model import LOCAL
from service.records.sql import SQLStore, open_store
from tests.support.browser import (
    PATIENT,
    PHONE,
    eventually,
    upload,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.kept import put
from tests.support.result_sample import make_analysis, make_clip


@dataclass(frozen=True)
class Kept:
    """The result of a clip on a server."""

    data: Path
    store: SQLStore
    id: str
    clip: Path


@pytest.fixture(scope="module")
def kept(server, tmp_path_factory):
    clip = make_clip(tmp_path_factory.mktemp("clips") / "statement.webm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_DATA", str(server.data))
        id = put(server.data, clip, make_analysis(clip), key_for=Settings())
    store = open_store(server.data / FILE)  # another process, while the server runs
    yield Kept(server.data, store, id, clip)
    store.close()


def test_the_same_file_gets_its_answer_at_once_with_its_date(visit, kept):
    uploads = kept.data / "uploads"
    before = set(uploads.iterdir())
    person = visit()
    wait_ready(person.page)
    upload(person.page, kept.clip)
    assert person.page.url.endswith(f"?a={kept.id}")
    assert "manipulated" in wait_verdict(person.page)
    expect(person.page.locator(".um-title p")).to_contain_text("kept from")
    person.page.get_by_role("button", name="Analyze again").wait_for()
    eventually(lambda: set(uploads.iterdir()), before.__eq__)
    person.picture("kept-desktop")


def test_a_link_opens_in_a_clean_browser_and_dies_when_it_is_taken_back(visit, kept):
    now = datetime.now(UTC)
    share = kept.store.share(LOCAL, kept.id, timedelta(days=1), now)
    reader = visit(f"/?s={share.token}", size=PHONE)
    reader.page.set_default_timeout(PATIENT)
    assert "manipulated" in wait_verdict(reader.page)
    player = reader.page.locator("video").first
    expect(player).to_have_attribute("src", re.compile(rf"/shared/{share.token}$"))
    video = player.get_attribute("src")
    assert video is not None
    with urllib.request.urlopen(video) as answer:
        assert answer.read() == kept.clip.read_bytes()
    assert kept.id not in reader.page.content()
    expect(reader.page.get_by_role("button", name="Compare")).to_have_count(0)
    reader.assert_fits()

    # A player that still reads would complain of the file's end.
    reader.page.goto("about:blank")
    assert kept.store.revoke(LOCAL, share.id)
    with pytest.raises(urllib.error.HTTPError, check=lambda e: e.code == 404):
        urllib.request.urlopen(video)
    # Any page: where sign-in is required, a link is let past it, and nothing may come along.
    reader.open(f"/settings?s={share.token}", size=PHONE)
    reader.page.get_by_text("This link is not in force").wait_for()
    wait_drawn(reader.page)
    expect(reader.page.get_by_text("Your results")).to_have_count(0)
