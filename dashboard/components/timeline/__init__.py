"""The one own component that shows a recording over time.

Python writes its layers (`evidence`, `sound`, `comparison`, of the HTML in `layers`); `timeline.js`
moves them, follows the playback without any rerun, and reports the moment that a person chose.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import _compat

HERE = Path(__file__).parent
PLAYER = "player"
"""Key of the container that holds the player."""

_component = st.components.v2.component(
    "unmask_timeline",
    html='<div class="timeline"></div>',
    css=(HERE / "timeline.css").read_text("utf-8"),
    js=(HERE / "timeline.js").read_text("utf-8"),
)


def mount(
    data: Mapping[str, Any], *, key: str, on_moment: Callable[[], None] = lambda: None
) -> None:
    """Mount a view. `on_moment` runs before the next rerun and reads `reported(key)`."""
    _component(key=_compat.component_key(key), data=dict(data), on_moment_change=on_moment)


def reported(key: str) -> dict[str, Any] | None:
    """Return what the view reported for this run: {"time", "person" or None, "cause"}."""
    return _compat.reported(key, "moment")


def versioned(body: Mapping[str, Any], *, time: float, seek: int = 0) -> dict[str, Any]:
    """Return a view's data with its moment, s; `seek` grows when the server moved it."""
    version = hashlib.sha1(json.dumps(body).encode(), usedforsecurity=False).hexdigest()
    return {**body, "version": version, "time": time, "seek": seek}
