"""What opens on demand below a result: what pulled which way, how good the material is, traces and
scores of the chosen moment, all scores as a table, signals, the file's facts, downloads."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import record_cells, tables, typography
from dashboard.components.chips import inked
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.tables import TableColumn, code, facts, lines, titled, with_note
from dashboard.components.typography import small_print
from dashboard.i18n import LazyDict
from dashboard.result import downloads, material, pulls, robustness_tab, signal_tab
from dashboard.result.inspector import Moment
from dashboard.result.linked import ResultViewState
from detector.presentation import Section, file, models, run
from detector.presentation import origin as section_of
from detector.presentation.models import ModelRow
from detector.schema.analysis import Analysis
from detector.schema.origin import Fact, GeoLocation
from detector.sentences import _, say


def draw(
    analysis: Analysis,
    linked: ResultViewState,
    front: Analysis,
    tables: Sequence[Callable[[], None]],
    moment: Moment | None = None,
) -> None:
    """Draw what is closed at first, and its content once it is open: `front` is the analysis as the
    question in front sees it, each of `tables` draws the scores over time, `moment` is the chosen
    one of a picture or video."""
    opened = st.expander(_("Details"), key=linked.widget("details"), on_change="rerun")
    if not opened.open:
        return
    with opened, st.container(key="card-details", gap=20):
        left, right = st.columns([50, 50], gap=20)
        with left:
            pulls.draw(analysis, linked)
        with right:
            material.draw(front)
        if moment is not None:
            moment.draw_details()
        left, right = st.columns([62, 38], gap=20)
        with left:
            _tabs(analysis, linked, tables)
        with right:
            _file(analysis, linked)


def _tabs(
    analysis: Analysis, linked: ResultViewState, tables: Sequence[Callable[[], None]]
) -> None:
    """Draw signals, robustness, provenance, the models, the run and the scores as tables."""
    titles = [_("Signals"), _("Robustness"), _("Provenance"), _("Models"), _("Run details")]
    signals, robust, origin, judges, made, *scores = st.tabs(titles + [_("Scores")] * bool(tables))
    with signals:
        signal_tab.draw(analysis, linked)
    with robust:
        robustness_tab.draw(analysis, linked)
    with origin:
        draw_provenance(analysis)
    with judges:
        draw_models(analysis)
    with made:
        weights = lines(
            join([labels.plain(m), code(m.weights_sha256[:8], m.weights_sha256)], " ")
            for m in analysis.models
            if m.weights_sha256
        )
        show(facts([*shown(run.section(analysis)), (_("Weights"), weights or _("none"))]))
        if analysis.media.kind != "audio":
            st.toggle(
                _("Simple player: no moving boxes, faces as buttons"),
                value=linked.simple,
                key=linked.widget("simple"),
                on_change=linked.choose_simple,
            )
    for tab in scores:
        with tab:
            for draw_table in tables:
                draw_table()


def _file(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file and the downloads."""
    with st.container(key="card-file", gap=None):
        what = file.section(analysis)
        when = record_cells.local(analysis.created)
        if (seconds := analysis.timings.get("total")) is not None:
            when = _("{when}, in {time}").format(when=when, time=labels.took(seconds))
        show(typography.heading(what.title), facts([*shown(what), (_("Analyzed"), when)]))
        for sentence in analysis.media.notes:
            show(typography.with_icon("info", say(sentence)))
        downloads.draw_card(analysis, linked)


def shown(section: Section) -> list[tuple[str, Text]]:
    """Return the rows of a section as the page shows them: with what is longer on hovering."""
    rows: list[tuple[str, Text]] = []
    for row in section.rows:
        value: Text = row.value
        if row.exact:
            value = code(row.value, row.exact)
        elif row.note:
            value = titled(row.value, row.note)
        rows.append((row.label, value))
    return rows


# --- models ---------------------------------------------------------------------------------------


def draw_models(analysis: Analysis) -> None:
    """Draw the per-model table; on a phone each model is a block of lines."""
    numbers = (_("Score"), _("Scored"), _("Time"), _("Weight"))
    names = (_("Model"), _("Score"), _("Reading"), _("Scored"), _("Time"), _("Weight"))
    columns = [TableColumn(name, name in numbers) for name in (*names, _("Calibrated"))]
    who: Text = ""
    if len(people := analysis.people) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        who = small_print(text.format(person=people[0].id))
    rows = [model_cells(row) for row in models.rows(analysis)]
    show(tables.table(columns, rows), who)


def model_cells(row: ModelRow) -> list[Text]:
    """Return the cells of a model."""
    reading: Text = row.reading
    if row.score:
        state = labels.STATES[row.label]
        reading = inked(row.reading, state.slug, state.icon)
    return [
        with_note(row.name, row.title),
        row.score or "–",
        with_note(reading, row.left_out),
        row.looks or "–",
        row.time or "–",
        row.weight or "–",
        with_note(row.calibrated, row.of_them),
    ]


# --- provenance -----------------------------------------------------------------------------------


SHOWN = 24
"""facts"""
CREDENTIALS: LazyDict[str, tuple[labels.BadgeColor, str, str]] = LazyDict(
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


def draw_provenance(analysis: Analysis) -> None:
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
    color, icon, word = CREDENTIALS[origin.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        typography.section(_("Signed origin (C2PA)"), width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    signed = section_of.credential(origin.credential)
    rest = replace(signed, rows=signed.rows[1:])
    show(typography.text(signed.rows[0].value), facts(shown(rest)))
    for note in (*origin.findings, *origin.unread):
        show(typography.with_icon("info", say(note)))
    if origin.earlier is not None:
        show(typography.with_icon("info", section_of.earlier(origin.earlier, analysis.media)))
    for account in section_of.accounts(origin):
        show(typography.subheading(account.title), facts(shown(account)))
    if origin.facts:
        show(typography.subheading(_("What it says of itself")), _fact_table(origin.facts[:SHOWN]))
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


def _place(place: GeoLocation) -> None:
    text = rich(
        _(
            "<b>{spot}</b> ({source}). This may be somebody's home. It goes into downloads unless "
            "you leave it out, under Download."
        ),
        spot=f"{place.latitude:.5f}, {place.longitude:.5f}",
        source=say(place.source),
    )
    head = typography.subheading(_("Where it was recorded, by its own account"))
    show(head, typography.with_icon("location_on", text))


def _fact_table(rows: Sequence[Fact]) -> Markup:
    """Return what a file says of itself. Every value is a stranger's."""
    columns = [TableColumn(_("Fact")), TableColumn(_("Says")), TableColumn(_("Where"))]
    return tables.table(columns, section_of.fact_rows(rows))
