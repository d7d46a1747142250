"""What becomes of a session: an analysis like any other, or nothing.

`ended` runs in whatever thread ends a viewer, also the reaper's: it knows no page and nobody's
language.
"""

import io
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from detector import media, paths
from detector.errors import InputError, UnmaskError
from detector.live.display import known_footage
from detector.schema.analysis import Analysis, Media
from detector.sentences import _
from service.live.viewers import SessionRetention, Viewer

MIN_SECONDS = 1.0  # s; a session that ended sooner was a slip of the finger


def film() -> Path:
    """Return a new file to write a session's video to while it runs."""
    folder = paths.data() / "live"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Path(tempfile.mkstemp(prefix="session-", suffix=".mp4", dir=folder)[1])


def ended(viewer: Viewer, keep: Callable[..., str]) -> None:
    """Keep of a session what its person asked for; `viewer.result` is its address then, as `keep`
    returns it (`Application.keep_live`)."""
    video = viewer.options.film
    try:
        if viewer.options.keep is SessionRetention.NOTHING or viewer.seconds < MIN_SECONDS:
            return
        if viewer.options.scope is None:
            raise TypeError("a session that is kept must say whose it is")
        try:
            analysis = viewer.session.finish()
        except UnmaskError as error:
            viewer.problem = error.message
            return
        if viewer.known is not None:
            notes = [known_footage(viewer.known.name), *analysis.media.notes]
            about = analysis.media.model_copy(update={"notes": notes})
            analysis = analysis.model_copy(update={"media": about})
        name = session_name(viewer.began)
        if video is not None and video.stat().st_size:
            name = f"{name}.mp4"
            analysis = analysis.model_copy(update={"media": _filmed(analysis, video, name)})
        media = video if analysis.media.size else None
        viewer.result = keep(analysis, name, scope=viewer.options.scope, media=media)
    finally:
        if video is not None:
            video.unlink(missing_ok=True)


def _filmed(analysis: Analysis, video: Path, name: str) -> Media:
    probed = media.probe(video, name=name)
    return probed.model_copy(update={"live": True, "notes": analysis.media.notes})


def last_seconds(viewer: Viewer) -> tuple[io.BytesIO, str]:
    """Return the last 14 s as a clip, and its name. Raise InputError if there are no frames yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.mp4"
        if not viewer.ring.write(path):
            raise InputError(_("There are no frames to keep yet."))
        return io.BytesIO(path.read_bytes()), f"{session_name(viewer.began)}-last.mp4"


def session_name(began: datetime) -> str:
    """Return "live-2026-11-20-184205" (UTC)."""
    return f"live-{began:%Y-%m-%d-%H%M%S}"
