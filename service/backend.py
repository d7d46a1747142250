"""What one server process shares between all sessions: the job queue, models, samples, sweeper.

Made once per process on first use. Plain module state instead of `st.cache_resource`, because it is
also needed where there is no Streamlit session: at the start of the server, before anybody came.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dashboard.i18n import _
from detector import media, paths
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import Analysis, Robustness, Settings
from service import auth, limits
from service.auth import User
from service.config import get_config
from service.records import media_replicator
from service.records.database import FILE
from service.records.instances import Server
from service.records.legacy import import_presets
from service.records.model import Query, RecordsError, SharedResult, Usage
from service.records.sql import open_store
from service.records.store import Store
from service.storage import uploads
from service.storage.uploads import Uploads
from service.tasks.jobs import Job, Jobs, RecordScope
from service.tasks.robustness import RobustnessQueue, Tell
from service.tasks.throughput import ThroughputEstimator

if TYPE_CHECKING:
    from detector.pipeline import Analyzer, Observer
    from detector.samples import Sample
    from service.records.supabase.store import SupabaseStore
    from service.tasks.evaluations import Runs

log = logging.getLogger(__name__)

SWEEP_EVERY = 600.0
"""s between two looks for files whose time is up."""
TIDY_EVERY = 6 * 3600.0
"""s between two looks for what an account has kept long enough."""


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
    """The queue of this server. Pages about a person's own files use the functions below, which
    know who asks."""
    return _jobs(paths.data())


@lru_cache(maxsize=1)
def _jobs(data: Path) -> Jobs:
    store = open_store(data / FILE)
    import_presets(store, data)
    return Jobs(
        analyzer,
        Uploads(data),
        store,
        Server(data),
        ThroughputEstimator(data / "speed.json"),
        look=media.probe,
    )


# --- for the person whose page is drawn -----------------------------------------------------------


def records() -> Store:
    """Where the records of whoever is here are kept."""
    return _place(auth.who()).store


def owner() -> str:
    """Whose they are: the first argument of all that a `Store` does."""
    return auth.who().id


def place() -> RecordScope:
    """Both, for what goes on in a thread, where nobody is here."""
    return _place(auth.who())


def _place(person: User) -> RecordScope:
    if person.kind is not auth.Kind.USER:
        return RecordScope(person.id, jobs().store)
    connect = auth.connection()
    if connect is None:  # signed out since the page began
        raise RecordsError(_("Your sign-in is over."), code="signed_out", hint=_("Sign in again."))
    from service.records.supabase.store import SupabaseStore  # its library takes seconds to import

    store = SupabaseStore(connect)
    _tidy(person.id, store)
    return RecordScope(person.id, store)


def keeps_copies() -> bool:
    """Whether the files of whoever is here are kept with their records as well, not only for the
    hours that this server keeps files."""
    return auth.who().kind is auth.Kind.USER and media_replicator.copies_enabled()


def submit(source: BinaryIO, name: str, settings: Settings, *, size: int | None = None) -> Job:
    """Take in a file and put its analysis in line, within what this person may ask for.

    Raises
    ------
    Busy, InputError, RecordsError
        It was not taken; the sentence says why.
    """
    with limits.taking(size) as person:
        return jobs().submit(source, name, settings, size=size, place=_place(person))


def find(key: str) -> Job | None:
    """The job behind an address, if whoever is here may see it."""
    here = place()
    found = jobs().find(key, here)
    if found is None and here.store is not jobs().store:
        # Brought before signing in: the address is all there is to show for it.
        found = jobs().find(key, RecordScope(here.owner, jobs().store))
    return found


def again(key: str, settings: Settings) -> Job | None:
    """Analyze a kept file once more; None when its media is gone."""
    job = find(key)
    if job is None:
        return None
    with limits.taking():
        return jobs().again(key, settings, RecordScope(owner(), job.store))


def forget(*keys: str) -> list[str]:
    """Delete the person's own analyses with their files; the ids of those that were theirs."""
    for key in keys:
        if trials := bench().find(key):
            trials.cancel.set()
    return jobs().forget(keys, place())


def left_as_guest() -> int:
    """How many finished analyses this browser made without an account, for an account that may
    keep them."""
    person, guest = auth.who(), auth.guest()
    if person.kind is not auth.Kind.USER or not person.may_analyze or guest is None:
        return 0
    counts = jobs().store.search(guest.id, Query(limit=1)).counts
    return sum(number for verdict, number in counts.items() if verdict is not None)


def keep_from_guest() -> int:
    """Give them to the account that is signed in; how many.

    Raises
    ------
    InputError
        As in `Jobs.move`.
    """
    guest = auth.guest()
    if guest is None or not left_as_guest():
        return 0
    return jobs().move(RecordScope(guest.id, jobs().store), place())


def keep_live(
    analysis: Analysis,
    name: str,
    *,
    where: RecordScope | None = None,
    media: Path | None = None,
    thumbnail: bytes | None = None,
) -> str:
    """Keep a live session among a person's records.

    Parameters
    ----------
    where : Place, optional
        From `place()`, taken while the person was here; default whoever is here now.
    media : Path, optional
        What was recorded. It is copied; the caller deletes it.
    thumbnail : bytes, optional
        `records.thumbs.small` of a frame, where nothing was recorded.

    Returns
    -------
    str
        The address (`/?a=`).
    """
    where = where or place()
    if media is None:
        job = jobs().adopt(analysis, name, live=True, thumbnail=thumbnail, place=where)
    else:
        with media.open("rb") as file:
            job = jobs().adopt(
                analysis, name, media=file, live=True, thumbnail=thumbnail, place=where
            )
    return job.key


def shared(token: str) -> SharedResult | None:
    """What a share link leads to, for anybody."""
    now = datetime.now(UTC)
    found = jobs().store.shared(token, now)
    if found is None and (kept := auth.accounts()):
        from service.records.supabase.store import with_key

        found = with_key(kept.url, kept.key).shared(token, now)
    return found


def usage() -> Usage:
    """What the records and files of whoever is here take up, bytes."""
    here = place()
    kept = here.store.usage(here.owner)
    media = jobs().uploads.size(here.store.ids(here.owner))
    return kept.model_copy(update={"bytes": kept.bytes + media})


def _tidy(owner: str, store: SupabaseStore) -> None:
    """Keep the promise to delete for an account, in the background when its owner comes by: a
    project need not have anything else that does."""
    now = time.monotonic()
    with _tidying:
        if now - _tidied.get(owner, -math.inf) < TIDY_EVERY:
            return
        _tidied[owner] = now

    def work() -> None:
        try:
            store.purge(owner)
        except InputError as error:
            log.warning("an account's old records were not deleted: %s", error.code)

    threading.Thread(target=work, name="tidy", daemon=True).start()


_tidying = threading.Lock()
_tidied: dict[str, float] = {}


# --- work of this server --------------------------------------------------------------------------


@lru_cache(maxsize=1)
def bench() -> RobustnessQueue:
    """Where this server makes robustness trials."""
    return RobustnessQueue(_try_out, lambda key, found: jobs().amend(key, found))


def _try_out(path: Path, analysis: Analysis, tell: Tell, cancel: threading.Event) -> Robustness:
    from detector.perturbation.robustness import try_out

    return try_out(path, analysis, analyzer.get(), observe=tell, cancel=cancel)


def evaluations() -> Runs:
    """The evaluations of this server."""
    return _evaluations(paths.data())


@lru_cache(maxsize=1)
def _evaluations(data: Path) -> Runs:
    from service.tasks.evaluations import Runs  # brings torch, which a first page need not wait for

    return Runs(data)


class Gallery:
    """The samples, made in the background on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.samples: list[Sample] | None = None
        """None until they are there."""
        self._error: Exception | None = None

    @property
    def problem(self) -> str:
        """Why there can't be any, for a person."""
        if self._error is None:
            return ""
        return getattr(self._error, "message", "") or _("they could not be written")

    def make(self) -> None:
        """Make them, if nobody has; returns when they are there or can't be."""
        with self._lock:
            if self.samples is not None or self._error:
                return
            try:
                from detector.samples import make_samples

                self.samples = make_samples(paths.data())
            except (UnmaskError, OSError, ImportError) as error:
                log.exception("the samples could not be made")
                self._error = error


gallery = Gallery()

_started = threading.Lock()


def start() -> None:
    """Begin the background work of a server: make the samples, load the models and bring those that
    the host names, keep the promise to delete. Called when the server starts and by each session;
    only the first call does something.

    Raises
    ------
    SystemExit
        The environment asks for something impossible, or the records can't be used.
    """
    get_config()
    if not _started.acquire(blocking=False):
        return
    try:
        jobs()
    except RecordsError as error:
        raise SystemExit(error.advice) from error
    for work in (_prepare, _fetch, _sweep):
        threading.Thread(target=work, name=work.__name__, daemon=True).start()


def _prepare() -> None:
    gallery.make()
    try:
        analyzer.get().warm_up()
    except Exception:  # a job will meet the same error and show it to a person
        log.exception("the models could not be loaded ahead")


def _fetch() -> None:
    """Bring the models that the host names in UNMASK_MODELS."""
    from detector.models import inventory

    inventory.fetch_at_start()


def _sweep() -> None:
    wait = threading.Event()
    while True:
        try:
            jobs().sweep(uploads.retention(), uploads.records_retention())
            evaluations().sweep(uploads.retention())
        except (OSError, RecordsError):
            log.exception("old files could not be deleted")
        wait.wait(SWEEP_EVERY)
