"""Evaluations in the background, one after another; kept under a token like an upload.

<data>/evaluations/<token>/labels.csv, real/, fake/   what was brought
                           scores.jsonl               what the pipeline said of each file
                           report.json                the figures, once there are any
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from detector.errors import Canceled, UnmaskError
from detector.evaluation.evaluate import evaluate
from detector.evaluation.labels import read_labels
from detector.evaluation.report import Report
from detector.evaluation.scores import Scored, score_files
from detector.perturbation import corruptions
from service.labelled_sets import Given, LabelledSet, Why, make
from service.messages import _

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass
class Run:
    """One evaluation, waiting, running or ended."""

    token: str
    folder: Path
    what: LabelledSet
    models: list[str] | None
    condition: str
    done: int = 0
    total: int = 0
    began: float | None = None
    report: Report | None = None
    scored: list[Scored] = field(default_factory=list)
    fault: Exception | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    active: bool = True

    @property
    def error(self) -> str:
        """Why there are no figures, for a person; empty while there may be some."""
        if self.fault is None:
            return ""
        if isinstance(self.fault, Canceled):
            return _("You stopped it. What was scored is gone with it.")
        if isinstance(self.fault, UnmaskError):
            return self.fault.message
        return _("Something went wrong here, not with your files. The log says more.")

    @property
    def hint(self) -> str:
        """What to do about it; may be empty."""
        return self.fault.hint if isinstance(self.fault, UnmaskError) else ""

    @property
    def seconds_left(self) -> float | None:
        """From the rate so far; None before the third file."""
        if self.began is None or self.done < 3 or not self.total:
            return None
        return (time.monotonic() - self.began) / self.done * (self.total - self.done)


class Runs:
    """The evaluations of this server."""

    def __init__(self, data: Path) -> None:
        self.root = data / "evaluations"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._known: dict[str, Run] = {}
        # Scoring takes every core: two at once would only make both late.
        self._turn = threading.Lock()

    def start(
        self, given: Sequence[Given], models: list[str] | None, condition: str = "none"
    ) -> Run:
        """Keep what was brought and begin.

        Parameters
        ----------
        models : list of str, optional
            Ids; default the default ensemble.
        condition : str
            As `unmask evaluate --conditions` takes it.

        Raises
        ------
        InputError
            It is no labelled set; nothing is kept.
        """
        token = secrets.token_urlsafe(16)
        folder = self.root / token
        folder.mkdir(mode=0o700)
        try:
            what = make(given, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        run = self._known[token] = Run(token, folder, what, models, condition)
        threading.Thread(target=self._work, args=(run,), name="evaluate", daemon=True).start()
        return run

    def find(self, token: str) -> Run | None:
        """The run behind a token of an address; one of an earlier start is read from the disk."""
        if not _TOKEN.fullmatch(token):
            return None
        if token not in self._known:
            self._restore(token)
        return self._known.get(token)

    def delete(self, token: str) -> None:
        """Stop a run and remove all of it."""
        run = self._known.pop(token, None)
        if run is not None:
            run.stop.set()
        if _TOKEN.fullmatch(token):
            shutil.rmtree(self.root / token, ignore_errors=True)

    def sweep(self, older_than: timedelta) -> None:
        """Delete what was kept long enough."""
        limit = datetime.now(UTC) - older_than
        for folder in list(self.root.iterdir()):
            run = self._known.get(folder.name)
            if run is not None and run.active:
                continue
            if datetime.fromtimestamp(folder.stat().st_mtime, UTC) <= limit:
                self.delete(folder.name)

    def _work(self, run: Run) -> None:
        def progress(done: int, total: int) -> None:
            if run.stop.is_set():
                raise Canceled
            run.done, run.total = done, total

        store = run.folder / "scores.jsonl"
        try:
            with self._turn:
                run.began = time.monotonic()
                run.report = evaluate(
                    run.what.labels,
                    models=run.models,
                    conditions=corruptions.parse(run.condition),
                    store=store,
                    progress=progress,
                )
                # Again from the store, without a network: the page draws file by file.
                items = read_labels(run.what.labels)
                run.scored = score_files(items, models=run.models, store=store)
            run.report.labels = "labels.csv"  # where it lies here is nobody's business
            (run.folder / "report.json").write_text(run.report.model_dump_json(), "utf-8")
            note = {
                "models": run.models,
                "condition": run.condition,
                "left_out": run.what.left_out,
            }
            (run.folder / "run.json").write_text(json.dumps(note), "utf-8")
        except UnmaskError as error:
            run.fault = error
        except Exception as error:
            log.exception("an evaluation failed")
            run.fault = error
        finally:
            run.active = False

    def _restore(self, token: str) -> None:
        folder = self.root / token
        try:
            note = json.loads((folder / "run.json").read_text("utf-8"))
            report = Report.model_validate_json((folder / "report.json").read_text("utf-8"))
            items = read_labels(folder / "labels.csv")
            scored = score_files(items, models=note["models"], store=folder / "scores.jsonl")
            left_out = [(str(name), Why(why)) for name, why in note["left_out"]]
        except (OSError, ValueError, KeyError, UnmaskError):
            return
        fakes = sum(item.label for item in items)
        what = LabelledSet(folder / "labels.csv", len(items) - fakes, fakes, left_out)
        self._known[token] = Run(
            token, folder, what, note["models"], note["condition"],
            report=report, scored=scored, active=False,
        )  # fmt: skip
