"""What a person chooses before Start: camera, models, what is kept, when an alarm begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import streamlit as st

from dashboard import labels
from dashboard.i18n import LazyDict, _
from dashboard.pages.live.link import Camera
from detector.models.base import ModelSpec
from detector.models.registry import list_models, manifest, usable
from detector.schema.analysis import QUESTION_OF, Question, Thresholds
from service.live.viewers import Keep, Wishes

if TYPE_CHECKING:
    from detector.live import LiveSettings

KEEPS: LazyDict[Keep, str] = LazyDict(
    lambda: {
        Keep.NOTHING: _("Nothing"),
        Keep.SCORES: _("Scores"),
        Keep.VIDEO: _("Scores and video"),
    }
)
WAITS = (1.0, 3.0, 5.0, 10.0)
"""s above the threshold before an alarm."""
FALLBACK = Thresholds(low=0.3, high=0.7)
"""Of the axes alone, where no model is here whose thresholds are known."""


def camera(known: Sequence[Camera], *, disabled: bool) -> None:
    """Which camera. Their names are known once the person has allowed one."""
    names = {
        one.id: one.label or _("Camera {number}").format(number=number)
        for number, one in enumerate(known, 1)
        if one.id
    }
    st.selectbox(
        _("Camera"),
        ["", *names] if len(names) != 1 else list(names),
        format_func=lambda id: names.get(id, _("Default camera")),
        key="live-device",
        disabled=disabled,
        label_visibility="collapsed",
        width=220,
    )


def camera_id() -> str:
    """The chosen camera; empty for the browser's own choice."""
    return str(st.session_state.get("live-device") or "")


def options(*, disabled: bool, on_mirror: Callable[[], None]) -> None:
    """Models, mirror and what is kept, in a popover."""
    with st.popover(_("Options"), icon=":material/tune:"):
        specs = models()
        titles = {spec.id: spec.title for spec in specs}
        st.pills(
            _("Models"),
            list(titles),
            selection_mode="multi",
            default=[spec.id for spec in specs if spec.default] or list(titles)[:1],
            format_func=titles.__getitem__,
            key="live-models",
            disabled=disabled,
            help=_("Each one more makes readings slower; the video is not slowed down."),
        )
        st.segmented_control(
            _("Keep when it stops"),
            list(KEEPS),
            default=Keep.SCORES,
            required=True,
            format_func=KEEPS.__getitem__,
            key="live-keep",
            disabled=disabled,
        )
        st.toggle(
            _("Mirror the picture"),
            value=True,
            key="live-mirror",
            on_change=on_mirror,
            help=_("As a mirror shows you. Scores and recordings are not mirrored."),
        )


def alarm(usual: float, *, disabled: bool) -> None:
    """When an alarm begins, in a popover."""
    with st.popover(_("When"), icon=":material/notifications:"):
        st.slider(
            _("Above, %"),
            min_value=5,
            max_value=99,
            value=labels.whole_percent(usual),
            key="live-above",
            disabled=disabled,
            help=_("The mean of 3 s has to stay above it."),
        )
        st.segmented_control(
            _("For so many seconds"),
            WAITS,
            default=3.0,
            required=True,
            format_func="{:g}".format,
            key="live-seconds",
            disabled=disabled,
        )
        if disabled:
            st.caption(_("Stop first to change it."))


def models() -> list[ModelSpec]:
    """Those that can judge frames of a camera now."""
    return [
        spec
        for spec in list_models()
        if usable(spec) and spec.kind in ("frame", "clip") and spec.task in QUESTION_OF
    ]


def wishes() -> Wishes:
    """What is chosen now. What was not shown yet has its usual value."""
    state = st.session_state
    usual = Wishes()
    known = [spec.id for spec in models()]
    chosen = tuple(id for id in known if id in (state.get("live-models") or ()))
    default = tuple(spec.id for spec in models() if spec.default)
    above = state.get("live-above")
    return Wishes(
        models=None if not chosen or chosen == default else chosen,
        keep=cast(Keep, state.get("live-keep") or usual.keep),
        mirror=bool(state.get("live-mirror", usual.mirror)),
        alarm_above=(
            None
            if above is None or above == labels.whole_percent(thresholds().high)
            else above / 100
        ),
        alarm_seconds=float(state.get("live-seconds") or usual.alarm_seconds),
    )


def settings(wishes: Wishes) -> LiveSettings:
    """The wishes in the engine's words."""
    from detector.live import LiveSettings

    return LiveSettings(
        models=wishes.models,
        alarm_above=wishes.alarm_above,
        alarm_seconds=wishes.alarm_seconds,
    )


def thresholds(question: Question = Question.MANIPULATION) -> Thresholds:
    """Those of the default ensemble, for axes that stand there before the first score."""
    known = manifest().ensembles.get(question)
    return known.thresholds if known is not None else FALLBACK
