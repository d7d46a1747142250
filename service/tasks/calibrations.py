"""Calibrations of thresholds on a person's own clips, one at a time a server.

The calibration is stored (`conformal.keep`). Uploaded clips are deleted when the task ends in any
way, also with the server; so an interrupted one is not resumed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from detector.decision import conformal
from detector.errors import Canceled, InputError, UnmaskError
from detector.evaluation.own_calibration import OwnClips, calibrate_own
from detector.pipeline import Analyzer
from detector.sentences import _
from service.context import SYSTEM, Principal
from service.storage.uploads import INCOMPLETE_TTL, copied, delete_copies
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, StepProgress, Task, TaskKind

_PREFIX = "own-clips-"


@dataclass(frozen=True)
class CalibrationRequest:
    """Input of a calibration."""

    clips: Sequence[Path]
    models: Sequence[str] | None  # Default the default set
    rate: float  # False alarms at most, 0..1
    domain: str  # What kind of clips they are
    sources: int | None = None  # Different recordings; default: the folders they lie in
    uploads: Path | None = None  # The folder of uploaded clips, deleted at the end


class CalibrationTask(Task):
    """One calibration; its steps are clips, its result an `OwnCalibration`."""

    left_out: Mapping[str, str] = MappingProxyType({})  # Name of a clip to why it does not count

    @property
    def reference(self) -> str:
        """Return the log reference of an internal error; else empty."""
        return self.fault.reference if self.fault is not None and not self.code else ""


def _refuse(waiting: int, running: int) -> UnmaskError | None:
    if not waiting + running:
        return None
    return InputError(_("Another calibration is running here."), hint=_("Wait for it, or stop it."))


class Calibrations:
    """The calibrations of a server; uploaded clips are in its data folder meanwhile."""

    def __init__(self, tasks: TaskQueue, analyzer: Callable[[], Analyzer], data: Path) -> None:
        self._tasks, self._analyzer, self._data = tasks, analyzer, data
        self.kind = tasks.register(
            TaskKind(
                "calibration",
                Priority.BATCH,
                2.0,
                CalibrationTask,
                max_running=1,
                refuse=_refuse,
                on_end=lambda task, state, fault: self._delete_clips(task),
                on_interrupted=self._delete_clips,
                canceled=Canceled().message,
                interrupted=_("The server stopped before it was done. Start it again."),
            )
        )

    def keep_clips(self, files: Sequence[tuple[str, BinaryIO]]) -> list[Path]:
        """Copy uploaded clips to a folder of their own; raise OSError on a full disk."""
        self._data.mkdir(parents=True, exist_ok=True)
        return copied(files, self._data, _PREFIX)

    def start(self, request: CalibrationRequest, principal: Principal) -> CalibrationTask:
        """Start a calibration. Raise InputError while another one runs."""
        params = {"uploads": request.uploads.name} if request.uploads else {}
        task = CalibrationTask(self.kind, principal.id, params=params)
        task.progress = StepProgress("", 0, len(request.clips))
        try:
            self._tasks.submit(task, partial(self._work, request))
        except BaseException:
            self._delete_clips(task)
            raise
        return task

    def current(self, principal: Principal) -> CalibrationTask | None:
        """Return the running calibration, or the last one until it is dismissed."""
        return next(reversed(self._tasks.visible(self.kind, principal)), None)

    def _work(self, request: CalibrationRequest, task: CalibrationTask) -> conformal.OwnCalibration:
        outcome = calibrate_own(
            OwnClips(request.clips, request.domain, request.sources),
            analyzer=self._analyzer(),
            models=request.models,
            rate=request.rate,
            progress=task.on_progress,
            cancel=task.cancel,
        )
        conformal.keep(outcome.calibration)
        task.left_out = outcome.left_out
        return outcome.calibration

    def sweep(self, *, now: datetime | None = None) -> None:
        """Delete uploaded clips of no running calibration: a server was killed while they came."""
        limit = (now or datetime.now(UTC)) - INCOMPLETE_TTL
        tasks = self._tasks.visible(self.kind, SYSTEM)
        spare = {str(task.params.get("uploads", "")) for task in tasks if task.active}
        for folder in self._data.glob(f"{_PREFIX}*"):
            stamp = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if folder.name not in spare and stamp <= limit:
                delete_copies(self._data, _PREFIX, folder.name)

    def _delete_clips(self, task: Task) -> None:
        delete_copies(self._data, _PREFIX, task.params.get("uploads", ""))
