"""The application without a user interface, as called by the dashboard, the REST API and commands.

One `Application` a server process holds what all requests share: queue, models, samples, cameras.
Each function that touches a person's data takes the `RequestContext` of the caller.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from detector import media, paths, signals
from detector.errors import InputError, UnmaskError
from detector.helper_process import helper
from detector.links import FetchedLink
from detector.models import inventory, registry
from detector.pipeline import Analyzer, RemoteAnalyzer, open_remote
from detector.schema.analysis import Analysis, Settings, Signal
from detector.sentences import _
from detector.threads import Supervised
from service import auth, limits, links
from service.batches import BatchService
from service.cases import CaseService
from service.config import get_config
from service.context import PrincipalKind, RequestContext
from service.live import viewers
from service.live.viewers import CORES, Recordings, Viewers, engine, max_viewers
from service.originals import Originals
from service.pairing import Pairing
from service.records.api_keys import ApiKeys, IdempotencyKeys
from service.records.batches import Batches
from service.records.database import FILE
from service.records.instances import Server
from service.records.model import Query, RecordsError, ResultOrigin, SharedResult, Usage
from service.records.seals import Keyring
from service.records.sql import open_records
from service.records.store import RecordScope
from service.storage import open_uploads, uploads
from service.storage.uploads import sweep_unfinished
from service.tasks.calibrations import Calibrations
from service.tasks.evaluations import Evaluations
from service.tasks.jobs import Job, Jobs
from service.tasks.kinds import Downloads, RobustnessQueue, SelfChecks
from service.tasks.previews import Previews
from service.tasks.queue import TaskQueue
from service.tasks.task import Task, TaskStore
from service.tasks.throughput import ThroughputEstimator
from service.webhooks import Webhooks

if TYPE_CHECKING:
    from detector.samples import Sample
    from service.records.supabase.store import SupabaseStore

log = logging.getLogger(__name__)

STOP_SECONDS = 3.0  # Longest wait for the threads of a server that stops
SWEEP_SECONDS = 600.0  # Between two looks for files whose time is up
ACCOUNT_SWEEP_SECONDS = 6 * 3600.0  # Between two looks for what an account has kept long enough
TOLERANCE_SECONDS = 3600.0  # A smaller correction is that of a clock that went wrong
_Step = Callable[[], object]


@dataclass(frozen=True)
class SharedView:
    """A shared result as the result page draws it, at `/?s=<token>`; the page does not contain the
    id of the record."""

    key: str
    name: str
    analysis: Analysis
    path: Path
    address: str
    expires: datetime
    origin: ResultOrigin
    picture: bytes | None = None
    last_cache_hit: datetime | None = None
    read_only: bool = True


class Application:
    """The operations of one server process. Raise RecordsError or StorageError if the
    records or the bucket for the media can't be used."""

    def __init__(self, data: Path, analyzer: Analyzer | None = None) -> None:
        self.started = datetime.now(UTC)
        self._data = data
        self.analyzer = analyzer or Analyzer()
        self.gallery = Gallery()
        store = open_records(get_config().database.get_secret_value() or data / FILE)
        store.seals = Keyring.open(data, store.database)
        limits.share(store.database)
        self.keys = ApiKeys(store.database)
        self.pairing = Pairing(self.keys)
        self.idempotency = IdempotencyKeys(store.database)
        self.batches = Batches(store.database)
        files = open_uploads(data)
        # Only analyses go elsewhere: tasks, their progress and what is kept stay with this server.
        self.remote: RemoteAnalyzer = open_remote(isolate=media.isolated()) or self.analyzer
        server = Server(data, store.database)  # after what may fail: its heart beats from here on
        self.tasks = TaskQueue(TaskStore(store.database), server)
        self.films = Recordings(data, server)
        speed = ThroughputEstimator(data / "speed.json")
        self.jobs = Jobs(self.remote, files, store, self.tasks, speed, check=media.probe)
        self.robustness = RobustnessQueue(self.tasks, self.jobs, self.analyzer)
        self.evaluations = Evaluations(self.tasks, data)
        self.calibrations = Calibrations(self.tasks, lambda: self.analyzer, data)
        self.downloads = Downloads(self.tasks)
        self.links = links.LinkFetches(self.tasks)
        self.self_checks = SelfChecks(self.tasks)
        self.previews = Previews(self.tasks)
        self.originals = Originals(self.tasks, self.jobs, store.database, self.gallery.sha256)
        self.cases = CaseService(self.scope, files, self.find)
        self.batch_runs = BatchService(self.tasks, self.jobs, self.batches, self.links)
        self.webhooks = Webhooks(
            self.tasks,
            data,
            lambda owner, id: self.jobs.find(id, RecordScope(owner, store)),
            store.ended,
        )
        self.tasks.recover()
        self._started = threading.Lock()
        self.prepared = threading.Event()  # Set once the models were loaded ahead, or are not to be
        self._stopped = threading.Event()
        self._threads: list[Supervised[None]] = []
        self._sweeping = threading.Lock()
        self._swept: dict[str, float] = {}

    @cached_property
    def viewers(self) -> Viewers:
        """Return the running cameras, which reserve cores of the background work's budget."""
        return Viewers(
            engine,
            max_viewers(),
            lambda viewer: viewers.ended(viewer, self.keep_live),
            on_open=self.originals.attach_to_live,
            reserve=lambda: self.tasks.reserve(CORES),
            new_film=self.films.new,
        )

    def scope(self, context: RequestContext) -> RecordScope:
        """Return the caller's store and owner id, also for use in a thread. Raise RecordsError if
        the caller has signed out since the request began."""
        principal = context.principal
        if principal.kind is not PrincipalKind.USER:
            return RecordScope(principal.id, self.jobs.store)
        if context.connect is None:
            text, hint = _("Your sign-in is over."), _("Sign in again.")
            raise RecordsError(text, code="signed_out", hint=hint)
        # Its library takes seconds to import.
        from service.records.supabase.store import SupabaseStore

        store = SupabaseStore(context.connect, self.jobs.store.seals)
        self._sweep_account(principal.id, store)
        return RecordScope(principal.id, store)

    def replicates_media(self, context: RequestContext) -> bool:
        """Return whether the caller's files are stored as long as their records."""
        return context.principal.kind is PrincipalKind.USER and get_config().supabase_media

    def submit(
        self,
        context: RequestContext,
        source: BinaryIO,
        name: str,
        settings: Settings,
        *,
        size: int | None = None,
    ) -> Job:
        """Store a file and queue its analysis, within the caller's limits. Raise QueueFull,
        InputError or RecordsError if it is not accepted."""
        with limits.taking(context, size):
            return self.jobs.submit(source, name, settings, self.scope(context), size=size)

    def submit_film(
        self, context: RequestContext, picture: Path, name: str, settings: Settings
    ) -> Job:
        """Submit the video of a motion photo as a file of its own. Raise MediaError if there is
        none, and as `submit`."""
        with media.open_film(picture) as film:
            size = os.fstat(film.fileno()).st_size
            return self.submit(context, film, media.film_name(name), settings, size=size)

    def submit_link(self, context: RequestContext, url: str, settings: Settings) -> Job:
        """Fetch a file by its address and submit it. Raise QueueFull, InputError or RecordsError if
        it is not fetched or not accepted."""
        with self.links.fetched(context, url) as (link, file):
            return self._submit_fetched(link, file, settings, self.scope(context))

    def start_link(self, context: RequestContext, url: str, settings: Settings) -> Task:
        """Fetch a file by its address in the background and submit it; raise as `submit`. The
        result of the task is the id of the analysis; a stopped task leaves nothing."""
        scope = self.scope(context)  # while they are here

        def keep(link: FetchedLink, file: BinaryIO) -> str:
            return self._submit_fetched(link, file, settings, scope).key

        return self.links.start(context, url, keep)

    def _submit_fetched(
        self, link: FetchedLink, file: BinaryIO, settings: Settings, scope: RecordScope
    ) -> Job:
        return self.jobs.submit(
            file, link.name, settings, scope, size=link.size, taken_from=link.source
        )

    def find(self, context: RequestContext, key: str) -> Job | None:
        """Return the job behind an address if the caller may see it."""
        scope = self.scope(context)
        job = self.jobs.find(key, scope)
        if job is None and scope.store is not self.jobs.store:
            # Brought before signing in: the address is all there is to show for it.
            job = self.jobs.find(key, RecordScope(scope.owner, self.jobs.store))
        return job

    def rerun(self, context: RequestContext, key: str, settings: Settings) -> Job | None:
        """Analyze the caller's stored file again; return None if its media is gone."""
        if (job := self.find(context, key)) is None:
            return None
        context.must_own(job.record.owner)
        with limits.taking(context):
            return self.jobs.rerun(key, settings, RecordScope(context.principal.id, job.store))

    def try_robustness(self, context: RequestContext, job: Job, analysis: Analysis) -> Task:
        """Queue the robustness trials of a result, or return the running ones. Raise QueueFull or
        InputError."""
        context.must_own(job.record.owner)
        with limits.taking(context):
            return self.robustness.start(job, analysis, context.principal)

    def keep_signals(self, context: RequestContext, job: Job, found: Sequence[Signal]) -> None:
        """Add signals that were measured on request to a finished result."""
        context.must_own(job.record.owner)
        self.jobs.update(job, lambda analysis: signals.merged(analysis, found))

    def delete(self, context: RequestContext, *keys: str) -> list[str]:
        """Delete the caller's analyses with their files; return the ids of those that existed."""
        scope = self.scope(context)
        with self.originals.deleting(scope, keys):
            deleted = self.jobs.delete(keys, scope)
        for key in deleted:
            for kind in (self.robustness.kind, self.previews.kind):
                self.tasks.dismiss_subject(kind, key)
        return deleted

    def count_guest_analyses(self, context: RequestContext) -> int:
        """Return how many finished analyses of the guest the signed-in caller may take over."""
        principal, guest = context.principal, context.guest
        if guest is None or principal.kind is not PrincipalKind.USER or not principal.may_analyze:
            return 0
        counts = self.jobs.store.search(guest.id, Query(limit=1)).counts
        return sum(number for verdict, number in counts.items() if verdict is not None)

    def claim_guest_analyses(self, context: RequestContext) -> int:
        """Transfer the guest's analyses to the signed-in account; return how many. Raise as
        `Jobs.transfer`."""
        if context.guest is None or not self.count_guest_analyses(context):
            return 0
        source = RecordScope(context.guest.id, self.jobs.store)
        return self.jobs.transfer(source, self.scope(context))

    def usage(self, context: RequestContext) -> Usage:
        """Return the size of the caller's records and files, bytes."""
        scope = self.scope(context)
        usage = scope.store.usage(scope.owner)
        files = self.jobs.uploads.size(scope.store.ids(scope.owner))
        return usage.model_copy(update={"bytes": usage.bytes + files})

    def shared(self, token: str, address: str = "") -> SharedResult | None:
        """Return the result behind a share link for any caller; None if it is revoked, expired or
        unknown. Raise RateLimitExceeded after too many invalid links from this network address;
        `address` is empty for a caller's own links."""
        now = datetime.now(UTC)
        shared = self.jobs.store.shared(token, now)
        if shared is None and (project := auth.accounts()):
            from service.records.supabase.store import with_key

            shared = with_key(project.url, project.key, self.jobs.store.seals).shared(token, now)
            if shared is not None:
                # The project tells nobody the record's id; whoever has the media knows it.
                id = self.jobs.uploads.token_of(shared.record)
                shared = shared.model_copy(update={"record": id})
        if shared is None and address:
            limits.count_dead_link(address)
        return shared

    def open_share(self, token: str, address: str = "") -> SharedView | None:
        """Return the result behind a share link as the result page draws it; raise as `shared`."""
        shared = self.shared(token, address)
        if shared is None:
            return None
        return SharedView(
            key=f"share-{shared.share}", name=shared.name, analysis=shared.analysis,
            path=self.jobs.uploads.path(shared.record), address=f"shared/{token}",
            expires=shared.expires, origin=shared.origin,
        )  # fmt: skip

    def keep_live(
        self, analysis: Analysis, name: str, *, scope: RecordScope, media: Path | None = None
    ) -> str:
        """Store a live session as a record, look for the original of its recording, and return its
        address (`/?a=`). `media` is copied."""
        with media.open("rb") if media else nullcontext() as file:
            job = self.jobs.import_result(analysis, name, scope, media=file)
        self.originals.enqueue_lookup(job)
        return job.key

    def start(self, *, then: _Step = bool, at_rest: _Step = bool) -> None:
        """Start the server's background work, once: samples, models, retention. `then` runs after
        the models are loaded, `at_rest` once nothing else runs. Raise SystemExit if the environment
        is invalid."""
        get_config()
        if not self._started.acquire(blocking=False):
            return
        self.originals.known.watch_folders()
        ahead = partial(self._prepare, then, at_rest)
        works: dict[str, Callable[[], None]] = {
            "prepare": ahead,
            "fetch": inventory.fetch_at_start,
            "sweep": self._sweep,
            "watch": self.tasks.watch,
        }
        self._threads += [
            Supervised(name, work, owner=self, stop=self._end).start()
            for name, work in works.items()
        ]

    def stop(self) -> None:
        """Stop the server: end running cameras as their Stop button does; interrupted tasks are
        offered again by the next start."""
        if "viewers" in self.__dict__:
            self.viewers.close()
        self._end()
        self.originals.known.close()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:  # one that loads a network is waited for at exit
            thread.wait(deadline - time.monotonic())
        self.tasks.close()
        self.remote.close()

    def _end(self) -> None:
        self._stopped.set()
        self.tasks.end_watch()

    @property
    def preparing(self) -> tuple[int, int] | None:
        """Return how many of the models for pictures and videos are ready, and their number, while
        the first start on this computer converts them."""
        if self.prepared.is_set() or not helper.running:
            return None
        wanted = {spec.id for spec in registry.choose(None) if not spec.modality.of_sound}
        return len(wanted.intersection(id for id, *_ in registry.loaded())), len(wanted)

    def _prepare(self, then: _Step, at_rest: _Step) -> None:
        self.gallery.make()
        try:
            if get_config().warm_up:
                self.remote.warm_up(voices=False)  # most files of a first visit are pictures
                then()
            self.prepared.set()
            if get_config().warm_up and self.tasks.wait_until_idle(self._stopped):
                self.remote.warm_up(voices=True)
                at_rest()
        except Exception:  # a job will meet the same error and show it to a person
            log.exception("the models could not be loaded ahead")

    def _sweep(self) -> None:
        clock = JumpGuard()
        while True:
            if not clock.jumped():
                self.sweep()
            if self._stopped.wait(SWEEP_SECONDS):
                return

    def sweep(self) -> None:
        """Delete what has expired, and what killed servers left unfinished: each rule whatever
        becomes of the others."""
        kept, records_kept = uploads.retention(), uploads.records_retention()
        before = datetime.now(UTC) - records_kept
        rules: list[_Step] = [
            partial(self.jobs.sweep, kept, records_kept),
            partial(self.evaluations.sweep, kept),
            partial(self.tasks.sweep, kept),
            self.calibrations.sweep,
            self.films.sweep,
            partial(sweep_unfinished, self._data),
            *(partial(r.sweep, before) for r in (self.batches, self.originals)),
            partial(self.jobs.store.cases.sweep, before),
            limits.files.sweep,
        ]
        for rule in rules:
            try:
                rule()
            except (OSError, InputError):
                log.exception("old files could not be deleted")

    def _sweep_account(self, owner: str, store: SupabaseStore) -> None:
        """Purge an account's expired records in the background when its owner comes by."""
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

        # No task: it takes a moment, and its owner asked for nothing.
        self.tasks.run_in_background("tidy", work, lambda: None)


class JumpGuard:
    """Comparison of the wall clock with the monotonic clock."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        self._last = wall(), steady()

    def jumped(self) -> bool:
        """Return whether the wall clock was set since the last call; retention is then
        postponed."""
        wall, steady = self._wall(), self._steady()
        jump = (wall - self._last[0]) - (steady - self._last[1])
        self._last = wall, steady
        if abs(jump) <= TOLERANCE_SECONDS:
            return False
        log.warning("the clock was set by %+.0f s: nothing is deleted in this round", jump)
        return True


class Gallery:
    """Samples, generated in the background on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.samples: list[Sample] | None = None  # None until they are there
        self.sha256: set[str] = set()  # of their files
        self._error: Exception | None = None

    @property
    def problem(self) -> str:
        """Return why there are no samples, for a person."""
        if self._error is None:
            return ""
        return getattr(self._error, "message", "") or _("they could not be written")

    def make(self) -> None:
        """Generate the samples once; return when they exist or failed."""
        with self._lock:
            if self.samples is not None or self._error:
                return
            try:
                from detector.samples import make_samples

                self.samples = made = make_samples(paths.data())
                self.sha256 |= {paths.sha256(sample.path) for sample in made}
            except (UnmaskError, OSError, ImportError) as error:
                log.exception("the samples could not be made")
                self._error = error
