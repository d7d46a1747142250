"""The Signals tab: measurements beside untouched files, with what each may mean."""

import logging
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels
from dashboard.components import blocks, controls, figures, typography
from dashboard.components.markup import show
from dashboard.labels import NBSP
from dashboard.result.linked import ResultViewState
from detector import weights
from detector.errors import UnmaskError
from detector.presentation import Section, lead
from detector.presentation import signals as presented
from detector.schema.analysis import Analysis, Signal, Subject
from detector.sentences import _, say
from detector.signals import auxiliary, blinks, identity, said
from detector.signals.reference import blink_rate
from detector.weights.entry import AuxiliaryModel

log = logging.getLogger(__name__)

SHOWN = 5
"""moments that are offered at most."""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the tab for the person whose face is looked at."""
    if analysis.media.kind == "audio":
        typography.caption(_("Signals need a picture; this file has only sound."))
        return
    if analysis.media.kind == "image":
        typography.caption(_("Signals need a video; this file is a picture."))
        return
    people = analysis.people
    track = next((t for t in people if t.id == linked.person), None) or next(iter(people), None)
    if track is None:
        typography.caption(_("No person, so there is nothing to measure."))
        return
    signals = [s for s in presented.shown(analysis) if s.subject in (None, track.id)]
    if not signals:
        none = (
            _("A live session reads no signals.")
            if analysis.media.live
            else _(
                "No signals were read of this person. Results of an earlier version have none: "
                "analyze the file again."
            )
        )
        typography.caption(none)
        return
    counted = _counted(analysis, track, linked)
    if counted:
        here = said(counted)
        signals = [here if s.id == counted.id else s for s in signals]
    if len(people) > 1:
        typography.caption(lead.name(track))
    if ready := [s for s in signals if not _needs_download(s)]:
        show(blocks.block(presented.table(ready)))
    _series(signals, linked)
    _moments(signals, track, linked)
    _more(signals, counted is not None, linked)
    note = _(
        "Signals inform and never vote. “Usual” is where 90 % of untouched files lie; one in ten "
        "of those lies outside, for each signal."
    )
    typography.caption(note)


def _needs_download(signal: Signal) -> bool:
    """Return whether a signal has no row: its network is not here, which a button below offers."""
    needed = {blinks.BLINKS.id: auxiliary.MESH, identity.DRIFT.id: auxiliary.IDENTITY}
    network = needed.get(signal.id)
    return network is not None and signal.reading == "absent" and not weights.available(network)


def _series(signals: list[Signal], linked: ResultViewState) -> None:
    """Draw one signal over time, chosen by name, over the range of genuine clips of a like size and
    compression."""
    shown = {signal.title: signal for signal in signals if len(signal.series) > 1}
    if not shown:
        return
    title = st.selectbox(_("Over time"), list(shown), key=linked.widget("signal-series"))
    signal = shown[title]
    blocks.draw(Section(f"signal-{signal.id}", "", (presented.over_time(signal),)))
    figures.caption(figures.titled(_("Informs, never votes"), signal.how_to_read))


def _moments(signals: list[Signal], track: Subject, linked: ResultViewState) -> None:
    places = [
        (signal, time)
        for signal in signals
        if signal.reading in ("unusual", "unclear")
        for time in signal.times[:2]
    ][:SHOWN]
    if not places:
        return
    with st.container(horizontal=True, key="signal-moments", gap="small"):
        for number, (signal, time) in enumerate(places):
            label, go = f"{signal.title}, {labels.clock(time)}", linked.going_to(time, track.id)
            key = linked.widget(f"signal.{number}")
            controls.button(label, "play_arrow", key, go, kind="tertiary")


# --- blinking, which takes more frames than an analysis ------------------------------------------


@st.cache_data(max_entries=32, show_spinner=False)
def _watch(path: Path, analysis_id: str, person: str, _analysis: Analysis, _bar: object) -> Signal:
    track = next(t for t in _analysis.judged if t.id == person)
    lids = blinks.watch(path, _analysis, track, _bar.progress)  # type: ignore[attr-defined]
    return blinks.signal(lids, person)


def _counted(analysis: Analysis, track: Subject, linked: ResultViewState) -> Signal | None:
    requested = linked.widget(f"blinks.{track.id}.requested")
    if not st.session_state.get(requested):
        return None
    place = st.empty()
    bar = place.progress(0.0, _("Watching the eyes"))
    try:
        return _watch(linked.path, analysis.id, track.id, analysis, bar)
    except (UnmaskError, OSError) as error:
        log.warning("blinks could not be counted: %s", error)
        st.session_state[requested] = False
        return blinks.BLINKS.absent(_("The eyes could not be read in this file."), track.id)
    finally:
        place.empty()


def _more(signals: list[Signal], counted: bool, linked: ResultViewState) -> None:
    ids = {signal.id for signal in signals if signal.reading == "absent"}
    with st.container(horizontal=True, key="signal-more", gap="small"):
        if blinks.BLINKS.id in ids and not counted:
            if blinks.ready():
                requested = linked.widget(f"blinks.{signals[0].subject}.requested")
                controls.button(
                    _("Count blinks"),
                    "visibility",
                    linked.widget("blinks"),
                    partial(st.session_state.__setitem__, requested, True),
                    help=_how_long(),
                )
            else:
                _fetch(auxiliary.MESH, _("Count blinks: fetch {size}"), linked)
        if identity.DRIFT.id in ids and not weights.available(auxiliary.IDENTITY):
            _fetch(auxiliary.IDENTITY, _("Compare identity: fetch {size}"), linked)


def _how_long() -> str:
    rate = blink_rate()
    how = _("Looks at the eyes 15 times a second, for a minute at most.")
    if not rate:
        return how
    known = _("Untouched clips: {number} a minute on average.")
    return f"{how} {known.format(number=round(rate['rate']))}"


def _fetch(aid: AuxiliaryModel, label: str, linked: ResultViewState) -> None:
    """Draw a button that downloads a network which measures; its license is shown first."""
    size = labels.size(aid.files[0].size or 0)
    source = _("{title}, from its authors’ address. License: {license}.")
    help = source.format(title=aid.title, license=aid.license_weights)
    if aid is auxiliary.IDENTITY:
        help = f"{help} {_('Identity is compared in the next analysis.')}"
    failed = linked.widget(f"fetch.{aid.id}.failed")
    key, fetch = linked.widget(f"fetch.{aid.id}"), partial(_download, aid, failed)
    controls.button(label.format(size=size), "download", key, fetch, help=help)
    if error := st.session_state.get(failed):
        typography.caption(error)


def _download(aid: AuxiliaryModel, failed: str) -> None:
    try:
        weights.fetch(aid)
        st.session_state.pop(failed, None)
    except UnmaskError as error:
        st.session_state[failed] = f"{say(error.message)}{NBSP}{say(error.hint)}"
