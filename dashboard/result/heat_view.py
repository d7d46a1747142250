"""Heatmap of the inspector: method, opacity, and the effect of hiding hot places."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels
from dashboard.components import figures, typography
from dashboard.components.controls import choose
from dashboard.components.markup import Text, join
from dashboard.images import jpeg
from dashboard.result import pictures
from dashboard.result.linked import ResultViewState
from detector import explain
from detector.errors import UnmaskError
from detector.messages.format import capital
from detector.presentation import looks
from detector.schema.analysis import Analysis, FrameSegment, Modality, ModelResult, Subject
from detector.sentences import _, say

log = logging.getLogger(__name__)

SLOW = 2.0
"""s; a heatmap that is expected to take longer says so while it is drawn."""
VIEWS = {"original": _("Original"), "heatmap": _("Heatmap"), "difference": _("Difference")}

Later = Callable[[], None]
OnFrame = Callable[[explain.Heatmap | None, float], None]
"""Lays a heatmap over the whole frame, at an opacity."""


@dataclass(frozen=True)
class HeatmapView:
    """The heatmap of one model for one face."""

    analysis: Analysis
    track: Subject
    face: FrameSegment
    model: ModelResult
    linked: ResultViewState
    controls: DeltaGenerator  # the place of what chooses how it is drawn
    on_frame: OnFrame | None  # where the whole frame is shown

    def draw(self, slot: DeltaGenerator) -> Later:
        """Draw a placeholder; return a function that draws the heatmap."""
        with slot:
            picture = st.empty()
            with picture.container(key="heatmap-wait", gap=None):
                st.skeleton(height=200)
            caption = st.empty()
            seconds = self._expected_seconds()
            wait = (
                _("Drawing the heatmap, about {seconds}\u00a0s").format(seconds=f"{seconds:.0f}")
                if seconds > SLOW
                else _("Drawing the heatmap")
            )
            figures.caption(wait, at=caption)

        def fill() -> None:
            missing = self._fill(picture, caption)
            if missing:
                figures.missing(missing, at=picture)
                caption.empty()

        return fill

    def _fill(self, picture: DeltaGenerator, caption: DeltaGenerator) -> str:
        """Draw the heatmap; return why there is none, or ""."""
        if self.face.quality.problem is not None:
            return capital(looks.unscored(self.face))
        try:
            method = self._method()
            heat = self._heatmap(method, caption)
            if heat is None:
                return looks.blind(self.model)
            self._show(heat, method, picture, caption)
            return ""
        except UnmaskError:  # its weights are gone, or the file is
            pass
        except Exception:  # whatever broke, the rest of the result still stands
            log.exception("a heatmap could not be drawn")
        return looks.failed(self.model)

    def _heatmap(self, method: explain.Method, caption: DeltaGenerator) -> explain.Heatmap | None:
        on_progress: explain.OnProgress = bool
        if method.forwards * self._run_seconds() > SLOW:
            text = _("Hiding one part after the other")
            on_progress = caption.progress(0.0, text).progress
        started = monotonic()
        heat = pictures.heatmap(
            self.linked.path, self.analysis, self.track.id, self.face.time, self.model.id,
            method.id, on_progress,
        )  # fmt: skip
        took = monotonic() - started
        if took > 0.2:  # else it came from the cache
            st.session_state[self._widget("took", method.id)] = took
        return heat

    def _widget(self, part: str, *method: str) -> str:
        return self.linked.widget(".".join([part, self.model.id, *method]))

    def _run_seconds(self) -> float:
        return (self.model.seconds or 0.0) / max(self.model.scored, 1)

    def _expected_seconds(self) -> float:
        """Return the last duration, else an estimate from the method's forward passes."""
        chosen = str(st.session_state.get(self._widget("method")))
        method = explain.METHODS.get(chosen)
        took = st.session_state.get(self._widget("took", chosen), 0.0)
        return float(max(took, method.forwards * self._run_seconds() if method else 0.0))

    def _method(self) -> explain.Method:
        known = {method.id: method for method in pictures.methods(self.model.id)}
        if len(known) == 1:
            return next(iter(known.values()))
        chosen = self.controls.selectbox(
            _("How it is drawn"),
            list(known),
            format_func=lambda id: say(known[id].title),
            key=self._widget("method"),
            width=170,
        )
        return known[chosen]

    def _show(
        self,
        heat: explain.Heatmap,
        method: explain.Method,
        picture: DeltaGenerator,
        caption: DeltaGenerator,
    ) -> None:
        """Draw the chosen view and its controls."""
        view, alpha, on_frame = self._controls(heat)
        text = say(heat.caption)
        if view == "original":
            rgb, text = heat.crop, looks.seen_by(self.model)
        elif view == "difference":
            key = self.analysis.id, self.track.id, self.face.time, method.id, self.model.id
            effect = pictures.effect(key, self.model, heat)
            rgb, text = effect.crop, looks.effect(effect, self.model)
        else:
            rgb = explain.overlay(heat, alpha)
        ramp = figures.ramp(_("little"), _("most")) if view == "heatmap" else ""
        alt = f"{say(VIEWS[view])}: {say(heat.caption)}"
        picture.image(jpeg(rgb, 88), width="stretch", alt=alt)
        note = typography.small_print(looks.worth(heat, self.analysis.media))
        titled = figures.titled(say(VIEWS[view]), text)
        figures.caption(titled, ramp, _over_time(heat), note, at=caption)
        if on_frame and self.on_frame is not None:
            self.on_frame(heat, alpha)

    def _controls(self, heat: explain.Heatmap) -> tuple[str, float, bool]:
        """Draw the controls; return the view, the opacity (0..1), and whether the frame is covered
        too."""
        widget = self.linked.widget
        with self.controls:
            views: Mapping[str, str] = VIEWS
            key = widget("heat-view")
            if self.track.modality is not Modality.FACE:  # scored at its own size, not at this one
                views, key = {id: VIEWS[id] for id in ("original", "heatmap")}, f"{key}.picture"
            view = choose(_("Show"), views, "heatmap", key, hidden=True)
            alpha = st.slider(
                _("How strongly the heatmap covers the picture, %"), 0, 100, 60, step=10,
                format="%d%%", key=widget("alpha"), label_visibility="collapsed", width=130,
                disabled=view != "heatmap" and not st.session_state.get(widget("on-frame")),
            )  # fmt: skip
            able = self.on_frame is not None and heat.place is not None
            on_frame = able and st.toggle(
                _("Whole frame too"), key=widget("on-frame"), width="content"
            )
        return view, alpha / 100, on_frame


def _over_time(heat: explain.Heatmap) -> Text:
    """Return how much each frame of a video model's window counted, as a row of bars."""
    shares = heat.over_time
    if shares is None:
        return ""
    most = looks.hottest(heat)
    first, last = labels.clock(heat.times[0]), labels.clock(heat.times[-1])
    return join([figures.bars(map(float, shares), capital(most)), figures.ends(first, most, last)])
