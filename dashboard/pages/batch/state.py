"""What the page remembers: in the address the batch, all else in the session."""

from collections.abc import Sequence

import streamlit as st

from dashboard import session
from service.batches import BatchRow
from service.records.batches import Batch

UPLOADS = "batch-uploads"
"""How often something was uploaded: each time the uploader is replaced."""
NOTICE = "batch-said"
"""The outcome of the last action, said once."""
LINKS = "batch-links"
SELECT = "batch-select-cards"
"""Whether cards can be ticked."""
_OVER = "batch-over"
"""Rows of files that are over, by batch: they are not looked up again."""
_ORDER = "batch-order"
"""The order of the table's rows while something is marked in it."""


def batch() -> Batch | None:
    """Return the batch that the address names, if it is theirs."""
    id = st.query_params.get("b")
    scope = session.record_scope()
    return session.application().batches.get(scope.owner, id) if id else None


def enter(id: str) -> None:
    """Go to a batch."""
    st.query_params["b"] = id


def leave() -> None:
    """Go to the page without a batch."""
    st.query_params.pop("b", None)


def toggle_selecting() -> None:
    """Begin to tick cards, or end it."""
    st.session_state[SELECT] = not st.session_state.get(SELECT)


def rows(batch: Batch, *, fresh: bool = False) -> list[BatchRow]:
    """Return the files of a batch as they are now; `fresh` as in `BatchService.rows`."""
    known = st.session_state.get(_OVER)
    if known is None or known[0] != batch.id:
        known = st.session_state[_OVER] = (batch.id, {})
    service, scope = session.application().batch_runs, session.record_scope()
    return service.rows(scope, batch, known[1], fresh=fresh)


def look_again() -> None:
    """Look all files up once more."""
    st.session_state.pop(_OVER, None)


def hold(key: str, order: Sequence[int] | None) -> list[int] | None:
    """Return a table's row order, fixed while something is marked (`order` is not None)."""
    held = st.session_state.get(_ORDER)
    if order is None:
        st.session_state.pop(_ORDER, None)
        return None
    if held is None or held[0] != key:
        held = st.session_state[_ORDER] = (key, list(order))
    listed: list[int] = held[1]
    return listed
