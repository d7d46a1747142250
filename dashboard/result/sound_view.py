"""The result of a sound, and the card of a video's sound: waveform, spectrogram and score over
time."""

from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st

from dashboard import url_state
from dashboard.components import timeline, typography
from dashboard.components.controls import choose
from dashboard.components.markup import show
from dashboard.components.timeline import sound
from dashboard.i18n import _
from dashboard.result import (
    cards,
    details,
    next_card,
    question,
    title,
    verdict_card,
    voice_rests,
    voice_table,
)
from dashboard.result.cards import voice
from dashboard.result.linked import ResultViewState
from detector.audio.pictures import DEPTH
from detector.audio.pictures import draw as draw_sound
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, Question

COLUMNS = 900
"""of the pictures of a sound: as many as a wide page has pixels for"""


def draw(analysis: Analysis, linked: ResultViewState) -> Callable[[], None]:
    """Draw the result of a sound; return what draws its pictures."""
    title.draw(analysis, linked)
    with st.container(key="result-top", gap=20):
        verdict_card.draw(analysis, linked)
        with st.container(key="result-side", gap="small"):
            _player(analysis, linked)
            cards.draw(analysis, linked)
            next_card.draw(analysis, linked)
    pictures = later(analysis, linked)
    details.draw(analysis, linked, analysis, [partial(voice_table.draw, analysis, linked)])
    return pictures


def _player(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file in the browser's player."""
    with st.container(key=timeline.PLAYER, gap=None):
        if linked.path.is_file():
            url = url_state.file_url(linked.record)
            st.audio(url or linked.path, alt=_("The analyzed sound."))
        else:
            typography.caption(_("The file is not kept any more"))


def later(analysis: Analysis, linked: ResultViewState) -> Callable[[], None]:
    """Draw the card's head; return what reads the sound and draws it, on the player's moment."""
    with st.container(border=True, key="card-sound", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", key="sound-head"):
            show(typography.heading(_("Sound over time")), width="stretch")
        place = st.empty()
        place.skeleton(height=320)

    def fill() -> None:
        with place.container(gap="small"):
            _over_time(question.viewed(analysis, Question.VOICE), linked)

    return fill


def _over_time(analysis: Analysis, linked: ResultViewState) -> None:
    key = linked.widget("sound")
    seconds, dark = analysis.media.duration or 0.0, st.context.theme.type == "dark"
    drawn = _pictures(str(linked.path), analysis.media.sha256, seconds, dark)
    if drawn is None:
        typography.caption(_("The file is not kept any more"))
        return

    def on_moment() -> None:
        if report := timeline.reported(key):
            linked.time = float(report["time"])

    peaks, pictures = drawn
    # In a video it is the evidence view that moves the player, and this one follows.
    seek = linked.seek if analysis.media.kind == "audio" else 0
    kinds = {"mel": _("Spectrogram"), "mfcc": "MFCC"}
    with st.container(horizontal_alignment="right"):
        kind = choose(_("Picture"), kinds, "mel", linked.widget("frequencies"), hidden=True)
    view = st.container()
    heard = voice.voice_of(analysis)
    scored = heard is not None and any(span.score is not None for span in heard.spans)
    typography.caption(
        _("Gray: no speech, or too little of it to score.")
        if scored
        else _("No model that counts scored this sound.")
    )
    with st.container(key="sound-rests", gap="small"):
        rests = voice_rests.draw(analysis, linked)
    data = sound.view_data(
        analysis,
        peaks,
        pictures[kind],
        mfcc=kind == "mfcc",
        time=linked.time,
        seek=seek,
        rests=rests,
    )
    with view:
        timeline.mount(data, key=key, on_moment=on_moment)


@st.cache_data(max_entries=8, show_spinner=False)
def _pictures(
    path: str, sha256: str, seconds: float, dark: bool
) -> tuple[np.ndarray, dict[str, str]] | None:
    """Return the waveform's peaks and the two pictures; None where the file can't be read. The
    hash is part of the key: a path may come to hold another file."""
    try:
        picture = draw_sound(path, max(seconds, 0.1), COLUMNS)
    except (UnmaskError, OSError):
        return None
    mfcc = picture.mfcc[1:]  # the first is loudness, which would drown the others
    spread = float(np.nanquantile(np.abs(mfcc), 0.98)) if np.isfinite(mfcc).any() else 1.0
    return picture.peaks, {
        "mel": sound.as_picture(picture.mel, -DEPTH, 0.0, dark=dark),
        "mfcc": sound.as_picture(mfcc, -spread, spread, dark=dark),
    }
