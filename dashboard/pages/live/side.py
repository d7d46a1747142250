"""Panels beside and below the camera: reading, alarms, last minute, picture quality, connection
test. Redrawn twice a second while the camera is on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, theme, url_state
from dashboard.charts import live as chart
from dashboard.components import camera, chips, controls, figures, record_cells, typography, verdict
from dashboard.components import cards as heads
from dashboard.components.cards import card_head
from dashboard.components.lanes import zone_words
from dashboard.components.markup import show
from dashboard.pages import refused_in
from dashboard.pages.live import cards, challenge, choices, link
from dashboard.pages.live.state import (
    DRAWN,
    KEPT_FRAMES,
    NOT_KEPT,
    TEST,
    LivePageState,
    Phase,
    forget_kept_frames,
    visit,
)
from dashboard.result import material
from detector.errors import InputError
from detector.live import LiveState, VoiceState
from detector.messages import states
from detector.presentation import live as presented
from detector.presentation.verdict import LIKELIHOOD
from detector.schema.analysis import Analysis, Label, Question, Settings
from detector.sentences import _, say
from detector.spreadsheets import to_csv
from service.live import cameras, viewers
from service.live.viewers import Viewer

LINK = "live-browser"
"""Key of the part that runs in the browser."""


def seen() -> link.Seen | None:
    """Return the last known cameras of the browser."""
    return link.seen(LINK)


def stamp(visit: LivePageState) -> tuple[object, ...]:
    """Return the state the page was drawn for; `beside` reruns it when that changes."""
    return visit.phase, visit.trouble, visit.ask, seen(), _testing()


def _state(visit: LivePageState, *, fresh: bool) -> LiveState | None:
    """Return the state to draw: one for card, line and boxes, until a `fresh` one is requested."""
    viewer = visit.viewer
    if viewer is None or not viewer.frames:
        return None
    if not visit.busy:
        return viewer.state
    return viewer.snapshot() if fresh else viewer.drawn


# --- beside it: now, alarms -----------------------------------------------------------------------


def beside(visit: LivePageState, servers: list[link.Server]) -> None:
    """Draw the browser component, the reading and the alarms; advance the visit's clock."""
    visit.tick()
    viewer, state = visit.viewer, _state(visit, fresh=True)
    clock = _clock(viewer)
    _mount(visit, servers, presented.spoken(state, clock) if visit.busy else "")
    if stamp(visit) != st.session_state.get(DRAWN):
        st.rerun()
    limits = state.reading.thresholds if state else choices.thresholds()
    live = state if visit.busy else None
    with st.container(border=True, key=f"verdict-{cards.slug(live)}-live", gap=None):
        if state is not None and viewer is not None and not visit.busy:
            show(cards.ended(state, viewer.seconds))
        else:
            show(cards.now(live, running=visit.busy))
        if viewer is not None and viewer.known is not None:
            show(cards.known(viewer.known, running=visit.busy))
    options = viewer.options if viewer is not None else choices.options()
    with st.container(border=True, key="card-alarms", gap="small"):
        usual = choices.thresholds().high
        # Scores of some of the models have no limit of their own: no alarm rests on them.
        above = options.alarm_above or (limits.high if limits.high < 1 else usual)
        show(
            card_head(_("Alarms"), presented.raised_above(options.alarm_seconds, above)),
            cards.alarms(state.alarms if state else (), state.time if state else 0.0, clock),
        )
        with st.container(horizontal=True, key="actions-live"):
            controls.button(
                _("Keep these frames"),
                "save",
                "live-keep-frames",
                _keep_frames,
                disabled=viewer is None or not len(viewer.ring),
                help=_("Analyzes the last 14 s with the models of the Analyze page."),
            )
            if viewer is not None and state is not None and state.alarms:
                name = f"{viewers.session_name(viewer.began)}.csv"
                controls.download(_("Log"), partial(_log, viewer), name, "live-log")
            choices.draw_alarm(usual, disabled=visit.busy)
        if kept := st.session_state.get(KEPT_FRAMES):
            typography.caption(_("The last seconds are being analyzed."))
            st.link_button(
                _("Open them in a new tab"),
                f"{url_state.site()}/?a={kept}",
                icon=":material/open_in_new:",
                type="tertiary",
            )
        if problem := st.session_state.get(NOT_KEPT):
            show(typography.small_print(typography.caution(problem)))


def _mount(visit: LivePageState, servers: list[link.Server], spoken: str) -> None:
    data = {
        "ask": visit.ask,
        "asking": visit.phase is Phase.ASKING,
        "test": st.session_state.get(TEST, 0),
        "testing": _testing(),
        "busy": visit.busy,
        "camera": choices.camera_id(),
        "display": choices.display(),
        "microphone": choices.microphone(),
        "servers": servers,
        "say": spoken,
    }
    with st.container(key="live-hidden"):
        link.mount(key=LINK, data=data, on_answer=_answered)


def _answered() -> None:
    """Process the browser's answer: camera granted or denied, or window no longer shared."""
    current = visit()
    report = link.report(LINK, "answer")
    if report is None:
        return
    if current.phase is Phase.ASKING:
        current.camera = choices.camera_id()
    current.answered(report, _open)


def open_address() -> Viewer:
    """Open the network camera in the address field; raise as `LivePageState.answered`."""
    camera = choices.take_address()
    viewer = _open()
    viewer.mirror = False  # nobody looks at themselves in it
    cameras.follow(viewer, camera)
    return viewer


def _open() -> Viewer:
    """Open a viewer with the present choices."""
    options = choices.options()
    if not session.current_user().may_analyze:
        raise InputError(
            _("Your account reads results and starts no analysis."),
            hint=_("Ask who runs this server for another role."),
        )
    forget_kept_frames()
    options = replace(options, scope=session.record_scope())
    return session.application().viewers.open(choices.settings(options), options)


def _keep_frames() -> None:
    viewer = visit().viewer
    if viewer is None:
        return
    st.session_state.pop(NOT_KEPT, None)
    with refused_in(NOT_KEPT):
        clip, name = viewers.last_seconds(viewer)
        job = session.submit(clip, name, Settings(), size=clip.getbuffer().nbytes)
        st.session_state[KEPT_FRAMES] = job.key


def _log(viewer: Viewer) -> str:
    rows = cards.log(viewer.state.alarms, viewer.state.time, _clock(viewer))
    return to_csv([cards.LOG, *rows])


def _clock(viewer: Viewer | None) -> cards.Clock:
    """Return the function from session seconds to the person's wall-clock time."""
    zone, began = record_cells.zone(), viewer.began if viewer is not None else datetime.now(UTC)
    return lambda t: f"{(began + timedelta(seconds=t)).astimezone(zone):%H:%M:%S}"


# --- below: three moves, the last minute, the picture ---------------------------------------------


def below(visit: LivePageState) -> None:
    """Draw the challenge and the last minute, under the picture and its reading."""
    state, viewer = _state(visit, fresh=False), visit.viewer
    challenge.draw(visit, state)
    heard = viewer.voice.state if visit.busy and viewer and viewer.voice else None
    if viewer is not None and heard is not None:
        _voice(heard, viewer.seconds, shared=viewer.options.shared)
    limits = state.reading.thresholds if state else choices.thresholds()
    question = state.reading.question if state else None
    with st.container(border=True, key="card-minute", gap=None):
        heads.head(*map(say, presented.MINUTE))
        figure = chart.figure(state, limits, theme.palette(), ended=not visit.busy)
        zones = zone_words(limits, chart.SIZE, question)
        _minute("", zones, figure, presented.likelihoods(state, limits))
        if viewer is not None and heard is not None:
            show(card_head(*map(say, presented.VOICE)))
            limits = heard.thresholds
            figure = chart.voice_figure(heard.series, viewer.seconds, limits, theme.palette())
            zones = zone_words(limits, chart.VOICE_SIZE, Question.VOICE)
            _minute("-voice", zones, figure, presented.of_voice(heard.series))
    with st.container(border=True, key="card-image", gap=None):
        camera.quality(_("Image"), *cards.quality(state if visit.busy else None))


def _minute(name: str, zones: Markup, figure: go.Figure, alt: str) -> None:
    """Draw the last minute with the labels of its zones."""
    beside, plot = st.columns([10, 90], gap=None)
    with beside, st.container(key=f"live-words{name}"):
        show(zones)
    figures.chart(figure, f"live-minute{name}", alt, at=plot, still=True)


# --- the connection test --------------------------------------------------------------------------


def _testing() -> bool:
    tested, test = link.report(LINK, "tested"), st.session_state.get(TEST, 0)
    return bool(test) and (tested is None or tested.get("test") != test)


@st.fragment
def connection(servers: list[link.Server]) -> None:
    """Draw the test of the connection."""
    with st.container(border=True, key="card-connection", gap="small"):
        with controls.apart("live-test-row"):
            what = (
                _("Tries the ways a video link can take from here. Nothing is shared.")
                if choices.shared()
                else _(
                    "Tries the camera and the ways a video link can take from here. No picture is "
                    "sent."
                )
            )
            heads.introduced(_("Connection"), what)
            if controls.button(_("Test it"), "network_check", "live-test-button"):
                st.session_state[TEST] = st.session_state.get(TEST, 0) + 1
                st.rerun()
        if _testing():
            typography.caption(_("Testing, up to 10 s."), announced=True)
        elif (tested := link.report(LINK, "tested")) is not None:
            local = session.is_loopback_client()
            findings = link.findings(tested, servers, local, shared=choices.shared())
            show(cards.connection(findings, link.conclusion(findings, local)))


# --- the voice ------------------------------------------------------------------------------------


SILENT = 5.0
"""s without sound of the microphone after which a message is shown."""


def _voice(state: VoiceState, now: float, *, shared: bool) -> None:
    """Draw the voice's reading and the sound's quality; `now` is s of the session."""
    with st.container(border=True, key="card-live-voice", gap="small"):
        show(card_head(states.question(Question.VOICE), _("Now · last 12\u00a0s")))
        if waiting := _waiting(state, now, shared):
            typography.paragraph(waiting)
        elif state.analysis is not None:
            _reading(state.analysis)
        if state.failures:
            show(typography.small_paragraphs(*map(say, state.failures)))


def _waiting(state: VoiceState, now: float, shared: bool) -> str:
    """Return why there is no reading; empty if there is one."""
    if shared and (state.time is None or now - state.time > SILENT):
        return _("No sound comes. Share a tab or the screen, and its sound with it.")
    if state.time is None:
        return _("No sound of the microphone has come yet.")
    if now - state.time > SILENT:
        return _("This microphone stopped sending audio.")
    if not state.ready or state.analysis is None:
        return _("It comes about 4 s after the first words.")
    return ""


def _reading(analysis: Analysis) -> None:
    found = analysis.verdict
    probability = found.probability
    left, right = st.columns(2, gap="medium")
    with left:
        if probability is None:
            show(chips.reading(presented.voice(Label.NOT_APPLICABLE)))
        else:
            shown = chips.reading(presented.voice(found.label))
            scale = verdict.scale(probability, found.thresholds, Question.VOICE)
            share = labels.percent(probability, found.thresholds.edges)
            show(verdict.number(share, say(LIKELIHOOD), shown), scale)
    with right:
        typography.paragraph(presented.why_of_voice(analysis))
        show(figures.material(material.rated(analysis.evidence)))
