"""The operator's page as an administrator uses it: figures, and a key from making to its end."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from detector.schema.analysis import Label
from service.records.database import FILE
from service.records.model import LOCAL, Confirmed, Record, State
from service.records.rules import new_id
from service.records.sql import open_store
from tests.support.browser import (
    PATIENT,
    PHONE,
    Server,
    Visitor,
    open_sample,
    serve,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.result_sample import make_analysis

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]

NUMBER = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with results of a dozen days, of which two were confirmed."""
    data = tmp_path_factory.mktemp("data")
    store, sample = open_store(data / FILE), make_analysis()
    verdicts = (Label.FAKE, Label.REAL, Label.INCONCLUSIVE)
    for number in range(NUMBER):
        when = datetime.now(UTC) - timedelta(days=number)
        verdict = sample.verdict.model_copy(update={"label": verdicts[number % 3]})
        record = Record(
            id=new_id(), owner=LOCAL, created=when, touched=when, name=f"secret-{number}.mp4",
            sha256=f"{number:064x}", state=State.DONE, run="before:1",
        )  # fmt: skip
        store.add(record, sample.model_copy(update={"created": when, "verdict": verdict}))
        if number < 2:
            store.change(LOCAL, record.id, confirmed=Confirmed.FAKE)
    store.close()
    with serve(data) as started:
        yield started


def answer(server: Server, key: str) -> int:
    """The status that the API gives to who shows a key."""
    request = urllib.request.Request(
        f"{server.url}/v1/models",
        headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.9"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_operator_sees_counts_and_makes_and_ends_a_key(visit: Visitor, server: Server) -> None:
    person = visit("/admin")
    page = person.page
    page.get_by_text("Verdicts by day").wait_for(timeout=PATIENT)
    expect(page.get_by_text("2 files that were confirmed")).to_be_visible()
    expect(page.locator(".st-key-card-admin-verdicts .js-plotly-plot")).to_be_visible()
    assert "secret-" not in page.locator("body").inner_text()
    wait_drawn(page)
    # Who brings a file while new jobs are paused waits, and is told why.
    pause, go = (page.get_by_role("button", name=n) for n in ("Pause new jobs", "Start jobs again"))
    until(pause.click, go.wait_for)
    guest = visit("/")
    wait_ready(guest.page)
    open_sample(guest.page, "picture")
    paused = guest.page.get_by_role("heading", name="Paused by who runs this server")
    paused.wait_for(timeout=PATIENT)
    waiting = page.locator('[class*="st-key-admin-task-"]').filter(has_text="Waiting")
    expect(waiting.first).to_be_visible(timeout=PATIENT)
    expect(waiting.first.get_by_role("button", name="First")).to_be_visible()
    person.picture("admin-paused")
    wait_drawn(page)
    until(go.click, pause.wait_for)
    wait_verdict(guest.page)
    wait_drawn(page)
    dialog = page.get_by_role("dialog")
    until(page.get_by_role("button", name="Make a key").click, dialog.wait_for)
    name = dialog.get_by_role("textbox", name="Whose, or what for")
    name.fill("newsroom")
    name.press("Tab")
    wait_drawn(page)
    until(dialog.get_by_role("button", name="Make it").click, dialog.locator("code").wait_for)
    key = dialog.locator("code").inner_text().strip()
    assert re.fullmatch(r"um_[0-9a-f]{12}_[\w-]{32}", key)
    assert answer(server, key) == 200
    done = dialog.get_by_role("button", name="Done")
    until(done.click, lambda: expect(dialog).to_be_hidden())
    row = page.locator('[class*="st-key-admin-key-"]').filter(has_text="newsroom").last
    expect(row).to_contain_text("Active")
    assert key not in page.content()  # it was shown this once
    person.assert_fits()
    person.picture("admin")

    wait_drawn(page)
    withdraw = page.get_by_role("button", name="Withdraw it")
    until(page.get_by_role("button", name="Withdraw").first.click, withdraw.wait_for)
    until(withdraw.click, lambda: expect(dialog).to_be_hidden())
    expect(row).to_contain_text("Withdrawn")
    assert answer(server, key) == 401

    phone = visit("/admin", size=PHONE)
    phone.page.get_by_text("How often it was right").wait_for(timeout=PATIENT)
    wait_drawn(phone.page)
    phone.assert_fits()
    phone.picture("admin-phone")
    dark = visit("/admin", dark=True)
    dark.page.get_by_text("How often it was right").wait_for(timeout=PATIENT)
    wait_drawn(dark.page)
    dark.picture("admin-dark")
