"""A benchmark's figures, its baselines, and the check of a submission that somebody changed."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli import main
from detector import paths
from detector.evaluation.scores import Scored
from detector.models import registry
from detector.report import NoSeal
from detector.schema.analysis import Media, Question, Software
from detector.seals import name_of
from lab.evaluation import benchmark
from lab.evaluation.benchmark import BenchmarkModel, Submission

SOFTWARE = Software(version="1", python="3", torch="2", device="cpu", backend="x")


def file(name, label, *, source, group, logit=None, sharpness=1.0, **facts):
    return Scored(
        name=name, label=label, kind="video", method="face swap" if label else "none", group=group,
        source=source, person=source, highest={} if logit is None else {"texture": logit},
        probabilities={} if logit is None else {"texture": float(1 / (1 + np.exp(-logit)))},
        features={"sharpness": sharpness} | facts,
    )  # fmt: skip


def model(id="texture", question=Question.MANIPULATION):
    return BenchmarkModel(
        id=id, title=id.title(), question=question, weights_sha256="ab",
        seconds={"video": 1.5}, peak_memory=2**30,
    )  # fmt: skip


def files(count=6):
    """An original and its fake from each source; the last fake has no score."""
    out = []
    for n in range(count):
        source, group = f"s{n}", f"g{n}"
        out.append(file(f"r{n}", 0, source=source, group=group, logit=-1.0 - n, size=1.0))
        last = None if n == count - 1 else 1.0 + n
        out.append(file(f"f{n}", 1, source=source, group=group, logit=last, size=2.0, sharpness=0))
    return out


@pytest.fixture
def submission(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\ngone.mp4,real\n")
    measured, models = files(), [model(), model("absent", Question.SYNTHESIS)]
    return Submission(
        created=datetime(2026, 1, 1, tzinfo=UTC), labels=labels.name,
        labels_sha256=paths.sha256(labels), frames=8, software=SOFTWARE, processor="a <cpu>",
        models=models, files=measured, rows=benchmark.figures(measured, models),
    )  # fmt: skip


def written(submission, path, key=None):
    path.write_bytes(benchmark.to_json(submission, key))
    return path


def resealed(submission, path, change, key=None):
    """Write a submission that somebody changed and sealed again."""
    tree = json.loads(submission.model_dump_json())
    change(tree)
    return written(Submission.model_validate(tree), path, key)


def test_a_file_without_a_score_counts_against_the_model(submission):
    rows = {row.name: row for row in submission.rows}
    texture, auc = rows["texture"], rows["texture"]["AUC"]
    assert (texture.count("originals"), texture.count("fakes"), texture.sources) == (6, 6, 6)
    assert (texture.count("judged"), texture["AUC of the judged"].value) == (11, 1.0)
    assert auc.value == pytest.approx(5 / 6) and auc.low < auc.value <= auc.high
    assert (texture["pairs won"].of, texture["pairs won"].value) == (6, pytest.approx(5 / 6))
    assert 0 < texture["ECE"].value < 0.2
    assert (rows["absent"].count("judged"), rows["absent"]["AUC"].value) == (0, 0.0)
    assert rows["sharpness"]["AUC"].value == 1.0, "in the better of its directions"
    assert rows["pixel-free"]["AUC"].value == 1.0
    areas = [row["AUC"].value for row in submission.rows]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    ("id", "kinds"),
    [
        ("texture", ["video", "image"]),
        ("lrcn", ["video"]),
        ("timbre", ["audio"]),
        ("univfd_clip_l14", ["image"]),
    ],
)
def test_a_model_scores_files_of_its_kind(id, kinds):
    assert benchmark._kinds(registry.get_spec(id)) == kinds


def test_without_a_picture_there_is_no_sharpness():
    heard = [f.model_copy(update={"features": {}}) for f in files()]
    assert [row.name for row in benchmark.figures(heard, [model()])] == ["texture"]


def test_one_source_is_resampled_by_its_groups():
    one = [f.model_copy(update={"source": "s", "person": "s"}) for f in files()]
    texture = next(row for row in benchmark.figures(one, [model()]) if row.name == "texture")
    assert texture.sources == 1
    assert texture["AUC"].low < texture["AUC"].value, "or it looks certain"


def test_the_baseline_without_pixels_learns_from_other_sources_alone():
    rng = np.random.default_rng(0)
    sources = [f"s{n // 4}" for n in range(80)]
    labels = [n % 2 for n in range(80)]
    tells = [{"size": label + rng.normal(0, 0.1), "h264": 1.0} for label in labels]
    odds = np.array(benchmark.pixel_free_scores(tells, labels, sources), float)
    assert ((odds > 0) == np.array(labels)).all()
    # Which source a file is of says its label there, and nothing elsewhere.
    labels = [n // 4 % 2 for n in range(80)]
    alone = [{source: 1.0} for source in sources]
    odds = np.array(benchmark.pixel_free_scores(alone, labels, sources), float)
    assert np.abs(odds).max() < 0.5
    few = [{"size": 1.0}, {}, {"size": 2.0}]
    assert benchmark.pixel_free_scores(few, [0, 0, 1], ["a", "b", "c"]) == [None, None, None]


def test_facts_are_numbers_that_the_container_states():
    media = Media(
        name="a.mp4", sha256="0" * 64, kind="video", size=8000, width=100, height=50, duration=2.0,
        fps=25.0, frame_count=50, container="mp4", codec="h264", bit_rate=32000.0,
    )  # fmt: skip
    facts = benchmark.pixel_free_facts(media)
    assert facts["bits per pixel"] == pytest.approx(np.log(64000 / 250_000), abs=1e-5)
    assert (facts["frame rate"], facts["codec h264"], facts["container mp4"]) == (25.0, 1, 1)
    assert "sharpness" not in facts


def differs(path, labels=None):
    return [name for name, agrees in benchmark.check(path, labels, None).items() if not agrees]


def test_what_nobody_changed_agrees(submission, tmp_path):
    key = Ed25519PrivateKey.generate()
    path = written(submission, tmp_path / "submission.json", key)
    checked = benchmark.check(path, tmp_path / "labels.csv", key.public_key())
    names = [
        "seal",
        "signature (the given key)",
        "4 rows of figures",
        "each file once",
        "labels.csv",
    ]
    assert checked == dict.fromkeys(names, True)
    unsigned = benchmark.check(written(submission, path), None, None)
    assert (
        all(unsigned.values())
        and "seal (not signed: anyone can change and seal it again)" in unsigned
    )


def test_a_changed_score_is_noticed_with_and_without_a_new_seal(submission, tmp_path):
    def change(tree):
        tree["files"][1]["highest"]["texture"] = -9.0

    path = written(submission, tmp_path / "submission.json")
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    row = "figures of texture (video, manipulation)"
    assert differs(path) == ["seal (changed: files)", row]
    resealed(submission, path, change)
    assert differs(path) == [row]


def flattered(row):
    """Return a second row of the same model, with a better figure."""
    return row | {"figures": row["figures"] | {"EER": {"value": 0.4}}}


def test_a_file_counts_once(submission, tmp_path):
    tree = submission.model_copy(update={"files": [*submission.files, submission.files[0]]})
    assert "each file once" in differs(written(tree, tmp_path / "submission.json"))


def test_changed_figures_labels_and_facts_are_noticed(submission, tmp_path):
    path, found = tmp_path / "submission.json", []
    for change in (
        lambda tree: tree["rows"][0]["figures"]["AUC"].update(value=0.99),
        lambda tree: [row.update(sources=60) for row in tree["rows"]],
        lambda tree: tree["rows"].pop(0),
        lambda tree: tree["files"][3]["features"].update(size=-5.0),
        lambda tree: tree["rows"].insert(0, flattered(tree["rows"][1])),
        lambda tree: [file.update(person="alone") for file in tree["files"]],
    ):
        found.append(differs(resealed(submission, path, change)))
    assert [len(names) for names in found] == [1, 4, 1, 1, 1, 0]
    assert found[1][-1] == "1 more rows" and "pixel-free" in found[3][0]


def test_a_changed_key_is_noticed(submission, tmp_path, capsys):
    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    path = written(submission, tmp_path / "submission.json", theirs)
    name = name_of(ours.public_key())
    assert main(["benchmark", "--check", str(path), "--key", name]) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "do NOT: signature (not by the given key)" in said
    tree = json.loads(path.read_text())
    tree["seal"]["key"] = name
    path.write_text(json.dumps(tree))
    assert differs(path) == ["signature"]
    tree["seal"]["key"] = "no key"
    path.write_text(json.dumps(tree))
    assert differs(path) == ["signature"]
    assert main(["benchmark", "--check", str(path)]) == 2
    assert main(["verify", str(path)]) == 2
    capsys.readouterr()
    assert main(["verify", str(written(submission, path, ours)), "--key", name]) == 0
    assert "a benchmark." in capsys.readouterr().out


def test_labels_and_files_are_compared(submission, tmp_path):
    labels, path = tmp_path / "labels.csv", tmp_path / "submission.json"
    (tmp_path / "gone.mp4").write_bytes(b"of no file that was submitted")
    written(submission, path)
    assert differs(path, labels) == ["0 of 12 files and their labels"]
    labels.write_text("file,label\ngone.mp4,fake\n")
    assert differs(path, labels)[0] == "labels.csv"


def test_what_is_no_submission_is_refused(submission, tmp_path):
    path = tmp_path / "submission.json"
    path.write_text("{}")
    with pytest.raises(NoSeal):
        benchmark.check(path, None, None)
    tree = json.loads(written(submission, path).read_text())
    path.write_text(json.dumps({"seal": tree["seal"]}))
    with pytest.raises(NoSeal, match="not a submission"):
        benchmark.check(path, None, None)


def test_tables_name_what_they_were_measured_with(submission):
    text, page = benchmark.to_markdown(submission), benchmark.to_html(submission)
    for words in (submission.labels_sha256, "torch 2", "1.5", "1.0 GiB", "11 of 12", "6 sources"):
        assert words in text and words in page
    assert "a &lt;cpu&gt;" in page and "a <cpu>" not in page
    assert page.index("no pixels") < page.index("Texture") < page.index("Absent (made for another")
    assert "color-scheme: light dark" in page and "http" not in page
    assert 'data-label="AUC [95 %]"' in page and "max-width: 48rem" in page
