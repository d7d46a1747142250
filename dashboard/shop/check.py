"""The self-check of the models that are here: in the background, its outcome for every session."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.downloads import Progress, downloads
from dashboard.shop import progress
from detector.selfcheck import Outcome, selfcheck

KEY = "self-check"

_outcomes: dict[str, Outcome] = {}


def start() -> None:
    """Begin, unless it is under way."""
    downloads.start(KEY, _work)


def _work(tell: Progress) -> None:
    outcomes = selfcheck(progress=lambda p: tell(p.number - 1, p.of))
    _outcomes.clear()
    _outcomes.update({outcome.id: outcome for outcome in outcomes})


def speed(id: str) -> float | None:
    """s a face or window, as the last self-check measured it here; None before one."""
    outcome = _outcomes.get(id)
    if outcome is None or outcome.milliseconds is None:
        return None
    return outcome.milliseconds / 1000


def draw() -> None:
    """Progress while it runs, then what came of it."""
    running = downloads.find(KEY)
    if running is None:
        return
    if running.active:
        progress.draw(KEY, lambda one: f"Self-check: {one.done} of {one.total} models")
        return
    if running.error:
        st.html(f'<p class="um-said" role="status">{running.error}</p>')
        return
    with st.expander("What the self-check found", expanded=True):
        st.html(
            '<p class="um-caption">Files against their sha256, tensor names and known answers '
            "against the original’s, and whether known fake faces score above known real ones."
            "</p>"
        )
        st.table(rows(list(_outcomes.values())), border="horizontal", hide_index=True)


def rows(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """The outcomes as a table for a person."""
    return pd.DataFrame(
        {
            "Model": one.title,
            "Files": one.files,
            "Names": {True: "as the original’s", False: "others", None: "not known"}[one.names],
            "Known answers": f"{one.right} of {one.known}" if one.known else "none known",
            "Label order": one.order,
            "A face takes": f"{one.milliseconds:.0f} ms" if one.milliseconds else "–",
            "Result": "passed" if one.passed else "; ".join(one.notes) or "failed",
        }
        for one in outcomes
    )
