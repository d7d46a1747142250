"""One analysis run from file to verdict: decode → extract (by modality) → score → decide.

Decoding, extraction, scoring, signals and provenance run concurrently, joined by bounded queues.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from detector import media, provenance, runtime, vision
from detector.decision import conformal, decide
from detector.errors import Canceled, CancellationToken, ModelError
from detector.installation import install
from detector.large_frames import LARGE_FRAME
from detector.media import Frame, Shot
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import initial_results, planning, skill, stopping
from detector.pipeline.budget import Crowded, budgets
from detector.pipeline.frozen import FrozenCheck, averaged
from detector.pipeline.loops import LONGEST, MOST, LoopCheck
from detector.pipeline.modalities import EXTRACTORS, Extraction, Extractor
from detector.pipeline.modalities.face import FaceExtractor
from detector.pipeline.options import Observer, Progress, ProgressReporter, RunOptions, Stage
from detector.pipeline.orientation import WrongOrientation
from detector.pipeline.rounds import GroupKey, Rounds
from detector.pipeline.scoring import DynamicBatcher, ScoreStage, SignalStage
from detector.pipeline.timing import timed, with_timestamps
from detector.pipeline.windows import FrameWindow, held_frames
from detector.schema.analysis import QUESTION_OF, Analysis, Media, Modality, Question, Settings
from detector.schema.origin import GeneratorMark, Provenance
from detector.sentences import _
from detector.signals import watching
from detector.threads import POLL_SECONDS, BoundedQueue, Stopped, Supervised

REPORT_SECONDS = 0.1  # between two looks at the progress of a stage that is waited for
STOP_SECONDS = 120.0  # for a stopped stage: a network on a slow computer may take a minute

HELD_FRAMES = 7  # decoded frames of a run in memory, at most; of large frames as many as fit
DECODERS = 3  # concurrent decoders of a run, each with several frames; one for frames above 4K


@dataclass(frozen=True)
class RunRequest:
    """A file to analyze, and the resources of its run."""

    path: Path
    detector: vision.FaceDetector
    device: str  # where models run: "cpu" or "cuda"
    settings: Settings
    cancel: threading.Event  # set from another thread to stop
    name: str | None = None  # of the file in the result; None: its own
    observe: Observer | None = None  # called with the progress, from the caller's thread
    scores_only: bool = False  # leave out signals and provenance
    batcher: DynamicBatcher | None = None  # shared with concurrent runs


def run_analysis(
    request: RunRequest, options: RunOptions | None = None, reporter: ProgressReporter | None = None
) -> tuple[Analysis, AnalysisRun]:
    """Analyze a file and return the run too. Where concurrent runs took too much memory, go on
    alone with what is known. Raise the error of any stage, and MediaError for a run over budget."""
    reporter = reporter or ProgressReporter(request.observe, time.perf_counter())
    run = AnalysisRun(request, options or RunOptions(), reporter)
    try:
        return run.execute(alone=False), run
    except Crowded:
        options = replace(run.options, known=run.known().known)
        run = AnalysisRun(request, options, reporter)
        return run.execute(alone=True), run


@dataclass
class _Pass:
    """One reading of frames: its plan, and what is stopped with it."""

    sampled: tuple[float, ...]  # s, ascending
    windows: list[FrameWindow]
    decoded: tuple[float, ...]  # all times to decode
    stop: CancellationToken
    frames: BoundedQueue[Frame]
    held: int = 0  # frames decoded or being decoded that were not extracted


class AnalysisRun:
    """An opened file and its analysis. The lock guards subjects, timestamps and model results,
    which the scorer writes and the caller's thread reports."""

    def __init__(
        self, request: RunRequest, options: RunOptions, reporter: ProgressReporter
    ) -> None:
        self.request, self.options, self.reporter = request, options, reporter
        self.path, self.settings, self.cancel = request.path, request.settings, request.cancel
        if self.cancel.is_set():
            raise Canceled()
        self.own = conformal.load()
        self.asked_for = registry.choose(self.settings.models)
        self._take(self.asked_for)
        self.extractors: dict[Modality, Extractor] = {}
        self.timestamps: list[float] = []
        """of the sampled frames, s"""
        self.timings: dict[str, float] = defaultdict(float)
        self.lock = threading.Lock()
        self.stop = CancellationToken(self.cancel)
        self.shots: list[Shot] | None = None
        self.provenance: Provenance | None = None
        self.hashes = provenance.FrameHashes()
        self.marks = provenance.MarkSearch()
        self.voice_marks: list[GeneratorMark] = []
        self.signals: SignalStage | None = None
        self.notes: list[str] = []
        """on what can't be decoded"""
        self.note = ""
        """why frames are read again"""
        self.reading: Analysis | None = None
        """the decision after the rounds so far"""
        if reporter.due(done=False):  # the file is being opened
            waiting = dict.fromkeys(self.results, (0, 0))
            reporter.report(Progress("read", 0.0, {}, models=waiting), done=False)
        with timed(self.timings, "read"):
            self.media = options.media or self._probe(request.name)
        self.large = self.media.width * self.media.height > LARGE_FRAME
        most = min(HELD_FRAMES, max(1, held_frames(self.media.width, self.media.height)))
        self.held: BoundedQueue[None] = BoundedQueue(most, self.stop)
        """a slot for each frame from before it is decoded until it was extracted"""
        self.decoders = threading.Semaphore(1 if self.large else DECODERS)

    def _take(self, specs: Sequence[ModelSpec]) -> None:
        self.specs = specs
        self.tasks = {spec.id: spec.task for spec in specs}
        self.results = {spec.id: initial_results.result(spec) for spec in specs}

    def execute(self, *, alone: bool) -> Analysis:
        """Run the stages and decide, within a budget; with `alone` while no other run goes on.
        Raise the error of any stage."""
        with budgets.watch(self.stop, alone=alone) as self.budget:
            return self._execute()

    def _execute(self) -> Analysis:
        self._choose()
        now = self._plan(self.options)
        self.budget.seconds = planning.expected(
            self.media, self.settings, len(self.specs), len(now.decoded)
        )
        self.scoring = ScoreStage(
            self.specs,
            self.results,
            self.request.device,
            self.lock,
            self.stop,
            self.request.batcher,
        )
        self.rounds = Rounds(self.scoring.submit)
        self._extractors(now)
        workers = self._workers(now)
        readers = [self._stage(e.read, "sound") for e in self.extractors.values() if e.reads]
        workers |= dict.fromkeys(readers, "sound")
        try:
            for worker in workers:
                worker.start()
            now = self._read(now)
            self._score(now, dict.fromkeys(readers, "sound"))
            self.scoring.end()
            self._wait(workers)
        except Stopped:
            pass
        finally:
            self.stop.set()
            for worker in workers:
                worker.close(STOP_SECONDS)
        self.budget.check()
        if self.cancel.is_set():
            raise Canceled()
        for worker in workers:
            if worker.error:
                raise worker.error
        return self._decide()

    def _read(self, now: _Pass) -> _Pass:
        """Extract the planned frames; those of the turned picture where faces only show in it.
        Return the plan that was read."""
        try:
            self._extract(now)
        except WrongOrientation as error:
            now = self._turn(error.degrees)
            self._extract(now)
        return now

    def _turn(self, degrees: int) -> _Pass:
        """Return the plan of the turned file."""
        self.note = _("Faces only show in the turned picture: we look at it turned.")
        self._finish_scores()
        about = media.turned(self.media, degrees)
        for name in type(about).model_fields:
            if name not in ("audio", "notes"):  # which the sound's thread may fill in now
                setattr(self.media, name, getattr(about, name))
        self.media.notes.append(
            _(
                "A face was only found with the picture turned by {degrees}°, so it is"
                " shown and was judged turned. The file's own rotation is wrong or missing."
            ).format(degrees=degrees)
        )
        return self._again(replace(self.options, media=self.media, shots=self.shots, known={}))

    def _again(self, options: RunOptions) -> _Pass:
        """Plan further frames, for new extractors of the picture; the sound's stay."""
        self._finish_scores()
        self.rounds.clear()
        with self.lock:
            for result in self.results.values():
                if not result.modality.of_sound:
                    result.scored = 0
        now = self._plan(options)
        self._extractors(now)
        return now

    def _finish_scores(self) -> None:
        scored = self.scoring.scored()
        while not scored.wait(POLL_SECONDS):
            self._report("score")

    def _score(self, now: _Pass, readers: dict[Supervised[None], Stage]) -> None:
        """Score round by round, until no further moment may change an answer.

        Other moments are sampled after the first round where the samples misrepresent the file;
        what was read and scored of these is reused."""
        others: list[tuple[float, ...]] = []
        looks: dict[Supervised[None], Stage] = {}
        if self.options.timestamps is None and self.options.change is None:
            look = self._stage(
                lambda: others.extend(self._look_elsewhere(now.sampled)), "elsewhere"
            ).start()
            looks[look] = "score"
        try:
            self._end_round()
            self._wait(readers | looks)
        finally:
            for look in looks:
                look.wait(STOP_SECONDS)
                if look.error:
                    raise look.error
        for timestamps in others:
            options = replace(
                self.options,
                media=self.media,
                shots=self.shots,
                known={m: e.seen() for m, e in self.extractors.items() if not e.reads},
                timestamps=timestamps,
            )
            self._extract(self._again(options))
        self._end_round()
        while self.reading and (wanted := self._unsettled(self.reading)):
            self.rounds.advance(wanted)
            self._end_round()

    def _end_round(self) -> None:
        """Score what belongs to this round, and decide where more may follow."""
        self.rounds.complete()
        self._finish_scores()
        self.reading = None
        if self.rounds.waiting():
            self.reading = decide(self._analysis())
            self._report("score", now=True)

    def _unsettled(self, analysis: Analysis) -> list[GroupKey]:
        """Return what has to be scored at further moments, the most suspicious subjects first."""
        waiting = self.rounds.waiting()
        if self.options.every_moment:
            return waiting
        asked: dict[Question, list[GroupKey]] = defaultdict(list)
        for key in waiting:
            for question in {QUESTION_OF[self.tasks[id]] for id in key[2]}:
                asked[question].append(key)
        found: dict[GroupKey, None] = {}
        for question, keys in asked.items():
            if stopping.silent(analysis, question):
                continue
            ids = {key: self.extractors[key[0]].id_of(key[1]) for key in keys}
            readings: dict[str, stopping.Reading] = {}
            for key, id in ids.items():
                subject = next((s for s in analysis.subjects if s.id == id), None)
                total = self.rounds.counts(key)[1]
                known = subject and stopping.reading(subject, key[2], total)
                if known:
                    readings[id] = known
            bounds = stopping.limits(analysis.verdict.thresholds)
            order = {id: n for n, id in enumerate(stopping.unsettled(readings, bounds))}
            # Without an answer so far there may be one after further moments.
            wanted = [key for key, id in ids.items() if id in order or id not in readings]
            found |= dict.fromkeys(sorted(wanted, key=lambda k: order.get(ids[k], len(order))))
        return list(found)

    def _look_elsewhere(self, sampled: Sequence[float]) -> Iterator[tuple[float, ...]]:
        """Yield other times to sample if a still picture moves between the samples, or these
        loop; in a thread, during the first round."""
        about, most = self.media, max(len(sampled), 1)
        if about.frozen:
            part = media.part(about.duration or 0.0, self.settings)
            stored = media.stored(self.path, about, part, cancel=self.cancel)
            busiest = media.busiest(stored, most)
            for frame in self._decoded(busiest):
                self.stillness.add(averaged(frame.rgb))
            about.frozen = self.stillness.holds(sampled)
            if not about.frozen:
                yield busiest
        elif about.kind in ("video", "animation") and self.loops.suspected and about.fps:
            end = min(2 * LONGEST, about.duration or 0.0, MOST / about.fps)
            opening = ((f.time, f.rgb) for f in self._decoded(media.every_frame(about, end)))
            loop = self.loops.find(opening, about.duration or 0.0, most)
            if loop is not None:
                times = (about.duration or 0.0) / loop.period
                about.loop = round(loop.period, 3)
                about.notes.append(
                    _("It shows the same {period} s about {times} times; each moment "
                      "counts once.").format(period=f'{loop.period:.1f}', times=f'{times:.0f}')
                )  # fmt: skip
                text = _("The clip repeats every {period} s: we look at one round.")
                self.note = text.format(period=f"{loop.period:.1f}")
                yield loop.timestamps

    def _decoded(self, times: Sequence[float]) -> Iterator[Frame]:
        source = self.options.source or self.media
        try:
            yield from media.decode(self.path, source, times, notes=[], cancel=self.stop)
        except Canceled:
            raise Stopped from None

    def _choose(self) -> None:
        """Leave out models that do not apply to the file, and detect shots where the plan depends
        on them."""
        if self.settings.models is None:  # a named model reports why it gave no score
            asked, still = self.media.questions, self.media.kind == "image"
            specs = [s for s in self.specs if QUESTION_OF.get(s.task) in asked]
            self._take([s for s in specs if s.kind != "video" or not still])
        self.shots = self.options.shots
        if self.media.too_narrow:
            return
        if self.options.media is None and self._shots_planned():
            with timed(self.timings, "read"):
                self.shots = planning.shots(self.path, self.media, self.settings, self.stop)

    def _plan(self, options: RunOptions) -> _Pass:
        """Plan a reading of frames by these options."""
        self.options = options
        sampled: tuple[float, ...] = ()
        windows: list[FrameWindow] = []
        if not self.media.too_narrow:  # its sound is analyzed all the same
            with timed(self.timings, "read"):
                sampled, windows, unfit = planning.plan(
                    self.path,
                    self.media,
                    self.settings,
                    self.specs,
                    self.stop,
                    replace(options, shots=self.shots),
                )
            for id, why in unfit.items():
                self.results[id].not_counted_because = why
            frames = planning.shown_frames(self.media, self.settings)
            self.reporter.planned = min(len(sampled), frames or len(sampled))
            shown = () if self.request.scores_only else sampled
            self.hashes.begin(self.media, shown)
            self.marks.begin(shown)
        with self.lock:
            self.timestamps.clear()
        self.notes.clear()
        self.stillness, self.loops = FrozenCheck(), LoopCheck()
        stop = CancellationToken(self.stop)
        return _Pass(
            sampled,
            windows,
            tuple(sorted({*sampled, *(t for window in windows for t in window.times)})),
            stop,
            BoundedQueue(HELD_FRAMES, stop),
        )

    def _probe(self, name: str | None) -> Media:
        about = media.probe(self.path, name=name)
        if about.too_narrow:
            about.notes.append(media.narrow_note(about))
        if not self.settings.rotate or about.kind == "audio":
            return about
        about = media.turned(about, self.settings.rotate)
        text = _("The picture was turned by {rotate}° clockwise, as requested.")
        about.notes.append(text.format(rotate=self.settings.rotate))
        return about

    def _shots_planned(self) -> bool:
        """Return True if the timestamps depend on the shots."""
        return self.settings.sampling == "closer" or planning.sparse(self.media, self.settings)

    def _workers(self, now: _Pass) -> dict[Supervised[None], Stage]:
        """Return the threaded stages of the whole run, with the stage to report while each is
        waited for."""
        workers: dict[Supervised[None], Stage] = {self._stage(self.scoring.work, "score"): "score"}
        if self.request.scores_only:
            return workers
        workers[self._stage(self._inspect, "inspect")] = "score"
        if now.sampled and self.shots is None and not self._shots_planned():
            workers[self._stage(self._search_shots, "shots")] = "score"
        return workers

    def _stage(
        self, work: Callable[[], None], name: str, stop: CancellationToken | None = None
    ) -> Supervised[None]:
        """Return a stage in its own thread. Its error stops the run, or what `stop` stops, and is
        raised by what waits for it."""
        end = (stop or self.stop).set
        return Supervised(name, work, owner=self, stop=end, on_error=lambda error: end())

    def _extractors(self, now: _Pass) -> None:
        """Make the extractors of a reading, and its stage of signals; those of the sound stay."""
        moves = self.media.kind in ("video", "animation") and not self.request.scores_only
        self.signals = (
            SignalStage(len(now.sampled), now.stop, self.timings) if moves and now.sampled else None
        )
        always = Modality.VOICE if self.media.kind == "audio" else Modality.FACE
        made = {m: e for m, e in self.extractors.items() if e.reads}
        for modality, make in EXTRACTORS.items():
            specs = [spec for spec in self.specs if spec.modality is modality]
            if modality in made or not (modality is always or (specs and self._holds(modality))):
                continue
            made[modality] = make(
                Extraction(
                    path=self.path,
                    media=self.media,
                    settings=self.settings,
                    options=self.options,
                    detector=self.request.detector,
                    specs=specs,
                    windows=[w for w in now.windows if w.modality is modality],
                    planned=now.sampled,
                    submit=self.rounds.submit,
                    results=self.results,
                    lock=self.lock,
                    timings=self.timings,
                    marks=None if self.request.scores_only else self.voice_marks,
                    signals=self.signals,
                    cancel=self.stop,
                )
            )
        with self.lock:
            self.extractors = {m: made[m] for m in EXTRACTORS if m in made}
        unseen = {modality for modality in Modality if not modality.of_sound}
        self.scoring.leave_out(
            (set(Modality) - set(self.extractors)) | (unseen if self.media.too_narrow else set())
        )

    def _holds(self, modality: Modality) -> bool:
        """Return True if the file has this modality; reruns of frames leave the sound out."""
        if not modality.of_sound:
            return self.media.kind != "audio"
        again = self.options.frames_only or self.options.change is not None
        return self.media.audio is not None and not again

    def _decode(self, now: _Pass) -> None:
        """Decode the frames of a reading, in its own thread."""
        if not now.decoded:
            return now.frames.end()
        source = self.options.source or self.media
        with self.decoders:
            decoded = media.decode(
                self.path, source, now.decoded, notes=self.notes, cancel=now.stop, beside=True
            )
            try:
                while True:
                    while not self.held.offer(None):
                        if now.stop.wait(POLL_SECONDS):
                            raise Stopped
                    now.held += 1
                    with timed(self.timings, "decode"):
                        frame = next(decoded, None)
                        if frame is not None and self.options.change is not None:
                            frame = replace(frame, rgb=self.options.change(frame.rgb))
                    if frame is None:
                        return now.frames.end()
                    now.frames.put(frame)
                    del frame
            except Canceled:
                raise Stopped from None

    @contextmanager
    def _decoder(self) -> Iterator[None]:
        """Decode concurrently with `_decode`; a large frame takes one of the slots."""
        with self.decoders:
            if self.large:
                self.held.put(None)
            yield
            if self.large:
                self.held.take()

    def _search_shots(self) -> None:
        try:
            with self._decoder():
                self.shots = planning.shots(self.path, self.media, self.settings, self.stop)
        except Canceled:
            raise Stopped from None

    def _inspect(self) -> None:
        with self._decoder(), timed(self.timings, "provenance"):
            self.provenance = provenance.inspect(self.path, self.media, cancel=self.stop)

    def _extract(self, now: _Pass) -> None:
        """Read the frames of a plan, and submit what models score; raise WrongOrientation."""
        workers: dict[Supervised[None], Stage] = {
            self._stage(lambda: self._decode(now), "read", now.stop): "faces"
        }
        if self.signals:
            workers[self._stage(self.signals.work, "signals", now.stop)] = "signals"
        try:
            for worker in workers:
                worker.start()
            with runtime.beside_others():
                self._extract_frames(now)
            if self.signals:
                self.signals.end()
            self._wait(workers)
        except Stopped:
            pass
        finally:
            now.stop.set()
            for worker in workers:
                worker.close(STOP_SECONDS)
            while now.held and not self.stop.is_set():
                self.held.take()
                now.held -= 1
        for worker in workers:
            if worker.error:
                raise worker.error
        if self.stop.is_set():
            raise Stopped
        self.media.notes += [note for note in self.notes if note not in self.media.notes]
        self.media.frozen = (
            self.media.kind == "video" and not self.notes and self.stillness.holds(now.sampled)
        )

    def _extract_frames(self, now: _Pass) -> None:
        planned = frozenset(now.sampled)
        for frame, times in with_timestamps(now.frames, now.decoded):
            index = None
            if not planned.isdisjoint(times):
                with self.lock:
                    index = len(self.timestamps)
                    self.timestamps.append(frame.time)
                small = averaged(frame.rgb)
                self.stillness.add(small)
                self.loops.add(frame.time, small)
            self.hashes.add(frame, times)
            self.marks.add(frame, times)
            for extractor in self.extractors.values():
                extractor.frame(frame, times, index)
            del frame
            self.held.take()
            now.held -= 1
            self._report("faces")
        for extractor in self.extractors.values():
            extractor.end()

    def _wait(self, workers: dict[Supervised[None], Stage]) -> None:
        for worker, stage in workers.items():
            while not worker.wait(REPORT_SECONDS):
                self._report(stage)

    def _decide(self) -> Analysis:
        if self.provenance:
            self.provenance.hashes = self.hashes.found
            self.provenance.marks = self.voice_marks
            if provenance.MarkSearch.possible():
                self.provenance.marks = [*self.marks.found, *self.voice_marks]
            else:
                text = _("Marks of generators: not looked for. Type: {command}")
                self.media.notes.append(text.format(command=install("full")))
            provenance.conclude(self.provenance)
        with timed(self.timings, "verdict"):
            self._check_skills()
            analysis = decide(self._analysis())
        if self.signals and not analysis.media.frozen:  # all signals measure movement
            with timed(analysis.timings, "signals"):
                analysis.signals = self.signals.signals(analysis, self.faces.people())
                if self.settings.watch_face and analysis.people:
                    analysis = self._watched(analysis)
        analysis.timings["total"] = round(time.perf_counter() - self.reporter.begun, 3)
        self._report("verdict", done=True)
        return analysis

    def _watched(self, analysis: Analysis) -> Analysis:
        try:
            first = analysis.people[0]
            return watching.added(self.path, analysis, first, cancel=self.cancel)
        except ModelError as error:  # without OpenVINO
            analysis.media.notes.append(error.message)
            return analysis

    def _check_skills(self) -> None:
        """Check models without a measurement, once for their weights, before they may accuse."""
        for spec in self.asked_for:
            result = self.results.get(spec.id)  # None for a question that does not apply here
            if result and result.scored and result.skill is None and skill.due(spec):
                model = registry.load_model(spec.id, device=self.request.device)
                result.skill = skill.check(model)

    @property
    def faces(self) -> FaceExtractor:
        """Return the extractor of faces, which every run of pictures has."""
        extractor = self.extractors[Modality.FACE]
        assert isinstance(extractor, FaceExtractor)
        return extractor

    def _analysis(self, *, partial: bool = False) -> Analysis:
        with self.lock:
            subjects = [s for e in self.extractors.values() for s in e.subjects(partial=partial)]
            results = [r.model_copy() for r in self.results.values()]
            timestamps = [round(t, 4) for t in self.timestamps]
        return initial_results.undecided(
            self.media.model_copy(deep=True),
            self.settings,
            results,
            initial_results.rules(results, self.own, self.media.questions),
            subjects,
            self.request.device,
            id=initial_results.analysis_id(self.media.sha256, self.settings, self.asked_for),
            created=datetime.now(UTC),
            timestamps=timestamps,
            coverage=None
            if self.media.kind == "audio"
            else planning.coverage(self.media, self.settings, timestamps, self.shots),
            provenance=self.provenance,
            timings={k: round(v, 3) for k, v in self.timings.items()},
            partial=partial,
        )

    def known(self) -> RunOptions:
        """Return the results that a second run of the same file can reuse."""
        known = {modality: extractor.seen() for modality, extractor in self.extractors.items()}
        return RunOptions(media=self.media, shots=self.shots, known=known)

    def _report(self, stage: Stage, *, now: bool = False, done: bool = False) -> None:
        """Report the progress if due, or `now`; raise Stopped if the run was stopped."""
        if self.stop.is_set() and not done:
            raise Stopped
        if not self.reporter.due(done=done or now):
            return
        planned = self.rounds.planned()
        with self.lock:
            expected = {modality: e.expected() for modality, e in self.extractors.items()}
            models = {
                id: (r.scored, r.scored if r.kind == "video" else max(r.scored, known))
                for id, r in self.results.items()
                for known in [planned.get(id, expected.get(r.modality, 0))]
            }
        sampled = len(self.timestamps)
        partial = decide(self._analysis(partial=True)) if sampled and not done else None
        progress = Progress(
            stage, 0.0, dict(self.timings), sampled,
            models=models, media=self.media, partial=partial,
            round=0 if self.reading is None else self.rounds.number,
            moments=min(self.rounds.moments, self.rounds.most), moments_total=self.rounds.most,
            note=self.note, reading=self.reading,
        )  # fmt: skip
        with self.budget.paused():  # an observer may pause the run
            self.reporter.report(progress, done=done)
