"""Near-proof for an analysis: its file compared with another, which may be its original.

Two kinds of tasks. A comparison is asked for; one whose server was killed is resumed once, then
offered again by the page that shows it. A lookup runs after each analysis with the lowest priority:
it keeps fingerprints of the file and looks for it among its owner's known footage. Neither changes
a verdict.

Each function works for the named person: what one person compared, or holds, no other learns.
"""

import hashlib
import logging
import threading
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
from detector.schema.summary import FoundFootage
from detector.sentences import _
from service import limits
from service.context import Principal, RequestContext
from service.known_footage import KnownFootage
from service.library.catalog import Library, best_match, most_alike, original_in
from service.library.index import SURE, LibraryMatch
from service.live.viewers import Viewer
from service.records.comparisons import ComparisonStore
from service.records.database import Database
from service.records.footage import ANALYSES, FootageStore, LookupStore
from service.records.model import LOCAL, MAX_PAGE_SIZE, MissedLookup, Query
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
    """The comparisons of a server's people. `samples`, by their SHA-256, are not looked for: they
    are made of each other's pictures."""

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
        """Look quietly whether what was just analyzed is known footage of its owner's; it has the
        lowest priority."""
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
        """While a camera is on, look whether it shows known footage of its viewer."""
        scope = viewer.options.scope
        try:
            if scope is None or not self._footage.count(scope.owner):
                return
            if scope.store.preferences(scope.owner).find_originals:
                follow(viewer, partial(self.library.search, scope.owner))
        except UnmaskError as error:  # the camera goes on
            log.warning("known footage is not looked for: %s", error.code)

    def found(self, context: RequestContext, job: Job) -> FoundFootage | None:
        """Return the known footage of its owner's that an analyzed file shows; None for anybody
        else, who must not learn what that person holds."""
        if not context.owns(job.record.owner):
            return None
        return self.lookups.find(job.record.owner, job.record.sha256)

    def missed(self, context: RequestContext, job: Job) -> MissedLookup:
        """Return how an analyzed file was looked for among its owner's files and not found. All 0
        where it was not looked for or found, where none of these files is left, where they want no
        originals looked for, and for anybody else."""
        owner, sha256 = job.record.owner, job.record.sha256
        if not self.others(context, job) or not job.store.preferences(owner).find_originals:
            return MissedLookup()
        return self.lookups.missed(owner, sha256)

    def others(self, context: RequestContext, job: Job) -> int:
        """Return how many files are in the library of an analyzed file's owner beside that file; 0
        for anybody else."""
        owner, sha256 = job.record.owner, job.record.sha256
        return self._footage.count(owner, without=[sha256]) if context.owns(owner) else 0

    def lookup(self, person: Principal, job: Job) -> Task | None:
        """Return the lookup of a file that is under way, or that ended lately."""
        return self._tasks.latest(LOOKUP, job.key, person)

    def disable_lookups(self, scope: RecordScope) -> None:
        """Forget the fingerprints of what a person analyzed: they want no originals looked for."""
        self._footage.forget(scope.owner)

    def import_known(
        self, context: RequestContext, scope: RecordScope, found: FoundFootage, settings: Settings
    ) -> Job | None:
        """Analyze known footage of a folder, so that it can be looked at beside a copy; None where
        it is gone. Raise QueueFull or InputError if it is not accepted."""
        path = _in_folder(scope, found)
        if path is None:
            return None
        with limits.taking(context, path.stat().st_size), path.open("rb") as file:
            return self._jobs.submit(file, found.name, settings, scope)

    def _look_up(self, job: Job, task: Task) -> None:
        """In a worker: keep the fingerprints of what was analyzed, and the known footage that it
        shows best, compared with it where its owner's analysis or folder still has that."""
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
        """Keep what came of a lookup's comparison; what a person compared themselves stands."""
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
        """Begin to compare two files; return the task that is at it where there is one. Raise
        QueueFull or InputError if it is not accepted. `original`: the one of the two that a person
        says is the original. Without it, what was stated before stands, then what their library has
        as an original; else no file is accused."""
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
        """Return copy, original and who says so."""
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
        """In a worker: compare two files and keep the finding under the task's id, unless an older
        one stands."""
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
        """Compare the files of a lost task again, unless one is gone or needs a token."""
        scope = RecordScope(task.owner, self._jobs.store)
        copy, original = (
            self._jobs.find(task.params.get(name, ""), scope) for name in ("copy", "original")
        )
        if copy is None or original is None or not (copy.has_media and original.has_media):
            return
        ours = copy.record.owner == task.owner
        self._tasks.resume(task, partial(self._compare, copy, original, ours))

    def _judged(self, owner: str, kept: KeptComparison, *jobs: Job) -> KeptComparison:
        """Add what the detectors say of these files alone to a stored comparison."""
        found = _with_scores(kept.comparison, *jobs)
        if found == kept.comparison:
            return kept
        return self.comparisons.update(owner, kept, found)

    def _rejudge(self, scope: RecordScope, kept: KeptComparison, job: Job) -> None:
        """Add what the detectors say of a file to its comparison, also where that is shown."""
        found = self._judged(scope.owner, kept, job).comparison
        if found != kept.comparison:
            sides = found.copy_media.sha256, found.original_media.sha256
            for shown in self._showing(scope, *sides):
                self._attach(shown, found)

    def answer(
        self, context: RequestContext, one: Job, other: Job, original: Job | None = None
    ) -> KeptComparison | None:
        """Return the finding about two files, of which a person may say which is the original; None
        where they have to be compared for that."""
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
        """Note that a person says that `copy` is the copy, or that they don't know any more."""
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
        """Return what came of holding one's own file of some content against an analyzed file,
        where that was stated to be its original; None for anybody else."""
        owner = job.record.owner
        if not context.owns(owner):
            return None
        kept = self._stated(owner, sha256, job.record.sha256)
        return kept.comparison if kept is not None else None

    def _stated(self, owner: str, copy: str, original: str) -> KeptComparison | None:
        """Return the comparison of two files, by their sha256, whose roles are no assumption."""
        kept = self.comparisons.find(owner, copy, original)
        return kept if kept is not None and kept.comparison.states_roles else None

    def _hold_roles(self, scope: RecordScope, stated: Comparison) -> None:
        """Take back the original's claims about a pair whose roles a person swapped."""
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
        for id in self._held(scope, copy):
            job = self._jobs.find(id, scope)
            analysis = job.analysis if job is not None else None
            found = analysis.comparison if analysis is not None else None
            if job is not None and found is not None and found.original_media.sha256 == original:
                yield job

    def not_the_original(self, context: RequestContext, copy: Job) -> None:
        """Take back from one's own analysis what it was compared with and what was found: neither
        is its original, and no lookup tells of it again. Raise InputError if it is another
        person's."""
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
        """Add what was found to the analysis of the copy, where the two are related."""
        if found.finding.related:
            self._jobs.update(copy, lambda a: a.model_copy(update={"comparison": found}))

    def of_pair(self, person: Principal, one: Job, other: Job) -> KeptComparison | None:
        """Return what came of comparing two files, in whichever order that was done."""
        return self.comparisons.of_pair(person.id, one.record.sha256, other.record.sha256)

    def task(self, person: Principal, copy: Job, original: Job) -> Task | None:
        """Return the comparison that runs or ended lately."""
        return self._tasks.latest(self.kind, _subject(person, copy, original), person)

    def again(self, person: Principal, copy: Job, original: Job) -> None:
        """Forget how one ended, so that it may begin anew."""
        task = self.task(person, copy, original)
        if task is not None and not task.active:
            self._tasks.dismiss(task)

    def analysis_of(self, scope: RecordScope, sha256: str) -> str | None:
        """Return the id of a person's own analysis of a file, one with its media where there is
        such a one."""
        ids = self._held(scope, sha256)
        return next((id for id in ids if self._jobs.uploads.has(id)), ids[0] if ids else None)

    def media_of(self, scope: RecordScope, sha256: str) -> Path | None:
        """Return a person's own file, while one of their analyses of it still has it."""
        id = self.analysis_of(scope, sha256)
        return self._jobs.uploads.path(id) if id and self._jobs.uploads.has(id) else None

    @contextmanager
    def forgetting(self, scope: RecordScope, keys: Collection[str]) -> Iterator[None]:
        """Forget what was found with a person's own files that are deleted within, of which no
        record is left then."""
        records = [scope.store.get(scope.owner, key) for key in keys]
        for record in records:
            if record is not None:
                self._tasks.dismiss_subject(LOOKUP, record.id)
        contents = {record.sha256 for record in records if record is not None and record.sha256}
        yield
        gone = [sha256 for sha256 in contents if not self._held(scope, sha256)]
        for store in (self.comparisons, self.lookups):
            store.forget(scope.owner, gone)
        if gone:
            self._footage.forget(scope.owner, gone)

    def sweep(self, before: datetime) -> None:
        """Forget what was found before a moment."""
        for store in (self.comparisons, self.lookups, self._footage):
            store.sweep(before)

    def _held(self, scope: RecordScope, sha256: str) -> list[str]:
        """Return the ids of a person's records of a file."""
        found = scope.store.search(scope.owner, Query(text=sha256, limit=MAX_PAGE_SIZE))
        return [record.id for record in found.records if record.sha256 == sha256]


def _with_scores(found: Comparison, *jobs: Job | None) -> Comparison:
    """Return the comparison with the likelihoods of its files that these analyses have."""
    likely = {
        job.record.sha256: job.analysis.verdict.probability
        for job in jobs
        if job is not None and job.analysis is not None
    }
    sides = {"copy_score": found.copy_media, "original_score": found.original_media}
    known = {name: likely[side.sha256] for name, side in sides.items() if side.sha256 in likely}
    return found.model_copy(update=known)


def _file(job: Job) -> _File:
    """Return a file and what it is, under its owner's name for it."""
    about = job.analysis.media if job.analysis is not None else media.probe(job.path)
    return job.path, about.model_copy(update={"name": job.name, "sha256": job.record.sha256})


def _compared(
    copy: _File, original: _File, task: Task, roles: RoleSource, begun: int = 0
) -> Comparison:
    """Return a comparison, which is what a task does after its first `begun` steps; raise
    MediaError, UsageError or Canceled."""

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
    """Return an order-independent name of two files and of whose comparison it is: an administrator
    sees all tasks."""
    names = (person.id, *sorted((one.record.sha256, other.record.sha256)))
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


def _in_folder(scope: RecordScope, found: FoundFootage) -> Path | None:
    """Return known footage of a folder on this computer's disk, which only who sits at it names."""
    folder = Path(found.source)
    if scope.owner != LOCAL or not folder.is_absolute():
        return None
    return original_in(folder, found.name, found.match_sha256)


def follow(viewer: Viewer, search: Callable[[Fingerprints], list[LibraryMatch]]) -> None:
    """While a camera is on, look for its last seconds in the viewer's library, by `search`: who
    plays a film into a camera's link is not in front of it. What is found stays in
    `viewer.known`."""

    def work() -> None:
        while not viewer.over.wait(LOOK_SECONDS):
            if viewer.ring.span < MIN_SECONDS:
                continue
            try:
                matches = search(of_frames(viewer.ring.pictures(SPACING.gap)))
            except Exception:  # the camera goes on
                log.exception("known footage was not looked for")
                return
            # Imported footage alone: analyzed files may show the same person.
            sure = [m for m in matches if m.footage.source != ANALYSES and m.bits < SURE]
            viewer.known = best_match(sure) or viewer.known

    threading.Thread(target=work, name="known", daemon=True).start()
