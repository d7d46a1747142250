"""The operator's page and the Batch page, drawn by Streamlit without a browser."""

import io

import pytest

from dashboard import session
from detector.schema.analysis import Settings
from service.batch_files import IncomingFile
from service.context import Principal, PrincipalKind, Role, Scope
from tests.support.pages import OWNER, buttons, come_as, html, page, texts
from tests.support.scopes import local
from tests.support.waiting import until


def test_an_administrator_sees_the_server_and_its_keys_without_their_secrets(jobs):
    keys = session.application().keys
    at = page("admin")
    assert "Tasks now" in html(at) and "Nothing runs or waits." in html(at)
    made, text = keys.add("newsroom", (Scope.READ,))
    at = page("admin")
    assert text not in html(at) and not at.code
    assert "newsroom · Active" in texts(at)
    assert f"admin-withdraw-{made.id}" in [button.key for button in at.button]
    keys.revoke(made.id)
    at = page("admin")
    assert "newsroom · Withdrawn" in texts(at)
    assert f"admin-withdraw-{made.id}" not in [button.key for button in at.button]


def test_the_limit_of_a_guest_s_file_is_the_one_that_holds(jobs, monkeypatch):
    def limits() -> dict[str, str]:
        (table,) = [t.value for t in page("admin").table if "MB a file" in str(t.value)]
        return dict(zip(table.iloc[:, 0], table.iloc[:, 1], strict=True))

    # None of their own: the server's, as Settings says it.
    assert limits()["MB a file"] == limits()["MB a file, guest"] == "500"
    monkeypatch.setenv("UNMASK_GUEST_MAX_MB", "50")
    assert (limits()["MB a file"], limits()["MB a file, guest"]) == ("500", "50")
    monkeypatch.setenv("UNMASK_MAX_UPLOAD_MB", "20")
    assert limits()["MB a file, guest"] == "20"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST])
def test_nobody_else_does(jobs, monkeypatch, role):
    come_as(monkeypatch, Principal("somebody", PrincipalKind.GUEST, role))
    at = page("admin")
    assert "Tasks now" not in html(at) and "Make a key" not in buttons(at)


def test_a_batch_of_what_is_none_says_so_in_each_row(jobs, tmp_path):
    service = session.application().batch_runs
    files = [IncomingFile(io.BytesIO(b"text"), name, 4) for name in ("a.txt", "<b>.txt")]
    batch = service.bring(OWNER, local(jobs), files, Settings())
    until(lambda: all(row.over for row in service.rows(local(jobs), batch)))
    at = page("batch", b=batch.id)
    table = at.dataframe[0].value
    assert list(table["file"]) == ["a.txt", "<b>.txt"]
    assert all(table["note"]) and "2 of 2" in texts(at)
    assert "<b>.txt" not in html(at)


def test_somebody_elses_batch_is_not_there(jobs, monkeypatch):
    batch = session.application().batch_runs.bring(OWNER, local(jobs), [], Settings())
    come_as(monkeypatch, Principal("guest:x", PrincipalKind.GUEST))
    at = page("batch", b=batch.id)
    assert "This batch is not here any more" in html(at) and not at.dataframe
