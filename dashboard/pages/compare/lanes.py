"""A lane a model on one time axis."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels, series
from dashboard.components import cards
from dashboard.components import lanes as beside
from dashboard.components.chips import chip
from dashboard.components.markup import show, tag
from dashboard.i18n import LazyDict, _, ngettext
from dashboard.pages.compare import state as chosen
from dashboard.pages.compare.state import Chosen
from dashboard.result.timeline import hatched
from dashboard.series import Lane
from dashboard.theme import Palette
from detector.models import registry
from detector.schema.analysis import Label, ModelResult, Question, Thresholds

PLOT = 74
"""px of a lane."""
KINDS: LazyDict[str, str] = LazyDict(
    lambda: {
        "frame": _("frame model"),
        "clip": _("clip model"),
        "image": _("image model"),
        "audio": _("audio model"),
    }
)


def lanes(view: Chosen) -> dict[str, Lane]:
    """A lane a model, of the chosen person."""
    if view.track is None:
        return {}
    every = series.lane(view.analysis, view.track)
    return {
        m.id: replace(every, score=every.models[m.id], models={}, gaps=_gaps(view, m.id))
        for m in view.models
        if m.id in every.models
    }


def _gaps(view: Chosen, model: str) -> tuple[series.Gap, ...]:
    """Where this model has no score, and why."""
    assert view.track is not None
    faces = {face.index: face for face in view.track.frames}
    whys: list[series.Why | None] = []
    for index in range(len(view.analysis.moments)):
        face = faces.get(index)
        missing = face is None or model not in face.scores
        whys.append(series.reason(face) if missing else None)
    return series.gaps(view.analysis.moments, whys, series.length(view.analysis))


def limits(view: Chosen, model: ModelResult) -> Thresholds:
    """The thresholds that a model's score is read by: those of its question."""
    question = model.question or Question.MANIPULATION
    answer = view.analysis.verdict.answers.get(question)
    return answer.thresholds if answer else view.analysis.verdict.thresholds


def draw(view: Chosen, drawn: dict[str, Lane], palette: Palette) -> None:
    """Draw the card."""
    end = series.length(view.analysis)
    sizes = charts.lane_sizes(len(drawn), PLOT, PLOT)
    with st.container(border=True, key="card-lanes"):
        how = _("same time axis · shaded: inconclusive · hatched: no score")
        cards.wide_head(_("Scores side by side"), tag("span", how, cls="um-caption"))
        for (id, lane), size in zip(drawn.items(), sizes, strict=True):
            model = next(m for m in view.models if m.id == id)
            asked = limits(view, model)
            name, zones, plot, whole = st.columns([17, 9, 58, 16], gap=None)
            show(_name(model), at=name)
            with zones, st.container(key=f"lane-words-{id}"):
                show(beside.zone_words(asked, size))
            with plot:
                figure = charts.lane_figure(
                    lane, thresholds=asked, end=end, size=size, palette=palette, titles={},
                    axis=id == list(drawn)[-1],
                )  # fmt: skip
                figure.add_vline(x=view.time, line={"color": palette.accent, "width": 1.4})
                event = st.plotly_chart(
                    figure,
                    theme=None,
                    config=charts.CONFIG,
                    on_select="rerun",
                    selection_mode="points",
                    key=f"compare-lane-{id}-{view.job.key}",
                    alt=f"{labels.plain(model)}: {series.finding(lane, asked)}",
                )
                _follow(id, event)
            show(_whole(lane, model, view, asked), at=whole)
        hatched(list(drawn.values())[:1], end)


def _follow(id: str, event: object) -> None:
    """A click on a point goes to its moment, once."""
    points = event["selection"]["points"] if event else []  # type: ignore[index]
    time = float(points[-1]["x"]) if points and "x" in points[-1] else None
    key = f"compare-clicked-{id}"
    if time is not None and st.session_state.get(key) != time:
        st.session_state[key] = time
        chosen.go(time)
        st.rerun()


def _name(model: ModelResult) -> Markup:
    spec = next((s for s in registry.list_models() if s.id == model.id), None)
    crop = f" · {spec.crop.size} px" if spec else ""
    clips = model.calibration.clips if model.calibration else 0
    if not clips:
        # Results before schema 1.2 kept an operating point as a calibration on no clips.
        point = model.operating_point is not None or model.calibration is not None
        calibrated = _("operating point, not calibrated here") if point else _("uncalibrated")
    else:
        calibrated = ngettext(
            "calibrated on {number} clip", "calibrated on {number} clips", clips
        ).format(number=clips)
    lines = [f"{KINDS[model.kind]}{crop}", calibrated]
    if not model.counted:
        lines.append(_("not counted"))
    return beside.model(labels.plain(model), *lines)


def _whole(lane: Lane, model: ModelResult, view: Chosen, asked: Thresholds) -> Markup:
    assert view.track is not None
    score = view.track.models.get(model.id)
    if score is None:
        return beside.whole("", "", _("no score for this person"))
    state = labels.STATES[Label(score.label)]
    values = [v for v in lane.score if v is not None]
    over = sum(v > asked.high for v in values)
    said = ngettext(
        "{over} of {number} frame over {high}", "{over} of {number} frames over {high}", len(values)
    ).format(over=over, number=len(values), high=labels.whole_percent(asked.high))
    percent = labels.percent(score.probability)
    return beside.whole(percent, chip(state.short, state.slug, state.icon), said)
