"""One frame under the glass: the face, where a model looked, the whole frame, the scores there."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboard import labels, series
from dashboard.components import figures, tables, typography
from dashboard.components.markup import Text, join, rich, show, tag
from dashboard.components.tables import ScoreRow
from dashboard.i18n import _
from dashboard.result import heat_view, pictures, traces
from dashboard.result.heat_view import Later
from dashboard.result.linked import ResultViewState
from dashboard.series import Lane
from detector import explain
from detector.errors import UnmaskError
from detector.schema.analysis import (
    Analysis,
    Box,
    FrameSegment,
    Label,
    Modality,
    ModelResult,
    Quality,
    Subject,
)


def draw(
    path: Path, analysis: Analysis, lane: Lane | None, linked: ResultViewState
) -> Later | None:
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
            _head(analysis, lane, face, shown)
            if lane and not still:
                _peaks(lane, linked, shown)
            model = _model(able, linked) if able else None
        if lane is None:
            return None
        if face is None:
            _absent(path, analysis, lane, linked)
            return None
        return _glass(path, analysis, lane.track, face, model, linked)


def _head(analysis: Analysis, lane: Lane | None, face: FrameSegment | None, shown: float) -> None:
    still = analysis.media.kind == "image"
    if not still:
        title = _("Frame at {time}").format(time=labels.clock(shown))
    else:
        title = (
            _("The picture")
            if lane and lane.track.modality is Modality.FULL_FRAME
            else _("The face")
        )
    if lane is None:
        typography.title(title, width="content")
        return
    parts: list[Text] = [labels.who(lane.track)]
    if face is not None and not still:
        moment = _("moment {number} of {total}")
        parts.append(moment.format(number=face.index + 1, total=len(analysis.moments)))
    if face is None or face.score is None:
        parts.append(series.why(face))
    else:
        state = labels.STATES[series.label_at(face.score, analysis.verdict.thresholds)]
        percent = tag("b", labels.percent(face.score), cls=f"um-ink {state.slug}")
        parts.append(rich(_("{percent} combined"), percent=percent))
    show(typography.heading(title), figures.note(join(parts, " · ")), width="content")


def _peaks(lane: Lane, linked: ResultViewState, shown: float) -> None:
    peaks = series.peaks(lane)
    earlier = max((t for t in peaks if t < shown - 0.01), default=None)
    later = min((t for t in peaks if t > shown + 0.01), default=None)
    with st.container(horizontal=True, width="content", gap="small", key="peaks"):
        for key, label, icon, to in (
            ("earlier", _("Earlier peak"), "chevron_left", earlier),
            ("later", _("Later peak"), "chevron_right", later),
        ):
            there = _("There is none") if to is None else _("Go to {time}")
            st.button(
                label,
                icon=f":material/{icon}:",
                disabled=to is None,
                on_click=linked.go,
                args=(to, lane.track.id),
                key=linked.widget(key),
                help=there.format(time=labels.clock(to or 0.0)),
            )


def _model(able: list[ModelResult], linked: ResultViewState) -> ModelResult:
    """The model whose heatmap is shown; the first counted one to begin with."""
    first = next((m for m in able if m.counted), able[0])
    titles = {m.id: labels.plain(m) for m in able}
    if len(able) == 1:
        return first
    chosen = st.segmented_control(
        _("Heatmap of"),
        list(titles),
        format_func=titles.__getitem__,
        default=first.id,
        required=True,
        key=linked.widget("heatmap"),
        label_visibility="collapsed",
        wrap=True,
    )
    return next((m for m in able if m.id == chosen), first)


def _absent(path: Path, analysis: Analysis, lane: Lane, linked: ResultViewState) -> None:
    """The person is not in this frame: show the frame, and offer the nearest moment."""
    nearest = min(lane.track.frames, key=lambda f: abs(f.time - linked.time), default=None)
    left, right = st.columns([60, 40], gap=20)
    with left:
        _whole(path, analysis, linked.time, {})
    with right:
        absent = _("{who} is not in frame here.").format(who=labels.who(lane.track))
        typography.say(absent)
        if nearest is not None:
            st.button(
                _("Nearest moment, {time}").format(time=labels.clock(nearest.time)),
                icon=":material/my_location:",
                on_click=linked.go,
                args=(nearest.time, lane.track.id),
                key=linked.widget("nearest"),
            )


def _glass(
    path: Path,
    analysis: Analysis,
    track: Subject,
    face: FrameSegment,
    model: ModelResult | None,
    linked: ResultViewState,
) -> Later | None:
    """Crop, heatmap and traces, then the whole frame beside the scores there."""
    if not path.is_file():
        without = _("Without the file there is no frame to look into.")
        typography.caption(without)
        show(scores_here(analysis, face))
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
        horizontal=True, vertical_alignment="bottom", gap="small", key="heatmap-controls"
    )
    lay = None
    if analysis.media.kind != "image":  # of a picture the player and the verdict say it all
        left, right = st.columns([60, 40], gap=20)
        with left:
            boxes = pictures.boxes_at(analysis, face.time)
            lay = _whole(path, analysis, face.time, boxes)
        with right:
            show(scores_here(analysis, face))
    if model is None:
        return None
    return heat_view.draw(slot, controls, path, analysis, track, face, model, linked, lay)


def _crop(path: Path, analysis: Analysis, face: FrameSegment) -> None:
    try:
        rgb = pictures.crop(path, analysis, face.time, face.box)
    except (UnmaskError, OSError):
        figures.missing(_("The frame can’t be read any more."))
        return
    st.image(pictures.jpeg(rgb, 88), width="stretch", alt=_("The face in this frame"))
    figures.caption(tag("b", _("Crop")), " ", described(face.quality))


def described(quality: Quality) -> str:
    """A face's quality in a few words: "212 px wide, sharp, frontal"."""
    width = _("{width}\u00a0px wide").format(width=f"{quality.width:.0f}")
    if quality.problem is not None:
        why = labels.WHY_NOT.get(quality.problem, _("not scored"))
        return _("{width}, {why}: not scored").format(width=width, why=why)
    if quality.yaw is None:  # no face
        return width
    turned = abs(quality.yaw)
    pose = _("frontal") if turned < 0.35 else _("half turned") if turned < 0.7 else _("turned")
    return f"{width}, {pose}"


def _whole(
    path: Path, analysis: Analysis, time: float, boxes: dict[str, tuple[Box, Label]]
) -> heat_view.Lay:
    """Draw the whole frame; return what lays a heatmap over it."""
    with st.container(key="whole-frame", gap=None):
        picture, caption = st.empty(), st.empty()
    who = labels.listed([labels.who(track) for track in analysis.judged if track.id in boxes])
    alt = _("The whole frame at {time}, {who} boxed") if who else _("The whole frame at {time}")
    alt = alt.format(time=labels.clock(time), who=who)

    def show(heat: explain.Heatmap | None, alpha: float) -> None:
        try:
            rgb = pictures.whole_frame(path, analysis, time, boxes, 640, heat, alpha)
        except (UnmaskError, OSError):
            figures.missing(_("The frame can’t be read any more."), at=picture)
            return
        picture.image(pictures.jpeg(rgb, 85), width="stretch", alt=alt)
        text = rich(_("<b>Whole frame</b>"))
        if heat:
            text = rich(_("<b>Whole frame</b> with the heatmap, {caption}"), caption=heat.caption)
        figures.caption(text, at=caption)

    show(None, 0.0)
    return show


def scores_here(analysis: Analysis, face: FrameSegment) -> Markup:
    """Return a table of each model's score in this frame."""
    limits = analysis.verdict.thresholds

    def row(name: str, score: float | None, note: str = "", *, bold: bool = False) -> ScoreRow:
        state = labels.state(series.label_at(score, limits), analysis.verdict.question)
        known = score is not None
        return ScoreRow(
            name=name,
            note=note if known else "",
            value=labels.percent(score) if score is not None else "–",
            slug=state.slug,
            symbol=state.icon,
            says=state.short if known else note or series.why(face),
            bold=bold,
        )

    rows = [row(_("Combined"), face.score, bold=True)]
    for model in analysis.models:
        score = face.scores.get(model.id)
        note = "" if model.counted else _("not counted")
        if model.scored or score is not None:
            rows.append(row(labels.plain(model), score, note))
    return tables.scores(_("Scores in this frame"), rows)
