"""Inspector of one moment: face, heatmap, whole frame, traces and scores."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, theme
from dashboard.charts import PLAIN, layout, scatter
from dashboard.components import blocks, controls, figures, typography
from dashboard.components.markup import join, show
from dashboard.images import jpeg
from dashboard.result import find_original, pictures
from dashboard.result.heat_view import HeatmapView, Later, OnFrame
from dashboard.result.linked import ResultViewState
from dashboard.theme import AXIS, Palette
from detector import explain
from detector.presentation import lead, looks, models, pulls, series
from detector.presentation.looks import TRACES
from detector.presentation.series import Lane
from detector.schema.analysis import (
    Analysis,
    Box,
    Contribution,
    FrameSegment,
    Modality,
    ModelResult,
    Subject,
)
from detector.sentences import NBSP, _, numeral, say
from detector.signals import frequency, reference
from detector.signals.reference import CurveRange
from detector.signals.views import Traces
from detector.vision.boxes import FaceBox


class Moment:
    """The chosen moment of one person, with one model's heatmap of it."""

    def __init__(self, analysis: Analysis, lane: Lane | None, linked: ResultViewState) -> None:
        self._analysis, self._lane, self._linked = analysis, lane, linked
        self._still = analysis.media.kind == "image"
        self._of_face = lane is not None and lane.track.modality is Modality.FACE
        times = analysis.timestamps
        self._face = series.nearest_face(lane.track, times, linked.time) if lane else None
        self._time = self._face.time if self._face else linked.time
        self._model: ModelResult | None = None
        self._heatmap: DeltaGenerator | None = None
        self._options: DeltaGenerator | None = None
        self._on_frame: OnFrame | None = None

    def draw(self) -> None:
        """Draw the card: the face, and the place of its heatmap."""
        analysis, lane, face, linked = self._analysis, self._lane, self._face, self._linked
        with st.container(border=True, key="card-inspector", height="stretch"):
            able = [m for m in analysis.models if m.scored]
            with controls.apart("inspector-head"):
                _head(analysis, lane, face, self._time)
                if lane and not self._still:
                    _peaks(lane, linked, self._time)
                if able:
                    answer = pulls.judged(analysis)
                    strongest = answer.strongest if answer else None
                    self._model = _model(able, linked, strongest)
            if lane is None:
                return
            if face is None:
                _absent(analysis, lane, linked)
            elif not linked.path.is_file():
                typography.caption(_("Without the file there is no frame to look into."))
            else:
                grid = st.grid(2, min_column_width=130, gap="small")
                with grid.cell(), st.container(gap=None):
                    _crop(analysis, face, linked, whole=not self._of_face)
                with grid.cell():
                    self._heatmap = st.container(gap=None, key="heatmap")
                if self._model is not None:
                    self._options = st.popover(
                        _("Heatmap options"), icon=":material/tune:", type="tertiary"
                    )

    def draw_details(self) -> None:
        """Draw the traces of the face, the whole frame and the scores there."""
        analysis, face, linked = self._analysis, self._face, self._linked
        if self._lane is None or face is None:
            return
        if not linked.path.is_file():
            show(blocks.block(models.in_frame(analysis, face)))
            return
        with st.container(horizontal=True):
            magnify_button(linked, face.time, face.box)
            find_original.button(linked, "details")
        left, middle, right = st.columns([36, 36, 28], gap=20)
        if self._of_face:
            with left, st.container(gap="xsmall", key="traces"):
                draw_traces(analysis, self._lane.track, face, linked)
        if self._still:  # the player shows all of a picture, and the verdict its scores
            return
        with middle:
            boxes = series.boxes_at(analysis, face.time)
            self._on_frame = _whole(analysis, linked, face.time, boxes)
        with right:
            show(blocks.block(models.in_frame(analysis, face)))

    def heatmap(self) -> Later | None:
        """Return a function that draws the heatmap after the rest of the page, so that no other
        part waits for a network."""
        if self._lane is None or self._face is None or self._model is None:
            return None
        if self._heatmap is None or self._options is None:
            return None
        view = HeatmapView(
            self._analysis, self._lane.track, self._face, self._model, self._linked,
            self._options, self._on_frame,
        )  # fmt: skip
        return view.draw(self._heatmap)


def _head(analysis: Analysis, lane: Lane | None, face: FrameSegment | None, shown: float) -> None:
    title = looks.title(analysis, lane.track if lane else None, shown)
    if lane is None:
        typography.title(title, width="content")
        return
    said = looks.reading(face, analysis.verdict.thresholds)
    score = typography.strong(said.text, labels.look(said.state).slug) if said.state else said.text
    line = join([lead.name(lane.track), score], " · ")
    show(typography.heading(title), typography.small_print(line), width="content")


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
    """Return the model of the shown heatmap: by default the strongest contribution, else the first
    counted."""
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
        typography.say(looks.away(lane.track))
        if nearest is not None:
            label = _("Nearest moment, {time}").format(time=labels.clock(nearest.time))
            go = linked.going_to(nearest.time, lane.track.id)
            controls.button(label, "my_location", linked.widget("nearest"), go)


def _crop(analysis: Analysis, face: FrameSegment, linked: ResultViewState, *, whole: bool) -> None:
    recipe = pictures.CROP_OF_PICTURE if whole else pictures.CROP
    alt = _("The picture") if whole else _("The face in this frame")
    with figures.readable():
        rgb = pictures.crop(linked.path, analysis, face.time, face.box, recipe)
        st.image(jpeg(rgb, 88), width="stretch", alt=alt)
        figures.caption(figures.titled(_("Crop"), looks.unscored(face)))


def _whole(
    analysis: Analysis, linked: ResultViewState, time: float, boxes: dict[str, FaceBox]
) -> OnFrame:
    """Draw the whole frame; return what lays a heatmap over it."""
    with st.container(key="whole-frame", gap=None):
        picture, caption = st.empty(), st.empty()
    alt = looks.frame(analysis, time, [track for track in analysis.judged if track.id in boxes])

    def show(heat: explain.Heatmap | None, alpha: float) -> None:
        with figures.readable(at=picture):
            shown = boxes.values()
            rgb = pictures.whole_frame(linked.path, analysis, time, shown, 640, heat, alpha)
            picture.image(jpeg(rgb, 85), width="stretch", alt=alt)
            figures.caption(figures.titled(_("Whole frame"), looks.with_heatmap(heat)), at=caption)

    show(None, 0.0)
    return show


# --- the magnifier --------------------------------------------------------------------------------


ZOOMS = (1, 2, 4, 8)
SIDE = 720
"""px of the longer side of what is shown"""
USUAL_RATE = 25.0
"""frames per second where a file states none"""


def magnify_button(linked: ResultViewState, time: float, box: Box | None) -> None:
    """Draw the button that opens the magnifier on a face."""
    if controls.button(_("Magnify"), "zoom_in", linked.widget("magnify")):
        media = linked.original.media
        x0, y0, x1, y1 = box or (0, 0, media.width, media.height)
        state = st.session_state
        state[_magnify_key(linked, "time")] = time
        state[_magnify_key(linked, "x")] = round(50 * (x0 + x1) / media.width)
        state[_magnify_key(linked, "y")] = round(50 * (y0 + y1) / media.height)
        st.dialog(_("Magnifier"), width="large")(_magnifier)(linked)


def _magnifier(linked: ResultViewState) -> None:
    media, time = linked.original.media, float(st.session_state[_magnify_key(linked, "time")])
    with st.container(horizontal=True, vertical_alignment="bottom", key="magnifier"):
        zooms = {zoom: f"{zoom}×" for zoom in ZOOMS}
        zoom = controls.choose(_("Zoom"), zooms, 2, _magnify_key(linked, "zoom"))
        if media.kind != "image":
            for label, symbol, shortcut, frames in (
                (_("Frame before"), "arrow_back", "Left", -1),
                (_("Frame after"), "arrow_forward", "Right", 1),
            ):
                st.button(
                    label, key=_magnify_key(linked, shortcut), icon=f":material/{symbol}:",
                    shortcut=shortcut, on_click=partial(_step_frames, linked, frames),
                )  # fmt: skip
            number = 1 + _frame_number(linked, time)
            about = _("{time}, frame {number}").format(time=labels.clock(time), number=number)
            typography.caption(about, width="content")
    with figures.readable():
        rgb = pictures.frame(linked.path, linked.original, time)
        x, y = (st.session_state[_magnify_key(linked, axis)] / 100 for axis in "xy")
        part = magnified(rgb, zoom, x, y)
        st.image(jpeg(part, 95), width="stretch", alt=_("A part of the frame, magnified"))
        if zoom > 1:
            names = _("From left to right"), _("From top to bottom")
            for place, label, axis in zip(st.columns(2), names, "xy", strict=True):
                place.slider(label, 0, 100, key=_magnify_key(linked, axis), format="%d%%")


def magnified(rgb: np.ndarray, zoom: int, x: float, y: float) -> np.ndarray:
    """Return a part of a frame around a point (0 to 1), without interpolation."""
    height, width = rgb.shape[:2]
    across, down = max(1, width // zoom), max(1, height // zoom)
    left = min(max(0, round(x * width - across / 2)), width - across)
    top = min(max(0, round(y * height - down / 2)), height - down)
    part = rgb[top : top + down, left : left + across]
    scale = max(1, round(SIDE / max(part.shape[:2])))
    if zoom == 1:
        image = Image.fromarray(rgb)
        image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
        return np.asarray(image)
    return np.ascontiguousarray(part.repeat(scale, axis=0).repeat(scale, axis=1))


def _step_frames(linked: ResultViewState, frames: int) -> None:
    media, key = linked.original.media, _magnify_key(linked, "time")
    rate = media.fps or USUAL_RATE
    last = max(0.0, (media.duration or 0.0) - 0.5 / rate)
    # To the middle of the frame: a time at its edge may fall on the one before.
    number = _frame_number(linked, float(st.session_state[key])) + frames
    st.session_state[key] = min(max(0.0, (number + 0.5) / rate), last)


def _frame_number(linked: ResultViewState, time: float) -> int:
    """Return the index of the frame at a time."""
    return int(time * (linked.original.media.fps or USUAL_RATE) + 1e-6)


def _magnify_key(linked: ResultViewState, part: str) -> str:
    return linked.widget(f"magnify.{part}")


# --- traces ---------------------------------------------------------------------------------------


FINE_BANDS = slice(9, 14)
"""The finer third of the DCT's diagonals."""


def draw_traces(
    analysis: Analysis, track: Subject, face: FrameSegment, linked: ResultViewState
) -> None:
    """Draw the chosen view of the face at this moment."""
    view = st.session_state.get(linked.widget("traces"), "spectrum")
    with figures.readable():
        seen = pictures.traces(
            linked.path, analysis.media.sha256, face.time, face, track.id, analysis
        )
        kind = "image" if analysis.media.kind == "image" else "video"
        small = view in ("spectrum", "bands", "picture") and seen.profile is None
        if small:
            figures.missing(looks.too_small(frequency.SMALLEST))
        elif view in ("spectrum", "bands"):
            _trace_chart(view, seen, kind)
        else:
            _trace_picture(view, seen)
        controls.select(_("Traces of this face"), TRACES, linked.widget("traces"))


def _trace_chart(view: str, seen: Traces, kind: str) -> None:
    spectrum = view == "spectrum"
    values = seen.profile if spectrum else seen.bands
    assert values is not None
    untouched = reference.curve("profile" if spectrum else "bands", kind)
    fine = frequency.FINE if spectrum else FINE_BANDS
    finding = looks.fine_detail(values, untouched, fine, kind)
    figure = _frequency_figure(values, untouched, theme.palette())
    figures.chart(figure, f"traces-{view}", f"{say(TRACES[view])}: {finding}")
    figures.caption(figures.titled(say(TRACES[view]), finding))


def _trace_picture(view: str, seen: Traces) -> None:
    rgb = {"picture": seen.spectrum, "noise": seen.noise, "error": seen.error}[view]
    assert rgb is not None
    st.image(jpeg(rgb, 92), width="stretch", alt=looks.picture_of(view))
    named = say(TRACES["spectrum" if view == "picture" else view])
    figures.caption(figures.titled(named, looks.trace(view)))


CHART_HEIGHT = 200
"""px"""


def _frequency_figure(
    values: Sequence[float] | np.ndarray, reference: CurveRange | None, palette: Palette
) -> go.Figure:
    """Return a face's energy, dB, coarse to fine, over `reference` ranges where there are any."""
    places = list(range(len(values)))
    last = places[-1]
    small = {"size": AXIS, "color": palette.muted}
    font = {"yref": "paper", "yanchor": "top", "showarrow": False, "font": small}
    notes = [
        {"x": 0, "y": 0, "xanchor": "left", "text": say(looks.COARSE), **font},
        {"x": last, "y": 0, "xanchor": "right", "text": say(looks.FINE), **font},
    ]
    stroke = {"color": palette.text, "width": 2}
    texts = [f"{numeral(value, '.0f')}{NBSP}dB" for value in values]
    traces = [scatter(places, list(values), hover="%{text}", text=texts, line=stroke)]
    if reference is not None:
        outline = [*places, *reversed(places)], [*reference.high, *reference.low[::-1]]
        edge = {"color": palette.line, "width": 1}
        band = scatter(*outline, fill="toself", fillcolor=palette.sunken, line=edge)
        traces.insert(0, band)
        text = say(looks.USUAL)
        notes.insert(0, {"x": last * 0.98, "y": 1, "xanchor": "right", "text": text, **font})
    title = {"text": say(looks.ENERGY), "standoff": 2, "font": small}
    return go.Figure(
        traces,
        layout(
            palette,
            CHART_HEIGHT,
            annotations=notes,
            xaxis={**PLAIN, "visible": False, "range": [0, last]},
            yaxis={
                **PLAIN, "showticklabels": False, "showline": True, "linecolor": palette.edge,
                "title": title,
            },
            margin={"l": 22, "r": 4, "t": 4, "b": 20, "pad": 0},
            hovermode="x",
        ),
    )  # fmt: skip
