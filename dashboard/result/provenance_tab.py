"""The Provenance tab: what the file says of its origin, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import labels
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
        st.html(f"<p class='um-caption'>{none}</p>")
        return
    from detector.report.words import credential_rows  # brings the reports' fonts and PDFs

    worth = _(
        "All of this can be written by anybody, and most of it is lost when a file is sent on. "
        "That something is missing says nothing either way."
    )
    st.html(f"<p class='um-caption'>{worth}</p>")
    color, icon, word = STATES[found.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f"<h3 class='um-h3'>{_('Signed origin (C2PA)')}</h3>", width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    rows = credential_rows(found.credential)
    st.html(f"<p>{labels.escape(rows[0][1])}</p>" + _facts(rows[1:]))
    _sentences(found, analysis)
    if found.facts:
        head = _("What it says of itself")
        st.html(f"<h3 class='um-h3'>{head}</h3>{table(found.facts[:SHOWN])}")
        if len(found.facts) > SHOWN:
            more = _("{number} more are in the JSON report.")
            more = more.format(number=len(found.facts) - SHOWN)
            st.html(f"<p class='um-caption'>{more}</p>")
    _place(found)
    if found.hashes:
        hashes = [(labels.clock(h.time) if h.time is not None else _("Picture"), h.phash)
                  for h in found.hashes]  # fmt: skip
        few = _("Copies of a picture differ in few of the 64 bits.")
        st.html(
            f"<h3 class='um-h3'>{_('Perceptual hash')}</h3>{_facts(hashes)}"
            f"<p class='um-caption'>{few}</p>"
        )


def _sentences(found: Provenance, analysis: Analysis) -> None:
    """What follows from the facts; what could not be read; an earlier verdict."""
    said = [*found.findings, *found.unread]
    if found.earlier is not None:
        from detector.report.words import earlier

        said.append(earlier(found.earlier, analysis.media))
    for sentence in said:
        st.html(note("info", labels.escape(sentence)))


def _place(found: Provenance) -> None:
    if found.place is None:
        return
    spot = f"{found.place.latitude:.5f}, {found.place.longitude:.5f}"
    head = _("Where it was recorded, by its own account")
    warning = _(
        "<b>{spot}</b> ({source}). This may be somebody's home. It goes into downloads unless you "
        "leave it out, under Download."
    ).format(spot=spot, source=labels.escape(found.place.source))
    st.html(f"<h3 class='um-h3'>{head}</h3>{note('location_on', warning)}")


def note(icon: str, html: str) -> str:
    """HTML of a sentence with an icon before it."""
    return (
        f"<div class='um-reason'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"<div>{html}</div></div>"
    )


def table(facts: Sequence[Fact]) -> str:
    """HTML of what a file says of itself. Every value is a stranger's."""
    fact, says, where = map(labels.escape, (_("Fact"), _("Says"), _("Where")))
    body = "".join(
        f"<tr><th scope='row'>{labels.escape(f.name)}</th>"
        f"<td data-label='{says}' class='um-any'>{labels.escape(f.value)}</td>"
        f"<td data-label='{where}'>{labels.escape(f.source)}</td></tr>"
        for f in facts
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in (fact, says, where))
    return f"<table class='um-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{labels.escape(n)}</dt><dd>{labels.escape(v)}</dd>" for n, v in rows)
    return f"<dl class='um-facts'>{cells}</dl>" if cells else ""
