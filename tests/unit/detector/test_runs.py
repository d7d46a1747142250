"""Runs in MLflow's layout, read back by MLflow itself."""

import json
from datetime import UTC, datetime

from mlflow import MlflowClient

from detector.evaluation import runs

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


def written(folder):
    metrics = {"auc": [(0, 0.75)], "loss/x": [(1, 0.5), (2, 0.25)], "none": [(0, float("nan"))]}
    run = runs.Run(
        "unmask train", "mine", BEGAN, {"recipe": "own", "rate": 0.003}, metrics,
        {"mlflow.source.name": "unmask train own"}, {"figures.json": "{}"},
    )  # fmt: skip
    return runs.write(folder, run)


def test_a_run_is_a_file_for_each_thing(tmp_path):
    path = written(tmp_path)
    assert (path / "params" / "rate").read_text() == "0.003"
    lines = (path / "metrics" / "loss_x").read_text().splitlines()
    assert [line.split()[1:] for line in lines] == [["0.5", "1"], ["0.25", "2"]]
    assert not (path / "metrics" / "none").exists()
    meta = json.loads((path / "meta.yaml").read_text())
    assert meta["experiment_id"] == path.parent.name and meta["run_id"] == path.name
    assert meta["start_time"] == BEGAN.timestamp() * 1000
    assert meta["artifact_uri"] == (path / "artifacts").as_uri()
    again = written(tmp_path)
    assert again.parent == path.parent and again != path, "one experiment, two runs"


def test_mlflow_reads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    path = written(tmp_path)
    client = MlflowClient(tracking_uri=tmp_path.as_uri())
    (experiment,) = [e for e in client.search_experiments() if e.name == "unmask train"]
    (run,) = client.search_runs([experiment.experiment_id], "metrics.auc > 0.7")
    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params == {"recipe": "own", "rate": "0.003"}
    assert run.data.metrics == {"auc": 0.75, "loss_x": 0.25}
    assert run.data.tags["mlflow.source.name"] == "unmask train own"
    assert [m.step for m in client.get_metric_history(path.name, "loss_x")] == [1, 2]
    assert [a.path for a in client.list_artifacts(path.name)] == ["figures.json"]


def test_a_folder_without_runs_has_no_reports(tmp_path):
    assert list(runs.reports(tmp_path / "none")) == []
    written(tmp_path)
    assert list(runs.reports(tmp_path)) == []
