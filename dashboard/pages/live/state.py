"""State of a visit to the Live page.

`LivePageState` is a small state machine without widgets: the page reports presses, the browser's
messages and elapsed time, and asks whether the camera should be on.

    idle -> asking -> connecting -> live <-> lost -> ended
                          |  ^
                          v  |
                       restarting
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import streamlit as st

from detector.errors import UnmaskError
from detector.live import Challenge
from service.live.viewers import LOST_SECONDS, Viewer

CONNECT = 12.0
"""s for a link to come up; it takes one to three, on a busy machine ten. About one in ten never
does, so it is tried again before a message is shown."""
TRIES = 3
PAUSE = 1.5
"""s between stopping a link and starting it anew: the browser's end takes half a second."""
NUDGE = 6.0
"""s without a picture after which a link is restarted, in case the browser has not noticed."""


DRAWN, TEST = "live-drawn", "live-test"
"""In the session: what the whole page was drawn for; how often the connection was tested."""
KEPT_FRAMES, NOT_KEPT = "live-kept", "live-not-kept"
"""In the session: the analysis of the seconds that were kept; why there is none."""


def visit() -> LivePageState:
    """Return this browser tab's visit; it outlives a change of page."""
    state: LivePageState = st.session_state.setdefault("live-visit", LivePageState())
    return state


def forget_kept_frames() -> None:
    """Delete the kept seconds when another session begins."""
    for key in (KEPT_FRAMES, NOT_KEPT):
        st.session_state.pop(key, None)


class Phase(StrEnum):
    """Phase of a visit."""

    IDLE = "idle"
    ASKING = "asking"
    """The browser was asked for the camera."""
    CONNECTING = "connecting"
    RESTARTING = "restarting"
    LIVE = "live"
    LOST = "lost"
    """Frames stay away; the same session goes on if they come back in time."""
    ENDED = "ended"


class ConnectionProblem(StrEnum):
    """Reason of a missing picture. `dashboard.pages.live.problems` has the words."""

    DENIED = "denied"
    NO_CAMERA = "no_camera"
    BUSY = "busy"
    MICROPHONE = "microphone"
    """The camera came, and the microphone that was asked for with it did not."""
    INSECURE = "insecure"
    NO_API = "no_api"
    NO_DISPLAY = "no_display"
    """This browser shares no windows; those of phones don't."""
    NOT_SHARED = "not_shared"
    """The person chose no window, or the system allows none."""
    NO_LINK = "no_link"
    REFUSED = "refused"
    """This server has no place, or not the model; `LivePageState.refusal` has the words."""


ERRORS: dict[str, ConnectionProblem] = {
    "NotAllowedError": ConnectionProblem.DENIED,
    "SecurityError": ConnectionProblem.DENIED,
    "NotFoundError": ConnectionProblem.NO_CAMERA,
    "OverconstrainedError": ConnectionProblem.NO_CAMERA,
    "NotReadableError": ConnectionProblem.BUSY,
    "AbortError": ConnectionProblem.BUSY,
    "microphone": ConnectionProblem.MICROPHONE,
    "insecure": ConnectionProblem.INSECURE,
    "unsupported": ConnectionProblem.NO_API,
    "unshareable": ConnectionProblem.NO_DISPLAY,
    "unshared": ConnectionProblem.NOT_SHARED,
    "ended": ConnectionProblem.NOT_SHARED,
}
"""What a browser says when it gives no camera (`name` of getUserMedia's error, or our own word)."""
SHARED = "shared"
"""In place of a camera's id: a window, tab or screen. No camera has it, so that none is opened."""


@dataclass
class LivePageState:
    """One person's page.

    Attributes
    ----------
    phase : Phase
    ask : int
        Grows with each Start; the browser's answer names the one it is to.
    viewer : Viewer or None
        While there is a session, and after it ended until the next Start.
    trouble : ConnectionProblem or None
        Why the last Start led nowhere.
    refusal : UnmaskError or None
        In the words of what refused.
    challenge : Challenge or None
        The last one of this session.
    """

    clock: Callable[[], float] = time.monotonic
    phase: Phase = Phase.IDLE
    ask: int = 0
    viewer: Viewer | None = None
    trouble: ConnectionProblem | None = None
    refusal: UnmaskError | None = None
    challenge: Challenge | None = None
    camera: str = ""
    """Which camera the session began with. The list of them may change while it runs; the link may
    not, or it would begin anew."""
    sharing_ended: bool = False
    """The person stopped sharing, or closed what was shared."""
    remote: bool = False
    """This server watches a camera by its address; no browser sends one."""
    tries: int = 0
    since: float = field(default=0.0)
    """When `phase` began."""
    _frames: int = 0

    @property
    def wanted(self) -> bool:
        """Return whether the WebRTC connection should be open."""
        return self.phase in (Phase.CONNECTING, Phase.LIVE, Phase.LOST)

    @property
    def busy(self) -> bool:
        """Return whether the camera is on, or starting."""
        return self.phase not in (Phase.IDLE, Phase.ENDED)

    @property
    def shared(self) -> bool:
        """Return whether its picture is a window, tab or screen."""
        return self.camera == SHARED

    def start(self, camera: str = "") -> None:
        """Request the camera from the browser."""
        if self.busy:
            return
        self.ask += 1
        self._begin(camera, remote=False)
        self._go(Phase.ASKING)

    def watch(self, open: Callable[[], Viewer]) -> None:
        """Open a network camera; `open` as of `answered`."""
        if self.busy:
            return
        self._begin("", remote=True)
        self._opened(open)

    def _begin(self, camera: str, *, remote: bool) -> None:
        self.viewer, self.trouble, self.refusal, self.tries = None, None, None, 0
        self.challenge = None
        self.camera, self.remote, self.sharing_ended = camera, remote, False

    def answered(self, report: Mapping[str, Any], open: Callable[[], Viewer]) -> None:
        """Process the browser's answer (`ask`, `error`); `open` opens a viewer and may raise
        UnmaskError. A second answer ends a shared window."""
        error = str(report.get("error") or "")
        if not self.busy or report.get("ask") != self.ask:
            return
        if self.phase is not Phase.ASKING:
            if error == "ended":
                self.sharing_ended = True
                self.stop()
            return
        if error:
            self._fail(ERRORS.get(error, ConnectionProblem.BUSY))
            return
        self._opened(open)

    def _opened(self, open: Callable[[], Viewer]) -> None:
        try:
            self.viewer = open()
        except UnmaskError as refused:
            self.refusal = refused
            self._fail(ConnectionProblem.REFUSED)
            return
        self.tries = 1
        self._frames = 0
        self._go(Phase.CONNECTING)

    def challenged(self) -> None:
        """Start the challenge."""
        if self.viewer is not None:
            self.challenge = Challenge(self.viewer.state)

    def stop(self) -> None:
        """End the session, and store what was requested."""
        if self.phase is Phase.ASKING or self.viewer is None:
            self._go(Phase.IDLE)
            return
        self.viewer.end()
        self._go(Phase.ENDED if self.viewer.frames else Phase.IDLE)

    def tick(self) -> bool:
        """Apply timeouts; return whether the page has to be rerun."""
        before = self.phase
        viewer, waited = self.viewer, self.clock() - self.since
        if viewer is not None and self.busy:
            if viewer.ended:
                self._ended(viewer)
            elif self.phase is Phase.RESTARTING:
                if waited > PAUSE:
                    self._frames = viewer.frames  # those of the old link count no more
                    self._go(Phase.CONNECTING)
            elif viewer.frames > self._frames and viewer.silent < LOST_SECONDS:
                self._frames = viewer.frames
                if self.phase is not Phase.LIVE:
                    self.tries = 0
                    self._go(Phase.LIVE)
            elif self.phase is Phase.LIVE and viewer.silent >= LOST_SECONDS:
                self._go(Phase.LOST)
            elif self.remote:
                pass  # it is opened again where it is watched
            else:
                self._call_back(viewer, waited)
        return self.phase is not before

    def _call_back(self, viewer: Viewer, waited: float) -> None:
        """Continue to connect or reconnect; the place is reserved for all attempts."""
        viewer.hold()
        if self.phase is Phase.LOST and waited > NUDGE and not self.tries:
            self.tries = 1
            self._go(Phase.RESTARTING)
        elif self.phase is Phase.CONNECTING and waited > CONNECT:
            self._not_up(viewer)

    def _ended(self, viewer: Viewer) -> None:
        viewer.end()  # waits for the thread that is storing the session: a stop, or the reaper
        if viewer.frames:
            self._go(Phase.ENDED)
            return
        self.viewer, self.refusal = None, viewer.failure
        self._fail(
            ConnectionProblem.REFUSED if viewer.failure is not None else ConnectionProblem.NO_LINK
        )

    def _not_up(self, viewer: Viewer) -> None:
        if self.tries < TRIES:
            self.tries += 1
            self._go(Phase.RESTARTING)
            return
        viewer.end()
        if viewer.frames:
            self._go(Phase.ENDED)
        else:
            self.viewer = None
            self._fail(ConnectionProblem.NO_LINK)

    def _fail(self, trouble: ConnectionProblem) -> None:
        self.trouble = trouble
        self._go(Phase.IDLE)

    def _go(self, phase: Phase) -> None:
        self.phase, self.since = phase, self.clock()
