"""The sound of a result: waveform, spectrogram and score over time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard import labels, url_state
from dashboard.components import controls, timeline, typography
from dashboard.components.controls import choose
from dashboard.components.markup import show
from dashboard.components.timeline import sound
from dashboard.result import cards, details, next_card, question, title, verdict_card
from dashboard.result import timeline as scores
from dashboard.result.linked import ResultViewState
from detector.audio.pictures import DEPTH
from detector.audio.pictures import draw as draw_sound
from detector.errors import UnmaskError
from detector.presentation import looks, people, series, voice
from detector.schema.analysis import Analysis, Question, SpanSegment
from detector.schema.media import SoundSource
from detector.sentences import _, say

if TYPE_CHECKING:
    from detector.explain.sound import SoundMap

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
    details.draw(analysis, linked, analysis, [table(analysis, linked)])
    return pictures


def table(analysis: Analysis, linked: ResultViewState) -> Callable[[], None]:
    """Follow a row that was chosen in the table of the voice; return what draws that."""
    seen = question.viewed(analysis, Question.VOICE)
    lanes = [series.lane(seen, subject)] if (subject := voice.subject(seen)) else []
    linked.read_table(scores.rows(lanes), scores.VOICE_TABLE)
    return partial(scores.draw_table, seen, lanes, linked, scores.VOICE_TABLE)


def _player(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file in the browser's player."""
    with st.container(key=timeline.PLAYER, gap=None):
        if linked.path.is_file():
            url = url_state.file_url(linked.record.address)
            st.audio(url or linked.path, alt=people.spoken(analysis))
        else:
            typography.caption(_("The file is not kept any more"))


def later(analysis: Analysis, linked: ResultViewState) -> Callable[[], None]:
    """Draw the card's head; return a function that reads and draws the sound."""
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
    source = _source(analysis)
    drawn = _pictures(str(linked.path), analysis.media.sha256, seconds, dark, source)
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
    heard = voice.subject(analysis)
    scored = heard is not None and any(span.score is not None for span in heard.spans)
    typography.caption(say(voice.UNSCORED) if scored else say(series.UNSCORED))
    with st.container(key="sound-rests", gap="small"):
        rests = _draw_rests(analysis, linked)
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


def _source(analysis: Analysis) -> SoundSource:
    """Return the spans of the voice in front."""
    heard, audio = voice.subject(analysis), analysis.media.audio
    return audio.source_of(heard.id if heard else None) if audio else SoundSource()


_HASHED: dict[str | type[Any], Callable[[Any], Any]] = {SoundSource: SoundSource.model_dump_json}


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_HASHED)
def _pictures(
    path: str, sha256: str, seconds: float, dark: bool, source: SoundSource
) -> tuple[np.ndarray, dict[str, str]] | None:
    """Return the waveform's peaks and the two pictures; None where the file can't be read. The
    hash is part of the key: a path may come to hold another file."""
    try:
        picture = draw_sound(path, max(seconds, 0.1), COLUMNS, source=source)
    except (UnmaskError, OSError):
        return None
    mfcc = picture.mfcc[1:]  # the first is loudness, which would drown the others
    spread = float(np.nanquantile(np.abs(mfcc), 0.98)) if np.isfinite(mfcc).any() else 1.0
    return picture.peaks, {
        "mel": sound.as_picture(picture.mel, -DEPTH, 0.0, dark=dark),
        "mfcc": sound.as_picture(mfcc, -spread, spread, dark=dark),
    }


# --- what a score rests on ------------------------------------------------------------------------


def _draw_rests(analysis: Analysis, linked: ResultViewState) -> dict[str, Any] | None:
    """Draw the button or the sound map; return the overlay of the spectrogram."""
    model = next((m for m in analysis.models if m.kind == "audio" and m.counted), None)
    window = window_at(analysis, linked.time, model.id) if model else None
    if model is None or window is None or not linked.path.is_file():
        return None
    asked = linked.widget("rests.window")
    span = (window.start, window.end)
    if st.session_state.get(asked) != span:
        when = labels.stretch(*span)
        controls.button(
            _("Show what the score rests on, {when}").format(when=when),
            "grid_on",
            linked.widget("rests"),
            partial(st.session_state.__setitem__, asked, span),
            kind="tertiary",
            help=_("Hides one part of this window after another and scores it again: 41 runs."),
        )
        return None
    place = st.empty()
    bar = place.progress(0.0, _("Hiding one part after another"))
    try:
        source = _source(analysis)
        drawn = _map(linked.path, analysis.media.sha256, span, model.id, source, bar)
    except (UnmaskError, OSError, ValueError):
        typography.caption(_("This window can’t be looked into."), at=place)
        return None
    place.empty()
    text = looks.sound(drawn, model)
    typography.caption(text)
    return sound.rests_on(drawn.map, *span, alt=text)


def window_at(analysis: Analysis, time: float, model: str) -> SpanSegment | None:
    """Return the window of a model with the center nearest to a moment."""
    subject = voice.subject(analysis)
    spans = [span for span in subject.spans if model in span.logits] if subject else []
    return min(spans, key=lambda span: abs(span.center - time), default=None)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=_HASHED)
def _map(
    path: Path, sha256: str, span: tuple[float, float], model: str, source: SoundSource, _bar: Any
) -> SoundMap:
    """Return the map of a window. The hash is part of the key: a path may come to hold another
    file."""
    from detector.explain.sound import window_map  # on demand: it imports scipy.signal

    return window_map(path, span, model, lambda done: _bar.progress(done), source)
