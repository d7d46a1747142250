"""The Provenance tab: what the file says of its origin, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import tables, typography
from dashboard.components.markup import Text, icon, rich, show, tag
from dashboard.components.tables import TableColumn, facts
from dashboard.i18n import LazyDict, _
from detector.schema.analysis import Analysis
from detector.schema.origin import Fact, Provenance

SHOWN = 24
"""facts"""
STATES: LazyDict[str, tuple[labels.BadgeColor, str, str]] = LazyDict(
    lambda: {
        "none": ("gray", "do_not_disturb_on", _("None")),
        "trusted": ("green", "check_circle", _("Valid, trusted")),
        "untrusted": ("orange", "help", _("Valid, not trusted here")),
        "invalid": ("red", "warning", _("Invalid")),
        "elsewhere": ("gray", "link", _("Kept elsewhere")),
        "unreadable": ("gray", "help", _("Can't be read")),
    }
)
"""Of a signed origin: color, icon, word."""


def draw(analysis: Analysis) -> None:
    """Draw the tab."""
    found = analysis.provenance
    if found is None:
        none = _("Results of an earlier version have no provenance: analyze the file again.")
        typography.caption(none)
        return
    from detector.report.words import credential_rows  # brings the reports' fonts and PDFs

    worth = _(
        "All of this can be written by anybody, and most of it is lost when a file is sent on. "
        "That something is missing says nothing either way."
    )
    typography.caption(worth)
    color, icon, word = STATES[found.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        typography.section(_("Signed origin (C2PA)"), width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    rows = credential_rows(found.credential)
    show(tag("p", rows[0][1]), facts(rows[1:]))
    _sentences(found, analysis)
    if found.facts:
        head = _("What it says of itself")
        show(typography.subheading(head), table(found.facts[:SHOWN]))
        if len(found.facts) > SHOWN:
            more = _("{number} more are in the JSON report.")
            more = more.format(number=len(found.facts) - SHOWN)
            typography.caption(more)
    _place(found)
    if found.hashes:
        hashes = [(labels.clock(h.time) if h.time is not None else _("Picture"), h.phash)
                  for h in found.hashes]  # fmt: skip
        few = _("Copies of a picture differ in few of the 64 bits.")
        show(
            typography.subheading(_("Perceptual hash")),
            facts(hashes),
            typography.small_print(few),
        )


def _sentences(found: Provenance, analysis: Analysis) -> None:
    """What follows from the facts; what could not be read; an earlier verdict."""
    said = [*found.findings, *found.unread]
    if found.earlier is not None:
        from detector.report.words import earlier

        said.append(earlier(found.earlier, analysis.media))
    for sentence in said:
        show(note("info", sentence))


def _place(found: Provenance) -> None:
    if found.place is None:
        return
    spot = f"{found.place.latitude:.5f}, {found.place.longitude:.5f}"
    head = _("Where it was recorded, by its own account")
    warning = rich(
        _(
            "<b>{spot}</b> ({source}). This may be somebody's home. It goes into downloads unless "
            "you leave it out, under Download."
        ),
        spot=spot,
        source=found.place.source,
    )
    show(typography.subheading(head), note("location_on", warning))


def note(symbol: str, text: Text) -> Markup:
    """Return a sentence with an icon before it."""
    return tag("div", icon(symbol), tag("div", text), cls="um-reason")


def table(found: Sequence[Fact]) -> Markup:
    """Return what a file says of itself. Every value is a stranger's."""
    columns = [TableColumn(_("Fact")), TableColumn(_("Says")), TableColumn(_("Where"))]
    return tables.table(columns, [(f.name, f.value, f.source) for f in found])
