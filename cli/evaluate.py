"""`unmask evaluate`: evaluation of the models on labelled files."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli import runs as mlflow_runs
from cli import sections, terminal
from cli.common import ProgressBar, ids, make_folder, reading, tell, write_text
from cli.options import Device, Json, Models, Store, arg, opt
from detector.errors import UsageError
from detector.evaluation import labelled_sets, tables
from detector.evaluation import runs as evaluation_runs
from detector.evaluation.evaluate import FileSelection
from detector.evaluation.evaluate import evaluate as measure
from detector.evaluation.scores import Scoring
from detector.perturbation.conditions import parse
from detector.presentation import evaluation as presented
from detector.sentences import _

MAX_NAMED = 5  # files of a ZIP that were left out, by name; more are counted


def evaluate(
    context: typer.Context,
    labels: Annotated[Path, arg("", "LABELS.csv|SET.zip")],
    models: Models = None,
    kind: Annotated[Literal["all", "video", "image", "audio"], opt()] = "all",
    match: Annotated[str, opt("files whose name, source or method holds it", "WORD")] = "",
    frames: Annotated[int, opt("", "N")] = 32,
    conditions: Annotated[
        str,
        opt(
            "again with the files re-encoded, shrunk, blurred, noisy (few, also without a "
            "name: one level of each)",
            "few|all|crf-32,…",
        ),
    ] = "none",
    baselines: Annotated[
        str | None,
        opt(
            "beside published models (without ids: all whose weights are on this computer)", "ID,ID"
        ),
    ] = None,
    limit: Annotated[int | None, opt("about N files, in whole groups", "N", min=1)] = None,
    out: Annotated[
        Path | None,
        opt("write report, figures, plots; go on from its scores", "-o", "--out", "DIR"),
    ] = None,
    store: Store = None,
    json: Json = None,
    runs: mlflow_runs.Runs = None,
    device: Device = "auto",
) -> int:
    """Measure the models on labelled files."""
    began = datetime.now(UTC)
    if out:
        make_folder(out)
    with _labels_of(labels) as labels_csv:
        report = measure(
            labels_csv,
            models=ids(models),
            selection=FileSelection(kind=kind, match=match, limit=limit),
            conditions=parse(conditions),
            against=baselines,
            scoring=Scoring(
                frames=frames,
                device=device,
                store=store or (out / "scores.jsonl" if out else None),
                on_progress=ProgressBar(_("scored")),
            ),
        )
    report.labels = str(labels)
    mlflow_runs.record(
        context, labels.name, began, evaluation_runs.figures(report), report.weights,
        {evaluation_runs.REPORT: report.model_dump_json(indent=2)},
    )  # fmt: skip
    if out:
        for path in tables.write(report, out):
            print(path)
    if json:
        write_text(json, report.model_dump_json(indent=2))
    if json != "-" and not out:
        width = terminal.width_of(sys.stdout)
        with reading():
            if width is None:
                tell(tables.to_markdown(report))
            else:
                tell(*sections.lines(presented.sections(report), width))
    return 0


@contextmanager
def _labels_of(path: Path) -> Iterator[Path]:
    """Yield the CSV of the labels; a ZIP is unpacked with its files for the duration of the
    context."""
    if path.suffix.lower() != ".zip":
        yield path
        return
    if not path.is_file():
        raise UsageError(
            _("{path}: there is no such file.").format(path=path), hint=_("Check the path.")
        )
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        found = labelled_sets.unpack(path, Path(folder))
        for name, why in found.left_out[:MAX_NAMED]:
            text = _("unmask: left out {name}: {value}")
            tell(text.format(name=name, value=why.value.replace("_", " ")), error=True)
        if (more := len(found.left_out) - MAX_NAMED) > 0:
            tell(_("unmask: and {more} more").format(more=more), error=True)
        yield found.labels
