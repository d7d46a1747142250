"""One page, several states: the first screen, a run, a result, a card that says why there is none.

Streamlit keeps what it drew until the new run of the script has drawn something else in the same
place, and drops the rest only when that run has ended. A verdict would stand over the progress, the
Cancel button and the player of the run that it ended for as long as its frames take to be cut.
"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_SHOWN = "stage"


def enter(state: str) -> DeltaGenerator:
    """Return a container for a state of the page, which replaces the state before at once.

    There are two places, of which one is empty: a block that is drawn where one stands takes that
    one's contents over, and two messages to one place are sent as the last of them. To be called
    by the page, not by a fragment: that has a place of its own within the page. The `state` has the
    file's key in it where there is one.
    """
    shown, place = st.session_state.get(_SHOWN, ("", 0))
    if shown != state:
        place = 1 - place
        st.session_state[_SHOWN] = (state, place)
    places = [st.container(gap=20) if place == number else st.empty() for number in (0, 1)]
    stage: DeltaGenerator = places[place]
    return stage
