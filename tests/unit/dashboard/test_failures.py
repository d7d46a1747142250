"""What keeps a page, a part that draws itself or a callback from its end is a card of our own."""

import logging
import runpy
from pathlib import Path

import pytest
import streamlit as st

from dashboard import shell
from dashboard.components import status_cards
from service.records.model import RecordsError

ROOT = Path(__file__).parents[3]


def test_streamlit_is_told_to_draw_no_box_of_its_own():
    """Its handler sees fragments and callbacks, too, which `shell.draw` does not."""
    app = runpy.run_path(str(ROOT / "app.py"))["app"]
    assert isinstance(app, st.App) and app._on_script_error is shell.show_failure


@pytest.mark.parametrize("error", [StopIteration(), KeyError("A"), RecordsError("No records.")])
def test_a_failure_is_a_card_with_an_id_whose_details_are_in_the_log(monkeypatch, caplog, error):
    shown: list[status_cards.Card] = []
    monkeypatch.setattr(status_cards, "show", shown.append)
    with caplog.at_level(logging.WARNING):
        assert shell.show_failure(error) is True
    (card,) = shown
    (record,) = caplog.records
    if isinstance(error, RecordsError):
        return
    assert card.small.startswith("Reference ") and "not at fault" in card.text
    assert card.small.split()[1] in record.getMessage()
    assert record.exc_info and record.exc_info[1] is error
