"""What we change in Streamlit works with the one installed; failures are cards of our own."""

import logging
import runpy
import socket
from pathlib import Path

import pytest
import streamlit as st
import uvicorn
from streamlit import net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import media_file_manager
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.pages_manager import PagesManager

from dashboard import _compat, server, shell
from dashboard.components import status_cards
from service.api import app
from service.records.model import RecordsError
from tests.support.api import on_a_port


@pytest.fixture
def files(monkeypatch):
    for changed, name in (
        (media_file_manager, "MediaFileMetadata"),
        (net_util, "get_external_ip"),
        (PagesManager, "uses_pages_directory"),
        (ForwardMsgQueue, "clear"),
        (uvicorn.Server, "startup"),
    ):
        monkeypatch.setattr(changed, name, getattr(changed, name))  # as it was, after the test
    _compat.install()
    return MediaFileManager(MemoryMediaFileStorage("/media"))


def test_a_download_outlasts_other_people_s_pages_and_not_for_ever(files, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(_compat.time, "monotonic", lambda: now)
    button = files.add_deferred(lambda: b"%PDF", "application/pdf", "1.0", "report.pdf")
    id = files.execute_deferred(button).rpartition("/")[2].partition(".")[0]
    for _run in range(5):  # of anybody's script
        files.remove_orphaned_files()
    assert files.read_file(id).content == b"%PDF"
    now += _compat.DOWNLOAD_SECONDS + 1
    files.remove_orphaned_files()
    assert files.read_file(id) is None


@pytest.mark.parametrize("fragments", [None, ["one"]])
def test_where_a_file_may_be_sent_is_told_though_a_run_begins(files, fragments):
    queue, drawn, answer = ForwardMsgQueue(), ForwardMsg(), ForwardMsg()
    drawn.delta.new_element.text.body = "drawn before"
    drawn.delta.fragment_id = "one"
    answer.file_urls_response.response_id = "asked"
    queue.enqueue(drawn)
    queue.enqueue(answer)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=fragments)
    assert [one.file_urls_response.response_id for one in queue.flush()] == ["asked"]
    assert queue.flush() == []


def test_half_requests_to_the_pages_hold_no_place_for_long(files, monkeypatch):
    monkeypatch.setattr(app, "HEADER_SECONDS", 0.4)
    assert app.CheckedBody in [one.cls for one in server.middleware()]
    # As Streamlit makes it, which names no protocol.
    with (
        on_a_port(lambda: None, lifespan="off") as port,
        socket.create_connection(("127.0.0.1", port), timeout=3) as link,
    ):
        link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1")
        assert link.recv(4096) == b"", "closed, unanswered"


ROOT = Path(__file__).parents[3]


def test_streamlit_is_told_to_draw_no_box_of_its_own():
    """Its handler sees fragments and callbacks, too, which `shell.draw` does not."""
    app = runpy.run_path(str(ROOT / "app.py"))["app"]
    assert isinstance(app, st.App) and app._on_script_error is shell.show_failure


@pytest.mark.parametrize("error", [StopIteration(), KeyError("A"), RecordsError("No records.")])
def test_a_failure_is_a_card_with_an_id_whose_details_are_in_the_log(monkeypatch, caplog, error):
    shown: list[status_cards.Card] = []
    monkeypatch.setattr(status_cards, "show", shown.append)
    with caplog.at_level(logging.WARNING):
        assert shell.show_failure(error) is True
    (card,) = shown
    (record,) = caplog.records
    if isinstance(error, RecordsError):
        return
    assert card.small.startswith("Reference ") and "not at fault" in card.text
    assert card.small.split()[1] in record.getMessage()
    assert record.exc_info and record.exc_info[1] is error
