"""Cases over the wire: opened, filled, reviewed and exported; each step is in a log that holds."""

import hashlib
import io
import json
import zipfile

import httpx
import pytest
from pypdf import PdfReader

from detector import media
from detector.report import verify
from service.records.cases import first_broken
from tests.support.kept import put
from tests.support.result_sample import make_analysis, make_clip


@pytest.fixture
def analysis(application, tmp_path):
    clip = make_clip(tmp_path / "council statement.webm")
    made = make_analysis(clip)
    return put(tmp_path, clip, made.model_copy(update={"media": media.probe(clip)}))


def opened(client, analysis):
    """Return a case with one file, a link and a note, that was reviewed."""
    answer = client.post("/v1/cases", json={"title": "Council statement", "by": "Ada"})
    assert answer.status_code == 201 and answer.headers["Location"] == answer.json()["href"]
    changes = {
        "add_analyses": [analysis], "link": "https://example.org/post/1", "by": "Ada",
        "note": "Brought by mail.", "status": "reviewed", "reviewer": "Bob",
    }  # fmt: skip
    changed = client.patch(answer.json()["href"], json=changes)
    assert changed.status_code == 200, changed.text
    return changed.json()


def test_a_case_says_what_it_holds_and_who_did_what(client, analysis):
    case = opened(client, analysis)
    assert (case["title"], case["status"], case["reviewer"]) == (
        "Council statement", "reviewed", "Bob",
    )  # fmt: skip
    assert [file["name"] for file in case["files"]] == ["council statement.webm"]
    assert case["links"] == ["https://example.org/post/1"] and case["notes"] == ["Brought by mail."]
    assert [(entry["action"], entry["actor"]) for entry in case["log"]] == [
        (action, "Ada (local)")
        for action in ("created", "file_added", "link_added", "note_added", "status_set")
    ]
    assert case["first_broken"] is None and first_broken(case["log"]) is None
    assert [one["id"] for one in client.get("/v1/cases").json()] == [case["id"]]


def test_its_bag_is_valid_and_holds_report_data_log_and_keyframes(client, analysis, tmp_path):
    case = opened(client, analysis)
    answer = client.post(f"/v1/cases/{case['id']}/bag.zip", params={"media": True})
    assert answer.status_code == 200, answer.text
    bag = zipfile.ZipFile(io.BytesIO(answer.content))
    root = f"unmask-case-{case['id']}/"
    names = {name.removeprefix(root) for name in bag.namelist()}
    assert all(name.startswith(root) for name in bag.namelist())
    assert bag.read(root + "bagit.txt").startswith(b"BagIt-Version: 1.0\n")
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        listed = dict(
            reversed(line.split("  ", 1))
            for line in bag.read(root + manifest).decode().splitlines()
        )
        for name, sha256 in listed.items():
            assert hashlib.sha256(bag.read(root + name)).hexdigest() == sha256
        if manifest.startswith("manifest"):
            assert set(listed) == {name for name in names if name.startswith("data/")}
    log = [json.loads(line) for line in bag.read(root + "data/log.jsonl").splitlines()]
    assert first_broken(log) is None and log[-1]["action"] == "exported"
    assert json.loads(bag.read(root + "data/case.json"))["log_head"] == log[-1]["hash"]
    assert "data/analyses/01 council statement.json" in names
    assert "data/media/01 council statement.webm" in names
    assert any(name.startswith("data/keyframes/01 council statement/") for name in names)
    report = tmp_path / "report.pdf"
    report.write_bytes(bag.read(root + "data/report.pdf"))
    checked = verify(report)
    assert checked.intact and any(case["id"] in line for line in checked.lines())


def test_its_pdf_begins_with_the_case_and_goes_on_with_the_reports(client, analysis):
    case = opened(client, analysis)
    place = f"/v1/cases/{case['id']}/report.pdf"
    pdf = PdfReader(io.BytesIO(client.post(place, params={"zone": "Asia/Kathmandu"}).content))
    assert all("UTC+05:45" in page.extract_text() for page in pdf.pages[:2])
    assert client.post(place, params={"zone": "Mars/Olympus"}).status_code == 422
    first = pdf.pages[0].extract_text()
    assert "Council statement" in first and "Reviewed" in first and "Ada (local)" in first
    assert any("council statement.webm" in page.extract_text() for page in pdf.pages[1:])
    assert {"unmask-case.json", "unmask-case-log.jsonl"} <= set(pdf.attachments)


def test_what_is_no_case_or_no_entry_is_refused(client, analysis, url, ben):
    case = opened(client, analysis)
    for change in (
        {"link": "javascript:alert(1)"},
        {"add_analyses": ["A" * 22]},
        {"status": "reviewed"},
        {"title": " "},
    ):
        assert client.patch(case["href"], json=change).status_code == 422, change
    assert client.patch(case["href"], json={"status": "closed"}).status_code == 200
    late = client.patch(case["href"], json={"note": "late"})
    assert late.json()["error"]["code"] == "case_closed"
    theirs = {"Authorization": f"Bearer {ben}"}
    assert httpx.get(url + case["href"], headers=theirs).status_code == 404
    assert client.delete(case["href"]).status_code == 204
    assert client.get(case["href"]).status_code == 404
