"""The words for everything that keeps a picture from coming up: what, why, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.live.visit import Trouble
from detector.errors import UnmaskError


@dataclass(frozen=True)
class Problem:
    """What stands in the camera's place. Plain text; `icon` is a Material Symbol."""

    icon: str
    head: str
    text: str


PROBLEMS: dict[Trouble, Problem] = {
    Trouble.DENIED: Problem(
        "videocam_off",
        "No permission for the camera",
        "The browser blocked the camera. Allow it in the address bar, then press Start.",
    ),
    Trouble.NO_CAMERA: Problem(
        "no_photography",
        "No camera found",
        "This device has no camera, or the chosen one was unplugged. Connect one, then press "
        "Start.",
    ),
    Trouble.BUSY: Problem(
        "videocam_off",
        "The camera is in use",
        "Another program uses the camera, or it doesn’t answer. Close the other program, then "
        "press Start.",
    ),
    Trouble.INSECURE: Problem(
        "lock_open",
        "This address is not secure",
        "Browsers give a camera only to pages over HTTPS or on this computer. Open this page with "
        "https:// or at localhost.",
    ),
    Trouble.NO_API: Problem(
        "videocam_off",
        "This browser can’t send video",
        "Open this page in a current Chrome, Edge, Firefox or Safari.",
    ),
    Trouble.NO_LINK: Problem(
        "link_off",
        "No connection",
        "The video link did not come up. Press Start again; some networks need a relay.",
    ),
}


HOPELESS = (Trouble.INSECURE, Trouble.NO_API)
"""Start can't help here; the others may have passed."""


def problem(trouble: Trouble, said: UnmaskError | None = None) -> Problem:
    """The words for a trouble; what the server refused says so itself."""
    if trouble in PROBLEMS:
        return PROBLEMS[trouble]
    if said is None:
        return Problem("error", "Live did not start", "Press Start again.")
    full = said.code == "too_many_viewers"
    return Problem(
        "schedule" if full else "error",
        "Enough for now" if full else "Live did not start",
        f"{said.message} {said.hint}".strip(),
    )


OFF = Problem(
    "videocam",
    "The camera is off",
    "Press Start and allow the camera. Look into it, with light on the face.",
)
ASKING = Problem(
    "videocam",
    "Waiting for the camera",
    "The browser asks for your permission: choose Allow.",
)
CONNECTING = Problem("sync", "Connecting", "The video link comes up in about 3 s.")
RESTARTING = Problem("sync", "Connecting again", "The last try led nowhere, so here is another.")
LOST = Problem(
    "sync_problem",
    "The picture is lost",
    "Connecting again. The same session goes on if it comes back within 20 s.",
)
AWAY = Problem(
    "videocam_off",
    "The session has ended",
    "There was no picture for 20 s, so the place was freed. Press Start for a new one.",
)
SWITCHED_OFF = Problem(
    "videocam_off",
    "Live is switched off here",
    "Who runs this server allows no cameras. Clips and pictures can be analyzed as usual.",
)
