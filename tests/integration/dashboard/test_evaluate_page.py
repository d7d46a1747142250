"""The Evaluate page: hostile and honest archives, a real run in the background, the figures."""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import skimage.data
from sqlalchemy import update

from dashboard.pages.evaluate import view
from dashboard.pages.evaluate.view import export
from detector.errors import InputError
from detector.evaluation import labelled_sets, labels, metrics, runs
from detector.evaluation.labels import pairs, read_labels
from detector.presentation import evaluation
from detector.presentation import evaluation as presented
from detector.schema.analysis import Question
from service.records.model import State
from service.records.tables import TaskRow
from service.tasks.evaluations import Evaluations
from tests.support.pages import come_as, html, page, quiet
from tests.support.tasks import ADMIN, ANN, BEN, ended, make_tasks


class Given(io.BytesIO):
    def __init__(self, name, content):
        super().__init__(content)
        self.name = name


def face(shift, *, smooth):
    picture = skimage.data.astronaut()[0:280, 80 + shift : 400 + shift]
    if smooth:
        picture = cv2.GaussianBlur(picture, (0, 0), 3)
    return cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()


def archive(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return Given("set.zip", buffer.getvalue())


def small_set():
    files = {f"a/real/{n}.jpg": face(n, smooth=False) for n in range(3)}
    files |= {f"a/FAKE/{n}.jpg": face(n, smooth=True) for n in range(3)}
    others = {"a/real/notes.txt": b"no picture", "other/x.jpg": b"", "__MACOSX/y": b""}
    return archive(files | others)


def test_a_zip_of_two_folders_becomes_a_labelled_set(tmp_path):
    made = labelled_sets.make([small_set()], tmp_path)
    assert (made.real, made.fake) == (3, 3)
    assert made.left_out == [
        ("a/real/notes.txt", labelled_sets.LeftOutReason.NO_MEDIA),
        ("other/x.jpg", labelled_sets.LeftOutReason.NO_FOLDER),
    ]  # fmt: skip
    items = read_labels(made.labels)
    assert all(item.file.is_file() for item in items)
    assert len(pairs(items)) == 3  # the same name: an original and its fake


def test_a_zip_of_voices_becomes_a_labelled_set(tmp_path):
    sounds = {"a.wav": b"RIFF", "b.opus": b"OggS"}
    files = {f"{label}/{name}": sounds[name] for label in ("real", "fake") for name in sounds}
    made = labelled_sets.make([archive(files)], tmp_path)
    assert (made.real, made.fake, made.left_out) == (2, 2, [])


def test_a_zip_has_the_layout_that_a_folder_may_have(tmp_path):
    files = {
        "FF/original_sequences/youtube/c23/videos/000.mp4": b"x",
        "FF/manipulated_sequences/Deepfakes/c23/videos/000_003.mp4": b"x",
        "Celeb-real/id0_0001.mp4": b"x",
        "Celeb-synthesis/id0_id1_0001.mp4": b"x",
    }
    made = labelled_sets.make([archive(files)], tmp_path)
    items = read_labels(made.labels)
    assert (made.real, made.fake, made.left_out) == (2, 2, [])
    assert [item.source for item in items] == ["FF++ youtube"] * 2 + ["Celeb-DF"] * 2
    assert len(pairs(items)) == 2 and items[1].method == "Deepfakes"


def test_names_in_a_zip_lead_nowhere_else(tmp_path):
    outside = tmp_path / "outside"
    folder = tmp_path / "set"
    folder.mkdir()
    evil = {
        "real/../../outside/a.jpg": face(0, smooth=False),
        "fake/..\\..\\b.jpg": face(1, smooth=True),
        "/real/c.jpg": face(2, smooth=False),
        "set\\fake\\d.jpg": face(3, smooth=True),
        "set/real/e.jpg": face(4, smooth=False),
    }
    made = labelled_sets.make([archive(evil)], folder)
    assert (made.real, made.fake) == (1, 1)
    refused = {name for name, why in made.left_out if why is labelled_sets.LeftOutReason.REFUSED}
    assert refused == {"real/../../outside/a.jpg", "fake/..\\..\\b.jpg", "/real/c.jpg"}
    assert not outside.exists()
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert written and all(folder in p.parents for p in written)


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path, monkeypatch):
    bomb = archive({"real/a.jpg": bytes(4 << 20), "fake/b.jpg": bytes(4 << 20)})
    monkeypatch.setattr(labelled_sets, "MAX_BYTES", 6 << 20)
    with pytest.raises(InputError, match="unpacks to"):
        labelled_sets.make([bomb], tmp_path)
    write = labelled_sets._write
    monkeypatch.setattr(
        labelled_sets, "_write", lambda file, path, left: write(file, path, min(left, 5 << 20))
    )
    monkeypatch.setattr(labelled_sets, "MAX_BYTES", 9 << 20)  # what it says of itself passes
    with pytest.raises(InputError, match="are more than"):
        labelled_sets.make([bomb], tmp_path)
    monkeypatch.setattr(labelled_sets, "MAX_FILES", 1)
    with pytest.raises(InputError, match="the limit is 1"):
        labelled_sets.make([bomb], tmp_path)


def test_a_table_of_a_stranger_is_read_no_further_than_it_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "MAX_SHEET_BYTES", 1 << 20)
    endless = b"file,label\n" + b"a.jpg,real\n" * 200_000
    for files in ([Given("x.csv", endless)], [archive({"labels.csv": endless})]):
        with pytest.raises(InputError, match="larger than 1 MB"):
            labelled_sets.make(files, tmp_path)
    monkeypatch.setattr(labels, "MAX_SHEET_BYTES", 16 << 20)
    rows = []
    real = csv.DictReader.__next__
    monkeypatch.setattr(csv.DictReader, "__next__", lambda self: rows.append(1) or real(self))
    with pytest.raises(InputError, match="more than 2,000 files"):
        labelled_sets.make([Given("x.csv", endless)], tmp_path)
    assert len(rows) == 2001


def test_the_words_of_a_stranger_are_one_short_line(tmp_path):
    trick = "a\u202eb\x1b[2J" + "x" * 5000
    sheet = f"file,label,method\nr.jpg,real,none\nf.jpg,fake,{trick}\n{trick}.jpg,fake,b\n"
    refused = f"../{trick}\n.jpg"
    files = {"labels.csv": sheet.encode(), "r.jpg": b"x", "f.jpg": b"y", refused: b"z"}
    made = labelled_sets.make([archive(files)], tmp_path)
    told = [name for name, _ in made.left_out] + [item.method for item in read_labels(made.labels)]
    assert len(told) == 4 and sum(word.startswith("ab[2Jx") for word in told) == 2
    assert sum(word.startswith("../ab[2Jx") for word in told) == 1
    assert all(len(word) <= 200 for word in told)
    assert labelled_sets.LeftOutReason.REFUSED in dict(made.left_out).values()


def test_a_table_of_300_mb_is_left_in_its_archive(tmp_path, monkeypatch):
    """What is taken out of the archive is counted, in bytes."""
    path = tmp_path / "set.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out,
        out.open("labels.csv", "w") as sheet,
    ):
        sheet.write(b"file,label\n")
        for _ in range(300):
            sheet.write((b"a.jpg,real\n" * 95_326)[: 1 << 20])
    taken = []
    real = zipfile.ZipExtFile.read

    def read(self, size=-1):
        piece = real(self, size)
        taken.append(len(piece))
        return piece

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    with path.open("rb") as given, pytest.raises(InputError, match="larger than 16 MB"):
        labelled_sets.make([given], tmp_path)
    most = labels.MAX_SHEET_BYTES
    assert most < sum(taken) <= most + max(taken) and max(taken) <= 4 << 20


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([Given("x.zip", b"no archive")], "can't be read"),
        ([Given("x.mp4", b"")], "one ZIP"),
        ([archive({"real/a.jpg": b"x"})], "0 fakes"),
        ([Given("x.csv", b"a,b\n1,2\n")], "columns file and label"),
        ([Given("x.csv", b"file,label\na.jpg,maybe\n")], "neither real nor fake"),
        ([Given("x.csv", b"\xff\xfe\x00")], "can't be read"),
    ],
)
def test_what_is_no_set_gets_a_sentence(given, said, tmp_path):
    with pytest.raises(InputError, match=said):
        labelled_sets.make(given, tmp_path)


def test_a_csv_with_its_files(tmp_path):
    sheet = Given(
        "mine.csv",
        b"file,label,group,method\nclips/a.jpg,real,g,none\nb.jpg,fake,g,swap\nc.jpg,fake,g,swap\n",
    )
    files = [Given("a.jpg", face(0, smooth=False)), Given("b.jpg", face(0, smooth=True))]
    made = labelled_sets.make([sheet, *files], tmp_path)
    assert (made.real, made.fake) == (1, 1)
    assert made.left_out == [("c.jpg", labelled_sets.LeftOutReason.NOT_BROUGHT)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A real evaluation of six pictures; one of the models has nothing to say of stills."""
    data = tmp_path_factory.mktemp("data")
    tasks = make_tasks(data)
    run = Evaluations(tasks, data).start([small_set()], ANN, models=["texture", "videomae"])
    ended(run)
    tasks.close()
    assert not run.error and run.report is not None
    return run


def test_figures_come_from_the_pipeline(finished):
    (kind,) = finished.report.kinds
    assert (kind.kind, kind.real, kind.fake) == ("image", 3, 3)
    assert len(finished.scored) == 6 and finished.done == 6
    assert kind.combined["pairs won"].of == 3
    assert str(finished.folder) not in finished.report.model_dump_json()


def test_an_evaluation_survives_a_restart_and_is_its_owners(finished):
    data = finished.folder.parents[1]
    tasks = make_tasks(data)
    again = Evaluations(tasks, data)
    tasks.recover()
    found = again.find(finished.id, ANN)
    assert found.report is not None and finished.report is not None
    assert found.state is State.DONE
    assert found.report.model_dump_json() == finished.report.model_dump_json()
    assert [s.name for s in found.scored] == [s.name for s in finished.scored]
    assert (found.labelled_set.real, found.labelled_set.left_out) == (
        3, finished.labelled_set.left_out,
    )  # fmt: skip
    assert again.find("../../etc/passwd", ANN) is None
    # Who has the address of somebody else's finds nothing, and deletes nothing.
    assert again.find(finished.id, BEN) is None and again.find(finished.id, ADMIN) is found
    again.delete(finished.id, BEN)
    assert again.rerun(finished.id, BEN) is None
    again.sweep(timedelta(hours=1))
    assert finished.folder.is_dir() and again.find(finished.id, ANN) is found
    tasks.close()


def test_one_that_was_lost_with_its_server_goes_on_where_it_was(finished, tmp_path):
    tasks = make_tasks(tmp_path)
    runs = Evaluations(tasks, tmp_path)
    release = tasks.reserve(2.0)
    first = runs.start([small_set()], ANN, models=["texture"])
    ended(first)
    (first.folder / "report.json").unlink()  # as if it had been killed just before
    with tasks._store.database.writing() as connection:
        was = update(TaskRow).where(TaskRow.id == first.id)
        connection.execute(was.values(state=State.RUNNING))
    tasks.close()
    release()

    tasks = make_tasks(tmp_path)
    runs = Evaluations(tasks, tmp_path)
    assert [task.id for task in tasks.recover()] == [first.id]
    lost = runs.find(first.id, ANN)
    assert lost.state is State.INTERRUPTED and "is kept" in lost.error
    scores = (first.folder / "scores.jsonl").read_bytes()
    again = runs.rerun(first.id, ANN)
    assert again.owner == ANN.id and again.models == ["texture"]
    assert ended(again).report is not None and runs.find(first.id, ANN) is again
    assert (first.folder / "scores.jsonl").read_bytes() == scores  # nothing was scored twice
    tasks.close()


@pytest.fixture
def workspace(finished, monkeypatch):
    with quiet(finished.folder.parents[1]):
        come_as(monkeypatch, ANN)
        yield


@pytest.mark.usefixtures("workspace")
def test_runs_over_time_are_drawn_for_whom_they_belong_to(finished, tmp_path, monkeypatch):
    def shown():
        at = page("evaluate")
        told = [chart.proto.spec for chart in at.get("plotly_chart")]
        return told if "Evaluations over time" in html(at) else []

    assert not shown(), "one evaluation is no course of time"
    monkeypatch.setenv("UNMASK_RUNS", str(tmp_path))
    later = finished.report.model_copy(
        update={"created": finished.report.created + timedelta(days=1), "labels": "/x/later.csv"}
    )
    for made in (finished.report, later):
        run = runs.Run(
            "unmask evaluate", "x", made.created, {}, runs.figures(made), {},
            {runs.REPORT: made.model_dump_json()},
        )  # fmt: skip
        path = runs.write(tmp_path, run)
    first = finished.report.kinds[0].combined
    kept = (path / "metrics" / "image.auc").read_text().split()[1]
    assert float(kept) == first["AUC"].value
    assert float((path / "metrics" / "image.ece").read_text().split()[1]) == first["ECE"].value
    assert not shown(), "the server's runs are for its administrators"
    come_as(monkeypatch, ADMIN)
    (chart,) = shown()
    names = [trace["hovertemplate"].split(":")[0] for trace in json.loads(chart)["data"]]
    assert names == ["All together", "Texture of the face"]
    assert all(len(trace["x"]) == 2 for trace in json.loads(chart)["data"])
    said = html(page("evaluate"))
    assert -1 < said.index("later.csv (6)") < said.index("labels.csv (6)")


@pytest.mark.usefixtures("workspace")
def test_the_page_says_what_its_figures_are_of(finished):
    (kind,) = finished.report.kinds
    at = page("evaluate", a=finished.id)
    text = html(at)
    assert "3 originals and 3 fakes" in text and "no video or picture" in text
    (table, _note) = presented.answers(kind).blocks
    originals = dict(zip(table.heads, table.rows[0], strict=True))
    given = kind.combined["originals called INCONCLUSIVE"]
    assert f"({given.count} of 3)" in originals["Can’t tell"]
    assert originals["Can’t tell"] in text.replace("\u00a0", " ")
    assert "rank these files best alone" not in text, "the one model that judges stills is drawn"
    assert not re.search(r"\d{4}-\d\.jpg", text)


def test_a_share_has_its_interval_of_few_files_too():
    assert presented._share(metrics.share([True, True])) == ("2 of 2", "34 to 100 %")
    assert presented._share(metrics.share([False] * 6)) == ("0 of 6", "0 to 39 %")
    assert presented._share(metrics.share([True] * 25 + [False] * 5)) == (
        "83 %", "25 of 30, 66 to 93 %",
    )  # fmt: skip
    assert presented._share(metrics.share([]))[0] == "–"


def test_few_files_in_order_give_no_interval(finished):
    """A bootstrap of six files that all rank rightly says "1.00 to 1.00"."""
    combined = finished.report.kinds[0].combined
    names = "pairs won", "originals called FAKE", "decided", "right of the decided", "ECE"
    found = {name: combined[name] for name in names} | {"AUC": metrics.Interval(1.0, 1.0, 1.0)}
    area = presented.figures(SimpleNamespace(combined=found))[0]
    assert (area.value, area.note) == ("1.00", "too few files for an interval")


def test_what_is_furthest_from_the_truth_says_its_verdict(finished):
    scored = next(s for s in finished.scored if s.label == 0)
    left_open = scored.model_copy(update={"verdict": "INCONCLUSIVE"})
    assert "likely manipulated. Verdict: Can’t tell." in presented.mistake("a.mp4", left_open, 0.9)
    voice = {"verdict": "FAKE", "answer_labels": {Question.VOICE: "FAKE"}}
    assert "Verdict: Likely cloned." in presented.mistake("", scored.model_copy(update=voice), 0.9)


def test_files_are_called_what_the_person_called_them(finished):
    assert {Path(s.name).name[:5] for s in finished.scored} >= {"0000-", "0001-"}
    assert {view.given_name(s.name) for s in finished.scored} == {"0.jpg", "1.jpg", "2.jpg"}
    assert view.given_name("fake/0009-0007-bond.jpg") == "0007-bond.jpg"
    assert view.given_name("real/mine.mp4") == "mine.mp4"


def test_more_models_than_can_be_told_apart_are_chosen_by_their_rank(finished):
    (kind,) = finished.report.kinds
    together, alone = kind.table("model")
    ranked = [
        alone.model_copy(
            update={
                "name": f"m{n}", "title": f"M{n}",
                "figures": alone.figures | {"AUC": replace(alone["AUC"], value=value)},
            }
        )
        for n, value in enumerate((0.5, 0.9, 0.6, 0.8))
    ]  # fmt: skip
    answer = kind.table("answer")
    many = kind.model_copy(update={"rows": [*answer, together, *ranked]})
    assert list(view.columns(many, finished.scored)) == ["All together", "M1", "M3", "M2"]
    (note,) = evaluation.roc(many, 3).notes
    assert "the 3 of 4 models that rank these files best alone" in note
    assert evaluation.roc(kind, 3).notes == ()


@pytest.mark.usefixtures("workspace")
def test_an_export_holds_figures_and_no_media(finished):
    with zipfile.ZipFile(io.BytesIO(export(finished, finished.report))) as made:
        assert set(made.namelist()) == {"report.json", "report.md", "figures.csv", "scores.csv"}
        assert made.read("scores.csv").count(b"\n") == 7


@pytest.mark.usefixtures("workspace")
def test_the_address_of_somebody_elses_says_no_more(finished, monkeypatch):
    come_as(monkeypatch, BEN)
    text = html(page("evaluate", a=finished.id))
    assert "not kept here" in text and "3 originals" not in text
    assert html(page("evaluate", a="A" * 22)) == text  # as of an address that was never given


@pytest.fixture
def evaluations(tmp_path):
    tasks = make_tasks(tmp_path)
    yield Evaluations(tasks, tmp_path)
    tasks.close()


def test_a_run_can_be_stopped_and_leaves_nothing(evaluations):
    run = evaluations.start([small_set()], ANN, models=["texture"])
    evaluations._tasks.cancel(run)
    ended(run)
    assert run.report is None and "stopped" in run.error
    evaluations.delete(run.id, BEN)
    assert run.folder.exists()
    evaluations.delete(run.id, ANN)
    assert not run.folder.exists() and evaluations.find(run.id, ANN) is None


def test_old_evaluations_are_deleted(evaluations, tmp_path):
    (tmp_path / "evaluations" / ("B" * 22)).mkdir()
    evaluations.sweep(timedelta(seconds=-1))
    assert not list((tmp_path / "evaluations").iterdir())
