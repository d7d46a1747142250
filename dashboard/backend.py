"""What one server process shares between all sessions: the job queue, models, samples, sweeper.

Made once per process on first use. Plain module state instead of `st.cache_resource`, because it is
also needed where there is no Streamlit session: at the start of the server, before anybody came.
"""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard import uploads
from dashboard.jobs import Jobs
from dashboard.speed import Speed
from dashboard.uploads import Uploads
from detector import folders
from detector.errors import UnmaskError
from detector.results import Analysis, Settings

if TYPE_CHECKING:
    from detector.pipeline import Analyzer, Observer
    from detector.samples import Sample

log = logging.getLogger(__name__)

SWEEP_EVERY = 600.0
"""s between two looks for files whose time is up."""


class SharedAnalyzer:
    """The one `Analyzer`, made when it is first needed: importing torch takes seconds, which
    neither the page nor a test of it should wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: Analyzer | None = None

    def get(self) -> Analyzer:
        with self._lock:
            if self._analyzer is None:
                from detector.pipeline import Analyzer

                self._analyzer = Analyzer()
            return self._analyzer

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        return self.get().analyze(path, settings, name=name, observe=observe, cancel=cancel)


analyzer = SharedAnalyzer()


def jobs() -> Jobs:
    """The queue of this server."""
    return _jobs(folders.data())


@lru_cache(maxsize=1)
def _jobs(data: Path) -> Jobs:
    return Jobs(analyzer, Uploads(data), Speed(data / "speed.json"))


class Gallery:
    """The samples, made in the background on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.samples: list[Sample] | None = None
        """None until they are there."""
        self.problem = ""
        """Why there are none, for a person."""

    def make(self) -> None:
        """Make them, if nobody has; returns when they are there or can't be."""
        with self._lock:
            if self.samples is not None or self.problem:
                return
            try:
                from detector.samples import make_samples

                self.samples = make_samples(folders.data())
            except (UnmaskError, OSError, ImportError) as error:
                log.exception("the samples could not be made")
                self.problem = getattr(error, "message", "") or "they could not be written"


gallery = Gallery()

_started = threading.Lock()


def start() -> None:
    """Begin the background work of a server: make the samples, load the models, keep the promise to
    delete. Called when the server starts and by each session; only the first call does something.

    Raises
    ------
    SystemExit
        The environment asks for something impossible.
    """
    uploads.retention()
    if not _started.acquire(blocking=False):
        return
    for work in (_prepare, _sweep):
        threading.Thread(target=work, name=work.__name__, daemon=True).start()


def _prepare() -> None:
    gallery.make()
    try:
        analyzer.get().warm_up()
    except Exception:  # a job will meet the same error and show it to a person
        log.exception("the models could not be loaded ahead")


def _sweep() -> None:
    wait = threading.Event()
    while True:
        try:
            queue = jobs()
            active = {job.key for job in queue.busy()}
            for token in queue.uploads.sweep(uploads.retention(), spare=active):
                queue.forget(token)
        except OSError:
            log.exception("old files could not be deleted")
        wait.wait(SWEEP_EVERY)
