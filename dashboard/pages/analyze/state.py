"""What the page remembers besides the file that it shows, which is in the address."""

from dataclasses import dataclass

import streamlit as st

REFUSED = "refused"
"""Why the last file was not taken, said once."""
FETCH = "fetch"
"""The task that fetches a link."""
UPLOADS = "uploads"
"""How often something was uploaded: each time the uploader is replaced."""
_ARRIVALS = "brought"


@dataclass(frozen=True)
class Arrival:
    """One file: `key` of its job, or in `refused` why it was not taken."""

    name: str
    key: str = ""
    refused: str = ""


def arrivals() -> list[Arrival]:
    """Return the files that were brought together."""
    listed: list[Arrival] = st.session_state.get(_ARRIVALS, [])
    return listed


def add_arrival(arrival: Arrival) -> None:
    """Put a file on this person's list, as the last."""
    st.session_state[_ARRIVALS] = [*arrivals(), arrival]


def clear_arrivals() -> None:
    """Forget the list; the analyses stay."""
    st.session_state.pop(_ARRIVALS, None)
