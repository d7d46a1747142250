"""The application without a face: what a dashboard, a REST API or a command asks of it.

One `Application` a server process, composed when it starts and handed to whoever answers requests.
It holds what all requests share: the queue of analyses, the models, the samples, the cameras. Each
function that touches a person's things is given the `RequestContext` it works for.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from detector import media
from detector.errors import InputError
from detector.schema.analysis import Analysis, Settings
from service import auth, limits
from service.config import get_config
from service.context import PrincipalKind, RequestContext
from service.gallery import Gallery
from service.live import recordings
from service.live.viewers import CORES, Viewer, Viewers, engine
from service.live.viewers import limit as max_viewers
from service.messages import _
from service.records import media_replicator
from service.records.database import FILE
from service.records.instances import Server
from service.records.legacy import import_presets
from service.records.model import Query, RecordsError, SharedResult, Usage
from service.records.scope import RecordScope
from service.records.shares import SharedView
from service.records.sql import open_store
from service.storage import uploads
from service.storage.uploads import Uploads
from service.tasks import robustness
from service.tasks.calibrations import Calibrations
from service.tasks.downloads import Downloads
from service.tasks.evaluations import Evaluations
from service.tasks.jobs import Job, Jobs
from service.tasks.manager import TaskManager
from service.tasks.robustness import RobustnessQueue, perturb_with
from service.tasks.selfchecks import SelfChecks
from service.tasks.store import TaskStore
from service.tasks.task import Priority, Task
from service.tasks.throughput import ThroughputEstimator

if TYPE_CHECKING:
    from detector.pipeline import Analyzer, Observer
    from service.records.supabase.store import SupabaseStore

log = logging.getLogger(__name__)

SWEEP_SECONDS = 600.0
"""Between two looks for files whose time is up."""
ACCOUNT_SWEEP_SECONDS = 6 * 3600.0
"""Between two looks for what an account has kept long enough."""


class SharedAnalyzer:
    """The one `Analyzer`, made when it is first needed: importing torch takes seconds, which
    neither the page nor a test of it should wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: Analyzer | None = None

    def get(self) -> Analyzer:
        """Return the analyzer; the first call loads torch."""
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
        """Return the analysis of a file, as `Analyzer.analyze`."""
        return self.get().analyze(path, settings, name=name, observe=observe, cancel=cancel)


class Application:
    """What one server process does, for whoever asks.

    Parameters
    ----------
    data : Path
        The data folder.
    analyzer : SharedAnalyzer, optional
        Default: one of its own.

    Raises
    ------
    RecordsError
        The records can't be used.
    """

    def __init__(self, data: Path, analyzer: SharedAnalyzer | None = None) -> None:
        self.analyzer = analyzer or SharedAnalyzer()
        self.gallery = Gallery()
        store = open_store(get_config().database.get_secret_value() or data / FILE)
        import_presets(store, data)
        self.tasks = TaskManager(TaskStore(data), Server(data))
        self.jobs = Jobs(
            self.analyzer,
            Uploads(data),
            store,
            self.tasks,
            ThroughputEstimator(data / "speed.json"),
            look=media.probe,
        )
        self.robustness = RobustnessQueue(self.tasks, perturb_with(lambda: self.analyzer.get()))
        self.evaluations = Evaluations(self.tasks, data)
        self.calibrations = Calibrations(self.tasks, lambda: self.analyzer.get(), data)
        self.downloads = Downloads(self.tasks)
        self.self_checks = SelfChecks(self.tasks)
        self.tasks.recover()
        self._begun = threading.Lock()
        self._sweeping = threading.Lock()
        self._swept: dict[str, float] = {}

    @cached_property
    def viewers(self) -> Viewers:
        """The running cameras of this server."""
        return Viewers(engine, max_viewers(), self._keep_live, reserve=self._reserve_cores)

    def _reserve_cores(self) -> Callable[[], None]:
        """Take a camera's cores from the budget: work that nobody waits for slows down."""
        return self.tasks.scheduler.reserve(CORES, Priority.LIVE).release

    # --- for whoever asks ------------------------------------------------------------------------

    def scope(self, context: RequestContext) -> RecordScope:
        """Return whose records they are and where they are kept, also for what goes on in a thread.

        Raises
        ------
        RecordsError
            Signed out since the request began.
        """
        principal = context.principal
        if principal.kind is not PrincipalKind.USER:
            return RecordScope(principal.id, self.jobs.store)
        if context.connect is None:
            raise RecordsError(
                _("Your sign-in is over."), code="signed_out", hint=_("Sign in again.")
            )
        from service.records.supabase.store import (
            SupabaseStore,  # its library takes seconds to import
        )

        store = SupabaseStore(context.connect)
        self._sweep_account(principal.id, store)
        return RecordScope(principal.id, store)

    def replicates_media(self, context: RequestContext) -> bool:
        """Return whether the files of who asks are kept with their records as well, not only for
        the hours that this server keeps files."""
        return context.principal.kind is PrincipalKind.USER and media_replicator.copies_enabled()

    def submit(
        self,
        context: RequestContext,
        source: BinaryIO,
        name: str,
        settings: Settings,
        *,
        size: int | None = None,
    ) -> Job:
        """Take in a file and put its analysis in line, within what this person may ask for.

        Raises
        ------
        QueueFull, InputError, RecordsError
            It was not taken; the sentence says why.
        """
        with limits.taking(context, size):
            return self.jobs.submit(source, name, settings, self.scope(context), size=size)

    def find(self, context: RequestContext, key: str) -> Job | None:
        """Return the job behind an address, if who asks may see it."""
        scope = self.scope(context)
        found = self.jobs.find(key, scope)
        if found is None and scope.store is not self.jobs.store:
            # Brought before signing in: the address is all there is to show for it.
            found = self.jobs.find(key, RecordScope(scope.owner, self.jobs.store))
        return found

    def rerun(self, context: RequestContext, key: str, settings: Settings) -> Job | None:
        """Analyze a kept file once more; None when its media is gone."""
        job = self.find(context, key)
        if job is None:
            return None
        with limits.taking(context):
            return self.jobs.rerun(key, settings, RecordScope(context.principal.id, job.store))

    def try_robustness(self, context: RequestContext, job: Job, analysis: Analysis) -> Task:
        """Put the trials of a finished analysis in line; the running ones where there are any.

        Raises
        ------
        QueueFull, InputError
            It was not taken; the sentence says why.
        """
        with limits.taking(context):
            return self.robustness.start(
                job.key, job.path, analysis, context.principal, partial(self.jobs.update, job)
            )

    def delete(self, context: RequestContext, *keys: str) -> list[str]:
        """Delete the person's own analyses with their files; the ids of those that were theirs."""
        deleted = self.jobs.delete(keys, self.scope(context))
        for key in deleted:
            self.tasks.dismiss_subject(robustness.KIND, key)
        return deleted

    def count_guest_analyses(self, context: RequestContext) -> int:
        """Return how many finished analyses this browser made without an account, for an account
        that may keep them."""
        principal, guest = context.principal, context.guest
        if guest is None or principal.kind is not PrincipalKind.USER or not principal.may_analyze:
            return 0
        counts = self.jobs.store.search(guest.id, Query(limit=1)).counts
        return sum(number for verdict, number in counts.items() if verdict is not None)

    def claim_guest_analyses(self, context: RequestContext) -> int:
        """Give them to the account that is signed in; how many.

        Raises
        ------
        InputError
            As in `Jobs.transfer`.
        """
        if context.guest is None or not self.count_guest_analyses(context):
            return 0
        source = RecordScope(context.guest.id, self.jobs.store)
        return self.jobs.transfer(source, self.scope(context))

    def usage(self, context: RequestContext) -> Usage:
        """Return what the records and files of who asks take up, bytes."""
        scope = self.scope(context)
        kept = scope.store.usage(scope.owner)
        files = self.jobs.uploads.size(scope.store.ids(scope.owner))
        return kept.model_copy(update={"bytes": kept.bytes + files})

    # --- for anybody, and for threads ------------------------------------------------------------

    def shared(self, token: str) -> SharedResult | None:
        """Return what a share link leads to, for anybody; None when it is over or never was."""
        now = datetime.now(UTC)
        found = self.jobs.store.shared(token, now)
        if found is None and (kept := auth.accounts()):
            from service.records.supabase.store import with_key

            found = with_key(kept.url, kept.key).shared(token, now)
        return found

    def open_share(self, token: str) -> SharedView | None:
        """Return what a share link leads to, as the result page draws it."""
        shared = self.shared(token)
        return SharedView(token, shared, self.jobs.uploads) if shared else None

    def keep_live(
        self,
        analysis: Analysis,
        name: str,
        *,
        scope: RecordScope,
        media: Path | None = None,
        thumbnail: bytes | None = None,
    ) -> str:
        """Keep a live session among a person's records.

        Parameters
        ----------
        scope : RecordScope
            From `scope()`, taken while the person was here.
        media : Path, optional
            What was recorded. It is copied; the caller deletes it.
        thumbnail : bytes, optional
            `records.thumbnails.small` of a frame, where nothing was recorded.

        Returns
        -------
        str
            The address (`/?a=`).
        """
        if media is None:
            job = self.jobs.import_result(analysis, name, scope, live=True, thumbnail=thumbnail)
        else:
            with media.open("rb") as file:
                job = self.jobs.import_result(
                    analysis, name, scope, media=file, live=True, thumbnail=thumbnail
                )
        return job.key

    def _keep_live(self, viewer: Viewer) -> None:
        recordings.ended(viewer, self.keep_live)

    # --- work of the server ----------------------------------------------------------------------

    def start(self) -> None:
        """Begin the background work of a server: make the samples, load the models and bring those
        that the host names, keep the promise to delete. Called when the server starts and by each
        session; only the first call does something.

        Raises
        ------
        SystemExit
            The environment asks for something impossible.
        """
        get_config()
        if not self._begun.acquire(blocking=False):
            return
        for work in (self._prepare, _fetch, self._sweep):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def stop(self) -> None:
        """End what would be lost with the process: a running camera ends as if its person had
        pressed Stop; tasks are offered again by the next start."""
        if "viewers" in self.__dict__:
            self.viewers.close()
        self.tasks.close()

    def _prepare(self) -> None:
        self.gallery.make()
        try:
            self.analyzer.get().warm_up()
        except Exception:  # a job will meet the same error and show it to a person
            log.exception("the models could not be loaded ahead")

    def _sweep(self) -> None:
        wait = threading.Event()
        while True:
            try:
                self.jobs.sweep(uploads.retention(), uploads.records_retention())
                self.evaluations.sweep(uploads.retention())
                self.tasks.sweep(uploads.retention())
            except (OSError, RecordsError):
                log.exception("old files could not be deleted")
            wait.wait(SWEEP_SECONDS)

    def _sweep_account(self, owner: str, store: SupabaseStore) -> None:
        """Keep the promise to delete for an account, in the background when its owner comes by: a
        project need not have anything else that does."""
        now = time.monotonic()
        with self._sweeping:
            if now - self._swept.get(owner, -math.inf) < ACCOUNT_SWEEP_SECONDS:
                return
            self._swept[owner] = now

        def work() -> None:
            try:
                store.purge(owner)
            except InputError as error:
                log.warning("an account's old records were not deleted: %s", error.code)

        threading.Thread(target=work, name="tidy", daemon=True).start()


def _fetch() -> None:
    """Bring the models that the host names in UNMASK_MODELS."""
    from detector.models import inventory

    inventory.fetch_at_start()
