"""Evaluations on labelled sets, one after another: scoring takes every core.

Stored in <data>/evaluations/<id> until it is swept or deleted:

    labels.csv, real/, fake/   the labelled set
    run.json                   the request
    scores.jsonl               the scores of each file; an interrupted run resumes here
    report.json                the figures, at the end
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from detector.errors import UnmaskError
from detector.evaluation import evaluate, report, scores
from detector.evaluation.labelled_sets import LabelledSet, LeftOutReason, make
from detector.evaluation.labels import read_labels
from detector.evaluation.report import Report
from detector.evaluation.scores import Scored
from detector.perturbation import conditions
from detector.sentences import _
from service.context import SYSTEM, Principal, is_id
from service.records.model import State
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, Task, TaskKind


class Evaluation(Task):
    """One evaluation; its steps are files."""

    folder: Path
    labelled_set: LabelledSet
    models: list[str] | None  # Default the default set
    condition: str  # As `unmask evaluate --conditions` takes it
    report: Report | None = None  # The figures, at the end, as `scored` are
    scored: Sequence[Scored] = ()


KIND = TaskKind(
    "evaluation",
    Priority.BATCH,
    2.0,
    Evaluation,
    max_running=1,
    min_steps=3,
    canceled=_("You stopped it. What was scored is gone with it."),
    interrupted=_("The server stopped before it was done. What was scored is kept."),
    failed=_("Something went wrong here, not with your files. The log says more."),
)


class Evaluations:
    """The evaluations of a server."""

    def __init__(self, tasks: TaskQueue, data: Path) -> None:
        self.root = data / "evaluations"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tasks = tasks
        tasks.register(KIND)

    def start(
        self,
        given: Sequence[BinaryIO],
        principal: Principal,
        models: list[str] | None = None,
        condition: str = "none",
    ) -> Evaluation:
        """Store the upload and start. Raise InputError if it is no labelled set."""
        run = Evaluation(KIND, principal.id)
        run.folder = self.root / run.id
        run.models, run.condition = models, condition
        run.folder.mkdir(mode=0o700)
        try:
            run.labelled_set = make(given, run.folder)
            left_out = run.labelled_set.left_out
            note = {"models": models, "condition": condition, "left_out": left_out}
            (run.folder / "run.json").write_text(json.dumps(note), "utf-8")
            self._tasks.submit(run, _work)
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    def rerun(self, id: str, principal: Principal) -> Evaluation | None:
        """Resume an interrupted evaluation under its address and owner; return None if it
        is gone."""
        known = self.find(id, principal)
        if known is None or known.active:
            return known
        self._tasks.dismiss(known)
        run = Evaluation(KIND, known.owner, id=id)
        _read(run, known.folder)
        self._tasks.submit(run, _work)
        return run

    def find(self, id: str, principal: Principal) -> Evaluation | None:
        """Return the evaluation of an address if it exists and the caller may see it."""
        if not is_id(id):
            return None
        run = self._tasks.find(id, principal)
        if not isinstance(run, Evaluation):
            return None
        if not hasattr(run, "folder") and not _read(run, self.root / id):
            return None
        if run.report is not None and not run.active:
            run.state = State.DONE  # also where the server stopped just after
        return run if run.state is not State.DONE or run.report is not None else None

    def reports(self, principal: Principal) -> list[Report]:
        """Return the figures of the caller's stored evaluations."""
        runs = (self.find(folder.name, principal) for folder in self.root.iterdir())
        owned = (run for run in runs if run is not None and run.owner == principal.id)
        return [run.report for run in owned if run.report is not None]

    def delete(self, id: str, principal: Principal) -> None:
        """Stop an evaluation of the caller and delete it."""
        run = self.find(id, principal)
        if run is not None:
            self._tasks.dismiss(run)
            shutil.rmtree(run.folder, ignore_errors=True)

    def sweep(self, older_than: timedelta) -> None:
        """Delete expired evaluations."""
        limit = datetime.now(UTC) - older_than
        for folder in list(self.root.iterdir()):
            run = self._tasks.find(folder.name, SYSTEM)
            if run is not None and run.active:
                continue
            if datetime.fromtimestamp(folder.stat().st_mtime, UTC) <= limit:
                if run is not None:
                    self._tasks.dismiss(run)
                shutil.rmtree(folder, ignore_errors=True)


def _work(task: Evaluation) -> None:
    labels, store = task.labelled_set.labels, task.folder / "scores.jsonl"
    report = evaluate.evaluate(
        labels,
        models=task.models,
        conditions=conditions.parse(task.condition),
        scoring=scores.Scoring(store=store, on_progress=task.on_progress),
    )
    # Again from the store, without a network: the page draws file by file.
    task.scored = scores.score_files(
        read_labels(labels), models=task.models, scoring=scores.Scoring(store=store)
    )
    report.labels = "labels.csv"  # where it lies here is nobody's business
    (task.folder / "report.json").write_text(report.model_dump_json(), "utf-8")
    task.report = report


def _read(run: Evaluation, folder: Path) -> bool:
    """Read the stored part of an evaluation; return whether the folder holds one."""
    try:
        note = json.loads((folder / "run.json").read_text("utf-8"))
        items = read_labels(folder / "labels.csv")
        left_out = [(str(name), LeftOutReason(why)) for name, why in note["left_out"]]
        run.models, run.condition = note["models"], note["condition"]
        if (folder / "report.json").is_file():
            text = (folder / "report.json").read_text("utf-8")
            run.report = report.Report.model_validate_json(text)
            run.scored = scores.score_files(
                items, models=run.models, scoring=scores.Scoring(store=folder / "scores.jsonl")
            )
    except (OSError, ValueError, KeyError, UnmaskError):
        return False
    fakes = sum(item.label for item in items)
    run.labelled_set = LabelledSet(folder / "labels.csv", len(items) - fakes, fakes, left_out)
    run.folder = folder
    return True
