"""What holds with a new question; run in the copy that `tree.make` makes, by
`tests/integration/test_new_question.py`."""

import io
import json
import zipfile

import cv2
import numpy as np
import pytest

from cli import main
from dashboard import session
from detector import Analyzer
from detector.presentation import lead
from detector.report import as_pdf, collect
from detector.schema.analysis import Analysis, Label, Modality, Question, Settings
from service.batch_files import IncomingFile
from tests.support.kept import put
from tests.support.pages import OWNER, come_as, html, page, quiet, texts
from tests.support.result_sample import make_clip
from tests.support.scopes import local
from tests.support.tasks import ended
from tests.support.waiting import until

SCENERY = Question("scenery")
ASKED = "Was the background replaced?"
MODELS = {"alone": ["backdrop"], "beside": ["backdrop", "texture"], "without": ["texture"]}

LEADING = pytest.mark.parametrize("analysis", ["alone"], indirect=True)


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.webm", duration=2.0)


@pytest.fixture(scope="session")
def analyses(clip):
    analyzer = Analyzer()
    return {
        name: analyzer.analyze(clip, Settings(frames=6, models=models))
        for name, models in MODELS.items()
    }


@pytest.fixture(params=MODELS)
def analysis(request, analyses):
    return analyses[request.param]


@pytest.fixture
def server(tmp_path, monkeypatch):
    come_as(monkeypatch, OWNER.principal, loopback=True)
    with quiet(tmp_path) as jobs:
        yield jobs


@pytest.fixture
def key(tmp_path, server, clip, analysis):
    return put(tmp_path, clip, analysis)


def test_the_question_is_answered_and_leads(analyses):
    alone = analyses["alone"]
    assert alone.verdict.question is SCENERY and alone.verdict.label is Label.PROBABLY_FAKE
    assert alone.verdict.subject == "background"
    background = next(s for s in alone.subjects if s.modality is Modality("background"))
    assert lead.name(background) == "The background" and background.probability
    beside = analyses["beside"]
    answers = {q: answer.evaluated for q, answer in beside.verdict.answers.items()}
    assert answers[SCENERY] and answers[Question.MANIPULATION]
    assert not analyses["without"].verdict.answers[SCENERY].evaluated


def test_json_reads_back(analysis):
    text = analysis.model_dump_json()
    assert Analysis.model_validate_json(text) == analysis
    assert SCENERY in json.loads(text)["verdict"]["answers"]


def test_the_report_is_written(analysis, clip):
    assert as_pdf(collect(analysis, clip)).startswith(b"%PDF")


def test_the_command_line(clip, tmp_path, capsys):
    files = [tmp_path / name for name in ("a.json", "a.pdf")]
    written = ["--json", str(files[0]), "--report", str(files[1])]
    assert main(["analyze", str(clip), "--frames", "4", "--models", "backdrop", *written]) == 0
    assert all(file.stat().st_size for file in files)
    assert main(["analyze", str(clip), "--frames", "4", "--models", "backdrop", "-v"]) == 0
    text = capsys.readouterr().out
    assert ASKED in text and "Probably replaced" in text
    assert main(["models"]) == 0 and "backdrop" in capsys.readouterr().out


def test_the_result_page(key, analysis):
    at = page(a=key)
    assert ASKED in texts(at)
    if analysis.verdict.question is SCENERY:
        assert "Probably replaced" in texts(at)
    assert "The upper fifth of each frame was judged." in [c.value for c in at.caption]
    assert "The background" in texts(at) or not analysis.verdict.answers[SCENERY].evaluated


@LEADING
def test_history(key):
    assert list(page("history").dataframe[0].value["file"]) == ["clip.webm"]
    page("history", a=key)


@LEADING
def test_compare(key):
    page("compare", a=key)
    page("compare", a=key, b=key, how="clips")


def test_models(server):
    at = page("models", q="background replacement")
    assert "Backdrop" in html(at) and "replaced backgrounds" in html(at)


def test_settings_and_live(server):
    page("settings")
    page("live")


def test_batch(server, clip):
    runs = session.application().batch_runs
    data = clip.read_bytes()
    settings = Settings(frames=4, models=["backdrop"])
    file = IncomingFile(io.BytesIO(data), "clip.webm", len(data))
    batch = runs.add(OWNER, local(server), [file], settings)
    until(lambda: all(row.over for row in runs.rows(local(server), batch)))
    at = page("batch", b=batch.id)
    assert "Probably replaced" in str(at.dataframe[0].value.to_dict())


def test_evaluate(server):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, name in enumerate(f"{kind}/{n}.png" for kind in ("real", "fake") for n in "ab"):
            picture = np.full((160, 160, 3), 40 * number, np.uint8)
            picture[100:] = np.arange(160)[None, :, None]
            archive.writestr(f"green screen/{name}", cv2.imencode(".png", picture)[1].tobytes())
    packed.name = "set.zip"
    runs = session.application().evaluations
    run = ended(runs.start([packed], OWNER.principal, models=["backdrop"]))
    assert not run.error and run.report is not None
    (kind,) = run.report.kinds
    assert kind.table("answer")
    page("evaluate", a=run.id)
