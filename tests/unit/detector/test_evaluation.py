"""Figures of merit against scikit-learn's, and runs in MLflow's layout read back by MLflow."""

from datetime import UTC, datetime

import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn import metrics as reference

from detector.evaluation import metrics, runs


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
