"""The downloads of a result, and what goes into them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from dashboard.components import typography
from dashboard.i18n import LazyDict, _
from dashboard.result import downloads
from dashboard.result.linked import ResultViewState
from detector.schema.analysis import Analysis

FORMS: LazyDict[str, tuple[str, str, str]] = LazyDict(
    lambda: {
        "pdf": (_("Report"), "picture_as_pdf", _("The whole result as a PDF, its data attached")),
        "json": ("JSON", "data_object", _("The whole result as data")),
        "csv": (_("Scores"), "table", _("A row for each person and moment")),
    }
)
"""Name, icon and what it is."""


def draw(path: Path, analysis: Analysis, linked: ResultViewState, name: str) -> None:
    """Draw the buttons, and what the reports say beyond the result."""
    typography.title(_("Download"), space=True)
    wishes = linked.wishes
    with st.container(horizontal=True, key="downloads"):
        for form, (label, icon, help) in FORMS.items():
            st.download_button(
                label,
                downloads.maker(form, path, analysis, wishes),
                file_name=downloads.file_name(name, form),
                mime=downloads.MIME[form],
                icon=f":material/{icon}:",
                help=help,
                on_click="ignore",
                key=linked.widget(f"file.{form}"),
            )
        if not linked.read_only:
            _mark(path, analysis, linked, name)
    with st.container(gap="small"):
        typography.caption(downloads.signing()[1], after=True)
        if linked.read_only:
            return
        st.text_area(
            _("Notes for the report"),
            value=wishes.notes,
            key=linked.widget("notes"),
            height=68,
            max_chars=5_000,
            placeholder=_("Where the file came from, who asked, what else was checked"),
            on_change=linked.choose_wishes,
        )
        if analysis.provenance is not None and analysis.provenance.place is not None:
            st.toggle(
                _("Leave out where it was recorded"),
                value=not wishes.place,
                key=linked.widget("no-place"),
                on_change=linked.choose_wishes,
            )


def _mark(path: Path, analysis: Analysis, linked: ResultViewState, name: str) -> None:
    """The verdict in a copy of the file, or beside it."""
    if downloads.takes_mark(analysis.media) and path.is_file():
        st.download_button(
            _("Marked copy"),
            partial(downloads.marked, path, analysis),
            file_name=downloads.file_name(name, path.suffix.lstrip(".")),
            icon=":material/sell:",
            help=_(
                "A copy with the verdict in its metadata; pictures and sound stay as they are. "
                "A signed origin (C2PA) holds for the original only."
            ),
            on_click="ignore",
            key=linked.widget("file.mark"),
        )
    else:
        st.download_button(
            _("Sidecar"),
            downloads.sidecar(analysis),
            file_name=f"{name}.unmask.json",
            mime="application/json",
            icon=":material/sell:",
            help=_("The verdict as a small file to keep beside this one, which can't carry it"),
            on_click="ignore",
            key=linked.widget("file.mark"),
        )
