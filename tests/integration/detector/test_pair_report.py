"""The report of a comparison: what it says, what it shows, and that a change of it is noticed."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import pypdfium2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pypdf import PdfReader

from cli import compare as command
from cli import main
from detector import report
from detector.comparison import compare
from detector.messages.format import clock
from detector.report.seal import PAIR_ATTACHMENT as ATTACHMENT
from detector.schema.comparison import Comparison, ComparisonFinding
from tests.support.compared import write_pair
from tests.support.pdf import text_of

WHEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def found(pair):
    return compare(pair["copy"], pair["original"], roles="stated")


@pytest.fixture(scope="module")
def content(pair, found):
    return report.collect_pair(found, pair["copy"], pair["original"], id="kept", exported=WHEN)


@pytest.fixture(scope="module")
def pdf(content):
    return report.as_pdf(content)


def test_it_names_both_files_the_answer_the_figures_and_the_limits(found, pdf):
    text = text_of(pdf)
    assert "shared.mp4 against press.mp4" in text and "Manipulated copy of press.mp4" in text
    for media in (found.copy_media, found.original_media):
        assert f"SHA-256 when compared {media.sha256} SHA-256 at export the same" in text
    assert f"Inside the face {found.face_difference:.1f} of 255 gray levels apart" in text
    assert "A The face differs from start to end" in text
    assert "Who changed it, or why." in text and "What re-encoding leaves Everything" in text
    assert text.count(" s ") >= 2 * len(found.moments), "each moment with both its times"
    count = len(found.moments)
    assert f"{count} moments of 00:02.0 were measured: a change shorter than 0.0" in text


def test_it_shows_both_where_most_differs(content, pdf):
    most = max(content.comparison.moments, key=lambda moment: moment.excess)
    kinds = [figure.kind for figure in content.figures]
    assert kinds == ["copy", "original", "heat"]
    assert clock(most.time, tenths=True) in content.figures[0].caption
    assert clock(most.original_time, tenths=True) in content.figures[1].caption
    assert len(PdfReader(io.BytesIO(pdf)).pages[0].images) == 3
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [
            np.asarray(document[i].render(scale=1.0).to_pil().convert("RGB")).astype(int)
            for i in range(len(document))
        ]
    assert 2 <= len(pages) <= 5
    for page in pages:
        assert (page[:, :40] == 255).all() and (page[:, -40:] == 255).all()
    orange = np.abs(pages[0] - (213, 94, 0)).sum(axis=2) < 12
    assert orange[40:70].any()


def test_equal_content_gives_equal_bytes_and_carries_its_data(content, found, pdf):
    assert report.as_pdf(content) == pdf
    attached = json.loads(PdfReader(io.BytesIO(pdf)).attachments[ATTACHMENT][0])
    assert Comparison.model_validate(attached["comparison"]) == found


@pytest.mark.parametrize("form", list(report.PAIR_FORMS))
def test_a_change_is_noticed_and_a_signature_is_checked(form, content, tmp_path):
    key = Ed25519PrivateKey.generate()
    data = report.PAIR_FORMS[form](content, key)
    path = tmp_path / f"report.{form}"
    path.write_bytes(data)
    checked = report.verify(path, key.public_key())
    assert checked.good and checked.signature == "expected"
    lines = " ".join(checked.lines())
    assert "comparison kept" in lines
    assert all(sha256 in lines for sha256 in filter(None, content.sha256s))
    other = content.comparison.original_media.sha256[::-1].encode()
    path.write_bytes(data.replace(content.comparison.original_media.sha256.encode(), other))
    assert not report.verify(path, key.public_key()).good, "another original was put in"


def test_of_a_file_that_is_gone_or_another_nothing_is_shown(pair, found, tmp_path):
    gone = report.collect_pair(found, pair["copy"], tmp_path / "gone.mp4")
    assert not gone.figures and "not checked: the file was not there" in text_of(
        report.as_pdf(gone)
    )
    other = report.collect_pair(found, pair["copy"], pair["again"])
    assert not other.figures and "has changed since" in text_of(report.as_pdf(other))


@pytest.mark.parametrize("finding", list(ComparisonFinding))
def test_every_finding_has_a_report(finding, content, found):
    same = finding.same_footage
    comparison = found.model_copy(
        update={"finding": finding} | ({} if same else {"moments": [], "people": []})
    )
    text = text_of(report.as_pdf(report.PairContent(comparison, WHEN)))
    assert ("Manipulated copy" in text) == finding.manipulated
    assert "it counts in none" in text


def test_the_command_writes_one(pair, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "likelihood_by", lambda *_: lambda path: None)
    files = [str(pair["copy"]), str(pair["original"])]
    target = tmp_path / "report.pdf"
    zone = ["--zone", "Asia/Kathmandu"]
    assert main(["compare", *files, "--original", "B", "--report", str(target), *zone]) == 10
    text = text_of(target.read_bytes())
    assert "Manipulated copy of press.mp4" in text and "UTC+05:45" in text
    assert main(["compare", *files, "--report", str(tmp_path / "report.csv")]) == 2
    assert "PDF, Markdown or JSON" in capsys.readouterr().err
    assert not (tmp_path / "report.csv").exists()
