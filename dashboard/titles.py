"""The title row of a page about one file: its name, what it is, and at most four buttons."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import words
from detector.results import Media


def row(name: str, facts: Sequence[str]) -> DeltaGenerator:
    """Draw the row.

    Parameters
    ----------
    name : str
        Of the file, as the person named it; escaped here.
    facts : sequence of str
        Put in one line, with dots between.

    Returns
    -------
    DeltaGenerator
        A horizontal container at the right end, for buttons.
    """
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="title-row",
    ):
        line = words.escape(" · ".join(facts))
        st.html(
            f'<div class="um-title"><h1>{words.escape(name)}</h1>'
            f'<p class="um-caption">{line or "&nbsp;"}</p></div>',
            width="content",
        )
        return st.container(horizontal=True, width="content", key="title-actions")


def facts(media: Media) -> list[str]:
    """["00:14.2", "1280×720"]"""
    out = [words.clock(media.duration)] if media.duration else []
    return [*out, f"{media.width}×{media.height}"]
