"""One frame under the glass: the face, where a model looked, the whole frame, the scores there."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from dashboard import labels, series
from dashboard.components import controls, figures, tables, typography
from dashboard.components.chips import bold
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import ScoreRow
from dashboard.i18n import _
from dashboard.result import pictures, pulls, traces
from dashboard.result.heat_view import HeatmapView, Later, OnFrame
from dashboard.result.linked import ResultViewState
from dashboard.series import Lane
from detector import explain
from detector.errors import UnmaskError
from detector.schema.analysis import (
    Analysis,
    Box,
    Contribution,
    FrameSegment,
    Label,
    Modality,
    ModelResult,
    Quality,
    Subject,
)


def draw(analysis: Analysis, lane: Lane | None, linked: ResultViewState) -> Later | None:
    """Draw the card.

    Returns
    -------
    callable or None
        What fills the heatmap in. The page calls it after everything else is drawn, so that
        nothing waits for a network.
    """
    still = analysis.media.kind == "image"
    with st.container(border=True, key="card-inspector", height="content" if still else "stretch"):
        face = series.nearest_face(lane.track, analysis.timestamps, linked.time) if lane else None
        time = face.time if face else linked.time
        able = [m for m in analysis.models if m.scored]
        with controls.apart("inspector-head"):
            _head(analysis, lane, face, time)
            if lane and not still:
                _peaks(lane, linked, time)
            model = _model(able, linked, pulls.strongest(analysis)) if able else None
        if lane is None:
            return None
        if face is None:
            _absent(analysis, lane, linked)
            return None
        return _glass(analysis, lane.track, face, model, linked)


def _head(analysis: Analysis, lane: Lane | None, face: FrameSegment | None, shown: float) -> None:
    still = analysis.media.kind == "image"
    title = _("Frame at {time}").format(time=labels.clock(shown))
    if still:
        whole = lane and lane.track.modality is Modality.FULL_FRAME
        title = _("The picture") if whole else _("The face")
    if lane is None:
        typography.title(title, width="content")
        return
    parts: list[Text] = [labels.who(lane.track)]
    if face is not None and not still:
        moment = _("moment {number} of {total}")
        parts.append(moment.format(number=face.index + 1, total=len(analysis.timestamps)))
    if face is None or face.score is None:
        parts.append(series.why(face))
    else:
        state = labels.STATES[series.label_at(face.score, analysis.verdict.thresholds)]
        percent = bold(labels.percent(face.score), state.slug)
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
            help, go = (
                there.format(time=labels.clock(to or 0.0)),
                linked.going_to(to, lane.track.id),
            )
            controls.button(label, icon, linked.widget(key), go, help=help, disabled=to is None)


def _model(
    able: list[ModelResult], linked: ResultViewState, strongest: Contribution | None
) -> ModelResult:
    """Return the model whose heatmap is shown: to begin with what pulled most towards the finding,
    else the first that counts."""
    first = next((m for m in able if m.counted), able[0])
    first = next((m for m in able if strongest and m.id == strongest.id), first)
    titles = {m.id: labels.plain(m) for m in able}
    if len(able) == 1:
        return first
    st.session_state.setdefault(linked.heatmap_of, first.id)
    chosen = st.segmented_control(
        _("Heatmap of"),
        list(titles),
        format_func=titles.__getitem__,
        required=True,
        key=linked.heatmap_of,
        label_visibility="collapsed",
        wrap=True,
    )
    return next((m for m in able if m.id == chosen), first)


def _absent(analysis: Analysis, lane: Lane, linked: ResultViewState) -> None:
    nearest = min(lane.track.frames, key=lambda f: abs(f.time - linked.time), default=None)
    left, right = st.columns([60, 40], gap=20)
    with left:
        _whole(analysis, linked, linked.time, {})
    with right:
        typography.say(_("{who} is not in frame here.").format(who=labels.who(lane.track)))
        if nearest is not None:
            label = _("Nearest moment, {time}").format(time=labels.clock(nearest.time))
            go = linked.going_to(nearest.time, lane.track.id)
            controls.button(label, "my_location", linked.widget("nearest"), go)


def _glass(
    analysis: Analysis,
    track: Subject,
    face: FrameSegment,
    model: ModelResult | None,
    linked: ResultViewState,
) -> Later | None:
    """Crop, heatmap and traces, then the whole frame beside the scores there."""
    if not linked.path.is_file():
        typography.caption(_("Without the file there is no frame to look into."))
        show(scores_here(analysis, face))
        return None
    left, right = st.columns([2, 1], gap="small")
    with left:
        grid = st.grid(2, min_column_width=130, gap="small")
        with grid.cell(), st.container(gap=None):
            _crop(analysis, face, linked)
        with grid.cell():
            slot = st.container(gap=None, key="heatmap")
    with right, st.container(gap="xsmall", key="traces"):
        traces.draw(analysis, track, face, linked)
    below = st.container(
        horizontal=True, vertical_alignment="bottom", gap="small", key="heatmap-controls"
    )
    on_frame = None
    if analysis.media.kind != "image":  # of a picture the player and the verdict say it all
        left, right = st.columns([60, 40], gap=20)
        with left:
            boxes = pictures.boxes_at(analysis, face.time)
            on_frame = _whole(analysis, linked, face.time, boxes)
        with right:
            show(scores_here(analysis, face))
    if model is None:
        return None
    return HeatmapView(analysis, track, face, model, linked, below, on_frame).draw(slot)


def _crop(analysis: Analysis, face: FrameSegment, linked: ResultViewState) -> None:
    try:
        rgb = pictures.crop(linked.path, analysis, face.time, face.box)
    except (UnmaskError, OSError):
        figures.missing(_("The frame can’t be read any more."))
        return
    st.image(pictures.jpeg(rgb, 88), width="stretch", alt=_("The face in this frame"))
    figures.caption(figures.titled(_("Crop"), described(face.quality)))


def described(quality: Quality) -> str:
    """Return a face's quality in a few words: "212 px wide, sharp, frontal"."""
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
    analysis: Analysis,
    linked: ResultViewState,
    time: float,
    boxes: dict[str, tuple[Box, Label]],
) -> OnFrame:
    """Draw the whole frame; return what lays a heatmap over it."""
    with st.container(key="whole-frame", gap=None):
        picture, caption = st.empty(), st.empty()
    who = labels.listed([labels.who(track) for track in analysis.judged if track.id in boxes])
    alt = _("The whole frame at {time}, {who} boxed") if who else _("The whole frame at {time}")
    alt = alt.format(time=labels.clock(time), who=who)

    def show(heat: explain.Heatmap | None, alpha: float) -> None:
        try:
            rgb = pictures.whole_frame(linked.path, analysis, time, boxes, 640, heat, alpha)
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
