"""The voice beside the picture: its answer, where it is strongest, and how good it is to judge. Of
a sound and of a video with speech."""

import streamlit as st

from dashboard.components import chips, controls, figures, typography
from dashboard.components.markup import show
from dashboard.result import material
from dashboard.result.linked import ResultViewState
from detector.decision import voice
from detector.presentation import voice as presented
from detector.schema.analysis import Analysis
from detector.sentences import _


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card of the voice: beside a video's people, or of who speaks in a sound. Nothing
    without speech."""
    speech, alone = presented.speech(analysis), analysis.media.kind == "audio"
    if not speech and (alone or presented.subject(analysis) is None):
        return
    with st.container(border=True, key="card-speakers" if alone else "card-voice", gap="small"):
        if alone:
            show(typography.heading(_("Speaker")), typography.text(speech))
        else:
            _head(analysis)
        typography.caption(presented.sides(analysis))
        _strongest(analysis, linked)
        if speech and not alone and (heard := voice.heard_of(analysis)):
            show(figures.material(material.rated(voice.evidence(heard))))


def _head(analysis: Analysis) -> None:
    answer = presented.answer(analysis)
    shown = chips.reading(answer.cell)
    with st.container(horizontal=True, vertical_alignment="center", key="voice-head"):
        show(typography.heading(presented.name(analysis)), shown, width="stretch")
        if answer.share:
            typography.caption(answer.share, width="content")


def _strongest(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw where the score is highest, as links to the player."""
    windows = presented.strongest(analysis)
    if len(windows) < 2:
        return
    typography.caption(_("Highest in these windows:"))
    with st.container(horizontal=True, key="voice-windows", gap="small"):
        for number, (span, text) in enumerate(windows):
            controls.button(
                text,
                "play_arrow",
                linked.widget(f"voice.{number}"),
                linked.going_to(span.start, None),
                kind="tertiary",
                help=_("Go there and listen"),
            )
