"""The Signals tab: measurements beside untouched files, with what each may mean."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels
from dashboard.components import typography
from dashboard.i18n import _, say
from dashboard.labels import NBSP
from dashboard.result.linked import ResultViewState
from detector import weights
from detector.errors import UnmaskError
from detector.models.auxiliary import AuxiliaryModel
from detector.schema.analysis import Analysis, Signal, Subject
from detector.signals import auxiliary, blinks, identity
from detector.signals.reference import blink_rate

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SHOWN = 5
"""moments that are offered at most."""


def draw(path: Path, analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the tab for the person whose face is looked at."""
    track = next((t for t in analysis.judged if t.id == linked.person), None)
    track = track or (analysis.judged[0] if analysis.judged else None)
    if track is None:
        nobody = _("No person, so there is nothing to measure.")
        typography.caption(nobody)
        return
    found = [s for s in analysis.signals if s.subject in (None, track.id)]
    if not found:
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
    counted = _counted(path, analysis, track, linked)
    found = [counted if counted and s.id == counted.id else s for s in found]
    if len(analysis.judged) > 1:
        typography.caption(labels.who(track))
    with st.container(key="signals"):
        st.table(table(found), border="horizontal", hide_index=True)
    _moments(found, track, linked)
    _more(found, counted is not None, linked)
    note = _(
        "Signals inform and do not vote. “Usual” is where 90 % of untouched files lie; one in ten "
        "of those lies outside, for each signal."
    )
    typography.caption(note)


def table(found: list[Signal]) -> pd.DataFrame:
    """The signals as a table of Markdown: every reading has its icon, word and color."""
    rows = []
    for signal in found:
        state = labels.READINGS[signal.reading]
        rows.append(
            {
                _("Signal"): f"**{labels.plain_markdown(signal.title)}**",
                _("Measured"): labels.plain_markdown(signal.value),
                _("Reading"): f":{state.color}-badge[:material/{state.icon}: {state.short}]",
                _("How to read it"): labels.plain_markdown(signal.how_to_read),
            }
        )
    import pandas as pd  # a third of a second that the first page has no use for

    return pd.DataFrame(rows)


def _moments(found: list[Signal], track: Subject, linked: ResultViewState) -> None:
    """Buttons to the moments of what is out of the ordinary."""
    places = [
        (signal, time)
        for signal in found
        if signal.reading in ("unusual", "unclear")
        for time in signal.times[:2]
    ][:SHOWN]
    if not places:
        return
    with st.container(horizontal=True, key="signal-moments", gap="small"):
        for number, (signal, time) in enumerate(places):
            st.button(
                f"{signal.title}, {labels.clock(time)}",
                icon=":material/play_arrow:",
                type="tertiary",
                on_click=linked.go,
                args=(time, track.id),
                key=linked.widget(f"signal.{number}"),
            )


# --- blinking, which takes more frames than an analysis ------------------------------------------


@st.cache_data(max_entries=32, show_spinner=False)
def _watch(path: Path, analysis_id: str, person: str, _analysis: Analysis, _bar: object) -> Signal:
    """Kept, so that it is counted once."""
    track = next(t for t in _analysis.judged if t.id == person)
    lids = blinks.watch(path, _analysis, track, _bar.progress)  # type: ignore[attr-defined]
    return blinks.signal(lids, person, _analysis.media.kind)


def _counted(
    path: Path, analysis: Analysis, track: Subject, linked: ResultViewState
) -> Signal | None:
    """The blinks of a person, if they were asked for."""
    if not st.session_state.get(linked.widget(f"blinks.{track.id}.asked")):
        return None
    place = st.empty()
    bar = place.progress(0.0, _("Watching the eyes"))
    try:
        return _watch(path, analysis.id, track.id, analysis, bar)
    except (UnmaskError, OSError) as error:
        log.warning("blinks could not be counted: %s", error)
        st.session_state[linked.widget(f"blinks.{track.id}.asked")] = False
        return blinks.BLINKS.absent(_("The eyes could not be read in this file."), track.id)
    finally:
        place.empty()


def _more(found: list[Signal], counted: bool, linked: ResultViewState) -> None:
    """What can be measured besides, and what it takes."""
    ids = {signal.id for signal in found if signal.reading == "absent"}
    with st.container(horizontal=True, key="signal-more", gap="small"):
        if blinks.BLINKS.id in ids and not counted:
            if blinks.ready():
                person = found[0].subject
                st.button(
                    _("Count blinks"),
                    icon=":material/visibility:",
                    on_click=_ask,
                    args=(linked.widget(f"blinks.{person}.asked"),),
                    key=linked.widget("blinks"),
                    help=_how_long(),
                )
            else:
                _fetch(auxiliary.MESH, _("Count blinks: fetch {size}"), linked)
        if identity.DRIFT.id in ids and not weights.available(auxiliary.IDENTITY):
            _fetch(auxiliary.IDENTITY, _("Compare identity: fetch {size}"), linked)


def _ask(key: str) -> None:
    st.session_state[key] = True


def _how_long() -> str:
    rate = blink_rate()
    how = _("Looks at the eyes 15 times a second, for a minute at most.")
    if not rate:
        return how
    known = _("Untouched clips: {number} a minute on average.")
    return f"{how} {known.format(number=round(rate['rate']))}"


def _fetch(aid: AuxiliaryModel, label: str, linked: ResultViewState) -> None:
    """A button that downloads a network which measures; its license is said first."""
    size = labels.size(aid.files[0].size or 0)
    source = _("{title}, from its authors’ address. License: {license}.")
    help = source.format(title=aid.title, license=aid.license)
    if aid is auxiliary.IDENTITY:
        help = f"{help} {_('Identity is compared in the next analysis.')}"
    failed = st.session_state.get(linked.widget(f"fetch.{aid.id}.failed"))
    st.button(
        label.format(size=size),
        icon=":material/download:",
        on_click=_download,
        args=(aid, linked.widget(f"fetch.{aid.id}.failed")),
        key=linked.widget(f"fetch.{aid.id}"),
        help=help,
    )
    if failed:
        typography.caption(failed)


def _download(aid: AuxiliaryModel, failed: str) -> None:
    try:
        weights.fetch(aid)
        st.session_state.pop(failed, None)
    except UnmaskError as error:
        st.session_state[failed] = f"{say(error.message)}{NBSP}{say(error.hint)}"
