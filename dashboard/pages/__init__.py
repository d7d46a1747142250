"""The pages of the dashboard, a folder each; `pages` has their titles."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.components import typography
from dashboard.i18n import advice
from detector.errors import UnmaskError


@contextmanager
def refused_in(key: str) -> Iterator[None]:
    """Leave what was refused in the session under a key: the next drawing of the page says it."""
    try:
        yield
    except UnmaskError as error:
        st.session_state[key] = advice(error)


@contextmanager
def alerted() -> Iterator[None]:
    """Say at once what was refused."""
    try:
        yield
    except UnmaskError as error:
        typography.alert(advice(error))


def put_into_address(name: str, value: str | None) -> None:
    """Put a choice into the address, so that a link reopens it; None takes it out."""
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
