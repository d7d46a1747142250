"""Patches of Streamlit's internals, all in one place.

Each names its reason and the internals it depends on; all were last verified with Streamlit 1.67.
Test a new version here first.
"""

import json
import socket
import time
from typing import Any

import streamlit as st
import uvicorn
from streamlit import config, net_util, runtime
from streamlit.runtime import media_file_manager
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile as UploadedFile

from service.api.app import TimedProtocol

PAGE_START, PAGE_END = b'<html lang="en">', b"</body>"
"""Where the one HTML page that Streamlit serves can be added to (`dashboard.server.FirstPaint`)."""

DOWNLOAD_SECONDS = 60.0
"""s that an unreferenced file is retained"""


def install() -> None:
    """Change how Streamlit's server works, before it starts.

    - To compare the address of a visitor's page with this machine's, it would ask a stranger's
      server for the latter (`net_util.get_external_ip`). Nothing leaves this machine. (At the
      start: .streamlit/config.toml)
    - It would lose a file that is given while the page is being drawn anew (`keep_answers`).
    - It would drop a download before its browser comes for it (`LastingFile`).
    - Until the front page was opened, it would take the folder pages/ for the pages
      (`PagesManager.uses_pages_directory`), and a link that leads straight to one of them would
      miss all that `dashboard.shell` puts around it.
    - It would wait for the rest of half a header for ever: it makes its uvicorn itself, without a
      way to say which protocol that uses (`uvicorn.Server.startup`).
    """
    net_util.get_external_ip = lambda: None
    PagesManager.uses_pages_directory = False
    media_file_manager.MediaFileMetadata = LastingFile  # type: ignore[misc]
    ForwardMsgQueue.clear = keep_answers  # type: ignore[method-assign, assignment]
    uvicorn.Server.startup = start_timed  # type: ignore[method-assign, assignment]


_startup = uvicorn.Server.startup


async def start_timed(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
    """Start uvicorn with the protocol that times out incomplete requests."""
    server.config.http_protocol_class = TimedProtocol
    await _startup(server, sockets)


_cleared = ForwardMsgQueue.clear


def keep_answers(
    queue: ForwardMsgQueue,
    retain_lifecycle_msgs: bool = False,
    fragment_ids_this_run: list[str] | None = None,
) -> None:
    """Clear undelivered output of an earlier script run, but not the upload URLs in it.

    A browser requests that URL before an upload. If a run began before the answer was sent, the
    answer was cleared with the rest, and the uploader hung until a reload: a file chosen right
    after an option was lost, and each one after it.
    """
    waiting = [one for one in queue._queue if one.WhichOneof("type") == "file_urls_response"]
    _cleared(queue, retain_lifecycle_msgs, fragment_ids_this_run)
    if retain_lifecycle_msgs:
        kept = {id(one) for one in queue._queue}
        queue._queue += [one for one in waiting if id(one) not in kept]


class LastingFile(media_file_manager.MediaFileMetadata):
    """A download file that is kept until the browser has had time to fetch it.

    Streamlit drops it at the second script run after it was made, in any session: beside a live
    session, which reruns several times a second, a report was gone before its browser requested it
    (404).
    """

    def mark_for_delete(self) -> None:
        """Record when it was last referenced."""
        if not self._is_marked_for_delete:
            self._marked = time.monotonic()
        super().mark_for_delete()

    @property
    def is_marked_for_delete(self) -> bool:
        """Return whether it may be deleted."""
        return self._is_marked_for_delete and time.monotonic() - self._marked > DOWNLOAD_SECONDS


def set_server_option(name: str, value: Any, origin: str) -> None:
    """Set an option ("server.maxUploadSize") of a server that is about to start: `st.set_option`
    sets the browser's only. `origin` names the source of the value in Streamlit's own messages: a
    variable's name."""
    config.set_option(name, value, origin)


def component_key(key: str) -> str:
    """Return a valid component key: Streamlit splits ids at two underscores, which Unmask's may
    contain."""
    return key.replace("_", "~")


def reported(key: str, name: str) -> dict[str, Any] | None:
    """Return the newest message of a type from a custom component; `key` is before
    `component_key`."""
    state = st.session_state.get(component_key(key))
    value = state.get(name) if state is not None else None
    return value if isinstance(value, dict) else None


def in_script_run() -> bool:
    """Return whether this thread runs a page's script; elsewhere `st.context` would log a
    warning."""
    return get_script_run_ctx(suppress_warning=True) is not None


def server_runs() -> bool:
    """Return whether a server runs; a test draws pages without one."""
    return runtime.exists()


def backend_script(path: str) -> str:
    """Return JavaScript with the server's address (`BACKEND_BASE_URL`); `path` ends in a slash."""
    where = json.dumps(path).replace("<", "\\u003c")
    return f"window.__streamlit = {{BACKEND_BASE_URL: location.origin + {where}}}"
