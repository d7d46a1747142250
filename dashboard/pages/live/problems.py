"""Connection problems of the Live page in words."""

from dataclasses import dataclass

from dashboard.i18n import advice
from dashboard.pages.live.state import ConnectionProblem
from detector.errors import UnmaskError
from detector.sentences import _


@dataclass(frozen=True)
class Problem:
    """Plain text in the camera's place or over its last frame; `icon` is a Material Symbol."""

    icon: str
    head: str
    text: str
    over_frame: bool = False


PROBLEMS = {
    ConnectionProblem.DENIED: Problem(
        "videocam_off",
        _("No permission for the camera"),
        _("The browser blocked the camera. Allow it in the address bar, then press Start."),
    ),
    ConnectionProblem.NO_CAMERA: Problem(
        "no_photography",
        _("No camera found"),
        _(
            "This device has no camera, or the chosen one was unplugged. Connect one, then "
            "press Start."
        ),
    ),
    ConnectionProblem.BUSY: Problem(
        "videocam_off",
        _("The camera is in use"),
        _(
            "Another program uses the camera, or it doesn’t answer. Close the other program, "
            "then press Start."
        ),
    ),
    ConnectionProblem.MICROPHONE: Problem(
        "mic_off",
        _("No microphone"),
        _(
            "The browser gave the camera and no microphone: it is blocked, in use or missing. "
            "Allow it in the address bar or switch it off under Options, then press Start."
        ),
    ),
    ConnectionProblem.INSECURE: Problem(
        "lock_open",
        _("This address is not secure"),
        _(
            "Browsers give cameras and windows only to pages over HTTPS or on this computer. "
            "Open this page with https:// or at localhost."
        ),
    ),
    ConnectionProblem.NO_API: Problem(
        "videocam_off",
        _("This browser can’t send video"),
        _("Open this page in a current Chrome, Edge, Firefox or Safari."),
    ),
    ConnectionProblem.NO_DISPLAY: Problem(
        "stop_screen_share",
        _("This browser can’t share a window"),
        _(
            "Phones and tablets share no windows. Open this page on a computer, in a current "
            "Chrome, Edge, Firefox or Safari."
        ),
    ),
    ConnectionProblem.NOT_SHARED: Problem(
        "stop_screen_share",
        _("Nothing was shared"),
        _(
            "Press Start and choose a window, a tab or the screen. If none is offered, allow "
            "the browser to record the screen in the system’s settings."
        ),
    ),
    ConnectionProblem.NO_LINK: Problem(
        "link_off",
        _("No connection"),
        _("The video link did not come up. Press Start again; some networks need a relay."),
    ),
}


HOPELESS = (ConnectionProblem.INSECURE, ConnectionProblem.NO_API, ConnectionProblem.NO_DISPLAY)
"""Start can't help here; the others may have passed."""


def problem(trouble: ConnectionProblem, refusal: UnmaskError | None = None) -> Problem:
    """Return the words for a problem; a refusal of the server has its own."""
    if trouble in PROBLEMS:
        return PROBLEMS[trouble]
    if refusal is None:
        return Problem("error", _("Live did not start"), _("Press Start again."))
    full = refusal.code == "too_many_viewers"
    return Problem(
        "schedule" if full else "error",
        _("Enough for now") if full else _("Live did not start"),
        advice(refusal),
    )
