"""Cases of signed-in people in a Supabase project."""

from collections.abc import Callable
from typing import Any

from service.records.cases import Case, row_of
from service.records.supabase.rows import Row, rows_of


class SupabaseCases:
    """A `CaseStore` in a Supabase project; `table` asks for one by its name."""

    def __init__(self, table: Callable[[str], Any]) -> None:
        self._table = table

    def all(self, owner: str) -> list[Case]:
        query = self._table("cases").select("id,owner,log").eq("owner", owner)
        return [_case(row) for row in rows_of(query.order("touched", desc=True).order("id"))]

    def get(self, owner: str, id: str) -> Case | None:
        query = self._table("cases").select("id,owner,log").eq("owner", owner).eq("id", id)
        return next(map(_case, rows_of(query)), None)

    def save(self, case: Case, known: int) -> bool:
        row = row_of(case)
        row |= {"touched": case.touched.isoformat(), "analyses": list(case.files)}
        if known:
            query = self._table("cases").update(row).eq("owner", case.owner).eq("id", case.id)
            return bool(rows_of(query.eq("entries", known).select("id")))
        row |= {"id": case.id, "owner": case.owner, "created": case.created.isoformat()}
        rows_of(self._table("cases").insert(row, returning="minimal"))
        return True

    def delete(self, owner: str, id: str) -> bool:
        query = self._table("cases").delete().eq("owner", owner).eq("id", id)
        return bool(rows_of(query.select("id")))


def _case(row: Row) -> Case:
    return Case.read(row["id"], row["owner"], row["log"])
