"""The voice beside the camera: its current reading, and its last minute. Only while the
microphone is on."""

import streamlit as st

from dashboard import charts, labels, theme
from dashboard.charts import live as chart
from dashboard.components import figures, typography, verdict
from dashboard.components.cards import card_head
from dashboard.components.chips import chip
from dashboard.components.lanes import zone_words
from dashboard.components.markup import rich, show
from dashboard.i18n import _
from dashboard.result import material
from detector.live import VoiceState
from detector.schema.analysis import Analysis, Answer, CaveatCode, Label, Question

SILENT = 5.0
"""s without sound of the microphone after which that is said."""


def draw(state: VoiceState, now: float, *, shared: bool) -> None:
    """Draw the voice's reading and the sound's quality; `now` is s of the session."""
    with st.container(border=True, key="card-live-voice", gap="small"):
        show(card_head(labels.QUESTIONS[Question.VOICE].text, _("Now · last 12\u00a0s")))
        if waiting := _waiting(state, now, shared):
            typography.paragraph(waiting)
        elif state.analysis is not None:
            _reading(state.analysis)
        if state.failures:
            show(typography.small_paragraphs(*state.failures))


def _waiting(state: VoiceState, now: float, shared: bool) -> str:
    """Return why there is no reading; empty where there is one."""
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
    answer = analysis.verdict.answers.get(Question.VOICE)
    probability = answer.probability if answer is not None else None
    left, right = st.columns(2, gap="medium")
    with left:
        if answer is None or probability is None:
            state = labels.STATES[Label.NOT_APPLICABLE]
            show(chip(_("Not judged"), state.slug, state.icon))
        else:
            state = labels.state(answer.label, Question.VOICE)
            words = labels.lean_words(answer.label, Question.VOICE, answer.lean)
            number = rich(_("<b>{percent}</b> likelihood"), percent=labels.percent(probability))
            scale = verdict.scale(probability, answer.thresholds, Question.VOICE)
            show(verdict.number(number, chip(words, state.slug, state.icon)), scale)
    with right:
        typography.paragraph(_why(analysis, answer))
        show(figures.material(material.rated(analysis.evidence)))


def _why(analysis: Analysis, answer: Answer | None) -> str:
    """Return what keeps it from a verdict, or what a likelihood of a microphone is worth."""
    reasons = analysis.verdict.reasons
    if reasons and (answer is None or answer.probability is None or answer.vetoed_by):
        return labels.say(reasons[0])
    never = (c for c in analysis.verdict.caveats if c.code is CaveatCode.NEVER_DECIDES)
    if (caveat := next(never, None)) is not None:
        return labels.say(caveat)
    return _("Measured on recordings, not on microphones through a video link.")


def lane(state: VoiceState, now: float) -> None:
    """Draw the last minute of the voice, on the axis of the faces' lane."""
    legend = _("dots: one window of 4 s · line: mean of the last 12 s")
    show(card_head(_("Voice"), legend))
    beside, plot = st.columns([10, 90], gap=None)
    with beside, st.container(key="live-words-voice"):
        show(zone_words(state.thresholds, chart.VOICE_SIZE, Question.VOICE))
    with plot:
        st.plotly_chart(
            chart.voice_figure(state.series, now, state.thresholds, theme.palette()),
            theme=None,
            config={**charts.CONFIG, "staticPlot": True},
            key="live-minute-voice",
            alt=chart.voice_finding(state.series),
        )
