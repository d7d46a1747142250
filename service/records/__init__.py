"""Who may see which analysis: one `Store` protocol, and the places behind it."""

from __future__ import annotations

from service.records.store import (
    LOCAL,
    Confirmed,
    ErrorReport,
    Facets,
    Page,
    Preferences,
    Query,
    Record,
    RecordsError,
    Share,
    Shared,
    State,
    Store,
    Summary,
    Usage,
)

__all__ = [
    "LOCAL",
    "Confirmed",
    "ErrorReport",
    "Facets",
    "Page",
    "Preferences",
    "Query",
    "Record",
    "RecordsError",
    "Share",
    "Shared",
    "State",
    "Store",
    "Summary",
    "Usage",
]
