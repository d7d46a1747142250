"""A lane a model on one time axis."""

from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels, series
from dashboard.components import cards, typography
from dashboard.components import lanes as lane_parts
from dashboard.components.chips import chip
from dashboard.components.markup import show
from dashboard.i18n import _, ngettext
from dashboard.pages.compare import state
from dashboard.pages.compare.state import Selection, limits
from dashboard.result.timeline import hatched
from dashboard.series import Lane
from dashboard.theme import Palette
from detector.models import registry
from detector.schema.analysis import Analysis, Label, ModelResult, Subject, Thresholds

PLOT = 74
"""px of a lane."""


def model_lanes(selection: Selection) -> dict[str, Lane]:
    """Return a lane a model, of the chosen person."""
    track = selection.track
    if track is None:
        return {}
    every = series.lane(selection.analysis, track)
    return {
        m.id: replace(
            every,
            score=every.models[m.id],
            models={},
            gaps=_gaps(selection.analysis, track, m.id) if track.frames else every.gaps,
        )
        for m in selection.models
        if m.id in every.models
    }


def _gaps(analysis: Analysis, track: Subject, model: str) -> tuple[series.Gap, ...]:
    """Where this model has no score of who is seen, and why."""
    faces = {face.index: face for face in track.frames}
    whys: list[series.Why | None] = []
    for index in range(len(analysis.timestamps)):
        face = faces.get(index)
        missing = face is None or model not in face.scores
        whys.append(series.reason(face) if missing else None)
    return series.gaps(analysis.timestamps, whys, series.length(analysis))


def draw(selection: Selection, lanes: dict[str, Lane], palette: Palette) -> None:
    """Draw the card."""
    end = series.length(selection.analysis)
    sizes = charts.lane_sizes(len(lanes), PLOT, PLOT)
    with st.container(border=True, key="card-lanes"):
        how = _("same time axis · shaded: inconclusive · hatched: no score")
        cards.head(_("Scores side by side"), typography.small(how))
        for (id, lane), size in zip(lanes.items(), sizes, strict=True):
            model = next(m for m in selection.models if m.id == id)
            thresholds = limits(selection, model)
            name, zones, plot, whole = st.columns([17, 9, 58, 16], gap=None)
            show(_name(model), at=name)
            with zones, st.container(key=f"lane-words-{id}"):
                show(lane_parts.zone_words(thresholds, size, model.question))
            with plot:
                figure = charts.lane_figure(
                    lane, thresholds=thresholds, end=end, size=size, palette=palette, titles={}
                )  # fmt: skip
                figure.add_vline(x=selection.time, line={"color": palette.accent, "width": 1.4})
                event = st.plotly_chart(
                    figure,
                    theme=None,
                    config=charts.CONFIG,
                    on_select="rerun",
                    selection_mode="points",
                    key=f"compare-lane-{id}-{selection.job.key}",
                    alt=f"{labels.plain(model)}: {series.finding(lane, thresholds)}",
                )
                _follow(id, event)
            show(_whole(lane, model, selection, thresholds), at=whole)
        hatched(list(lanes.values())[:1])


def _follow(id: str, event: object) -> None:
    """Go to the moment of a point that was clicked, once."""
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    time = float(points[-1]["x"]) if points and "x" in points[-1] else None
    key = f"compare-clicked-{id}"
    if time is not None and st.session_state.get(key) != time:
        st.session_state[key] = time
        state.go(time)
        st.rerun()


def _name(model: ModelResult) -> Markup:
    spec = next((s for s in registry.list_models() if s.id == model.id), None)
    crop = f" · {spec.crop.size} px" if spec and model.kind != "audio" else ""
    clips = model.calibration.clips if model.calibration else 0
    if not clips:
        point = model.operating_point is not None
        calibrated = _("operating point, not calibrated here") if point else _("uncalibrated")
    else:
        calibrated = ngettext(
            "calibrated on {number} clip", "calibrated on {number} clips", clips
        ).format(number=clips)
    lines = [f"{labels.MODEL_KINDS[model.kind]}{crop}", calibrated]
    if not model.counted:
        lines.append(_("not counted"))
    return lane_parts.model(labels.plain(model), *lines)


def _whole(lane: Lane, model: ModelResult, selection: Selection, thresholds: Thresholds) -> Markup:
    track = selection.track
    if track is None or (score := track.models.get(model.id)) is None:
        return lane_parts.whole("", "", _("no score for this person"))
    answer = state.reading(selection, model, Label(score.label))
    values = [v for v in lane.score if v is not None]
    over = sum(v > thresholds.high for v in values)
    text = _("{over} of {looks} over {high}").format(
        over=over,
        looks=labels.looks(len(values), "audio" if not track.frames else model.kind),
        high=labels.whole_percent(thresholds.high),
    )
    if thresholds.never_decide:
        top = labels.score(max(values)) if values else ""
        text = _("at most {score}").format(score=top) if top else ""
    shown = _("score {score}").format(score=labels.score(score.probability))
    return lane_parts.whole(shown, chip(answer.short, answer.slug, answer.icon), text)
