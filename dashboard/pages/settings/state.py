"""What the page remembers: whether own thresholds are used; the server knows all else."""

import streamlit as st

from dashboard import session
from detector.decision import conformal
from service.tasks.calibrations import CalibrationTask

OWN_ON = "own-on"


def switch() -> None:
    """Use the own thresholds in new analyses, or no more."""
    conformal.switch(bool(st.session_state[OWN_ON]))


def current() -> CalibrationTask | None:
    """Return the calibration that runs, or ended and was not dismissed."""
    return session.application().calibrations.current(session.current_user())
