"""Cases: their log is a chain, and what they hold is read from it."""

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.status import SignatureCoverageLevel

from service.cases import CaseFile, as_pdf
from service.context import new_id
from service.records.cases import Case, CaseAction, CaseStatus, entry_hash, first_broken
from service.records.model import GUEST, RecordsError, ResultOrigin
from service.records.sql import open_store
from tests.support.certificates import self_signed
from tests.support.records_contract import NOON, make
from tests.support.result_sample import make_analysis


def a_case():
    case = Case(id=new_id(), owner="local")
    case = case.appended("ada", CaseAction.CREATED, {"title": "Council speech"})
    added = {"analysis": "A" * 22, "name": "speech.mp4", "sha256": "0" * 64}
    case = case.appended("ada", CaseAction.FILE_ADDED, added)
    case = case.appended("bob", CaseAction.NOTE_ADDED, {"text": "Brought by mail ☎"})
    return case.appended("bob", CaseAction.STATUS_SET, {"status": "reviewed", "reviewer": "Bob"})


def test_what_a_case_holds_is_read_from_its_log():
    case = a_case()
    assert (case.title, case.status, case.reviewer) == (
        "Council speech", CaseStatus.REVIEWED, "Bob",
    )  # fmt: skip
    assert [file["name"] for file in case.files.values()] == ["speech.mp4"]
    removed = case.appended("ada", CaseAction.FILE_REMOVED, {"analysis": "A" * 22})
    assert not removed.files and len(removed.log) == 5 and removed.first_broken is None


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_verifying_tells_the_first_changed_entry(number):
    log = [json.loads(line) for line in a_case().as_lines().splitlines()]
    assert first_broken(log) is None
    log[number - 1]["actor"] = "eve"
    assert first_broken(log) == number


def test_an_entry_that_was_taken_out_or_sealed_again_breaks_the_chain():
    log = [json.loads(line) for line in a_case().as_lines().splitlines()]
    assert first_broken(log[1:]) == 1
    assert first_broken([*log[:2], log[3]]) == 3
    log[1]["actor"] = "eve"
    log[1]["hash"] = entry_hash(log[1])
    assert first_broken(log) == 3


def test_what_is_in_an_open_case_outlives_the_retention(tmp_path):
    store = open_store(tmp_path / "records.db")
    kept, left, guest = make("local", 1), make("local", 2), make(f"{GUEST}ann", 3)
    for record in (kept, left, guest):
        store.add(record)
        if record is left:
            continue
        case = Case(id=new_id(), owner=record.owner).appended("ada", CaseAction.CREATED, {})
        added = case.appended("ada", CaseAction.FILE_ADDED, {"analysis": record.id})
        store.cases.save(added, 0)
    later = NOON + timedelta(days=1)
    assert set(store.sweep(later, timedelta(hours=1))) == {left.id, guest.id}
    (case,) = store.cases.all("local")
    closed = case.appended("ada", CaseAction.STATUS_SET, {"status": "closed"})
    store.cases.save(closed, len(case.log))
    assert store.sweep(later, timedelta(hours=1)) == [kept.id]
    store.cases.sweep(closed.touched + timedelta(seconds=1))
    assert store.cases.all("local") == [] and store.cases.all(f"{GUEST}ann") == []
    store.close()


def test_a_log_that_is_none_is_refused():
    with pytest.raises(RecordsError, match="damaged or changed"):
        Case.read("a" * 22, "local", '{"number": 1}\n')


def test_the_pdf_of_a_case_is_signed_as_a_whole_where_a_certificate_is_set(tmp_path, monkeypatch):
    certificate = self_signed(tmp_path)
    certificate.sign_pdfs(monkeypatch)
    case = a_case()
    file = CaseFile({"name": "council statement.webm"}, make_analysis())
    status = certificate.validated(as_pdf(case, [file]))
    assert status.bottom_line and status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    foreign = as_pdf(case, [replace(file, origin=ResultOrigin.ELSEWHERE)])
    assert not PdfFileReader(io.BytesIO(foreign)).embedded_signatures
