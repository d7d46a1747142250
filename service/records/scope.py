"""Whose records, and where they are kept."""

from __future__ import annotations

from dataclasses import dataclass

from service.records.store import Store


@dataclass(frozen=True)
class RecordScope:
    """Who asks, and where their records are kept. Outlives the request: workers hold it."""

    owner: str
    store: Store
