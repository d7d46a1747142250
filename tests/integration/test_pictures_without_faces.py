"""A generated and a genuine picture without a face get an answer on every surface."""

import io

import httpx
import pytest

from cli import main
from dashboard import session
from detector import Analyzer
from detector.presentation.verdict import headline as headline_of
from detector.report import as_pdf, collect
from detector.schema.analysis import Analysis, Label, Modality, Question, Side
from service.batch_files import IncomingFile
from tests.support.api import served
from tests.support.kept import put
from tests.support.pages import OWNER, come_as, page, texts
from tests.support.pdf import text_of
from tests.support.samples import samples
from tests.support.scopes import local
from tests.support.waiting import PATIENT, until

ASKED = Question.PICTURE.spec.text
PICTURES = {sample.id: sample for sample in samples() if sample.id in ("generated", "photo")}


@pytest.fixture(scope="module")
def analyses():
    analyzer = Analyzer(device="cpu")
    return {id: analyzer.analyze(sample.path) for id, sample in PICTURES.items()}


@pytest.fixture(params=PICTURES)
def sample(request):
    return PICTURES[request.param]


@pytest.fixture
def analysis(sample, analyses):
    return analyses[sample.id]


@pytest.fixture
def server(jobs, monkeypatch):
    come_as(monkeypatch, OWNER.principal, loopback=True)
    return jobs


def test_the_picture_is_answered_and_no_face_is(analysis, sample):
    assert analysis.verdict.question is Question.PICTURE
    assert analysis.verdict.label is not Label.NOT_APPLICABLE
    assert analysis.verdict.probability is not None
    wrong = Side.REAL if sample.manipulated else Side.FAKE
    assert analysis.verdict.label.side is not wrong
    (picture,) = analysis.judged
    assert picture.modality is Modality.PICTURE and picture.id == "picture"
    assert not analysis.people
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis


def test_the_command_line(sample, analysis, tmp_path, capsys):
    file = tmp_path / "a.json"
    assert main(["analyze", str(sample.path), "--json", str(file)]) == 0
    assert main(["analyze", str(sample.path), "-v"]) == 0
    said = capsys.readouterr().out
    assert f"{sample.path.name}: {headline_of(analysis)}" in said and ASKED in said
    assert headline_of(Analysis.model_validate_json(file.read_text())) == headline_of(analysis)


def test_the_result_page_and_history(sample, analysis, server, tmp_path):
    key = put(tmp_path, sample.path, analysis)
    shown = texts(page(a=key))
    assert headline_of(analysis) in shown and ASKED in shown and "Not judged: no face" in shown
    assert "Edits of a part" in shown
    (row,) = page("history").dataframe[0].value.to_dict("records")
    assert row["file"] == sample.path.name and row["likelihood"] is not None
    assert row["verdict"][0].split(" ", 1)[1] in (headline_of(analysis), "No sign found")


def test_the_report(sample, analysis):
    text = text_of(as_pdf(collect(analysis, sample.path)))
    assert headline_of(analysis) in text and ASKED in text
    assert "The picture" in text and "The people" not in text


def test_the_api_and_a_batch(sample, analysis, server):
    with served(session.application()) as url, sample.path.open("rb") as file:
        sent = {"params": {"wait": 60}, "files": {"file": file}, "timeout": PATIENT}
        made = httpx.post(f"{url}/v1/analyses", **sent).json()
    assert made["headline"] == headline_of(analysis), made
    assert made["result"]["verdict"]["question"] == Question.PICTURE

    runs, data = session.application().batch_runs, sample.path.read_bytes()
    file = IncomingFile(io.BytesIO(data), sample.path.name, len(data))
    batch = runs.add(OWNER, local(server), [file], analysis.settings)
    until(lambda: all(row.over for row in runs.rows(local(server), batch)))
    (row,) = runs.rows(local(server), batch)
    assert row.label is analysis.label
    (cells,) = page("batch", b=batch.id).dataframe[0].value.to_dict("records")
    assert cells["likelihood"] is not None
