"""Bringing files: a drop zone, and links in a dialog."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath

import streamlit as st

from dashboard import session
from dashboard._compat import UploadedFile
from dashboard.components import controls, style, typography
from dashboard.i18n import _, advice
from dashboard.pages.batch import state
from detector import links
from detector.batch import is_container
from detector.batch.source import no_media
from detector.errors import UnmaskError
from detector.links.addresses import MAX_URL
from detector.schema.analysis import Settings
from service import limits
from service.batch_files import HEAD, IncomingFile
from service.batches import MAX_FILES
from service.records.batches import Batch

MAX_LINKS = 20
"""that are fetched while a person waits"""


def draw(batch: Batch | None) -> None:
    """Draw the drop zone; a fresh uploader after each copy to disk frees the memory."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    turn = st.session_state.get(state.UPLOADS, 0)
    with st.container(horizontal=True, vertical_alignment="center", key="batch-drop"):
        with st.container(key="drop", width="stretch"):
            style.drop_zone(
                _("Drop files or a ZIP"),
                _("Choose files"),
                _(
                    "videos, pictures, sounds, the pictures of a PDF, DOCX or PPTX · up to {limit} "
                    "MB each, {most} files · each file is checked when it arrives"
                ).format(limit=limit, most=MAX_FILES),
                _("We couldn’t take this file. The limit here is {limit} MB.").format(limit=limit),
            )
            files = st.file_uploader(
                _("Files"),
                key=f"batch-upload-{turn}",
                accept_multiple_files=True,
                label_visibility="collapsed",
            )
        with st.container(width="content"):
            if controls.button(_("A whole folder"), "folder_open", "batch-folder"):
                st.dialog(_("A whole folder"))(_folder)(batch)
            if links.allowed() and controls.button(_("Paste links"), "link", "batch-paste"):
                st.dialog(_("Paste links"))(_paste)(batch)
    if files:
        _take(files, batch)


def _folder(batch: Batch | None) -> None:
    """Take the media of a folder of the person's computer, and of the folders in it."""
    text = _("Videos, pictures and sounds in it are taken, {most} at most; all else stays away.")
    typography.caption(text.format(most=MAX_FILES))
    found = st.file_uploader(
        _("Folder"),
        accept_multiple_files="directory",
        key=f"batch-folder-{st.session_state.get(state.UPLOADS, 0)}",
    )
    media = [file for file in found if not no_media(file.name)]
    if media:
        _take(media, batch)
    elif found:
        typography.alert(_("There is no video, picture or sound in this folder."))


def _take(files: Sequence[UploadedFile], batch: Batch | None) -> None:
    st.session_state[state.UPLOADS] = st.session_state.get(state.UPLOADS, 0) + 1
    incoming = [IncomingFile(file, file.name, file.size) for file in files]
    with st.spinner(_("Taking the files in …")):
        _bring(incoming, batch, _name(incoming))
    st.rerun()


def _paste(batch: Batch | None) -> None:
    """Take addresses, a line each; what they lead to is fetched while the person waits."""
    text = st.text_area(
        _("Addresses of videos and pictures, one a line"),
        placeholder="https://",
        max_chars=MAX_LINKS * MAX_URL,
        key=state.LINKS,
        help=_("The file itself, not the page it is shown on. Its server sees that we ask."),
    )
    urls = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if len(urls) > MAX_LINKS:
        typography.alert(_("At most {number} links at a time.").format(number=MAX_LINKS))
    elif controls.button(_("Fetch"), "link", "batch-fetch", kind="primary") and urls:
        with st.spinner(_("Fetching the files …")):
            _bring(urls, batch)
        st.rerun()


def _name(files: Sequence[IncomingFile]) -> str:
    """Return what a batch of these is called: as the one archive that it is of."""
    if len(files) != 1:
        return ""
    head = files[0].source.read(HEAD)
    files[0].source.seek(0)
    return PurePath(files[0].name).stem if is_container(head) else ""


def _bring(files: Iterable[IncomingFile | str], batch: Batch | None, name: str = "") -> None:
    app, context = session.application(), session.request_context()
    try:
        brought = app.batch_runs.bring(
            context,
            app.scope(context),
            files,
            Settings(),
            id=batch.id if batch else None,
            name=name,
        )
    except UnmaskError as error:
        st.session_state[state.NOTICE] = advice(error)
    else:
        state.enter(brought.id)
