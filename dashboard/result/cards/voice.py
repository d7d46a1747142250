"""The voice beside the picture: its answer, where it is strongest, and how good it is to judge. Of
a sound and of a video with speech."""

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import controls, figures, typography
from dashboard.components.chips import chip
from dashboard.components.markup import show
from dashboard.result import material
from dashboard.result.linked import ResultViewState
from detector.decision import voice
from detector.presentation import answers, lead
from detector.schema.analysis import (
    Analysis,
    Label,
    Modality,
    Question,
    SpanSegment,
    SpeechMeasurement,
    Subject,
)
from detector.sentences import _

STRONGEST = 3
"""windows that are named"""


def spoken(analysis: Analysis) -> SpeechMeasurement | None:
    """Return the facts on the sound where there is speech."""
    heard = voice.heard_of(analysis)
    return heard if heard and heard.spans else None


def voice_of(analysis: Analysis) -> Subject | None:
    """Return the voice, if a model judged one."""
    return next((s for s in analysis.subjects if s.modality is Modality.VOICE), None)


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card of the voice: beside a video's people, or of who speaks in a sound. Nothing
    without speech."""
    if analysis.media.kind == "audio":
        _speaker(analysis, linked)
    else:
        _beside(analysis, linked)


def _beside(analysis: Analysis, linked: ResultViewState) -> None:
    heard, subject = spoken(analysis), voice_of(analysis)
    if heard is None and subject is None:
        return
    answer = analysis.verdict.answers.get(Question.VOICE)
    name = lead.name(subject) if subject else _("The voice")
    with st.container(border=True, key="card-voice", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key="voice-head"):
            show(typography.heading(name), _chip(analysis), width="stretch")
            if answer is not None and answer.probability is not None:
                percent = labels.percent(answer.probability)
                left_out = analysis.verdict.uncounted(Question.VOICE)
                text = _("{percent}, not counted") if left_out else "{percent}"
                typography.caption(text.format(percent=percent), width="content")
        typography.caption(_voices(analysis))
        _strongest(analysis, linked)
        if heard is not None:
            show(figures.material(material.rated(voice.evidence(heard))))


def _speaker(analysis: Analysis, linked: ResultViewState) -> None:
    heard = spoken(analysis)
    if heard is None:
        return
    with st.container(border=True, key="card-speakers", gap="small"):
        text = _("{time} of speech").format(time=labels.took(heard.speech_seconds))
        show(typography.heading(_("Speaker")), typography.text(text))
        typography.caption(_voices(analysis))
        _strongest(analysis, linked)


def _voices(analysis: Analysis) -> str:
    """Return how many voices were judged: of two, what came of each."""
    if two := lead.sides(analysis):
        return _("Each side is judged by itself. {voices}").format(voices=two)
    return _("All speech is judged as one voice: speakers are not told apart.")


def _chip(analysis: Analysis) -> Markup:
    answer = analysis.verdict.answers.get(Question.VOICE)
    if answer is None:
        return chip(labels.state(Label.NOT_APPLICABLE).short, "na", "do_not_disturb_on")
    row = answers.row(analysis, Question.VOICE, answer)
    state = labels.state(row.label)
    return chip(row.answer, state.slug, state.icon)


def strongest(analysis: Analysis) -> list[SpanSegment]:
    """Return the windows with the highest scores, apart from each other, the highest first."""
    subject = voice_of(analysis)
    scored = [s for s in subject.spans if Question.VOICE in s.answers] if subject else []
    out: list[SpanSegment] = []
    for span in sorted(scored, key=lambda s: -s.answers[Question.VOICE]):
        if all(span.start >= other.end or span.end <= other.start for other in out):
            out.append(span)
    return out[:STRONGEST]


def _strongest(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw where the score is highest, as links to the player."""
    windows = strongest(analysis)
    if len(windows) < 2:
        return
    typography.caption(_("Highest in these windows:"))
    with st.container(horizontal=True, key="voice-windows", gap="small"):
        for number, span in enumerate(windows):
            score = labels.score(span.answers[Question.VOICE])
            when = labels.stretch(span.start, span.end, tenths=False)
            controls.button(
                _("{when}: score {score}").format(when=when, score=score),
                "play_arrow",
                linked.widget(f"voice.{number}"),
                linked.going_to(span.start, None),
                kind="tertiary",
                help=_("Go there and listen"),
            )
