"""Records in SQLite or PostgreSQL: one repository a table or two, and the store made of them."""

from __future__ import annotations

from service.records.sql.store import SQLStore, open_store

__all__ = ["SQLStore", "open_store"]
