"""`--runs`: measurements of a command as an MLflow run."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import opt
from detector.config import get_config
from detector.evaluation import runs
from detector.weights import digest

Runs = Annotated[
    Path | None, opt("also write a run for MLflow there (default: UNMASK_RUNS)", "DIR")
]


def record(
    context: typer.Context,
    name: str,
    began: datetime,
    metrics: Mapping[str, runs.Steps],
    weights: Mapping[str, str],
    artifacts: Mapping[str, str],
) -> None:
    """Write a run with the options of its command, if a folder was named."""
    folder = context.params["runs"] or get_config().runs
    if folder is None:
        return
    params = {key: value for key, value in context.params.items() if value not in (None, "", [])}
    params |= {f"sha256.{id}": digest for id, digest in weights.items()}
    tags = {"mlflow.source.name": context.obj, "mlflow.source.type": "LOCAL"}
    experiment = f"unmask {context.info_name}"
    runs.write(folder, runs.Run(experiment, name, began, params, metrics, tags, artifacts))


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the weights in a training folder by path."""
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): digest(file) for file in files}
