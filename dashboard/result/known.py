"""Banner of a result whose footage is known: its match, the comparison, and the way to both side by
side."""

from dataclasses import dataclass, field

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, record_cells, typography
from dashboard.components.markup import show
from dashboard.i18n import advice
from dashboard.result.linked import ResultRecord
from detector.errors import InputError
from detector.presentation import comparison as words
from detector.presentation import footage
from detector.schema.comparison import Comparison
from detector.schema.summary import FoundFootage
from detector.sentences import _, say
from service.records.model import MissedLookup, RecordsError, State
from service.tasks.jobs import Job
from service.tasks.task import QueueFull

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class KnownMatch:
    """The known footage of a result, and its comparison."""

    found: FoundFootage | None = None
    """of the user's library; None for everybody but the owner"""
    comparison: Comparison | None = None
    """of the result with that footage; without `found`, with what a person held it against"""
    ours: bool = False  # the result is of whoever is here, to change
    copy: Comparison | None = None
    """of the footage with this very file, where that is stated to be the footage's original"""
    other: str | None = None  # id of an analysis of the footage
    missed: MissedLookup = field(default_factory=MissedLookup)
    """how the footage was looked for in the library and not found"""
    problem: str = ""  # why nothing could be looked up

    @property
    def name(self) -> str:
        """Return the name of the footage, untrusted; empty without a match."""
        if self.comparison is not None and not self.comparison.finding.same_footage:
            return ""
        if self.found is not None:
            return self.found.name
        return self.comparison.original_media.name if self.comparison is not None else ""

    @property
    def known(self) -> bool:
        """Return whether there is footage to show."""
        return self.found is not None or self.comparison is not None

    @property
    def is_original(self) -> bool:
        """Return whether it may be called the original: not a file that was only analyzed before
        and not named one, nor one that looks younger."""
        comparison = self.comparison
        if self.copy is not None or (comparison is not None and comparison.roles_doubtful):
            return False
        return self.known and not self.assumed

    @property
    def assumed(self) -> bool:
        """Return whether nothing names the footage an original; it was only analyzed before."""
        if self.comparison is not None:
            return words.unstated(self.comparison)
        return self.found is not None and self.found.seen

    @property
    def may_open(self) -> bool:
        """Return whether both can be opened side by side: the footage is an analysis, or a file in
        a folder that can be analyzed."""
        return self.other is not None or self.in_folder

    @property
    def in_folder(self) -> bool:
        """Return whether the footage is in a folder of this computer."""
        found = self.found
        return found is not None and found.in_folder and session.is_loopback_client()


def look_up(record: ResultRecord) -> KnownMatch:
    """Return the user's known footage of a result."""
    if not isinstance(record, Job) or record.analysis is None:
        return KnownMatch()
    comparison = record.analysis.comparison
    if not session.owns(record):
        return KnownMatch(comparison=comparison)
    originals, context = session.application().originals, session.request_context()
    try:
        found = originals.found(context, record)
        if comparison is not None and found is not None:
            if comparison.original_media.sha256 != found.match_sha256:
                found = None  # a person held it against something else since
        elif found is not None:
            # Other footage is added to no analysis; that it is other footage is known all the same.
            pair = record.record.sha256, found.match_sha256
            kept = originals.comparisons.find(context.principal.id, *pair)
            comparison = kept.comparison if kept is not None else None
        copy = None
        if comparison is None and found is not None:
            copy = originals.stated_copy(context, record, found.match_sha256)
        name = (
            comparison.original_media.sha256 if comparison else found.match_sha256 if found else ""
        )
        other = originals.analysis_of(session.record_scope(), name) if name else None
        missed = MissedLookup() if name else originals.missed(context, record)
    except RecordsError as error:
        return KnownMatch(problem=say(error.message))
    return KnownMatch(found, comparison, ours=True, copy=copy, other=other, missed=missed)


def banner(record: ResultRecord, match: KnownMatch) -> None:
    """Draw the banner of the comparison or of matching footage, with the way to both side by side;
    nothing without.

    It has one fixed place on the page, even if empty: otherwise every element below, a second
    player among them, would get another place when a lookup ends.
    """
    if not isinstance(record, Job) or record.analysis is None:
        return
    with st.container(key="original-place"):
        if match.problem:
            typography.alert(match.problem)
        elif leads(record, match):
            _finding(record, match)
        elif _watched(record):
            _row(record)


def leads(record: ResultRecord, match: KnownMatch) -> bool:
    """Return whether the banner shows the footage, rather than the row of a lookup."""
    return match.known and isinstance(record, Job) and _seen(record) not in st.session_state


def _finding(record: Job, match: KnownMatch) -> None:
    with st.container(
        border=True, key="card-original", horizontal=True, vertical_alignment="center"
    ):
        analysis = record.analysis
        # Where an origin heads the verdict, a row under it tells of the comparison.
        told = (
            analysis is not None and analysis.proof is not None and not analysis.accusing_comparison
        )
        text = footage.headline(match.found, match.comparison, match.copy)
        if told:
            text = footage.place(match.found, match.comparison)
        show(typography.outcome(typography.strong(text)))
        with st.container(
            key="original-actions", horizontal=True, vertical_alignment="center", width="content",
            gap="small",
        ):  # fmt: skip
            if match.ours:
                _way(record, match)
            with st.popover(_("How it matches"), type="tertiary"):
                show(typography.text(_details(record, match)))
                if match.ours and match.copy is None:  # a copy's page takes back what was stated
                    _refusal(record, match)


def _details(record: Job, match: KnownMatch) -> str:
    added = match.found.added if match.found is not None else None
    day = labels.day(added.astimezone(record_cells.zone())) if added is not None else ""
    still = record.analysis is None or record.analysis.media.kind == "image"
    return footage.details(match.found, match.comparison, day=day, still=still)


def _way(record: Job, match: KnownMatch) -> None:
    """Draw the button to both side by side, or why there is none."""
    if match.may_open:
        compared = match.comparison is not None or match.copy is not None
        label = _("Open the comparison") if compared else _("Compare with it")
        key = f"original-open-{record.key}"
        if controls.button(label, "compare", key, kind="primary"):
            open_comparison(record, match)
    else:
        gone = _("The other file is no longer stored here.")
        kept = _("Only its fingerprints are stored here.")
        typography.caption(kept if match.found is not None else gone, width="content")


def _refusal(record: Job, match: KnownMatch) -> None:
    label = _("Don’t tell again") if match.assumed else _("Not the original")
    if controls.button(label, "close", f"original-not-{record.key}"):
        session.application().originals.reject_match(session.request_context(), record)
        st.rerun()


def open_comparison(record: Job, match: KnownMatch) -> None:
    """Open both side by side; footage in a folder is analyzed first. Draw the reason if that is
    impossible."""
    other = match.other
    if other is None and match.found is not None:
        context, scope = session.request_context(), session.record_scope()
        originals = session.application().originals
        try:
            job = originals.import_known(context, scope, match.found, record.settings)
        except (QueueFull, InputError) as error:
            typography.alert(advice(error))
            return
        other = job.key if job is not None else None
    if other is None:
        typography.alert(_("The file is not in its folder any more."))
        return
    pair = (other, record.key) if match.copy is not None else (record.key, other)
    url_state.go_to("compare", a=pair[0], b=pair[1])


# --- while it is looked for -----------------------------------------------------------------------


def _watched(record: Job) -> bool:
    """Return whether the lookup is or was visible to the user; not in an otherwise empty
    library."""
    originals = session.application().originals
    task = originals.lookup(session.current_user(), record)
    if task is not None and task.active and originals.others(session.request_context(), record):
        st.session_state[_seen(record)] = True
    return task is not None and _seen(record) in st.session_state


def _seen(record: Job) -> str:
    """Return the session key of a lookup that was shown."""
    return f"original-looked-{record.key}"


def _row(record: Job) -> None:
    """Draw the progress of the lookup in a fixed row; its match is drawn over the result on
    request, so that nothing moves under a pointer."""
    task = session.application().originals.lookup(session.current_user(), record)
    active = task is not None and task.active
    st.fragment(_looking, run_every=POLL_SECONDS if active else None)(record, begun=active)


def _looking(record: Job, *, begun: bool) -> None:
    task = session.application().originals.lookup(session.current_user(), record)
    with st.container(
        key="original-lookup", horizontal=True, vertical_alignment="center", gap="small"
    ):
        if task is not None and task.active:
            typography.caption(_("Looking for the original in your library"), width="content")
            stop = f"original-stop-{record.key}"
            if controls.button(_("Stop"), "close", stop, kind="tertiary"):
                session.cancel(task)
            return
        match = look_up(record)
        if match.comparison is not None and match.comparison.accuses:
            _reveal(record)  # near-proof heads the verdict, whatever has to move for it
        if match.known:
            said = footage.place(match.found, match.comparison)
            typography.caption(said, width="content", announced=True)
            show = f"original-show-{record.key}"
            if controls.button(_("Show"), "expand_more", show, kind="tertiary"):
                _reveal(record)
            return
        if begun:  # ends the polling; with nothing found the page is as it was
            st.rerun()
        done = task is not None and task.state is State.DONE
        unknown = match.problem or _("Your library was not searched to its end")
        said = footage.missed(*match.missed[1:]) if done and not match.problem else unknown
        typography.caption(said, width="content", announced=True)


def _reveal(record: Job) -> None:
    """Rerun the whole page with the match, the verdict card included."""
    st.session_state.pop(_seen(record), None)
    st.rerun()
