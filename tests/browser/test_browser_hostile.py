"""Files of strangers through the page's uploader, with the network watched."""

import re

import pytest
from playwright.sync_api import FilePayload, expect

from tests.support.browser import PATIENT, ROOT, eventually, serve, wait_ready
from tests.support.strangers import WATCH, Bait, called_home, hostile


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What the server's processes connect to."""
    file = tmp_path_factory.mktemp("watch") / "watched"
    file.touch()
    return file


@pytest.fixture(scope="module")
def server(log, tmp_path_factory):
    (log.parent / "sitecustomize.py").write_text(WATCH)
    path = f"{log.parent}:{ROOT}"
    with serve(tmp_path_factory.mktemp("data"), WATCHED=str(log), PYTHONPATH=path) as started:
        yield started


def test_each_ends_in_a_sentence_and_nothing_calls_home(visit, server, log, tmp_path):
    bait = Bait()
    brought = hostile(tmp_path, bait.port)
    person = visit(own=True)
    page = person.page
    dialogs: list[str] = []

    def close(dialog):
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", close)
    wait_ready(page)
    page.locator(".st-key-drop input").set_input_files(
        [
            FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
            for name, content in brought.items()
        ]
    )
    rows = page.locator(".st-key-batch-cards .um-kept")
    expect(rows).to_have_count(len(brought), timeout=PATIENT)
    said = eventually(
        rows.all_text_contents,
        lambda texts: not any(re.search("schedule|progress_activity", t) for t in texts),
        PATIENT,
    )
    assert len(said) == len(brought)
    refused = [text for text in said if re.search("Not read|Not taken", text)]
    assert len(refused) == 22 and all(text.rstrip().endswith(".") for text in refused)
    # A name that turns the direction of writing would read as another: "live" for "evil".
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.locator("body").inner_text())
    person.picture("hostile-desktop")
    assert not dialogs and page.locator("script", has_text="alert(1)").count() == 0
    assert "Traceback" not in server.log.read_text()
    assert called_home(log, bait) == [] and bait.came() == 0
    bait.close()
