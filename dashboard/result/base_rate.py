"""The reader's share of fakes, by which odds are adjusted (Bayes' rule); labels and likelihoods
stay."""

import streamlit as st

from dashboard import session
from detector.presentation.odds import EVEN
from detector.sentences import _
from service.records.model import RecordsError

_CHOSEN = "base-rate"


def chosen() -> float:
    """Return the chosen share of fakes, 0..1."""
    if _CHOSEN not in st.session_state:
        try:
            scope = session.record_scope()
            st.session_state[_CHOSEN] = scope.store.preferences(scope.owner).base_rate
        except RecordsError:
            return EVEN
    return float(st.session_state[_CHOSEN])


def draw(key: str) -> None:
    """Draw the input."""
    st.number_input(
        _("Of 100 files like this that you get, how many are fakes?"),
        min_value=1,
        max_value=99,
        value=round(100 * chosen()),
        key=key,
        on_change=_save,
        args=(key,),
        help=_(
            "The odds in words follow your answer. In our tests it is 50. The likelihood and the "
            "answer stay as they are."
        ),
    )


def _save(key: str) -> None:
    rate = float(st.session_state[key]) / 100
    st.session_state[_CHOSEN] = rate
    scope = session.record_scope()
    before = scope.store.preferences(scope.owner)
    scope.store.save_preferences(scope.owner, before.model_copy(update={"base_rate": rate}))
