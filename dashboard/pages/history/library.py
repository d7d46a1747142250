"""The library of known footage: where it is from, what is in it, and what takes it away."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    cards,
    controls,
    page_header,
    record_cells,
    status_cards,
    typography,
)
from dashboard.components.chips import chip
from dashboard.components.markup import show
from dashboard.components.status_cards import Card
from dashboard.i18n import LazyDict, _
from dashboard.pages.history import adding, state, tabs
from service import known_footage
from service.context import PrincipalKind
from service.records.footage import ANALYSES, Footage, FootageSource
from service.storage.uploads import records_retention

PAGE = 10
"""files of a page"""
MAX_SOURCES = 50
"""that are listed; more are counted"""
MAX_EXPORTED_FRAMES = 5_000_000
"""of an export by the page, some 300 MB, which it makes in memory"""
FRAME_BYTES = 36
ROW = 35
"""px of a row"""
_SEARCH = "library-search"
_ELSEWHERE: LazyDict[str, str] = LazyDict(
    lambda: {
        ANALYSES: _("Your analyses"),
        "upload": _("Uploaded here"),
        "import": _("Fingerprints of others"),
    }
)
"""Labels of footage that is in no folder."""


def draw() -> None:
    """Draw the tab."""
    scope = session.record_scope()
    known = session.application().originals.known
    sources = known.store.sources(scope.owner)
    looks = scope.store.preferences(scope.owner).find_originals
    task = known.task(session.current_user())
    busy = task is not None and task.active
    _title(scope.owner, sources, busy=busy)
    tabs.draw()
    typography.flash(state.NOTICE, state.REFUSED)
    if not looks:
        _off()
    if task is not None:
        adding.draw_task(task)
    if sources:
        _sources(sources, looks=looks, busy=busy)
        _files(scope.owner)
    elif not busy:
        status_cards.show(_nothing())
        with st.container(border=True, key="card-library-add", height="content"):
            typography.title(_("Add footage"))
            adding.draw_fields()
    _whose()


def _title(owner: str, sources: Sequence[FootageSource], *, busy: bool) -> None:
    files = sum(one.files for one in sources)
    frames = sum(one.frames for one in sources)
    facts = [labels.count(files, "file known", "files known")]
    if seconds := sum(one.seconds for one in sources):
        facts.append(length(seconds))
    facts.append(_("fingerprints {size}").format(size=labels.size(frames * FRAME_BYTES)))
    with page_header.row(_("History"), facts if files else [_("known footage")]):
        if files and not busy:
            with st.popover(_("Add footage"), icon=":material/add:", width="content"):
                adding.draw_fields()
        if not busy:
            adding.draw_import()
        if not files:
            return
        if frames > MAX_EXPORTED_FRAMES:
            with st.popover(_("Export"), icon=":material/download:", width="content"):
                text = _("That is too much for the page. On this computer: unmask library export")
                typography.caption(text)
        else:
            make = partial(session.application().originals.known.export, owner)
            controls.download(_("Export"), make, "unmask-library.jsonl", "library-export")


def length(seconds: float | None) -> str:
    """ "14 s", "2 min 5 s", "212 h", "picture"."""
    if seconds is None:
        return _("picture")
    if seconds >= 3600:
        return f"{seconds / 3600:,.0f}{labels.NBSP}h"
    return labels.took(max(1.0, round(seconds)))


def _off() -> None:
    text = _(
        "“Look for originals” is switched off: analyses do not ask this library. What is in it "
        "stays."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="library-off"):
        typography.notice(text, announced=False)
        st.page_link(url_state.page("settings"), label=_("Settings"), icon=":material/settings:")


def _nothing() -> Card:
    here = known_footage.may_name_folders(session.request_context())
    return Card(
        slug="empty-library",
        kicker=_("Empty library"),
        icon="video_library",
        head=_("No footage yet"),
        text=(
            _("Add the folder where your originals are; only their prints are kept.")
            if here
            else _("Add your originals; only their prints are kept.")
        ),
        points=(
            _("Every analysis then looks whether it shows the same footage."),
            _("Prints are hashes of two frames a second at most; the footage itself is not kept."),
        ),
    )


def _whose() -> None:
    """Say whose this is where others use the server, and how long it stays."""
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
    """Draw a row for each place that footage is from."""
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
    reached = folder and adding.may_name_folders() and Path(source.source).is_dir()
    facts = [labels.count(source.files, "file", "files")]
    if source.seconds:
        facts.append(length(source.seconds))
    facts.append(_("latest {time}").format(time=record_cells.when(source.newest)))
    facts += adding.watched_facts(source.source) if reached else []
    with controls.apart(f"library-source-{key}"):
        cards.named(_name(source.source), " · ".join(facts))
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            if source.source == ANALYSES:
                words = _("automatic") if looks else _("off")
                show(chip(words, "plain", "sync" if looks else "block"), width="content")
            elif folder and not reached:
                gone = _("can’t be reached; its prints are kept")
                show(chip(gone, "plain", "cloud_off"), width="content")
            elif folder:
                adding.draw_watch(source.source, key)
                again = partial(adding.look_through, source.source)
                controls.button(
                    _("Look again"), "refresh", f"library-again-{key}", again, kind="tertiary",
                    disabled=busy, help=_("Adds what is new in this folder."),
                )  # fmt: skip
            if controls.button(
                _("Remove"), "delete", f"library-forget-{key}", kind="tertiary", disabled=busy
            ):
                st.dialog(_("Remove"))(_forget_source)(source)


def _name(source: str) -> str:
    return _ELSEWHERE.get(source, source)


def _forget_source(source: FootageSource) -> None:
    _ask(
        labels.count(source.files, "file", "files"),
        [_name(source.source)],
        partial(_source_removed, source),
    )


def _source_removed(source: FootageSource) -> None:
    originals = session.application().originals
    if adding.may_name_folders():
        originals.watch(session.request_context(), source.source, on=False)
    _removed(originals.known.store.remove_source(session.record_scope().owner, source.source))


# --- what is in it --------------------------------------------------------------------------------


def _files(owner: str) -> None:
    """Draw the files that are known, a page of them."""
    store = session.application().originals.known.store
    with st.container(border=True, key="card-history", height="content"):
        head = controls.apart("library-head")
        with head:
            text = controls.search(_("File name"), _SEARCH, 300)
        place = f"library-page-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        number = int(st.session_state.get(place, 1))
        files, total = store.page(owner, text, offset=(number - 1) * PAGE, limit=PAGE)
        if not files and number > 1:  # its last ones were removed
            number = st.session_state[place] = max(1, -(-total // PAGE))
            files, total = store.page(owner, text, offset=(number - 1) * PAGE, limit=PAGE)
        if not files:
            typography.notice(_("Nothing matches."))
            return
        key = f"library-table-{place}-{number}-{total}"
        marked = _marked(key, files)
        if marked:
            with head:
                words = _("Remove {number}").format(number=len(marked))
                if controls.button(words, "delete", "library-remove"):
                    forget(marked)
        with st.container(key="history-table"):
            _table(files, key)
        with st.container(key="history-cards"):
            _cards(files)
        with controls.apart("library-foot"):
            controls.pages(place, len(files), total, number=number, size=PAGE)


def _marked(key: str, files: Sequence[Footage]) -> list[Footage]:
    event = st.session_state.get(key)
    return [files[row] for row in event["selection"]["rows"] if row < len(files)] if event else []


def _table(files: Sequence[Footage], key: str) -> None:
    st.dataframe(
        [
            {
                "file": footage.name,
                "length": length(footage.duration),
                "added": record_cells.when(footage.added),
                "source": _name(footage.source),
            }
            for footage in files
        ],
        hide_index=True,
        row_height=ROW,
        height=ROW * len(files) + 36,
        column_config={
            "file": st.column_config.TextColumn(_("File"), width="large"),
            "length": st.column_config.TextColumn(_("Length"), width=100, alignment="right"),
            "added": st.column_config.TextColumn(_("Added"), width=130),
            "source": st.column_config.TextColumn(_("From"), width="medium"),
        },
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="–",
        key=key,
        alt=_("Known footage; mark rows to remove them."),
    )


def _cards(files: Sequence[Footage]) -> None:
    for footage in files:
        with st.container(
            border=True, horizontal=True, vertical_alignment="center", wrap=False,
            key=f"card-library-{footage.id}",
        ):  # fmt: skip
            facts = length(footage.duration), record_cells.when(footage.added)
            cards.named(footage.name, " · ".join((*facts, _name(footage.source))))
            if controls.button(_("Remove"), "", f"library-remove-{footage.id}", kind="tertiary"):
                forget([footage])


def forget(files: Sequence[Footage]) -> None:
    """Ask, then remove files from the library."""
    st.dialog(_("Remove"))(_forget)(files)


def _forget(files: Sequence[Footage]) -> None:
    names = [footage.name for footage in files]
    _ask(labels.count(len(files), "file", "files"), names, partial(_files_removed, files))


def _files_removed(files: Sequence[Footage]) -> None:
    store = session.application().originals.known.store
    _removed(store.remove(session.record_scope().owner, [footage.id for footage in files]))


def _ask(number: str, names: Sequence[str], run: Callable[[], None]) -> None:
    question = _("Remove {files} from your library? This can’t be undone.").format(files=number)
    after = _(
        "Their fingerprints are deleted; files and analyses stay where they are. Looking through "
        "their folder again adds them again."
    )
    controls.confirm(question, names, after, run, label=_("Remove"), key="library-removed")


def _removed(number: int) -> None:
    st.session_state[state.NOTICE] = labels.count(
        number, "file was removed from your library.", "files were removed from your library."
    )
