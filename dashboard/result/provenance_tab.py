"""The Provenance tab: what the file says of its origin, and what that is worth."""

from collections.abc import Sequence

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import tables, typography
from dashboard.components.markup import rich, show
from dashboard.components.tables import TableColumn, facts
from dashboard.i18n import LazyDict, _
from detector.report import words
from detector.schema.analysis import Analysis
from detector.schema.origin import Document, Fact, GeoLocation

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
    origin = analysis.provenance
    if origin is None:
        none = _("Results of an earlier version have no provenance: analyze the file again.")
        typography.caption(none)
        return
    worth = _(
        "All of this can be written by anybody, and most of it is lost when a file is sent on. "
        "That something is missing says nothing either way."
    )
    typography.caption(worth)
    color, icon, word = STATES[origin.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        typography.section(_("Signed origin (C2PA)"), width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    (_name, sentence), *rows = words.credential_rows(origin.credential)
    show(typography.text(sentence), facts(rows))
    for note in (*origin.findings, *origin.unread):
        show(typography.with_icon("info", note))
    if origin.earlier is not None:
        show(typography.with_icon("info", words.earlier(origin.earlier, analysis.media)))
    if origin.posted is not None:
        rows = [
            (name, value)
            for name, value in (
                (_("Title"), origin.posted.title),
                (_("Posted by"), origin.posted.by),
                (_("Date"), origin.posted.date),
                (_("Site"), origin.posted.site),
            )
            if value
        ]
        show(typography.subheading(_("Where it was posted, by its page’s account")), facts(rows))
    if origin.document is not None:
        head = typography.subheading(_("The document it stands in, by its own account"))
        show(head, facts(document_rows(origin.document)))
    if origin.facts:
        show(typography.subheading(_("What it says of itself")), table(origin.facts[:SHOWN]))
        if (more := len(origin.facts) - SHOWN) > 0:
            typography.caption(_("{number} more are in the JSON report.").format(number=more))
    if origin.place is not None:
        _place(origin.place)
    if origin.hashes:
        hashes = [(labels.clock(h.time) if h.time is not None else _("Picture"), h.phash)
                  for h in origin.hashes]  # fmt: skip
        few = _("Copies of a picture differ in few of the 64 bits.")
        head = typography.subheading(_("Perceptual hash"))
        show(head, facts(hashes), typography.small_print(few))


def document_rows(document: Document) -> list[tuple[str, str]]:
    """Return what a document says of itself, as (name, value)."""
    edits = "" if document.edits is None else str(document.edits)
    signed = "" if document.signatures is None else str(document.signatures)
    rows = [
        (_("Document"), document.name),
        (_("Written by"), document.producer),
        (_("Made in"), document.creator),
        (_("Author"), document.author),
        (_("Last saved by"), document.changed_by),
        (_("Created"), document.created),
        (_("Changed"), document.changed),
        (_("Saved again"), edits),
        (_("Signatures"), signed),
    ]
    return [(name, value) for name, value in rows if value]


def _place(place: GeoLocation) -> None:
    text = rich(
        _(
            "<b>{spot}</b> ({source}). This may be somebody's home. It goes into downloads unless "
            "you leave it out, under Download."
        ),
        spot=f"{place.latitude:.5f}, {place.longitude:.5f}",
        source=place.source,
    )
    head = typography.subheading(_("Where it was recorded, by its own account"))
    show(head, typography.with_icon("location_on", text))


def table(rows: Sequence[Fact]) -> Markup:
    """Return what a file says of itself. Every value is a stranger's."""
    columns = [TableColumn(_("Fact")), TableColumn(_("Says")), TableColumn(_("Where"))]
    return tables.table(columns, [(f.name, f.value, f.source) for f in rows])
