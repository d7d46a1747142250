"""Runs of evaluations and trainings, in MLflow's file store layout.

    <experiment>/meta.yaml
    <experiment>/<run>/meta.yaml, params/, metrics/, tags/, artifacts/

Each parameter, metric or tag is a file of its name. MLflow reads YAML, of which JSON is a subset.
"""

import hashlib
import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from detector.evaluation.report import Report

Steps = Sequence[tuple[int, float]]  # (step, value) of a metric
REPORT = "report.json"
_FINISHED, _LOCAL = 3, 4  # MLflow's RunStatus and SourceType


@dataclass(frozen=True)
class Run:
    """A finished run; metrics that are not finite are left out."""

    experiment: str
    name: str
    began: datetime
    params: Mapping[str, object]
    metrics: Mapping[str, Steps]
    tags: Mapping[str, str]
    artifacts: Mapping[str, str]  # Texts of files, by name


def write(folder: Path, run: Run) -> Path:
    """Write a run; return its folder."""
    id = str(int(hashlib.sha256(run.experiment.encode()).hexdigest()[:14], 16))
    home, run_id = folder.absolute() / id, uuid.uuid4().hex
    path = home / run_id
    now = _milliseconds(datetime.now(UTC))
    for part in ("params", "metrics", "tags", "artifacts"):
        (path / part).mkdir(parents=True)
    if not (home / "meta.yaml").exists():
        about = {"artifact_location": home.as_uri(), "creation_time": now, "experiment_id": id}
        about |= {"last_update_time": now, "lifecycle_stage": "active", "name": run.experiment}
        (home / "meta.yaml").write_text(json.dumps(about))
    for key, steps in run.metrics.items():
        lines = [f"{now} {value!r} {step}\n" for step, value in steps if math.isfinite(value)]
        if lines:
            (path / "metrics" / _file_name(key)).write_text("".join(lines))
    tags = {"mlflow.runName": run.name, **run.tags}
    texts = {"params": run.params, "tags": tags, "artifacts": run.artifacts}
    for part, entries in texts.items():
        for key, text in entries.items():
            (path / part / _file_name(key)).write_text(str(text), "utf-8")
    # Last: it marks a complete run.
    about = {"run_id": run_id, "run_name": run.name, "experiment_id": id, "status": _FINISHED}
    about |= {"start_time": _milliseconds(run.began), "end_time": now, "lifecycle_stage": "active"}
    about |= {"artifact_uri": (path / "artifacts").as_uri(), "source_type": _LOCAL, "tags": []}
    about |= dict.fromkeys(("user_id", "source_name", "source_version", "entry_point_name"), "")
    (path / "meta.yaml").write_text(json.dumps(about))
    return path


def figures(report: Report) -> dict[str, Steps]:
    """Return the metrics of an evaluation, by kind of file: `video.auc`, `video.texture.auc`, …

    Every label except FAKE counts as an original."""
    out: dict[str, float] = {}
    for kind in report.kinds:
        answer = kind.combined
        auc, found, alarms = (
            answer[name] for name in ("AUC", "fakes called FAKE", "originals called FAKE")
        )
        real, fake = answer.count("originals"), answer.count("fakes")
        hits, false = found.count or 0, alarms.count or 0
        values = {"auc": auc.value, "auc_low": auc.low, "auc_high": auc.high}
        values["accuracy"] = (hits + real - false) / (fake + real)
        values["f1"] = 2 * hits / (hits + false + fake)
        values["specificity"] = 1 - alarms.value
        values["ece"] = answer["ECE"].value
        values |= {f"{row.name}.auc": row["AUC"].value for row in kind.table("model")}
        out |= {f"{kind.kind}.{name}": value for name, value in values.items()}
    return {name: [(0, value)] for name, value in out.items()}


def reports(folder: Path) -> Iterator[Report]:
    """Yield the readable evaluations of a folder of runs."""
    for path in folder.glob(f"*/*/artifacts/{REPORT}"):
        try:
            yield Report.model_validate_json(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _file_name(key: str) -> str:
    return re.sub(r"[^\w.\- ]", "_", key)
