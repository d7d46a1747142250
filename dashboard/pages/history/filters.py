"""Filters of History, as widgets and as a query."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.components import controls, record_cells
from dashboard.components.record_cells import ALL, UNJUDGED
from detector.schema.analysis import Label
from detector.sentences import _
from service.records.model import Confirmed, Facets, Order, Query

PAGE = 10
"""records of a page"""
ANY, DATES = 0, -1
SPANS = {
    ANY: _("Any time"),
    1: _("Today"),
    7: _("Last 7 days"),
    30: _("Last 30 days"),
    DATES: _("Choose dates"),
}
"""Days up to and with today, or how else they are chosen."""
CONFIRMED = {
    Confirmed.OPEN: _("Not confirmed"),
    Confirmed.FAKE: _("Confirmed fake"),
    Confirmed.REAL: _("Confirmed real"),
}
ORDERS: dict[Order, str] = {
    "newest": _("Newest first"),
    "oldest": _("Oldest first"),
    "name": _("By name"),
    "likelihood": _("Highest likelihood first"),
}
_SEARCH = "q"
"""The key of the search field is its name in the address, so that a filter can be passed on."""
VERDICT, _WHEN, _DATES = "history-verdict", "history-when", "history-dates"
_MODELS, _TAGS, _CONFIRMED = "history-models", "history-tags", "history-confirmed"
_ORDER = "history-order"


@dataclass(frozen=True)
class HistoryFilter:
    """The filters as they stand.

    Attributes
    ----------
    query : Query
        From the first record on; without a page.
    filtered : bool
        Whether anything is left out.
    key : str
        Names the filters in widget keys: other filters begin on the first page again.
    """

    query: Query
    filtered: bool

    @property
    def key(self) -> str:
        text = self.query.model_dump_json().encode()
        return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:12]


def draw(facets: Facets, titles: Mapping[str, str]) -> tuple[HistoryFilter, DeltaGenerator]:
    """Draw all filters except the verdict's; return them and the place of that one. `titles` by
    model id."""
    with st.container(horizontal=True, vertical_alignment="center", key="history-toolbar"):
        text = controls.search(
            _("File name, note, tag or SHA-256"), _SEARCH, 300, bind="query-params"
        )
        place = st.container(width="stretch", key="history-verdicts")
        when = controls.select(
            _("When"), SPANS, _WHEN, label_visibility="collapsed", icon=":material/calendar_month:",
            width=180,
        )  # fmt: skip
        with st.popover(_("More filters"), icon=":material/tune:", type="tertiary"):
            more = _more(facets, titles)
        since, until = _span(when)
    verdict = st.session_state.get(VERDICT, ALL)
    verdicts = frozenset(label for label in Label if label.value == verdict)
    every = Query(order=more.order, limit=PAGE)
    query = more.model_copy(
        update={
            "text": text,
            "verdicts": frozenset({""}) if verdict == UNJUDGED else verdicts,
            "since": since,
            "until": until,
        }
    )
    return HistoryFilter(query, query != every), place


def _more(facets: Facets, titles: Mapping[str, str]) -> Query:
    models = st.multiselect(
        _("Scored by"),
        list(facets.models),
        format_func=lambda id: f"{titles.get(id, id)} ({facets.models.get(id, 0)})",
        placeholder=_("Any model"),
        key=_MODELS,
    )
    tags = st.multiselect(
        _("Tags"),
        list(facets.tags),
        format_func=lambda tag: f"{tag} ({facets.tags.get(tag, 0)})",
        placeholder=_("Any tag") if facets.tags else _("No file has a tag yet"),
        disabled=not facets.tags,
        key=_TAGS,
    )
    confirmed = controls.choose_any(_("What you found out"), CONFIRMED, [], _CONFIRMED)
    order = controls.select(_("Order"), ORDERS, _ORDER)
    return Query(
        models=frozenset(models),
        tags=frozenset(tags),
        confirmed=frozenset(confirmed),
        order=order,
        limit=PAGE,
    )


def _span(when: int | None) -> tuple[datetime | None, datetime | None]:
    """Return start and end of the chosen days in the person's time zone."""
    here = record_cells.zone()
    today = datetime.now(here).date()
    if when == DATES:
        chosen = st.date_input(
            _("Dates"),
            (today - timedelta(days=6), today),
            max_value=today,
            label_visibility="collapsed",
            width=240,
            key=_DATES,
        )
        days = chosen if isinstance(chosen, tuple) else (chosen,)
        if not days:
            return None, None
        return _start(days[0], here), _start(days[-1] + timedelta(days=1), here)
    return _start(today - timedelta(days=when - 1), here) if when else None, None


def _start(day: date, here: timezone) -> datetime:
    return datetime.combine(day, time(), here).astimezone(UTC)


def clear() -> None:
    """Reset the filters."""
    for key in (VERDICT, _WHEN, _DATES, _MODELS, _TAGS, _CONFIRMED):
        st.session_state.pop(key, None)
    st.session_state[_SEARCH] = ""
