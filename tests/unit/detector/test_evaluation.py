"""Figures of merit against scikit-learn's, and runs in MLflow's layout read back by MLflow.

A folder says which of its files are real by its layout.
"""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn import metrics as reference

from detector.errors import InputError
from detector.evaluation import metrics, runs
from detector.evaluation.labels import read_labels


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    return np.round(labels + rng.normal(0, 1.2, 120), 1), labels  # rounded: ties


def test_roc_is_the_reference_roc(made):
    scores, labels = made
    found = metrics.roc(scores, labels, [str(i) for i in range(120)])
    area = float(np.trapezoid(found.tpr, found.fpr))
    assert area == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)
    fpr, tpr, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.fpr, fpr)
    np.testing.assert_allclose(found.tpr, tpr)
    assert (found.low <= found.high).all()
    inside = metrics._at(found.fpr, found.tpr)
    assert ((found.low - 0.02 <= inside) & (inside <= found.high + 0.02)).mean() > 0.9


def test_precision_and_recall_are_the_reference_ones(made):
    scores, labels = made
    recall, precision = metrics.precision_recall(scores, labels)
    theirs, there, _ = reference.precision_recall_curve(labels, scores)
    np.testing.assert_allclose(recall[1:], there[::-1][1:])
    np.testing.assert_allclose(precision[1:], theirs[::-1][1:])


def test_takes_of_one_original_widen_the_band():
    rng = np.random.default_rng(1)
    labels = np.repeat(rng.integers(0, 2, 20), 6)
    scores = labels * 0.8 + np.repeat(rng.normal(0, 1, 20), 6)
    alone = metrics.roc(scores, labels, [str(i) for i in range(120)])
    grouped = metrics.roc(scores, labels, [str(i // 6) for i in range(120)])
    assert (grouped.high - grouped.low).mean() > 1.3 * (alone.high - alone.low).mean()


def test_one_group_gives_a_curve_and_a_flat_band():
    found = metrics.roc([0.1, 0.9], [0, 1], ["a", "a"])
    assert found.tpr.tolist() == [0, 1, 1] and (found.high - found.low == 0).all()


BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


def written(folder):
    metrics = {"auc": [(0, 0.75)], "loss/x": [(1, 0.5), (2, 0.25)], "none": [(0, float("nan"))]}
    run = runs.Run(
        "unmask train", "mine", BEGAN, {"recipe": "own", "rate": 0.003}, metrics,
        {"mlflow.source.name": "unmask train own"}, {"figures.json": "{}"},
    )  # fmt: skip
    return runs.write(folder, run)


def test_mlflow_reads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    path = written(tmp_path)
    client = MlflowClient(tracking_uri=tmp_path.as_uri())
    (experiment,) = [e for e in client.search_experiments() if e.name == "unmask train"]
    (run,) = client.search_runs([experiment.experiment_id], "metrics.auc > 0.7")
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.info.start_time == BEGAN.timestamp() * 1000
    assert run.data.params == {"recipe": "own", "rate": "0.003"}
    assert run.data.metrics == {"auc": 0.75, "loss_x": 0.25}
    assert run.data.tags["mlflow.source.name"] == "unmask train own"
    assert [m.step for m in client.get_metric_history(path.name, "loss_x")] == [1, 2]
    assert [a.path for a in client.list_artifacts(path.name)] == ["figures.json"]
    again = written(tmp_path)
    assert again.parent == path.parent and again != path, "one experiment, two runs"


def test_a_folder_without_runs_has_no_reports(tmp_path):
    assert list(runs.reports(tmp_path / "none")) == []
    written(tmp_path)
    assert list(runs.reports(tmp_path)) == []


def laid_out(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_real_and_fake_folders(tmp_path):
    items = read_labels(laid_out(tmp_path, "real/a.mp4", "Fake/b/c.png", "fake/x.txt", "d.mp4"))
    assert {(i.name, i.label, i.kind) for i in items} == {
        ("real/a.mp4", 0, "video"),
        ("Fake/b/c.png", 1, "image"),
    }
    assert all(item.file.is_file() for item in items)


def test_faceforensics_fakes_share_the_group_of_their_footage(tmp_path):
    items = read_labels(
        laid_out(
            tmp_path,
            "original_sequences/youtube/c23/videos/000.mp4",
            "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
            "original_sequences/actors/c23/videos/01__walking.mp4",
            "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__ABC.mp4",
        )
    )
    real = {i.name.split("/")[-1]: i for i in items if not i.label}
    fake = {i.method: i for i in items if i.label}
    pairs = ((real["000.mp4"], fake["Deepfakes"]),
             (real["01__walking.mp4"], fake["DeepFakeDetection"]))  # fmt: skip
    for original, made in pairs:
        assert (original.group, original.source) == (made.group, made.source)
        assert original.person == made.person


def test_celeb_df_names_its_people(tmp_path):
    items = read_labels(
        laid_out(
            tmp_path,
            "Celeb-real/id0_0001.mp4",
            "Celeb-real/id0_0002.mp4",
            "Celeb-synthesis/id0_id5_0001.mp4",
            "YouTube-real/00001.mp4",
        )
    )
    labels = {i.name: i.label for i in items}
    assert sum(labels.values()) == labels["Celeb-synthesis/id0_id5_0001.mp4"] == 1
    people = {i.name: i.person for i in items}
    assert len({people[name] for name in people if "id0" in name}) == 1
    assert people["YouTube-real/00001.mp4"] != people["Celeb-real/id0_0001.mp4"]


def test_dfdc_reads_its_metadata(tmp_path):
    laid_out(tmp_path, "part_0/a.mp4", "part_0/b.mp4", "part_0/c.mp4")
    said = {"a.mp4": {"label": "FAKE", "original": "b.mp4"}, "b.mp4": {"label": "REAL"}}
    (tmp_path / "part_0/metadata.json").write_text(json.dumps(said))
    items = {i.name: i for i in read_labels(tmp_path)}
    assert {name: i.label for name, i in items.items()} == {"part_0/a.mp4": 1, "part_0/b.mp4": 0}
    assert len({i.group for i in items.values()}) == 1


def test_a_folder_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="Nothing in"):
        read_labels(laid_out(tmp_path, "a.mp4"))
