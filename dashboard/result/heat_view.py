"""The heatmap of the inspector: which way, how strongly it covers, what hiding it does."""

from __future__ import annotations

import logging
import time as clocks
from collections.abc import Callable
from pathlib import Path

import streamlit as st
from markupsafe import Markup

from dashboard import labels, series
from dashboard.components import figures
from dashboard.components.markup import Text, join, rich, tag
from dashboard.i18n import LazyDict, _
from dashboard.result import pictures
from dashboard.result.linked import ResultViewState
from detector import explain
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, FrameSegment, ModelResult, Subject

log = logging.getLogger(__name__)

SLOW = 2.0
"""s; a heatmap that is expected to take longer says so while it is drawn."""
VIEWS: LazyDict[str, str] = LazyDict(
    lambda: {
        "original": _("Original"),
        "heatmap": _("Heatmap"),
        "difference": _("Difference"),
    }
)

Later = Callable[[], None]
Lay = Callable[[explain.Heatmap | None, float], None]
"""Lays a heatmap over the whole frame, at an opacity."""


def draw(  # noqa: PLR0913
    slot: st.delta_generator.DeltaGenerator,
    controls: st.delta_generator.DeltaGenerator,
    path: Path,
    analysis: Analysis,
    track: Subject,
    face: FrameSegment,
    model: ModelResult,
    linked: ResultViewState,
    lay: Lay | None,
) -> Later:
    """Hold the heatmap's place now; return what draws it."""
    asked = st.session_state.get(linked.widget(f"method.{model.id}"))
    with slot:
        picture = st.empty()
        with picture.container(key="heatmap-wait", gap=None):
            st.skeleton(height=200)
        caption = st.empty()
        seconds = _expected(model, asked, linked)
        wait = (
            _("Drawing the heatmap, about {seconds}\u00a0s").format(seconds=f"{seconds:.0f}")
            if seconds > SLOW
            else _("Drawing the heatmap")
        )
        figures.caption(wait, at=caption)

    def fill() -> None:
        heat: explain.Heatmap | None = None
        why = _("{model} can’t show where it looked").format(model=model.title)
        failed = _("{model} could not be run for a heatmap").format(model=model.title)
        if face.quality.problem is not None:
            text = _("This face was not scored: {why}").format(why=series.why(face))
            figures.missing(text, at=picture)
            caption.empty()
            return
        try:
            method = _method(controls, model, linked)
            started = clocks.monotonic()
            slow = method.forwards * _one(model) > SLOW
            tell = (
                caption.progress(0.0, _("Hiding one part after the other")).progress
                if slow
                else None
            )
            heat = pictures.heatmap(
                path, analysis.id, track.id, face.time, model.id, analysis, method.id,
                tell,
            )  # fmt: skip
            took = clocks.monotonic() - started
            if took > 0.2:  # else it was kept
                st.session_state[linked.widget(f"took.{model.id}.{method.id}")] = took
            if heat is not None:
                _show(picture, caption, controls, heat, method, analysis, track, face, model,
                      linked, lay)  # fmt: skip
        except UnmaskError:  # its weights are gone, or the file is
            heat, why = None, failed
        except Exception:  # whatever broke, the rest of the result still stands
            log.exception("a heatmap could not be drawn")
            heat, why = None, failed
        if heat is None:
            figures.missing(why, at=picture)
            caption.empty()

    return fill


def _one(model: ModelResult) -> float:
    """Seconds that one run of a model took in this analysis."""
    return (model.seconds or 0.0) / max(model.scored, 1)


def _expected(model: ModelResult, asked: str | None, linked: ResultViewState) -> float:
    """Seconds that the heatmap is expected to take: as long as last time, else by its runs."""
    method = explain.METHODS.get(asked or "")
    took = st.session_state.get(linked.widget(f"took.{model.id}.{asked}"), 0.0)
    return float(max(took, method.forwards * _one(model) if method else 0.0))


def _method(
    controls: st.delta_generator.DeltaGenerator, model: ModelResult, linked: ResultViewState
) -> explain.Method:
    """The chosen way to look into this model; the usual one to begin with."""
    known = {method.id: method for method in pictures.methods(model.id)}
    if len(known) == 1:
        return next(iter(known.values()))
    with controls:
        chosen = st.selectbox(
            _("How it is drawn"),
            list(known),
            format_func=lambda id: known[id].title,
            key=linked.widget(f"method.{model.id}"),
            width=170,
        )
    return known[chosen]


def _show(  # noqa: PLR0913
    picture: st.delta_generator.DeltaGenerator,
    caption: st.delta_generator.DeltaGenerator,
    controls: st.delta_generator.DeltaGenerator,
    heat: explain.Heatmap,
    method: explain.Method,
    analysis: Analysis,
    track: Subject,
    face: FrameSegment,
    model: ModelResult,
    linked: ResultViewState,
    lay: Lay | None,
) -> None:
    """The picture as it is asked for, and its controls below."""
    with controls:
        view = st.segmented_control(
            _("Show"), list(VIEWS), default="heatmap", required=True, format_func=VIEWS.__getitem__,
            key=linked.widget("heat-view"), label_visibility="collapsed", width="content",
        )  # fmt: skip
        alpha = st.slider(
            _("How strongly the heatmap covers the face, %"), 0, 100, 60, step=10, format="%d%%",
            key=linked.widget("alpha"), label_visibility="collapsed", width=130,
            disabled=view != "heatmap" and not st.session_state.get(linked.widget("on-frame")),
        )  # fmt: skip
        over = lay is not None and heat.place is not None and st.toggle(
            _("Whole frame too"), key=linked.widget("on-frame"), width="content"
        )  # fmt: skip
    text = join([tag("b", _("Heatmap")), heat.caption], " ")
    rgb = explain.overlay(heat, alpha / 100)
    if view == "original":
        rgb = heat.crop
        text = rich(_("<b>Original</b> as {model} saw it"), model=model.title)
    elif view == "difference":
        found = pictures.effect(analysis.id, track.id, face.time, method.id, model, model.id, heat)
        rgb, text = found.crop, _difference(found, model)
    ramp = figures.ramp(_("little"), _("most")) if view == "heatmap" else ""
    picture.image(pictures.jpeg(rgb, 88), width="stretch", alt=f"{VIEWS[view]}: {heat.caption}")
    note = (
        _("A heatmap shows places, not proof: a wrong score has one too.")
        if heat.map.any()
        else _("Nothing in this face raised the score.")
    )
    figures.caption(text, ramp, _over_time(heat), figures.note(note), at=caption)
    if over and lay is not None:
        lay(heat, alpha / 100)


def _difference(found: explain.Effect, model: ModelResult) -> Markup:
    """What hiding the hottest places did, beside hiding as much anywhere."""
    return rich(
        _(
            "<b>Difference</b> with the hottest {share} blurred away, {model} says {after} instead "
            "of {before}; hiding as much elsewhere gives {elsewhere}"
        ),
        share=labels.percent(found.share),
        model=model.title,
        after=labels.percent(found.after),
        before=labels.percent(found.before),
        elsewhere=labels.percent(found.at_random),
    )


def _over_time(heat: explain.Heatmap) -> Text:
    """How much each frame of a clip model's window counted, as a row of bars."""
    shares = heat.over_time
    if shares is None:
        return ""
    at = labels.clock(heat.times[int(shares.argmax())])
    label, most = _("Most at {time}").format(time=at), _("most at {time}").format(time=at)
    first, last = labels.clock(heat.times[0]), labels.clock(heat.times[-1])
    return join([figures.bars(map(float, shares), label), figures.ends(first, most, last)])
