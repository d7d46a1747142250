"""Comparison of an analyzed file with its original, on request and from the library of known
footage.

Two kinds of tasks. A comparison runs on request; one of a dead server is resumed once, then offered
again by its page. A lookup runs after each analysis with the lowest priority: it stores
fingerprints of the file and searches its owner's known footage. Neither changes a verdict.

Each function works for the named person: no other person learns what they compared or own.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from detector import media
from detector.comparison import compare
from detector.comparison.fingerprint import SPACING, Fingerprints, fingerprint, of_frames
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import Media, Settings
from detector.schema.comparison import Comparison, RoleSource
from detector.schema.summary import ANALYSES, FoundFootage
from detector.sentences import _
from service import limits
from service.context import Principal, RequestContext
from service.known_footage import KnownFootage
from service.library.catalog import Library, best_match, most_alike, original_in
from service.library.index import SURE, LibraryMatch
from service.live.viewers import Viewer
from service.records.comparisons import ComparisonStore
from service.records.database import Database
from service.records.footage import FootageStore, LookupStore
from service.records.model import LOCAL, MissedLookup
from service.records.store import RecordScope
from service.records.tables import KeptComparison
from service.tasks.jobs import Job, Jobs
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, Task, TaskKind, bounded_line

log = logging.getLogger(__name__)

MAX_WAITING = 20  # Pairs that may wait
STEPS = 100  # percents, in which progress is told
LOOK_SECONDS = 10.0  # Between two looks, which take a fifth of a second each
MIN_SECONDS = 4.0  # of picture, for a look: at less a single moment would decide
COMPARISON = TaskKind(
    "comparison",
    Priority.INTERACTIVE,
    1.0,
    Task,
    max_running=2,
    refuse=bounded_line(MAX_WAITING),
    canceled=_("You stopped it."),
    interrupted=_("The server stopped before this was done."),
    failed=_("It stopped. Your files are not at fault."),
)
LOOKUP = TaskKind(
    "lookup",
    Priority.BATCH,
    1.0,
    Task,
    max_running=1,
    canceled=_("You stopped it."),
    interrupted=_("The server stopped before this was done."),
    failed=_("It stopped. Your file is not at fault."),
    log_level=logging.WARNING,
)
_File = tuple[Path, Media]


class Originals:
    """Comparisons and lookups of a server. `samples`, by their SHA-256, are not looked up: they
    share pictures with one another."""

    def __init__(
        self, tasks: TaskQueue, jobs: Jobs, database: Database, samples: Container[str] = ()
    ) -> None:
        self._tasks, self._jobs, self._samples = tasks, jobs, samples
        self._footage = FootageStore(database)
        self.known = KnownFootage(tasks, self._footage, lambda: self.library, jobs)
        self.comparisons, self.lookups = ComparisonStore(database), LookupStore(database)
        self.kind = tasks.register(replace(COMPARISON, on_interrupted=self._resume))
        tasks.register(LOOKUP)
        jobs.on_done = self.enqueue_lookup

    @cached_property
    def library(self) -> Library:
        """Return the known footage of this server's people."""
        return Library(self._footage)

    def enqueue_lookup(self, job: Job) -> None:
        """Queue the lookup of an analyzed file in its owner's known footage, with the lowest
        priority."""
        analysis, record = job.analysis, job.record
        if analysis is None or not record.sha256 or analysis.media.kind == "audio":
            return
        scope = RecordScope(record.owner, job.store)
        try:
            for kept in self.comparisons.of_file(scope.owner, record.sha256):
                self._rejudge(scope, kept, job)  # it was compared while this was analyzed
            latest = self.comparisons.latest(scope.owner, record.sha256)
            if latest is not None:
                self._attach(job, latest.comparison)
            if (
                record.sha256 not in self._samples
                and scope.store.preferences(scope.owner).find_originals
            ):
                task = Task(LOOKUP, record.owner, subject=job.key)
                self._tasks.submit(task, partial(self._look_up, job))
        except UnmaskError as error:
            log.warning("an original was not looked for: %s", error.code)

    def attach_to_live(self, viewer: Viewer) -> None:
        """Look up a running camera in its viewer's known footage."""
        scope = viewer.options.scope
        try:
            if scope is None or not self._footage.count(scope.owner):
                return
            if scope.store.preferences(scope.owner).find_originals:
                follow(viewer, partial(self.library.search, scope.owner))
        except UnmaskError as error:  # the camera goes on
            log.warning("known footage is not looked for: %s", error.code)

    def found(self, context: RequestContext, job: Job) -> FoundFootage | None:
        """Return the known footage of the owner that an analyzed file shows; None for any other
        caller."""
        if not context.owns(job.record.owner):
            return None
        return self.lookups.find(job.record.owner, job.record.sha256)

    def missed(self, context: RequestContext, job: Job) -> MissedLookup:
        """Return the statistics of an unsuccessful lookup. All 0 if the file was not looked up or
        was found, if none of the searched files is left, if lookups are off, and for any caller but
        the owner."""
        owner, sha256 = job.record.owner, job.record.sha256
        if not self.others(context, job) or not job.store.preferences(owner).find_originals:
            return MissedLookup()
        return self.lookups.missed(owner, sha256)

    def others(self, context: RequestContext, job: Job) -> int:
        """Return how many other files are in the library of an analyzed file's owner; 0 for any
        other caller."""
        owner, sha256 = job.record.owner, job.record.sha256
        return self._footage.count(owner, without=[sha256]) if context.owns(owner) else 0

    def lookup(self, person: Principal, job: Job) -> Task | None:
        """Return the running or recent lookup of a file."""
        return self._tasks.latest(LOOKUP, job.key, person)

    def disable_lookups(self, scope: RecordScope) -> None:
        """Delete the fingerprints of a person's analyzed files, since they turned lookups off."""
        self._footage.forget(scope.owner)

    def import_known(
        self, context: RequestContext, scope: RecordScope, found: FoundFootage, settings: Settings
    ) -> Job | None:
        """Analyze known footage of a folder to show it beside a copy; return None if it is gone.
        Raise QueueFull or InputError if it is not accepted."""
        path = _in_folder(scope, found)
        if path is None:
            return None
        with limits.taking(context, path.stat().st_size), path.open("rb") as file:
            return self._jobs.submit(file, found.name, settings, scope)

    def _look_up(self, job: Job, task: Task) -> None:
        """Worker of a lookup: store the file's fingerprints and its best match, compared with it if
        the match is still available."""
        task.on_progress(0, STEPS)
        scope, library, sha256 = RecordScope(task.owner, job.store), self.library, job.record.sha256
        path, about = _file(job)
        prints = fingerprint(path, about, cancel=task.cancel)
        if not len(prints.times):
            return
        task.on_progress(10, STEPS)
        refused = self.lookups.refused(task.owner, sha256)
        searched = self._footage.count(task.owner, without={sha256, *refused})
        matches = library.search(task.owner, prints, without=sha256)
        library.add_prints(task.owner, prints, about, ANALYSES)
        matches = [match for match in matches if match.footage.sha256 not in refused]
        found = best_match(matches)
        missed = MissedLookup(searched, *most_alike(matches))
        self.lookups.save(task.owner, sha256, found or missed)
        if found is None:
            return
        other = self.media_of(scope, found.match_sha256) or _in_folder(scope, found)
        if other is not None:
            of = media.probe(other, name=found.name)
            original = other, of.model_copy(update={"sha256": found.match_sha256})
            registered = self._footage.registered(task.owner, sha256)
            added = found.source != ANALYSES and not registered
            roles: RoleSource = "registered" if added else "unknown"
            self._matched(scope, job, _compared((path, about), original, task, roles, begun=20))

    def _matched(self, scope: RecordScope, job: Job, found: Comparison) -> None:
        """Store the comparison of a lookup, unless the person has compared the two files."""
        pair = found.copy_media.sha256, found.original_media.sha256
        store = self.comparisons
        if found.role_source == "unknown" and self._stated(scope.owner, *reversed(pair)):
            return  # it is known which of the two is the original: the other one
        id = self.analysis_of(scope, found.original_media.sha256)
        found = _with_scores(found, job, self._jobs.find(id, scope) if id else None)
        if store.find(scope.owner, *pair) is None:
            store.save(scope.owner, found)
        if job.analysis is not None and job.analysis.comparison is None:
            self._attach(job, found)

    def compare(
        self, context: RequestContext, one: Job, other: Job, *, original: Job | None = None
    ) -> Task:
        """Queue the comparison of two files; return the running task if there is one. Raise
        QueueFull or InputError if it is not accepted. `original`: the one that the person states to
        be the original. Without it, an earlier statement counts, then the library; else neither
        file is called a copy."""
        person = context.principal
        copy, source, roles = self._in_roles(person, one, other, original)
        params = {"copy": copy.key, "original": source.key, "roles": roles}
        running = self.task(person, one, other)
        if running is not None and running.active:
            if original is not None and running.params != params:
                hint = _("Name the original when that is done.")
                raise InputError(_("The two are being compared."), code="comparing", hint=hint)
            return running
        subject = _subject(person, one, other)
        task = Task(self.kind, person.id, subject=subject, params=params)
        ours = context.owns(copy.record.owner)
        with limits.taking(context):
            work = partial(self._compare, copy, source, ours)
            return self._tasks.submit(task, work, once_for=person)

    def _in_roles(
        self, person: Principal, one: Job, other: Job, original: Job | None
    ) -> tuple[Job, Job, RoleSource]:
        """Return copy, original and the source of these roles."""
        if original is not None:
            stands = original.key == other.key
            return (one, other, "stated") if stands else (other, one, "stated")
        for copy, source in ((one, other), (other, one)):
            sha256s = copy.record.sha256, source.record.sha256
            if (said := self.comparisons.stated(person.id, *sha256s)) != "unknown":
                return copy, source, said
        added = [self._footage.registered(person.id, job.record.sha256) for job in (one, other)]
        if added == [False, True]:
            return one, other, "registered"
        if added == [True, False]:
            return other, one, "registered"
        return one, other, "unknown"

    def _compare(self, copy: Job, original: Job, ours: bool, task: Task) -> str:
        """Worker of a comparison: compare two files and store the finding under the task's id,
        unless an older one stands."""
        roles: RoleSource = task.params.get("roles", "unknown")
        found = _compared(_file(copy), _file(original), task, roles)
        kept = self.comparisons.save(task.owner, found, task.id)
        if kept.id == task.id:
            found = self._judged(task.owner, kept, copy, original).comparison
            if ours:  # who only sees it learns the answer, no more
                swapped = found.copy_media.sha256 != copy.record.sha256
                self._attach(original if swapped else copy, found)
                self._hold_roles(RecordScope(copy.record.owner, copy.store), found)
        return task.id

    def _resume(self, task: Task) -> None:
        """Queue a lost comparison again, unless a file is gone or needs its owner's token."""
        scope = RecordScope(task.owner, self._jobs.store)
        copy, original = (
            self._jobs.find(task.params.get(name, ""), scope) for name in ("copy", "original")
        )
        if copy is None or original is None or not (copy.has_media and original.has_media):
            return
        ours = copy.record.owner == task.owner
        self._tasks.resume(task, partial(self._compare, copy, original, ours))

    def _judged(self, owner: str, kept: KeptComparison, *jobs: Job) -> KeptComparison:
        """Add the models' likelihoods of both files to a stored comparison."""
        found = _with_scores(kept.comparison, *jobs)
        if found == kept.comparison:
            return kept
        return self.comparisons.update(owner, kept, found)

    def _rejudge(self, scope: RecordScope, kept: KeptComparison, job: Job) -> None:
        """Add the models' likelihood of a file to its comparisons, also where an analysis shows
        them."""
        found = self._judged(scope.owner, kept, job).comparison
        if found != kept.comparison:
            sides = found.copy_media.sha256, found.original_media.sha256
            for shown in self._showing(scope, *sides):
                self._attach(shown, found)

    def answer(
        self, context: RequestContext, one: Job, other: Job, original: Job | None = None
    ) -> KeptComparison | None:
        """Return the finding about two files with the stated roles; None if they have to be
        compared for that."""
        kept = self.of_pair(context.principal, one, other)
        if kept is None or original is None:
            return kept
        if kept.comparison.original_media.sha256 != original.record.sha256:
            return None
        copy = one if original.key == other.key else other
        return self.state_roles(context, copy, kept)

    def state_roles(
        self, context: RequestContext, copy: Job, kept: KeptComparison, *, known: bool = True
    ) -> KeptComparison:
        """Store a person's statement that `copy` is the copy, or that they don't know any more."""
        owner = copy.record.owner
        if known != kept.comparison.states_roles:
            roles = "stated" if known else "unknown"
            said = kept.comparison.model_copy(update={"role_source": roles})
            kept = self.comparisons.update(context.principal.id, kept, said)
            if context.owns(owner):
                scope, source = RecordScope(owner, copy.store), said.original_media.sha256
                for job in (copy, *self._showing(scope, copy.record.sha256, source)):
                    self._attach(job, said)
        if context.owns(owner):
            self._hold_roles(RecordScope(owner, copy.store), kept.comparison)
        return kept

    def stated_copy(self, context: RequestContext, job: Job, sha256: str) -> Comparison | None:
        """Return the comparison of the caller's file with an analyzed file that was stated to be
        its original; None for any other caller."""
        owner = job.record.owner
        if not context.owns(owner):
            return None
        kept = self._stated(owner, sha256, job.record.sha256)
        return kept.comparison if kept is not None else None

    def _stated(self, owner: str, copy: str, original: str) -> KeptComparison | None:
        """Return the comparison of two files, by sha256, whose roles are not assumed."""
        kept = self.comparisons.find(owner, copy, original)
        return kept if kept is not None and kept.comparison.states_roles else None

    def _hold_roles(self, scope: RecordScope, stated: Comparison) -> None:
        """Remove the claims about the original of a pair whose roles a person swapped."""
        if not stated.states_roles:
            return
        copy, original = stated.copy_media.sha256, stated.original_media.sha256
        try:
            for job in self._showing(scope, original, copy):
                self._jobs.update(job, lambda a: a.model_copy(update={"comparison": None}))
        except UnmaskError as error:
            log.warning("an original still says that it is a copy: %s", error.code)

    def _showing(self, scope: RecordScope, copy: str, original: str) -> Iterator[Job]:
        """Yield a person's analyses of a file that show its comparison with another one."""
        for id in self._record_ids(scope, copy):
            job = self._jobs.find(id, scope)
            analysis = job.analysis if job is not None else None
            found = analysis.comparison if analysis is not None else None
            if job is not None and found is not None and found.original_media.sha256 == original:
                yield job

    def reject_match(self, context: RequestContext, copy: Job) -> None:
        """Remove a comparison and a match from the caller's analysis: neither is its original, and
        no lookup reports it again. Raise InputError if the analysis is another person's."""
        context.must_own(copy.record.owner)
        owner, sha256 = copy.record.owner, copy.record.sha256
        found, analysis = self.lookups.find(owner, sha256), copy.analysis
        refused = {found.match_sha256} if found is not None else set()
        if analysis is not None and analysis.comparison is not None:
            refused.add(analysis.comparison.original_media.sha256)
        for original in refused:
            self.lookups.refuse(owner, sha256, original)
            self.comparisons.remove(owner, sha256, original)
        self._jobs.update(copy, lambda a: a.model_copy(update={"comparison": None}))

    def _attach(self, copy: Job, found: Comparison) -> None:
        """Add a finding to the analysis of the copy if the two are related."""
        if found.finding.related:
            self._jobs.update(copy, lambda a: a.model_copy(update={"comparison": found}))

    def of_pair(self, person: Principal, one: Job, other: Job) -> KeptComparison | None:
        """Return the comparison of two files in either order."""
        return self.comparisons.of_pair(person.id, one.record.sha256, other.record.sha256)

    def task(self, person: Principal, copy: Job, original: Job) -> Task | None:
        """Return the running or recent comparison task."""
        return self._tasks.latest(self.kind, _subject(person, copy, original), person)

    def dismiss(self, person: Principal, copy: Job, original: Job) -> None:
        """Forget the outcome of a task, so that it can be repeated."""
        task = self.task(person, copy, original)
        if task is not None and not task.active:
            self._tasks.dismiss(task)

    def analysis_of(self, scope: RecordScope, sha256: str) -> str | None:
        """Return the id of a person's analysis of a file, preferably one with its media."""
        ids = self._record_ids(scope, sha256)
        return next((id for id in ids if self._jobs.uploads.has(id)), ids[0] if ids else None)

    def media_of(self, scope: RecordScope, sha256: str) -> Path | None:
        """Return a person's file while one of their analyses still has it."""
        id = self.analysis_of(scope, sha256)
        return self._jobs.uploads.path(id) if id and self._jobs.uploads.has(id) else None

    @contextmanager
    def deleting(self, scope: RecordScope, keys: Collection[str]) -> Iterator[None]:
        """Delete the comparisons and lookups of a person's files that are deleted within the
        context and have no record afterwards."""
        records = [scope.store.get(scope.owner, key) for key in keys]
        for record in records:
            if record is not None:
                self._tasks.dismiss_subject(LOOKUP, record.id)
        contents = {record.sha256 for record in records if record is not None and record.sha256}
        yield
        gone = [sha256 for sha256 in contents if not self._record_ids(scope, sha256)]
        for store in (self.comparisons, self.lookups):
            store.forget(scope.owner, gone)
        if gone:
            self._footage.forget(scope.owner, gone)

    def sweep(self, before: datetime) -> None:
        """Delete findings from before a moment."""
        for store in (self.comparisons, self.lookups, self._footage):
            store.sweep(before)

    def _record_ids(self, scope: RecordScope, sha256: str) -> list[str]:
        """Return the ids of a person's records of a file."""
        return scope.store.of_file(scope.owner, sha256)


def _with_scores(found: Comparison, *jobs: Job | None) -> Comparison:
    """Return the comparison with the likelihoods of its files from these analyses."""
    likely = {
        job.record.sha256: job.analysis.verdict.probability
        for job in jobs
        if job is not None and job.analysis is not None
    }
    sides = {"copy_score": found.copy_media, "original_score": found.original_media}
    known = {name: likely[side.sha256] for name, side in sides.items() if side.sha256 in likely}
    return found.model_copy(update=known)


def _file(job: Job) -> _File:
    """Return a file with its facts, under its owner's name for it."""
    about = job.analysis.media if job.analysis is not None else media.probe(job.path)
    return job.path, about.model_copy(update={"name": job.name, "sha256": job.record.sha256})


def _compared(
    copy: _File, original: _File, task: Task, roles: RoleSource, begun: int = 0
) -> Comparison:
    """Return a comparison, the work of a task after its first `begun` steps. Raise MediaError,
    UsageError or Canceled."""

    def on_progress(share: float) -> None:
        task.on_progress(begun + round((STEPS - begun) * share), STEPS)

    on_progress(0.0)
    return compare(
        copy[0],
        original[0],
        roles=roles,
        copy_media=copy[1],
        original_media=original[1],
        on_progress=on_progress,
        cancel=task.cancel,
    )


def _subject(person: Principal, one: Job, other: Job) -> str:
    """Return an order-independent key of two files and their owner: an administrator sees all
    tasks."""
    names = (person.id, *sorted((one.record.sha256, other.record.sha256)))
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


def _in_folder(scope: RecordScope, found: FoundFootage) -> Path | None:
    """Return known footage of a folder on this computer's disk; for the owner at this computer
    only."""
    folder = Path(found.source)
    if scope.owner != LOCAL or not folder.is_absolute():
        return None
    return original_in(folder, found.name, found.match_sha256)


def follow(viewer: Viewer, search: Callable[[Fingerprints], list[LibraryMatch]]) -> None:
    """Look up a camera's last seconds in its viewer's library by `search` while it runs: a film
    that is played into the link is detected. The match is stored in `viewer.known`."""

    def work() -> None:
        while not viewer.stopped.wait(LOOK_SECONDS):
            if viewer.ring.span < MIN_SECONDS:
                continue
            matches = search(of_frames(viewer.ring.pictures(SPACING.gap)))
            # Imported footage alone: analyzed files may show the same person.
            sure = [m for m in matches if m.footage.source != ANALYSES and m.bits < SURE]
            viewer.known = best_match(sure) or viewer.known

    viewer.run("known", work)  # its error is logged: the camera goes on
