"""Whose footage a result shows: the banner over it where its owner's library knows the footage, or
where the two were held against each other, and the way to both side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, session, url_state
from dashboard.components import controls, record_cells, typography
from dashboard.components.markup import show
from dashboard.i18n import _, advice, say, speech
from dashboard.result.record import ResultRecord
from detector.errors import InputError
from detector.messages import comparison as words
from detector.schema.comparison import Comparison
from service.records.footage import ANALYSES
from service.records.lookups import FoundFootage
from service.records.model import RecordsError, State
from service.tasks.jobs import Job, QueueFull


@dataclass(frozen=True)
class KnownMatch:
    """The footage that a result shows, and what came of holding the two against each other.

    Attributes
    ----------
    found : FoundFootage or None
        Of the library of whoever is here; None for everybody but the owner.
    comparison : Comparison or None
        Of the result with that footage; without `found`, with what a person held it against.
    ours : bool
        The result is of whoever is here, to change.
    other : str or None
        The id of an analysis of the footage.
    searched : int
        Files of the library in which the footage was looked for and is not.
    problem : str
        Why nothing could be looked up.
    """

    found: FoundFootage | None = None
    comparison: Comparison | None = None
    ours: bool = False
    other: str | None = None
    searched: int = 0
    problem: str = ""

    @property
    def name(self) -> str:
        """The footage's, where it is the same; hostile, and empty where nothing is known."""
        if self.comparison is not None and not self.comparison.finding.same_footage:
            return ""
        if self.found is not None:
            return self.found.name
        return self.comparison.original_media.name if self.comparison is not None else ""

    @property
    def is_original(self) -> bool:
        """Whether it may be called the original: not what was merely analyzed before, until a
        person says so, nor what looks like the younger file."""
        comparison = self.comparison
        if comparison is not None and comparison.roles_doubtful:
            return False
        stated = comparison is not None and comparison.roles == "stated"
        return stated or (self.found is not None and self.found.source != ANALYSES)

    @property
    def may_open(self) -> bool:
        """Whether both can be looked at side by side: the footage is an analysis, or becomes one
        from the folder that it is in."""
        return self.other is not None or self.in_folder

    @property
    def in_folder(self) -> bool:
        """Whether the footage is in a folder of the computer that the person sits at."""
        found = self.found
        return found is not None and _is_folder(found) and session.is_loopback_client()


def look_up(record: ResultRecord) -> KnownMatch:
    """Return what is known of the footage of a result, for whoever is here."""
    if not isinstance(record, Job) or record.analysis is None:
        return KnownMatch()
    comparison = record.analysis.comparison
    if not session.owns(record):
        return KnownMatch(comparison=comparison)
    originals, context = session.application().originals, session.request_context()
    try:
        found = originals.found(context, record)
        if comparison is not None and found is not None:
            if comparison.original_media.sha256 != found.found:
                found = None  # a person held it against something else since
        elif found is not None:
            # Other footage is added to no analysis; that it is other footage is known all the same.
            pair = record.record.sha256, found.found
            kept = originals.comparisons.store.find(context.principal.id, *pair)
            comparison = kept.comparison if kept is not None else None
        name = comparison.original_media.sha256 if comparison else found.found if found else ""
        other = originals.analysis_of(session.record_scope(), name) if name else None
        searched = 0 if name else originals.searched(context, record)
    except RecordsError as error:
        return KnownMatch(problem=say(error.message))
    return KnownMatch(found, comparison, ours=True, other=other, searched=searched)


def banner(record: ResultRecord, match: KnownMatch) -> None:
    """Draw, over a result, what it was compared with or what in the library shows the same footage,
    and the way to the two side by side; nothing without.

    All of it stands in one place of the page, which is there without it too: else everything below
    would get another place, a second player among it, when a lookup ends.
    """
    if not isinstance(record, Job) or record.analysis is None:
        return
    with st.container(key="original-place"):
        if match.problem:
            typography.alert(match.problem)
        elif match.comparison is None and match.found is None:
            _lookup(record)
        else:
            _finding(record, match)


def _finding(record: Job, match: KnownMatch) -> None:
    with st.container(
        border=True, key="card-original", horizontal=True, vertical_alignment="center"
    ):
        head = typography.outcome(typography.strong(headline(match)))
        show(head, typography.text(_details(record, match)))
        if match.ours:
            with st.container(
                key="original-actions", horizontal=True, vertical_alignment="center",
                width="content", gap="small",
            ):  # fmt: skip
                _buttons(record, match)


def headline(match: KnownMatch) -> str:
    """Return what is known of the footage. What was merely analyzed is not called an original."""
    found, comparison = match.found, match.comparison
    answer = _lower(words.short(comparison, speech())) if comparison is not None else ""
    if found is None:
        assert comparison is not None
        text = _("Compared with {name}: {answer}")
        return text.format(name=comparison.original_media.name, answer=answer)
    seen = found.source == ANALYSES
    if comparison is not None and not comparison.finding.same_footage:
        alike = _("Footage like it is in your library: {answer}")
        if seen:
            alike = _("Footage like it is among your analyses: {answer}")
        return alike.format(answer=answer)
    matched, of = _matched(match)
    said = _("The same footage is in your library")
    if comparison is None and found.by_faces:
        said = _("Footage of this face, framed otherwise, is in your library")
        if seen:
            said = _("Footage of this face, framed otherwise, is among your analyses")
    elif seen:
        said = _("The same footage is among your analyses")
        if matched < of:
            said = _("Part of this footage is among your analyses")
    elif matched < of:
        said = _("Part of this footage is in your library")
    return _("{found}: {answer}").format(found=said, answer=answer) if answer else said


def _matched(match: KnownMatch) -> tuple[int, int]:
    """Return how many moments agree, and of how many: those that were held against each other, else
    those that were looked for."""
    if match.comparison is not None:
        return match.comparison.time.matched, match.comparison.time.compared
    return (match.found.matched, match.found.asked) if match.found is not None else (0, 0)


def _details(record: Job, match: KnownMatch) -> str:
    """Return the footage's name, where it is from and since when, where the file begins in it, and
    what was measured."""
    analysis, comparison = record.analysis, match.comparison
    parts = [_origin(match.found)] if match.found is not None else []
    start = match.found.start if match.found is not None else 0.0
    if comparison is not None and comparison.finding.same_footage:
        time = comparison.time
        start = max(0.0, time.stretches[0].original_start if time.stretches else time.offset)
    other = comparison is not None and not comparison.finding.same_footage
    if analysis is not None and analysis.media.kind != "image" and not other:
        text = _("Begins at {start} of it.")
        parts.append(text.format(start=labels.clock(start, tenths=False)))
    matched, of = _matched(match)
    values = {"matched": matched, "of": of}
    if comparison is None:
        text = _("{matched} of {of} frames match.")
        if match.found is not None and match.found.by_faces:
            text = _("The face matches in {matched} of {of} frames.")
        parts.append(text.format(**values))
        return " ".join(parts)
    if comparison.movement is not None:
        return " ".join([*parts, words.against(comparison, speech())])
    if comparison.elsewhere is None:
        parts.append(_("{matched} of {of} moments match.").format(**values))
        return " ".join(parts)
    text = _("{matched} of {of} moments match; {rest:.1f} gray levels apart outside faces.")
    if comparison.inside is not None:
        text = _("{matched} of {of} moments match; inside the face {inside:.1f} gray levels apart, "
                 "elsewhere {rest:.1f}.")  # fmt: skip
    measured = {"inside": comparison.inside or 0.0, "rest": comparison.elsewhere}
    parts.append(text.format(**values, **measured))
    return " ".join(parts)


def _origin(found: FoundFootage) -> str:
    values = {"name": found.name, "folder": found.source, "day": ""}
    if found.added is None:
        text = _("{name}, from {folder}.") if _is_folder(found) else _("{name}.")
        return text.format(**values)
    values["day"] = labels.day(found.added.astimezone(record_cells.zone()))
    text = _("{name}, brought here {day}.")
    if _is_folder(found):
        text = _("{name}, added {day} from {folder}.")
    elif found.source == ANALYSES:
        text = _("{name}, analyzed {day}.")
    elif found.source == "import":
        text = _("{name}, from fingerprints imported {day}.")
    return text.format(**values)


def _is_folder(found: FoundFootage) -> bool:
    return Path(found.source).is_absolute()


def _buttons(record: Job, match: KnownMatch) -> None:
    if match.may_open:
        label = _("Compare with it") if match.comparison is None else _("Open the comparison")
        key = f"original-open-{record.key}"
        if controls.button(label, "compare", key, kind="primary"):
            open_comparison(record, match)
    else:
        gone = _("The other file is not kept here any more.")
        kept = _("Only its fingerprints are kept here.")
        typography.caption(kept if match.found is not None else gone, width="content")
    if controls.button(_("Not the original"), "close", f"original-not-{record.key}"):
        session.application().originals.not_the_original(session.request_context(), record)
        st.session_state.pop(_seen(record), None)
        st.rerun()


def open_comparison(record: Job, match: KnownMatch) -> None:
    """Leave for the two side by side; of footage in a folder an analysis begins first. Where that
    can't be, draw why."""
    other = match.other
    if other is None and match.found is not None:
        context, scope = session.request_context(), session.record_scope()
        originals = session.application().originals
        try:
            job = originals.bring(context, scope, match.found, record.settings)
        except (QueueFull, InputError) as error:
            typography.alert(advice(error))
            return
        other = job.key if job is not None else None
    if other is None:
        typography.alert(_("The file is not in its folder any more."))
        return
    url_state.go_to("compare", a=record.key, b=other)


# --- while it is looked for -----------------------------------------------------------------------


def _lookup(record: Job) -> None:
    """Draw that the original is looked for. Whoever saw that is told what came of it as well, and
    nothing below moves."""
    task = session.application().originals.lookup(session.current_user(), record)
    if task is not None and task.active:
        st.session_state[_seen(record)] = True
        _looking(record)
    elif task is not None and _seen(record) in st.session_state:
        with _line():
            nothing = _("Nothing in your library shows this footage")
            unknown = _("Your library was not searched to its end")
            done = task.state is State.DONE
            typography.caption(nothing if done else unknown, width="content")


def _seen(record: Job) -> str:
    """Return the key under which it is kept that a lookup was seen."""
    return f"original-looked-{record.key}"


@st.fragment(run_every=2.0)
def _looking(record: Job) -> None:
    """Draw that the original is looked for, until that ends; then the page is drawn again."""
    task = session.application().originals.lookup(session.current_user(), record)
    if task is None or not task.active:
        st.rerun()
    with _line():
        typography.caption(_("Looking for the original in your library"), width="content")
        stop = f"original-stop-{record.key}"
        if controls.button(_("Stop"), "close", stop, kind="tertiary"):
            session.cancel(task)


def _line() -> DeltaGenerator:
    return st.container(
        key="original-lookup", horizontal=True, vertical_alignment="center", gap="small"
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
