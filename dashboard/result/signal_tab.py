"""The Signals tab: measurements compared with untouched files."""

import logging
from functools import partial

import streamlit as st

from dashboard import labels
from dashboard.components import blocks, controls, figures, typography
from dashboard.components.markup import show
from dashboard.result.linked import ResultViewState
from detector.errors import UnmaskError
from detector.messages.format import listed
from detector.presentation import Section, lead
from detector.presentation import signals as presented
from detector.schema.analysis import Analysis, Signal, Subject
from detector.sentences import _, say
from detector.signals import watching
from detector.signals.measure import ON_REQUEST

log = logging.getLogger(__name__)

SHOWN = 5
"""moments that are offered at most."""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the tab for the chosen person."""
    people = analysis.people
    track = next((t for t in people if t.id == linked.person), None) or next(iter(people), None)
    if track is None or analysis.media.kind == "image":
        typography.caption(presented.none(analysis))
        return
    _watch(analysis, track, linked)
    signals = [s for s in presented.shown(analysis) if s.subject in (None, track.id)]
    if not signals:
        typography.caption(presented.none(analysis))
        return
    if len(people) > 1:
        typography.caption(lead.name(track))
    show(blocks.block(presented.table(signals)))
    _series(signals, linked)
    _moments(signals, track, linked)
    _offer(signals, linked)
    typography.caption(say(presented.HOW_TO_READ))


def _series(signals: list[Signal], linked: ResultViewState) -> None:
    """Draw a chosen signal over time, with the range of genuine clips of similar size and
    compression."""
    shown = {signal.title: signal for signal in signals if len(signal.series) > 1}
    if not shown:
        return
    title = st.selectbox(_("Over time"), list(shown), key=linked.widget("signal-series"))
    signal = shown[title]
    blocks.draw(Section(f"signal-{signal.id}", "", (presented.over_time(signal),)))
    figures.caption(signal.how_to_read)


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


# --- what takes more frames than an analysis ------------------------------------------------------


def _watch(analysis: Analysis, person: Subject, linked: ResultViewState) -> None:
    """Measure the requested signals of a person, and rerun the page with them."""
    requested = linked.widget(f"watch.{person.id}")
    if not st.session_state.get(requested):
        return
    st.session_state[requested] = False
    place = st.empty()
    bar = place.progress(0.0, _("Following the face"))
    try:
        found = watching.added(linked.path, analysis, person, bar.progress)
    except (UnmaskError, OSError) as error:
        log.warning("a face could not be followed: %s", error)
        st.session_state[linked.widget("watch.failed")] = True
        return
    finally:
        place.empty()
    linked.keep_signals(found.signals)
    st.rerun()


def _offer(signals: list[Signal], linked: ResultViewState) -> None:
    """Draw the button that measures the remaining signals."""
    if st.session_state.get(linked.widget("watch.failed")):
        typography.caption(_("The face could not be followed in this file."))
    waiting = [signal for signal in signals if signal.how_to_read == say(ON_REQUEST)]
    if not waiting or not linked.changeable or not linked.path.is_file():
        return
    requested = linked.widget(f"watch.{signals[0].subject}")
    controls.button(
        _("Measure {signals}").format(signals=listed([s.title for s in waiting])),
        "visibility",
        linked.widget("watch"),
        partial(st.session_state.__setitem__, requested, True),
        help=_("Follows the face through every frame, for a minute at most."),
    )
