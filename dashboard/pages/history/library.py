"""The library of known footage: its sources, files, additions and removals."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    cards,
    collection,
    controls,
    page_header,
    record_cells,
    status_cards,
    task_progress,
    typography,
)
from dashboard.components.chips import bullets, chip
from dashboard.components.collection import Collection, ListColumn
from dashboard.components.markup import Text, show
from dashboard.components.status_cards import Card
from dashboard.i18n import advice
from dashboard.pages import alerted, refused_in
from dashboard.pages.history import state
from detector.presentation import summary
from detector.schema.summary import ANALYSES
from detector.sentences import _, numeral, say
from service import known_footage, limits
from service.batch_files import IncomingFile
from service.context import PrincipalKind
from service.known_footage import MAX_FILES, LibraryTask
from service.records.footage import FootageSource
from service.records.model import State
from service.records.tables import Footage
from service.storage.uploads import records_retention

PAGE = 10
"""files of a page"""
MAX_SOURCES = 50
"""that are listed; more are counted"""
MAX_EXPORTED_FRAMES = 5_000_000
"""of an export by the page, some 300 MB, which it makes in memory"""
FRAME_BYTES = 36
_SEARCH = "library-search"
_ELSEWHERE = {
    ANALYSES: _("Your analyses"),
    "upload": _("Uploaded here"),
    "import": _("Fingerprints of others"),
}
"""Labels of footage that is in no folder."""


def draw() -> None:
    """Draw the tab."""
    scope = session.record_scope()
    known = _known()
    sources = known.store.sources(scope.owner)
    looks = scope.store.preferences(scope.owner).find_originals
    user = session.current_user()
    task = known.find(user.id, user)
    busy = task is not None and task.active
    _title(scope.owner, sources, busy=busy)
    state.draw_tabs()
    typography.flash(state.NOTICE, state.REFUSED)
    if not looks:
        text = _(
            "“Look for originals” is switched off: analyses do not ask this library. What is in it "
            "stays."
        )
        with st.container(horizontal=True, vertical_alignment="center", key="library-off"):
            typography.notice(text, announced=False)
            settings = url_state.page("settings")
            st.page_link(settings, label=_("Settings"), icon=":material/settings:")
    if task is not None:
        with st.container(border=True, key="card-library-task", height="content"):
            if task.active:
                typography.title(_("Adding footage"))
                note = _("You can leave this page; it goes on.")
                task_progress.draw(task, _progress, note)
            else:
                _outcome(task)
    if sources:
        _sources(sources, looks=looks, busy=busy)
        _files(scope.owner)
    elif not busy:
        status_cards.show(_nothing())
        with st.container(border=True, key="card-library-add", height="content"):
            typography.title(_("Add footage"))
            _fields()
    _whose()


def _title(owner: str, sources: Sequence[FootageSource], *, busy: bool) -> None:
    files = sum(one.files for one in sources)
    frames = sum(one.frames for one in sources)
    facts = [labels.count(files, "file known", "files known")]
    if seconds := sum(one.seconds for one in sources):
        facts.append(summary.length(seconds))
    facts.append(_("fingerprints {size}").format(size=labels.size(frames * FRAME_BYTES)))
    with page_header.row(_("History"), facts if files else [_("known footage")]):
        if files and not busy:
            with st.popover(_("Add footage"), icon=":material/add:", width="content"):
                _fields()
        if not busy:
            _import()
        if not files:
            return
        if frames > MAX_EXPORTED_FRAMES:
            with st.popover(_("Export"), icon=":material/download:", width="content"):
                text = _("That is too much for the page. On this computer: unmask library export")
                typography.caption(text)
        else:
            make = partial(_known().export, owner)
            controls.download(_("Export"), make, "unmask-library.jsonl", "library-export")


def _nothing() -> Card:
    return Card(
        slug="empty-library",
        kicker=_("Empty library"),
        icon="video_library",
        head=_("No footage yet"),
        text=(
            _("Add the folder where your originals are; only their prints are kept.")
            if _may_name_folders()
            else _("Add your originals; only their prints are kept.")
        ),
        points=(
            _("Every analysis then looks whether it shows the same footage."),
            _("Prints are hashes of two frames a second at most; the footage itself is not kept."),
        ),
    )


def _whose() -> None:
    """Draw who sees this library on a shared server, and how long it is stored."""
    person = session.current_user()
    if person.kind is PrincipalKind.LOCAL:
        return
    text = _("This library is yours alone: other people here can’t see it or search it.")
    if person.kind is PrincipalKind.GUEST:
        days = labels.hours(records_retention().total_seconds() / 3600)
        text += " " + _("Without an account, what is in it is deleted after {time}.").format(
            time=days
        )
    typography.caption(text, after=True)


# --- where it is from -----------------------------------------------------------------------------


def _sources(sources: Sequence[FootageSource], *, looks: bool, busy: bool) -> None:
    """Draw a row for each source of footage."""
    with st.container(border=True, key="card-library-sources", height="content"):
        typography.title(_("Where it is from"))
        for source in sources[:MAX_SOURCES]:
            _source(source, looks=looks, busy=busy)
        if len(sources) > MAX_SOURCES:
            more = _("and {number} more").format(number=len(sources) - MAX_SOURCES)
            typography.caption(more)


def _source(source: FootageSource, *, looks: bool, busy: bool) -> None:
    key = hashlib.sha256(source.source.encode()).hexdigest()[:12]
    folder = source.source not in _ELSEWHERE
    reached = folder and _may_name_folders() and Path(source.source).is_dir()
    facts = [
        labels.count(source.files, "file", "files"),
        summary.length(source.seconds) if source.seconds else "",
        _("latest {time}").format(time=record_cells.when(source.newest)),
    ]
    facts += _watched_facts(source.source) if reached else []
    with collection.line(f"library-source-{key}", _name(source.source), *facts):
        if source.source == ANALYSES:
            words = _("automatic") if looks else _("off")
            show(chip(words, "plain", "sync" if looks else "block"), width="content")
        elif folder and not reached:
            gone = _("can’t be reached; its prints are kept")
            show(chip(gone, "plain", "cloud_off"), width="content")
        elif folder:
            _watch(source.source, key)
            again = partial(_look_through, source.source)
            controls.button(
                _("Look again"), "refresh", f"library-again-{key}", again, kind="tertiary",
                disabled=busy, help=_("Adds what is new in this folder."),
            )  # fmt: skip
        if controls.button(
            _("Remove"), "delete", f"library-forget-{key}", kind="tertiary", disabled=busy
        ):
            _forget_source(source)


def _name(source: str) -> str:
    return say(_ELSEWHERE.get(source, source))


def _forget_source(source: FootageSource) -> None:
    def remove() -> int:
        known = _known()
        if _may_name_folders():
            known.watch(session.request_context(), source.source, on=False)
        return known.store.remove_source(session.record_scope().owner, source.source)

    _ask(labels.count(source.files, "file", "files"), [_name(source.source)], remove)


# --- what is in it --------------------------------------------------------------------------------


def _files(owner: str) -> None:
    """Draw a page of the known files."""
    store = _known().store
    with st.container(border=True, key="card-history", height="content"):
        head = controls.apart("library-head")
        with head:
            text = controls.search(_("File name"), _SEARCH, 300)
        place = f"library-page-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

        def fetch(offset: int) -> tuple[Sequence[Footage], int]:
            return store.page(owner, text, offset=offset, limit=PAGE)

        page = collection.page(place, PAGE, fetch)
        if not page.items:
            typography.notice(_("Nothing matches."))
            return
        table, key = _listed(), f"library-table-{place}-{page.number}-{page.total}"
        if marked := table.selected(key, page.items).marked:
            with head:
                words = _("Remove {number}").format(number=len(marked))
                if controls.button(words, "delete", "library-remove"):
                    _forget_files(marked)
        table.draw(key, page.items)
        with controls.apart("library-foot"):
            page.draw()


def _listed() -> Collection[Footage]:
    """Return the layout of the list of known files."""

    def remove(number: int, footage: Footage) -> None:
        if controls.button(_("Remove"), "", f"library-remove-{footage.id}", kind="tertiary"):
            _forget_files([footage])

    def card(footage: Footage) -> Text:
        facts = (
            summary.length(footage.duration),
            record_cells.when(footage.added),
            _name(footage.source),
        )
        return cards.name_and_note(footage.name, " · ".join(facts))

    return Collection(
        name="library",
        columns={
            "file": ListColumn(_("File"), lambda footage: footage.name, 400),
            "length": ListColumn(
                _("Length"),
                lambda footage: summary.length(footage.duration),
                100,
                record_cells.RIGHT,
            ),
            "added": ListColumn(_("Added"), lambda footage: record_cells.when(footage.added), 130),
            "source": ListColumn(_("From"), lambda footage: _name(footage.source), 200),
        },
        alt=_("Known footage; mark rows to remove them."),
        title=lambda footage: footage.name,
        card=card,
        action=remove,
        pressable=False,
    )


def _forget_files(files: Sequence[Footage]) -> None:
    """Draw the dialog that removes files from the library."""
    names, ids = [footage.name for footage in files], [footage.id for footage in files]
    remove = partial(_known().store.remove, session.record_scope().owner, ids)
    _ask(labels.count(len(files), "file", "files"), names, remove)


def _ask(number: str, names: Sequence[str], remove: Callable[[], int]) -> None:
    """Draw a confirmation; `remove` returns the number of removed files."""
    question = _("Remove {files} from your library? This can’t be undone.").format(files=number)
    after = _(
        "Their fingerprints are deleted; files and analyses stay where they are. Looking through "
        "their folder again adds them again."
    )

    def run() -> None:
        st.session_state[state.NOTICE] = labels.count(
            remove(), "file was removed from your library.", "files were removed from your library."
        )

    controls.confirm(question, names, after, run, label=_("Remove"), key="library-removed")


# --- what is added --------------------------------------------------------------------------------


MAX_NAMED = 50
"""files that could not be read, by name; more are counted"""


def _fields() -> None:
    """Draw the fields for additions."""
    if _may_name_folders():
        _folder_field()
    _file_field()


def _import() -> None:
    """Draw the import of fingerprints."""
    with st.popover(_("Import"), icon=":material/upload:", width="content"):
        text = _("Fingerprints that others exported from their library. No footage is in them.")
        typography.caption(text)
        file = st.file_uploader(_("File of fingerprints"), key=_key("import"))
        if file is not None:
            incoming = IncomingFile(file, file.name, file.size)
            _begin(lambda: _known().add_prints(session.request_context(), incoming))
            st.rerun()


def _may_name_folders() -> bool:
    """Return whether the viewer may name a folder of this computer."""
    return known_footage.may_name_folders(session.request_context())


def _look_through(folder: str) -> None:
    """Start to add the new files of a folder."""
    _begin(lambda: _known().add_folder(session.request_context(), folder))


def _watch(folder: str, key: str) -> None:
    """Draw the switch that adds new files of a folder automatically."""
    known = _known()
    watched = folder in known.watched()

    def change() -> None:
        with refused_in(state.REFUSED):
            known.watch(session.request_context(), folder, on=not watched)

    st.toggle(
        _("Watch"), watched, key=f"library-watch-{key}-{watched}", on_change=change,
        help=_("Adds what comes into this folder, while Unmask runs."),
    )  # fmt: skip


def _watched_facts(folder: str) -> list[str]:
    """Return the state of a watched folder in a few words; empty if it is not watched."""
    seen = _known().watch_state(folder)
    if seen is None:
        return []
    if seen.error:
        return [say(seen.error.message)]
    if seen.looked is None:
        return [_("is being looked at")]
    facts = [_("last looked at {time}").format(time=record_cells.when(seen.looked))]
    if seen.unread:
        facts.append(labels.count(seen.unread, "file not added", "files not added"))
    if seen.passed_over:
        facts.append(labels.count(seen.passed_over, "file passed over", "files passed over"))
    return facts


def _known() -> known_footage.KnownFootage:
    return session.application().originals.known


def _key(name: str) -> str:
    """Return the key of a field, a fresh one after each addition."""
    return f"library-{name}-{st.session_state.get(state.UPLOADS, 0)}"


def _begin(start: Callable[[], object]) -> None:
    """Start the task; errors appear at the next rerun."""
    with refused_in(state.REFUSED):
        start()
    st.session_state[state.UPLOADS] = st.session_state.get(state.UPLOADS, 0) + 1


def _folder_field() -> None:
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
        with alerted():
            _known().add_folder(session.request_context(), folder)
            st.rerun()


def _file_field() -> None:
    """Draw the file field; a fresh uploader after each copy to disk frees the memory."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    files = st.file_uploader(
        _("Or single files") if _may_name_folders() else _("Videos and pictures"),
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
    text = _("{done} of {total} files").format(done=numeral(task.done), total=numeral(task.total))
    return task_progress.with_time_left(text, task)


def _outcome(task: LibraryTask) -> None:
    """Draw the outcome of the last task until it is dismissed."""
    with controls.apart("library-outcome"):
        if task.state is State.CANCELED:
            typography.paragraph(say(task.error), width="content")
        elif task.error:
            typography.alert(f"{say(task.error)} {say(task.hint)}".strip())
        if numbers := _numbers(task):
            typography.paragraph(numbers, width="content")
        with st.container(horizontal=True, width="content"):
            if task.folder and task.state in (State.INTERRUPTED, State.CANCELED, State.FAILED):
                again = partial(_look_through, task.folder)
                controls.button(_("Go on"), "play_arrow", "library-go-on", again)
            dismiss = partial(_known().dismiss, task.subject, session.current_user())
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
    passed = [summary.passed_over(task.passed_over)] if task.passed_over else []
    if not task.added + task.known + task.unread and task.state is State.DONE:
        return " ".join([_("There was no footage in it."), *passed])
    if not task.added + task.known + task.unread + len(passed):
        return ""
    words = [labels.count(task.added, "file added", "files added")]
    if task.known:
        words.append(_("{number} known already").format(number=numeral(task.known)))
    words += passed
    return " · ".join(words)
