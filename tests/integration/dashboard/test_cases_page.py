"""The Cases page without a browser."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import session
from tests.support.pages import OWNER, page, quiet, run
from tests.support.waiting import PATIENT


@pytest.fixture
def cases(tmp_path):
    with quiet(tmp_path):
        yield session.application().cases


def test_the_reviewer_that_was_typed_last_is_saved(cases):
    """A press on Save comes with the text of the field that it takes the focus from."""
    id = cases.open(OWNER, "A call", "Ann").id
    at = page("cases", c=id)
    (field,) = [field for field in at.text_input if field.label == "Reviewer"]
    field.set_value("Carl")
    at.button(key="case-save").click()
    run(at)
    assert cases.get(OWNER, id).reviewer == "Carl"


def test_the_title_that_was_typed_last_is_the_title_of_a_new_case(cases):
    def dialog():
        from dashboard.pages.cases import view

        view._choose_case([])

    at = run(AppTest.from_function(dialog, default_timeout=PATIENT))
    at.text_input(key="case-new-title").set_value("A call")
    at.button(key="case-add").click()
    at.run()
    assert [case.title for case in cases.all(OWNER)] == ["A call"]
