"""Counts over all owners, for whoever runs the server: no name, person or file is in them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select

from detector.schema.analysis import Label
from service.records.database import Database
from service.records.model import Confirmed, ErrorReport, Record
from service.records.sql.rows import record_of
from service.records.tables import records


class FailureCount(NamedTuple):
    """One reason why analyses failed."""

    code: str
    ours: bool
    """The files are not at fault."""
    number: int
    message: str
    """What was said of the latest, in English."""


class StatisticsRepository:
    """The part of a store that looks over all owners."""

    database: Database

    def verdicts_by_day(self, since: datetime) -> dict[date, dict[Label, int]]:
        """Return how many results there are, by the day in UTC on which they were made."""
        day = func.date(records.c.analyzed)
        query = (
            select(day, records.c.verdict, func.count())
            .where(records.c.analyzed >= since)
            .group_by(day, records.c.verdict)
            .order_by(day)
        )
        out: dict[date, dict[Label, int]] = {}
        for when, verdict, number in map(tuple, self.database.rows(query)):
            out.setdefault(date.fromisoformat(str(when)), {})[Label(verdict)] = number
        return out

    def analyzed(self, since: datetime) -> int:
        """Return how many results were made since a moment."""
        query = select(func.count()).where(records.c.analyzed >= since)
        return int(self.database.scalar(query))

    def failures(self, since: datetime) -> list[FailureCount]:
        """Return why analyses that were begun since a moment failed, what is frequent first."""
        query = (
            select(records.c.fault)
            .where(records.c.touched >= since, records.c.fault.is_not(None))
            .order_by(records.c.touched)
        )
        reports = [ErrorReport.model_validate_json(row.fault) for row in self.database.rows(query)]
        counts = Counter((one.problem.code, one.ours) for one in reports)
        latest = {(one.problem.code, one.ours): one for one in reports}
        return [
            FailureCount(code, ours, number, latest[code, ours].problem.message)
            for (code, ours), number in counts.most_common()
        ]

    def confirmed(self) -> list[Record]:
        """Return the records of which somebody found out what they are, the oldest first."""
        query = (
            select(records)
            .where(records.c.confirmed != Confirmed.OPEN)
            .order_by(records.c.created, records.c.id)
        )
        return [record_of(row) for row in self.database.rows(query)]
