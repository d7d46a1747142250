"""Whether a camera shows a recording: while it is on, its last seconds are looked for in its
person's library. Who plays a film into a camera's link is not in front of it."""

import logging
import threading
from collections.abc import Callable

from detector.comparison.fingerprint import SPACING, Fingerprints, of_frames
from service.library.index import SURE, LibraryMatch
from service.library.original import best_match
from service.live.viewers import Viewer
from service.records.footage import ANALYSES
from service.records.lookups import FoundFootage

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0  # Between two looks, which take a fifth of a second each
MIN_SECONDS = 4.0  # of picture, for a look: at less a single moment would decide


def follow(viewer: Viewer, search: Callable[[Fingerprints], list[LibraryMatch]]) -> None:
    """Look for what a camera shows until it is off; what is found stays in `viewer.known`. `search`
    looks in the library of whoever opened the camera."""
    threading.Thread(target=_follow, args=(viewer, search), name="known", daemon=True).start()


def _follow(viewer: Viewer, search: Callable[[Fingerprints], list[LibraryMatch]]) -> None:
    while not viewer.over.wait(LOOK_SECONDS):
        if viewer.ring.span < MIN_SECONDS:
            continue
        try:
            matches = search(of_frames(viewer.ring.pictures(SPACING.gap)))
        except Exception:  # the camera goes on
            log.exception("known footage was not looked for")
            return
        viewer.known = _told(matches) or viewer.known


def _told(matches: list[LibraryMatch]) -> FoundFootage | None:
    """Return certain matches with imported footage; analyzed files may show the same person."""
    return best_match([m for m in matches if m.footage.source != ANALYSES and m.bits < SURE])
