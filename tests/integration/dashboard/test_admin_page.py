"""The operator's page and the Batch page, drawn by Streamlit without a browser."""

import io
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import session
from dashboard.pages.admin import view
from detector.schema.analysis import Settings
from service.auth.caller import Accounts
from service.auth.people import Person
from service.auth.problems import account_error
from service.batch_files import IncomingFile
from service.context import Principal, PrincipalKind, Role
from tests.support.pages import OWNER, buttons, come_as, html, page, press, run, texts
from tests.support.scopes import local
from tests.support.waiting import PATIENT, until


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST])
def test_nobody_else_does(jobs, monkeypatch, role):
    come_as(monkeypatch, Principal("somebody", PrincipalKind.GUEST, role))
    at = page("admin")
    assert "Tasks now" not in html(at) and "Make a key" not in buttons(at)


NOW = datetime(2026, 11, 28, tzinfo=UTC)


class SomePeople:
    def __init__(self):
        self.changes = []
        self.refusal = ""

    def all(self, caller):
        if self.refusal:
            raise account_error(self.refusal)
        return [
            Person("1", "ada@example.org", Role.ADMIN, NOW, NOW, False),
            Person("2", "ben@example.org", Role.ANALYST, NOW, None, False),
        ]

    def change(self, caller, id, *, role, disabled):
        if self.refusal:
            raise account_error(self.refusal)
        self.changes.append((caller.id, id, role, disabled))


def change_ben():
    """The dialog of the second account, by itself: a dialog closes when a test draws the page."""
    from dashboard.pages.admin import view

    known = view.auth.people_service()
    view._change_person(known, known.all(None)[1])


@pytest.fixture
def with_accounts(monkeypatch):
    known = SomePeople()
    monkeypatch.setattr(view.auth, "accounts", lambda: Accounts("https://x.example", "key"))
    monkeypatch.setattr(view.auth, "people_service", lambda: known)
    come_as(monkeypatch, Principal("1", PrincipalKind.USER, Role.ADMIN, "ada@example.org"))
    monkeypatch.setattr(
        session.application().__class__, "scope", lambda app, context: local(app.jobs)
    )
    return known


def test_accounts_are_listed_and_changed(jobs, with_accounts):
    at = page("admin")
    assert "ada@example.org" in texts(at) and "Administrator · since 28 Nov 2026" in texts(at)
    assert "Analyst · since 28 Nov 2026 · never signed in" in texts(at)
    changes = [b.key for b in at.button if b.label == "Change"]
    assert changes == ["admin-change-2"], "nobody changes themselves"
    at = run(AppTest.from_function(change_ben, default_timeout=PATIENT))
    at.toggle[0].set_value(True)
    at.button_group[0].set_value(Role.VIEWER)
    press(at, "Save")
    assert with_accounts.changes == [("1", "2", Role.VIEWER, True)]


def test_a_refusal_of_a_change_is_told(jobs, with_accounts):
    with_accounts.refusal = "accounts_key"
    assert "UNMASK_ACCOUNTS_KEY" in texts(page("admin"))


def test_without_the_project_s_key_the_page_says_what_to_set(jobs, with_accounts, monkeypatch):
    monkeypatch.setattr(view.auth, "people_service", lambda: None)
    assert "set UNMASK_ACCOUNTS_KEY" in texts(page("admin"))


def test_without_accounts_there_are_no_people(jobs):
    assert "UNMASK_ACCOUNTS_KEY" not in texts(page("admin"))


def test_a_batch_of_what_is_none_says_so_in_each_row(jobs, tmp_path):
    service = session.application().batch_runs
    files = [IncomingFile(io.BytesIO(b"text"), name, 4) for name in ("a.txt", "<b>.txt")]
    batch = service.add(OWNER, local(jobs), files, Settings())
    until(lambda: all(row.over for row in service.rows(local(jobs), batch)))
    at = page("batch", b=batch.id)
    table = at.dataframe[0].value
    assert list(table["file"]) == ["a.txt", "<b>.txt"]
    assert all(table["note"]) and "2 of 2" in texts(at)
    assert "<b>.txt" not in html(at)


def test_somebody_elses_batch_is_not_there(jobs, monkeypatch):
    batch = session.application().batch_runs.add(OWNER, local(jobs), [], Settings())
    come_as(monkeypatch, Principal("guest:x", PrincipalKind.GUEST))
    at = page("batch", b=batch.id)
    assert "This batch is not here any more" in html(at) and not at.dataframe


@pytest.mark.usefixtures("jobs")
def test_each_kind_of_task_has_a_name():
    kinds = {name for name, _, _ in session.application().tasks.counts()}
    assert kinds and kinds <= view._KINDS.keys()
