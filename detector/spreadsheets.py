"""Tables for spreadsheets, protected against formula injection."""

import csv
import io
import math
from collections.abc import Iterable


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return a table as CSV, a row a line, each cell inert."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(inert, row) for row in rows)
    return out.getvalue()


def inert(value: object) -> object:
    """Return a cell, escaped if a spreadsheet would run it as a formula."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky and not _is_number(str(value)) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
