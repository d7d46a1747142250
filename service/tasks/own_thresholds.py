"""Thresholds by a person's own clips, computed in the background: one run a server at a time.

The clips that were uploaded for it are deleted when it ends, whatever its end.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from detector import conformal, paths
from detector.errors import InputError, UnmaskError
from service.error_reports import fault_of, message_of
from service.messages import _
from service.storage.uploads import safe_name

if TYPE_CHECKING:
    from detector.pipeline import Analyzer

log = logging.getLogger(__name__)


@dataclass
class Run:
    """One calibration. Written by its thread, read by any page."""

    total: int
    done: int = 0
    finished: bool = False
    result: conformal.OwnCalibration | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    problem: UnmaskError | None = None
    reference: str = ""
    """What to look for in the log, when the fault was ours."""
    cancel: threading.Event = field(default_factory=threading.Event)


_lock = threading.Lock()
_run: Run | None = None


def current() -> Run | None:
    """The run that goes on, or the last one until it is put away."""
    return _run


def put_away() -> None:
    """Forget a run that has ended."""
    global _run
    with _lock:
        if _run is not None and _run.finished:
            _run = None


def keep(files: Sequence[tuple[str, BinaryIO]]) -> list[Path]:
    """Copy uploaded clips to disk, in a folder of their own.

    Raises
    ------
    OSError
        The disk is full; nothing is left behind.
    """
    root = paths.data()
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="own-clips-", dir=root))
    try:
        kept = []
        for number, (name, source) in enumerate(files):
            path = folder / f"{number:03d}-{safe_name(name)}"
            with path.open("wb") as target:
                shutil.copyfileobj(source, target)
            kept.append(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return kept


def start(
    clips: Sequence[Path],
    *,
    analyzer: Callable[[], Analyzer],
    models: Sequence[str] | None,
    rate: float,
    domain: str,
    sources: int | None = None,
    delete: Path | None = None,
) -> Run:
    """Begin; the result is kept (`conformal.keep`) when it is there.

    Parameters
    ----------
    analyzer : callable
        Gives the analyzer, in the thread of the run: it may have to be loaded.
    sources : int, optional
        Different recordings that the clips are of. Default: the folders that they lie in.
    delete : Path, optional
        A folder to delete at the end: that of uploaded clips.

    Raises
    ------
    InputError
        Another run goes on.
    """
    global _run
    with _lock:
        if _run is not None and not _run.finished:
            raise InputError(
                _("Another calibration is running here."), hint=_("Wait for it, or stop it.")
            )
        run = _run = Run(total=len(clips))
    options = {"models": models, "rate": rate, "domain": domain, "sources": sources}
    threading.Thread(
        target=_work,
        args=(run, list(clips), analyzer, options, delete),
        name="own-clips",
        daemon=True,
    ).start()
    return run


def _work(
    run: Run,
    clips: list[Path],
    analyzer: Callable[[], Analyzer],
    options: dict[str, Any],
    delete: Path | None,
) -> None:
    from detector.evaluation.own_calibration import calibrate_own

    def tell(done: int, total: int) -> None:
        run.done = done

    try:
        made = calibrate_own(
            clips, analyzer=analyzer(), progress=tell, cancel=run.cancel, **options
        )
        conformal.keep(made.calibration)
        run.result, run.left_out = made.calibration, made.left_out
    except UnmaskError as error:
        run.problem = error
    except Exception as error:
        fault = fault_of(error)
        log.exception("a calibration failed, reference %s", fault.reference)
        run.problem, run.reference = UnmaskError(message_of(fault)), fault.reference
    finally:
        if delete is not None:
            shutil.rmtree(delete, ignore_errors=True)
        run.finished = True
