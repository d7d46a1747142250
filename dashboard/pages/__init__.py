"""The pages of the dashboard, a package each; `pages` has their titles."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.components import typography
from dashboard.i18n import advice
from detector.errors import UnmaskError


@contextmanager
def refused_in(key: str) -> Iterator[None]:
    """Store an error in the session under a key: the next drawing of the page shows it."""
    try:
        yield
    except UnmaskError as error:
        st.session_state[key] = advice(error)


@contextmanager
def alerted() -> Iterator[None]:
    """Show an error at once."""
    try:
        yield
    except UnmaskError as error:
        typography.alert(advice(error))


def put_into_address(name: str, value: str | None) -> None:
    """Put a choice into the query of the address; None removes it."""
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
