"""Records in SQLite or PostgreSQL."""

from service.records.sql.store import SQLStore, open_store

__all__ = ["SQLStore", "open_store"]
