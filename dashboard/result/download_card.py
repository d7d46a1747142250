"""The downloads of a result, and what goes into them."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard.components import controls, typography
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


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the buttons, and what the reports say beyond the result."""
    typography.title(_("Download"), space=True)
    options, name = linked.export, linked.record.name
    with st.container(horizontal=True, key="downloads"):
        for form, (label, icon, help) in FORMS.items():
            make = downloads.maker(form, linked.path, analysis, linked.record.origin, options)
            file, key = downloads.file_name(name, form), linked.widget(f"file.{form}")
            controls.download(label, make, file, key, symbol=icon, help=help)
        if not linked.read_only:
            _mark(analysis, linked)
    with st.container(gap="small"):
        typography.caption(downloads.signing(linked.record.origin)[1], after=True)
        if linked.read_only:
            return
        with st.container(horizontal=True):
            for name, label, value in (
                ("case", _("Case"), options.case),
                ("reviewer", _("Reviewer"), options.reviewer),
            ):
                st.text_input(
                    label,
                    value=value,
                    key=linked.widget(name),
                    max_chars=200,
                    placeholder=_("for the report"),
                    on_change=linked.choose_export,
                )
        st.text_area(
            _("Notes for the report"),
            value=options.notes,
            key=linked.widget("notes"),
            height=68,
            max_chars=5_000,
            placeholder=_("Where the file came from, who asked, what else was checked"),
            on_change=linked.choose_export,
        )
        if analysis.provenance is not None and analysis.provenance.place is not None:
            st.toggle(
                _("Leave out where it was recorded"),
                value=not options.place,
                key=linked.widget("no-place"),
                on_change=linked.choose_export,
            )


def _mark(analysis: Analysis, linked: ResultViewState) -> None:
    path, name = linked.path, linked.record.name
    data: Callable[[], bytes] | str
    if downloads.takes_mark(analysis.media) and path.is_file():
        label, data = _("Marked copy"), partial(downloads.marked, path, analysis)
        file_name = downloads.file_name(name, path.suffix.lstrip("."))
        help = _(
            "A copy with the verdict in its metadata; pictures and sound stay as they are. "
            "A signed origin (C2PA) holds for the original only."
        )
    else:
        label, data = _("Sidecar"), downloads.sidecar(analysis)
        file_name = f"{name}.unmask.json"
        help = _("The verdict as a small file to keep beside this one, which can't carry it")
    key = linked.widget("file.mark")
    controls.download(label, data, file_name, key, symbol="sell", help=help)
