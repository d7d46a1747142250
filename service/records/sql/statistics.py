"""Counts over all owners, for whoever runs the server: no name, person or file is in them."""

from __future__ import annotations

from sqlalchemy import select

from service.records.database import Database
from service.records.model import Confirmed, Record
from service.records.sql.rows import record_of
from service.records.tables import records


class StatisticsRepository:
    """The part of a store that looks over all owners."""

    database: Database

    def confirmed(self) -> list[Record]:
        """Return the records of which somebody found out what they are, the oldest first."""
        query = (
            select(records)
            .where(records.c.confirmed != Confirmed.OPEN)
            .order_by(records.c.created, records.c.id)
        )
        with self.database.reading() as connection:
            return [record_of(row) for row in connection.execute(query).mappings()]
