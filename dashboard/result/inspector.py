"""One frame under the glass: the face, where a model looked, the whole frame, the scores there."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import series, words
from dashboard.result import heat_view, pictures, traces
from dashboard.result.heat_view import Later
from dashboard.result.linked import Linked
from dashboard.series import Lane
from dashboard.words import NBSP
from detector import explain
from detector.errors import UnmaskError
from detector.results import Analysis, Box, FaceFrame, Label, ModelResult, Quality, Track


def draw(path: Path, analysis: Analysis, lane: Lane | None, linked: Linked) -> Later | None:
    """Draw the card.

    Returns
    -------
    callable or None
        What fills the heatmap in. The page calls it after everything else is drawn, so that
        nothing waits for a network.
    """
    still = analysis.media.kind == "image"
    with st.container(border=True, key="card-inspector", height="content" if still else "stretch"):
        face = series.nearest_face(lane.track, analysis.moments, linked.time) if lane else None
        shown = face.time if face else linked.time
        able = [m for m in analysis.models if m.scored]
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
            key="inspector-head",
        ):  # fmt: skip
            st.html(_head(analysis, lane, face, shown), width="content")
            if lane and not still:
                _peaks(lane, linked, shown)
            model = _model(able, linked) if able else None
        if lane is None:
            return None
        if face is None:
            _absent(path, analysis, lane, linked)
            return None
        return _glass(path, analysis, lane.track, face, model, linked)


def _head(analysis: Analysis, lane: Lane | None, face: FaceFrame | None, shown: float) -> str:
    still = analysis.media.kind == "image"
    what = "The picture" if lane and lane.track.whole else "The face"
    title = what if still else f"Frame at {words.clock(shown)}"
    if lane is None:
        return f"<h2 class='um-h2'>{title}</h2>"
    parts = [lane.track.who]
    if face is not None and not still:
        parts.append(f"moment {face.index + 1} of {len(analysis.moments)}")
    if face is None or face.score is None:
        parts.append(series.why(face))
    else:
        state = words.STATES[series.label_at(face.score, analysis.verdict.thresholds)]
        parts.append(f"<b class='um-ink {state.slug}'>{words.percent(face.score)}</b> all models")
    return f"<h2 class='um-h2'>{title}</h2><div class='um-caption'>{' · '.join(parts)}</div>"


def _peaks(lane: Lane, linked: Linked, shown: float) -> None:
    peaks = series.peaks(lane)
    earlier = max((t for t in peaks if t < shown - 0.01), default=None)
    later = min((t for t in peaks if t > shown + 0.01), default=None)
    with st.container(horizontal=True, width="content", gap="small", key="peaks"):
        for label, icon, to in (
            ("Earlier peak", "chevron_left", earlier),
            ("Later peak", "chevron_right", later),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                disabled=to is None,
                on_click=linked.go,
                args=(to, lane.track.id),
                key=linked.widget(label),
                help=f"Go to {words.clock(to)}" if to is not None else "There is none",
            )


def _model(able: list[ModelResult], linked: Linked) -> ModelResult:
    """The model whose heatmap is shown; the first counted one to begin with."""
    first = next((m for m in able if m.counted), able[0])
    titles = {m.id: m.title for m in able}
    if len(able) == 1:
        return first
    chosen = st.segmented_control(
        "Heatmap of",
        list(titles),
        format_func=titles.__getitem__,
        default=first.id,
        required=True,
        key=linked.widget("heatmap"),
        label_visibility="collapsed",
        wrap=True,
    )
    return next((m for m in able if m.id == chosen), first)


def _absent(path: Path, analysis: Analysis, lane: Lane, linked: Linked) -> None:
    """The person is not in this frame: show the frame, and offer the nearest moment."""
    nearest = min(lane.track.faces, key=lambda f: abs(f.time - linked.time), default=None)
    left, right = st.columns([60, 40], gap=20)
    with left:
        _whole(path, analysis, linked.time, {})
    with right:
        st.html(f"<p class='um-say'>{lane.track.who} is not in frame here.</p>")
        if nearest is not None:
            st.button(
                f"Nearest moment, {words.clock(nearest.time)}",
                icon=":material/my_location:",
                on_click=linked.go,
                args=(nearest.time, lane.track.id),
                key=linked.widget("nearest"),
            )


def _glass(
    path: Path,
    analysis: Analysis,
    track: Track,
    face: FaceFrame,
    model: ModelResult | None,
    linked: Linked,
) -> Later | None:
    """Crop, heatmap and traces, then the whole frame beside the scores there."""
    if not path.is_file():
        st.html("<p class='um-caption'>Without the file there is no frame to look into.</p>")
        st.html(scores_here(analysis, face))
        return None
    left, right = st.columns([2, 1], gap="small")
    with left:
        grid = st.grid(2, min_column_width=130, gap="small")
        with grid.cell(), st.container(gap=None):
            _crop(path, analysis, face)
        with grid.cell():
            slot = st.container(gap=None, key="heatmap")
    with right, st.container(gap="xsmall", key="traces"):
        traces.draw(path, analysis, track, face, linked)
    controls = st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="heatmap-controls"
    )
    lay = None
    if analysis.media.kind != "image":  # of a picture the player and the agreement say it all
        left, right = st.columns([60, 40], gap=20)
        with left:
            boxes = pictures.boxes_at(analysis, face.time)
            lay = _whole(path, analysis, face.time, boxes)
        with right:
            st.html(scores_here(analysis, face))
    if model is None:
        return None
    return heat_view.draw(slot, controls, path, analysis, track, face, model, linked, lay)


def _crop(path: Path, analysis: Analysis, face: FaceFrame) -> None:
    try:
        rgb = pictures.crop(path, analysis, face.time, face.box)
    except (UnmaskError, OSError):
        st.html(heat_view.missing("The frame can’t be read any more."))
        return
    st.image(pictures.jpeg(rgb, 88), width="stretch", alt="The face in this frame")
    st.html(f"<div class='um-figcaption'><b>Crop</b> {described(face.quality)}</div>")


def described(quality: Quality) -> str:
    """A face's quality in a few words: "212 px wide, sharp, frontal"."""
    if quality.problem is not None:
        why = words.WHY_NOT.get(quality.problem, "not scored")
        return f"{quality.width:.0f}{NBSP}px wide, {why}: not scored"
    turned = abs(quality.yaw)
    pose = "frontal" if turned < 0.35 else "half turned" if turned < 0.7 else "turned"
    return f"{quality.width:.0f}{NBSP}px wide, {pose}"


def _whole(
    path: Path, analysis: Analysis, time: float, boxes: dict[str, tuple[Box, Label]]
) -> heat_view.Lay:
    """Draw the whole frame; return what lays a heatmap over it."""
    with st.container(key="whole-frame", gap=None):
        picture, caption = st.empty(), st.empty()
    who = words.listed([track.who for track in analysis.tracks if track.id in boxes])
    alt = f"The whole frame at {words.clock(time)}" + (f", {who} boxed" if who else "")

    def show(heat: explain.Heatmap | None, alpha: float) -> None:
        try:
            rgb = pictures.whole_frame(path, analysis, time, boxes, 640, heat, alpha)
        except (UnmaskError, OSError):
            picture.html(heat_view.missing("The frame can’t be read any more."))
            return
        picture.image(pictures.jpeg(rgb, 85), width="stretch", alt=alt)
        over = f" with the heatmap, {words.escape(heat.caption)}" if heat else ""
        caption.html(f"<div class='um-figcaption'><b>Whole frame</b>{over}</div>")

    show(None, 0.0)
    return show


def scores_here(analysis: Analysis, face: FaceFrame) -> str:
    """HTML table of each model's score in this frame."""
    limits = analysis.verdict.thresholds

    def row(name: str, score: float | None, note: str = "", bold: bool = False) -> str:
        state = words.state(series.label_at(score, limits), analysis.verdict.question)
        value = "–" if score is None else words.percent(score)
        said = (note or series.why(face)) if score is None else state.short
        small = f"<small>{words.escape(note)}</small>" if note and score is not None else ""
        return (
            f"<tr{' class=all' if bold else ''}><th scope='row'>{words.escape(name)}{small}</th>"
            f"<td class='n'>{value}</td><td><span class='um-ink {state.slug}'>"
            f"<span class='um-icon' aria-hidden='true'>{state.icon}</span>{said}</span></td></tr>"
        )

    rows = [row("All models", face.score, bold=True)]
    for model in analysis.models:
        score = face.scores.get(model.id)
        note = "" if model.counted else "not counted"
        if model.scored or score is not None:
            rows.append(row(model.title, score, note))
    return (
        "<table class='um-here'><caption class='um-quiet'>Scores in this frame</caption>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
