"""One frame under the glass: the face, where a model looked, the whole frame, the scores there."""

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, series
from dashboard.components import controls, figures, tables, typography
from dashboard.components.chips import inked
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import TableColumn
from dashboard.i18n import _, say
from dashboard.images import jpeg
from dashboard.result import find_original, magnifier, pictures, pulls, traces
from dashboard.result.heat_view import HeatmapView, Later, OnFrame
from dashboard.result.linked import ResultViewState
from dashboard.series import Lane
from detector import explain
from detector.decision.context import ADDS_NOTHING
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
)


class Moment:
    """The chosen moment of one person, with one model's heatmap of it."""

    def __init__(self, analysis: Analysis, lane: Lane | None, linked: ResultViewState) -> None:
        self._analysis, self._lane, self._linked = analysis, lane, linked
        self._still = analysis.media.kind == "image"
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
            # What runs unasked and never counts has no heatmap here.
            named = analysis.settings.models or ()
            able = [
                m for m in analysis.models
                if m.scored and (m.not_counted_because != ADDS_NOTHING or m.id in named)
            ]  # fmt: skip
            with controls.apart("inspector-head"):
                _head(analysis, lane, face, self._time)
                if lane and not self._still:
                    _peaks(lane, linked, self._time)
                if able:
                    self._model = _model(able, linked, pulls.strongest(analysis))
            if lane is None:
                return
            if face is None:
                _absent(analysis, lane, linked)
            elif not linked.path.is_file():
                typography.caption(_("Without the file there is no frame to look into."))
            else:
                grid = st.grid(2, min_column_width=130, gap="small")
                with grid.cell(), st.container(gap=None):
                    _crop(analysis, face, linked)
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
            show(scores_here(analysis, face))
            return
        with st.container(horizontal=True):
            magnifier.button(linked, face.time, face.box)
            find_original.button(linked, "details")
        left, middle, right = st.columns([36, 36, 28], gap=20)
        with left, st.container(gap="xsmall", key="traces"):
            traces.draw(analysis, self._lane.track, face, linked)
        if self._still:  # the player shows all of a picture, and the verdict its scores
            return
        with middle:
            boxes = pictures.boxes_at(analysis, face.time)
            self._on_frame = _whole(analysis, linked, face.time, boxes)
        with right:
            show(scores_here(analysis, face))

    def heatmap(self) -> Later | None:
        """Return what draws the heatmap into its place, once the whole page is drawn: so nothing
        waits for a network."""
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
    still = analysis.media.kind == "image"
    title = _("Frame at {time}").format(time=labels.clock(shown))
    if still:
        whole = lane and lane.track.modality is Modality.FULL_FRAME
        title = _("The picture") if whole else _("The face")
    if lane is None:
        typography.title(title, width="content")
        return
    parts: list[Text] = [labels.who(lane.track)]
    if face is None or face.score is None:
        parts.append(series.why(face))
    else:
        state = labels.STATES[series.label_at(face.score, analysis.verdict.thresholds)]
        score = typography.strong(labels.score(face.score), state.slug)
        parts.append(rich(_("score {score}, all models"), score=score))
    show(typography.heading(title), typography.small_print(join(parts, " · ")), width="content")


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


def _crop(analysis: Analysis, face: FrameSegment, linked: ResultViewState) -> None:
    try:
        rgb = pictures.crop(linked.path, analysis, face.time, face.box)
    except (UnmaskError, OSError):
        figures.missing(_("The frame can’t be read any more."))
        return
    st.image(jpeg(rgb, 88), width="stretch", alt=_("The face in this frame"))
    figures.caption(figures.titled(_("Crop"), _unscored(face.quality)))


def _unscored(quality: Quality) -> str:
    """Return why a face was not scored, with its width; empty for one that could be."""
    if quality.problem is None:
        return ""
    text = _("{width}\u00a0px wide, {why}: not scored")
    why = labels.WHY_NOT.get(quality.problem, _("not scored"))
    return text.format(width=f"{quality.width:.0f}", why=why)


def _whole(
    analysis: Analysis, linked: ResultViewState, time: float, boxes: dict[str, tuple[Box, Label]]
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
        picture.image(jpeg(rgb, 85), width="stretch", alt=alt)
        text = rich(_("<b>Whole frame</b>"))
        if heat:
            text = rich(
                _("<b>Whole frame</b> with the heatmap, {caption}"), caption=say(heat.caption)
            )
        figures.caption(text, at=caption)

    show(None, 0.0)
    return show


def scores_here(analysis: Analysis, face: FrameSegment) -> Markup:
    """Return a table of each model's score in this frame."""
    limits = analysis.verdict.thresholds

    def row(name: Text, score: float | None, note: str = "") -> list[Text]:
        if score is None:
            return [name, "–", note or series.why(face)]
        state = labels.state(series.label_at(score, limits), analysis.verdict.question)
        says = inked(state.short, state.slug, state.icon)
        return [tables.with_note(name, note), labels.score(score), says]

    rows = [row(typography.strong(_("Combined")), face.score)]
    for model in analysis.models:
        score = face.scores.get(model.id)
        if model.scored or score is not None:
            note = "" if model.counted else _("not counted")
            rows.append(row(labels.plain(model), score, note))
    columns = [TableColumn(_("Scores in this frame")), TableColumn(_("Score"), number=True)]
    return tables.table([*columns, TableColumn(_("Reading"))], rows)
