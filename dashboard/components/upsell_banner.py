"""Offer of a recommended model, while none is installed."""

import streamlit as st

from dashboard import labels, session
from detector import weights
from detector.models import inventory
from detector.models.inventory import Status
from service.tasks.kinds import Download

_DECLINED = "offer-declined"


def standing() -> Status | None:
    """Return the recommended model to offer; None if one is here, declined or unavailable."""
    if st.session_state.get(_DECLINED) or weights.offline():
        return None
    user = session.current_user()
    if not user.may_administer:
        return None  # what is fetched is there for everybody, so it is not theirs to fetch
    wanted = inventory.offered()
    if any(one.ready or ((came := latest(one)) and came.active) for one in wanted):
        return None
    return wanted[0] if wanted else None


def latest(wanted: Status) -> Download | None:
    """Return the download of a model that runs or ended lately."""
    return session.application().downloads.find(wanted.spec.id, session.current_user())


def named(wanted: Status) -> str:
    """Return the model's name, with its download size if known."""
    name = labels.plain(wanted.spec)
    return f"{name} ({labels.size(wanted.download)})" if wanted.download else name


def decline() -> None:
    """Hide the offer for this session."""
    st.session_state[_DECLINED] = True
