"""What is changed in Streamlit's server works with the Streamlit that is installed."""

import socket

import pytest
import uvicorn
from streamlit import net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import media_file_manager
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.pages_manager import PagesManager

from dashboard import _compat, server
from service.api import connections
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
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    assert connections.CheckedBody in [one.cls for one in server.middleware(())]
    # As Streamlit makes it, which names no protocol.
    with (
        on_a_port(lambda: None, lifespan="off") as port,
        socket.create_connection(("127.0.0.1", port), timeout=3) as link,
    ):
        link.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1")
        assert link.recv(4096) == b"", "closed, unanswered"
