"""Page header: title, facts and buttons."""

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard.components.controls import apart
from dashboard.components.markup import Width, show, tag
from detector.presentation import file, summary
from detector.schema.analysis import Media


def head(name: str, line: str, width: Width = "stretch") -> None:
    """Draw the title and the line under it."""
    under = tag("p", line or Markup("&nbsp;"), cls="um-caption")
    show(tag("div", tag("h1", name), under, cls="um-title"), width=width)


def row(name: str, facts: Sequence[str]) -> DeltaGenerator:
    """Draw the title and dotted facts; return a container at the right end, for buttons."""
    with apart("title-row"):
        head(name, " · ".join(facts), width="content")
        return st.container(
            horizontal=True, vertical_alignment="center", width="content", key="title-actions"
        )


def facts(media: Media) -> list[str]:
    """Return the facts of a medium: ["14 s", "1280×720"]; of a sound ["31 s", "AAC, mono, 44.1
    kHz"]."""
    out = [summary.length(media.duration)] if media.duration else []
    if media.kind == "audio":
        return [*out, file.sound(media.audio)]
    return [*out, f"{media.width}×{media.height}"]
