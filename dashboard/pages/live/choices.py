"""Choices before Start: camera, models, retention, alarm threshold."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import streamlit as st

from dashboard import labels, session
from dashboard.components import controls
from dashboard.pages.live import CHOICES
from dashboard.pages.live.link import Camera
from dashboard.pages.live.state import SHARED
from detector.links.cameras import CameraAddress, without_login
from detector.live import LiveSettings
from detector.models.base import ModelSpec
from detector.models.registry import manifest, selectable
from detector.network.addresses import MAX_URL
from detector.schema.analysis import QUESTION_OF, FileKind, Thresholds
from detector.sentences import _
from service.live import cameras
from service.live.viewers import SHARED_FACES, SHARED_SIZE, LiveOptions, SessionRetention
from service.records.model import RecordsError

KEEPS = {
    SessionRetention.NOTHING: _("Nothing"),
    SessionRetention.SCORES: _("Scores"),
    SessionRetention.VIDEO: _("Scores and video"),
}
WAITS = (1.0, 3.0, 5.0, 10.0)
"""s above the threshold before an alarm."""
_CAMERA, _MODELS, _KEEP, _MIRROR, _SOURCE, _MICROPHONE, _ABOVE, _SECONDS = CHOICES
ADDRESS = "address"
"""In place of the id of a browser's camera."""
_URL, _LOGIN = "live-address", "live-login"
SOUND = {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
"""What browsers do to a voice leaves traces that models take for a machine's."""
FALLBACK = Thresholds(low=0.3, high=0.7)
"""Of the axes alone, where no model is here whose thresholds are known."""


def draw_source(*, shared: bool, disabled: bool) -> None:
    """Draw the choice between a camera and a window; `shared` is the initial one."""
    sources = {"": _("Camera"), SHARED: _("Window or tab")}
    default = SHARED if shared else ""
    controls.choose(_("Source"), sources, default, _SOURCE, hidden=True, disabled=disabled)


def shared() -> bool:
    """Return whether a window, tab or screen is shared instead of a camera."""
    return st.session_state.get(_SOURCE) == SHARED


def display() -> dict[str, Any] | None:
    """Return the constraints of `getDisplayMedia` for a shared window, if there is one."""
    if not shared():
        return None
    width, height = ({"max": side} for side in SHARED_SIZE)
    return {
        "video": {"width": width, "height": height, "frameRate": {"max": 15}},
        "audio": SOUND if microphone() else False,
        "systemAudio": "include" if microphone() else "exclude",
        "surfaceSwitching": "include",
    }


def draw_camera(found: Sequence[Camera], *, disabled: bool) -> None:
    """Draw the choice of a camera. Names are known once the person has allowed one."""
    names = {
        camera.id: camera.label or _("Camera {number}").format(number=number)
        for number, camera in enumerate(found, 1)
        if camera.id
    }
    others = {"": _("Default camera"), ADDRESS: _("By its address")}
    st.selectbox(
        _("Camera"),
        [*([""] if len(names) != 1 else []), *names, *([ADDRESS] if cameras.allowed() else [])],
        format_func=lambda id: names.get(id, others.get(id, "")),
        key=_CAMERA,
        disabled=disabled,
        label_visibility="collapsed",
        width=220,
    )


def camera_id() -> str:
    """Return the chosen camera of the browser; empty for its default, and for a network camera."""
    if shared():
        return SHARED
    chosen = str(st.session_state.get(_CAMERA) or "")
    return "" if chosen == ADDRESS else chosen


def by_address() -> bool:
    """Return whether a network camera is chosen."""
    return st.session_state.get(_CAMERA) == ADDRESS and cameras.allowed() and not shared()


def draw_address(*, disabled: bool) -> None:
    """Draw the field of a network camera's address."""
    st.text_input(
        _("Address of the camera"),
        placeholder="rtsp://",
        max_chars=MAX_URL,
        key=_URL,
        disabled=disabled,
        help=_(
            "rtsp:// or http://. This server calls it. A name and password in it are used for "
            "that alone, leave this field when you press Start, and are forgotten with this tab."
        ),
    )


def take_address() -> CameraAddress:
    """Return the address of the network camera, whose password is removed from the field. Raise
    LinkRefused."""
    written = str(st.session_state.get(_URL) or "")
    st.session_state[_URL] = without_login(written)  # first: what is refused stays in the field
    camera = cameras.address(written)
    known: CameraAddress | None = st.session_state.get(_LOGIN)
    if known is not None and not camera.username and camera.public == known.public:
        camera = known
    st.session_state[_LOGIN], st.session_state[_URL] = camera, camera.public
    return camera


def draw_options(*, disabled: bool, on_mirror: Callable[[], None]) -> None:
    """Draw models, mirror and retention, in a popover."""
    with st.popover(_("Options"), icon=":material/tune:"):
        titles = labels.plain_names(models())
        default = usual() or list(titles)[:1]
        slower = _("Each one more makes readings slower; the video is not slowed down.")
        controls.choose_any(_("Models"), titles, default, _MODELS, disabled=disabled, help=slower)
        controls.choose(
            _("Keep when it stops"), KEEPS, SessionRetention.SCORES, _KEEP, disabled=disabled
        )
        if hears() and not by_address():
            st.toggle(
                _("Listen to its sound") if shared() else _("Listen to the microphone"),
                key=_MICROPHONE,
                disabled=disabled,
                help=_(
                    "Judges the voices in the sound of a tab or screen, if the browser shares it. "
                    "Sound is analyzed 12 s at a time and never stored."
                )
                if shared()
                else _(
                    "Judges all voices near it, including yours. Sound is analyzed 12 s at a "
                    "time and never stored."
                ),
            )
        if not shared():
            st.session_state.setdefault(_MIRROR, _mirrors())
            st.toggle(
                _("Mirror the picture"),
                key=_MIRROR,
                on_change=on_mirror,
                help=_(
                    "As a mirror shows you; text in the picture can’t be read then. Scores and "
                    "recordings are not mirrored."
                ),
            )


def _mirrors() -> bool:
    """Return whether this person chose a mirrored picture, in any session."""
    with suppress(RecordsError):  # a camera can be watched without one's records
        scope = session.record_scope()
        return scope.store.preferences(scope.owner).mirror
    return False


def keep_mirror() -> None:
    """Store the choice of a mirrored picture for this person's next sessions."""
    chosen = {"mirror": bool(st.session_state[_MIRROR])}
    with suppress(RecordsError):
        scope = session.record_scope()
        before = scope.store.preferences(scope.owner)
        scope.store.save_preferences(scope.owner, before.model_copy(update=chosen))


def draw_alarm(default: float, *, disabled: bool) -> None:
    """Draw the alarm threshold, in a popover."""
    with st.popover(_("When"), icon=":material/notifications:"):
        st.slider(
            _("Above, %"),
            min_value=5.0,
            max_value=99.9,
            value=round(100 * default, 1),
            step=0.1,
            format="localized",
            key=_ABOVE,
            disabled=disabled,
            help=_("The likelihood over 8 s has to stay above it."),
        )
        waits = {seconds: f"{seconds:g}" for seconds in WAITS}
        controls.choose(_("For so many seconds"), waits, 3.0, _SECONDS, disabled=disabled)
        if disabled:
            st.caption(_("Stop first to change it."))


def models() -> list[ModelSpec]:
    """Return the models that can score camera frames now."""
    return [
        spec
        for spec in selectable()
        if spec.kind in ("frame", "video") and spec.task in QUESTION_OF
    ]


def usual() -> list[str]:
    """Return the ids of the default models: those of single frames."""
    return [spec.id for spec in models() if spec.default and spec.kind != "video"]


def hears() -> bool:
    """Return whether a default model of voices is available."""
    return any(spec.modality.of_sound and spec.default for spec in selectable())


def microphone() -> bool:
    """Return whether the browser's microphone is to be analyzed."""
    return bool(st.session_state.get(_MICROPHONE)) and hears() and not by_address()


def options() -> LiveOptions:
    """Return the present choices, with defaults for those not drawn yet."""
    state, default = st.session_state, LiveOptions()
    ids = [spec.id for spec in models()]
    chosen = tuple(id for id in ids if id in (state.get(_MODELS) or ()))
    above = state.get(_ABOVE)
    if above == round(100 * thresholds().high, 1):
        above = None
    return LiveOptions(
        models=None if not chosen or list(chosen) == usual() else chosen,
        keep=cast(SessionRetention, state.get(_KEEP) or default.keep),
        shared=shared(),
        mirror=not shared() and bool(state[_MIRROR] if _MIRROR in state else _mirrors()),
        microphone=microphone(),
        alarm_above=None if above is None else round(above / 100, 3),
        alarm_seconds=float(state.get(_SECONDS) or default.alarm_seconds),
    )


def settings(options: LiveOptions) -> LiveSettings:
    """Return the choices as the engine's settings."""
    return LiveSettings(
        models=options.models,
        most_faces=SHARED_FACES if options.shared else LiveSettings.most_faces,
        screen=options.shared,
        alarm_above=options.alarm_above,
        alarm_seconds=options.alarm_seconds,
    )


def thresholds() -> Thresholds:
    """Return the thresholds of the default ensemble, for axes before the first score."""
    fit = manifest().likelihoods.get(FileKind.CLIP)
    return fit.thresholds if fit is not None else FALLBACK
