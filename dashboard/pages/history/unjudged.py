"""Records without a verdict: what failed, was stopped, or still runs."""

from detector.schema.analysis import Label
from service.records.model import MAX_PAGE_SIZE, Page, Query, Record
from service.records.store import Store


def search(store: Store, owner: str, query: Query) -> Page:
    """Return the page of them that is asked for."""
    found, counts = _found(store, owner, query)
    shown = found[query.offset : query.offset + query.limit]
    return Page(records=tuple(shown), total=len(found), counts=counts)


def records(store: Store, owner: str, query: Query) -> list[Record]:
    """Return all that match."""
    return _found(store, owner, query)[0]


def _found(store: Store, owner: str, query: Query) -> tuple[list[Record], dict[Label | None, int]]:
    """Return a page of records without a verdict; the store's query can only name verdicts."""
    found: list[Record] = []
    offset = 0
    while True:
        part = query.model_copy(update={"offset": offset, "limit": MAX_PAGE_SIZE})
        page = store.search(owner, part)
        found += [record for record in page.records if record.result is None]
        offset += len(page.records)
        if len(page.records) < MAX_PAGE_SIZE or len(found) >= page.counts.get(None, 0):
            return found, page.counts
