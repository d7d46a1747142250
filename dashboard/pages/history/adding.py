"""What is added to the library: a folder of this computer, files, fingerprints of others."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import labels, session
from dashboard.components import controls, record_cells, task_progress, typography
from dashboard.components.chips import bullets
from dashboard.components.markup import show
from dashboard.i18n import _, advice, say
from dashboard.pages.history import state
from detector.errors import UnmaskError
from service import known_footage, limits
from service.batch_files import IncomingFile
from service.known_footage import MAX_FILES, LibraryTask
from service.records.model import State

MAX_NAMED = 50
"""files that could not be read, by name; more are counted"""


def draw_task(task: LibraryTask) -> None:
    """Draw how far it is, or how it ended."""
    with st.container(border=True, key="card-library-task", height="content"):
        if task.active:
            typography.title(_("Adding footage"))
            note = _("You can leave this page; it goes on.")
            task_progress.draw(task, _progress, _("Stop"), "library-stop", note=note)
        else:
            _outcome(task)


def draw_fields() -> None:
    """Draw what can be added."""
    if may_name_folders():
        _folder()
    _files()


def draw_import() -> None:
    """Draw the way to add fingerprints that others exported."""
    with st.popover(_("Import"), icon=":material/upload:", width="content"):
        text = _("Fingerprints that others exported from their library. No footage is in them.")
        typography.caption(text)
        file = st.file_uploader(_("File of fingerprints"), key=_key("import"))
        if file is not None:
            incoming = IncomingFile(file, file.name, file.size)
            _begin(lambda: _known().add_prints(session.request_context(), incoming))
            st.rerun()


def may_name_folders() -> bool:
    """Return whether who looks may name a folder of this computer."""
    return known_footage.may_name_folders(session.request_context())


def look_through(folder: str) -> None:
    """Begin to add what is new in a folder."""
    _begin(lambda: _known().add_folder(session.request_context(), folder))


def draw_watch(folder: str, key: str) -> None:
    """Draw the switch by which what comes into a folder is added by itself."""
    originals = session.application().originals
    watched = folder in originals.watched()

    def change() -> None:
        try:
            originals.watch(session.request_context(), folder, on=not watched)
        except UnmaskError as error:
            st.session_state[state.REFUSED] = advice(error)

    st.toggle(
        _("Watch"), watched, key=f"library-watch-{key}-{watched}", on_change=change,
        help=_("Adds what comes into this folder, while Unmask runs."),
    )  # fmt: skip


def watched_facts(folder: str) -> list[str]:
    """Return what came of watching a folder, in a few words; nothing where it is not watched."""
    seen = session.application().originals.watch_state(folder)
    if seen is None:
        return []
    if seen.error:
        return [say(seen.error.message)]
    if seen.looked is None:
        return [_("is being looked at")]
    facts = [_("last looked at {time}").format(time=record_cells.when(seen.looked))]
    if seen.unread:
        facts.append(labels.count(seen.unread, "file not added", "files not added"))
    return facts


def _known() -> known_footage.KnownFootage:
    return session.application().originals.known


def _key(name: str) -> str:
    """Return the key of a field, which is a fresh one once something was added."""
    return f"library-{name}-{st.session_state.get(state.UPLOADS, 0)}"


def _begin(start: Callable[[], object]) -> None:
    """Start the task; errors appear at the next rerun."""
    try:
        start()
    except UnmaskError as error:
        st.session_state[state.REFUSED] = advice(error)
    finally:
        st.session_state[state.UPLOADS] = st.session_state.get(state.UPLOADS, 0) + 1


def _folder() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="library-folder-row"):
        folder = st.text_input(
            _("Folder on this computer"), placeholder=_("/videos/originals"), width=480,
            key="library-folder",
        )  # fmt: skip
        add = controls.button(
            _("Add the folder"), "create_new_folder", "library-add-folder", kind="primary"
        )
    if add and not (folder or "").strip():
        typography.alert(_("Write the path of a folder."))
    elif add:
        try:
            _known().add_folder(session.request_context(), folder)
        except UnmaskError as error:
            typography.alert(advice(error))
        else:
            st.rerun()


def _files() -> None:
    """Draw the file field; a fresh uploader after each copy to disk frees the memory."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    files = st.file_uploader(
        _("Or single files") if may_name_folders() else _("Videos and pictures"),
        accept_multiple_files=True,
        max_upload_size=limit,
        key=_key("files"),
    )
    text = _(
        "At most {most} files at a time. Their fingerprints are taken, and the copies deleted."
    )
    typography.caption(text.format(most=MAX_FILES))
    if files:
        incoming = [IncomingFile(file, file.name, file.size) for file in files]
        with st.spinner(_("Taking the files in …")):
            _begin(lambda: _known().add_files(session.request_context(), incoming))
        st.rerun()


def _progress(task: LibraryTask) -> str:
    if not task.total:
        return _("Looking what is there")
    text = _("{done} of {total} files").format(done=f"{task.done:,}", total=f"{task.total:,}")
    return task_progress.with_time_left(text, task)


def _outcome(task: LibraryTask) -> None:
    """Draw how it ended, until somebody has seen it."""
    with controls.apart("library-outcome"):
        if task.state is State.CANCELED:
            typography.paragraph(say(task.error), width="content")
        elif task.error:
            typography.alert(f"{say(task.error)} {say(task.hint)}".strip())
        if numbers := _numbers(task):
            typography.paragraph(numbers, width="content")
        with st.container(horizontal=True, width="content"):
            if task.folder and task.state in (State.INTERRUPTED, State.CANCELED, State.FAILED):
                again = partial(look_through, task.folder)
                controls.button(_("Go on"), "play_arrow", "library-go-on", again)
            dismiss = partial(_known().dismiss, session.current_user())
            controls.button(_("Done"), "check", "library-done", dismiss, kind="tertiary")
    if task.left_out:
        with st.expander(
            _("{files} not added").format(files=labels.count(task.unread, "file", "files"))
        ):
            lines = [f"{one.name}: {advice(one.error)}" for one in task.left_out[:MAX_NAMED]]
            if task.unread > len(lines):
                lines.append(_("and {number} more").format(number=task.unread - len(lines)))
            show(bullets(lines))


def _numbers(task: LibraryTask) -> str:
    """ "12 files added · 3 known already"; empty after an interrupted import."""
    if not task.added + task.known + task.unread:
        return _("There was no footage in it.") if task.state is State.DONE else ""
    words = [labels.count(task.added, "file added", "files added")]
    if task.known:
        words.append(_("{number} known already").format(number=f"{task.known:,}"))
    return " · ".join(words)
