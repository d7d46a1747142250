"""One analysis from file to verdict: four stages side by side."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detector import conformal, media, provenance, runtime, vision
from detector.decision import decide
from detector.errors import Canceled, ModelError
from detector.media import Frame, Shot
from detector.models import registry
from detector.models.base import CropRecipe, Model
from detector.pipeline import initial_results, planning, windows
from detector.pipeline.bounded_queue import (
    BoundedQueue,
    CancellationToken,
    StageCancelled,
    Timer,
    Worker,
    with_timestamps,
)
from detector.pipeline.coverage import coverage
from detector.pipeline.full_frame import EVERYBODY, FullFrameScores
from detector.pipeline.orientation import OrientationCheck, WrongOrientation
from detector.pipeline.progress import Observer, Progress, Stage
from detector.pipeline.signal_stage import SignalStage
from detector.pipeline.software import software
from detector.pipeline.tracks import SubjectBuilder, tracks
from detector.schema.analysis import (
    Analysis,
    ClipWindow,
    FaceFrame,
    Label,
    Media,
    Question,
    Settings,
    Verdict,
)
from detector.schema.origin import Provenance

log = logging.getLogger(__name__)

BATCH = 8
"""crops a frame model is given at once: larger gains nothing on two cores."""
QUEUED_FRAMES = 4
"""decoded frames that may wait; a 4K frame is 25 MB."""
QUEUED_CROPS = 64
SMALLEST_FACE, SMALLEST_SHARE = 16, 240
"""px, and parts of the frame's longer side: where no face is found, the first `CLOSER_LOOKS` frames
are searched down to this width (the larger of the two: an 8K frame would take 10 s), so that "too
small" can be told from "no face"."""
CLOSER_LOOKS = 4
OBSERVE_EVERY, OBSERVE_SHARE = 0.25, 0.05
"""s between two progress reports, and the most of a run's time that they may take: with 20 people
in 2,000 frames a report is no small thing."""


@dataclass(frozen=True)
class FaceItem:
    """One person's crop at one moment (or the whole picture), for the frame models with this
    recipe."""

    recipe: CropRecipe
    person: int
    index: int
    crop: np.ndarray


@dataclass(frozen=True)
class ClipItem:
    """One person's run of crops, for clip models."""

    models: tuple[str, ...]
    person: int
    start: float
    end: float
    crops: np.ndarray


Item = FaceItem | ClipItem | None


@dataclass
class RunOptions:
    """How a run differs from a usual one, where a file is gone through twice (`closer`).

    Attributes
    ----------
    media : Media, optional
        Probed already.
    source : Media, optional
        What is decoded, where `media` says what it is changed to.
    shots : list of Shot, optional
        Searched already, with `media`.
    moments : tuple of float, optional
        Chosen already, s.
    known : mapping
        Faces that were found and scored before: time of the frame -> (face, what was said of it).
    whole : mapping
        The same for whole pictures.
    frames_only : bool
        Leave out the models of clips.
    faces_at : callable, optional
        Time of a frame -> its faces, where they need not be searched, or None where they must.
    change : callable, optional
        What happens to each decoded picture, uint8 [H, W, 3] to [H', W', 3]: a trial.
    """

    media: Media | None = None
    source: Media | None = None
    shots: list[Shot] | None = None
    moments: tuple[float, ...] | None = None
    known: Mapping[float, list[tuple[vision.Detection, FaceFrame]]] = field(default_factory=dict)
    whole: Mapping[float, FaceFrame] = field(default_factory=dict)
    frames_only: bool = False
    faces_at: Callable[[float], list[vision.Detection] | None] | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None


class AnalysisRun:
    """Lives for one call of `Analyzer.analyze`. The lock guards what the scorer writes and the
    caller's thread reports: people, moments and model results."""

    def __init__(
        self,
        detector: vision.FaceDetector,
        device: str,
        settings: Settings,
        observe: Observer | None,
        cancel: threading.Event,
        scores_only: bool = False,
        look: RunOptions | None = None,
    ) -> None:
        self.scores_only, self.look = scores_only, look or RunOptions()
        self.detector, self.device, self.settings = detector, device, settings
        self.observe, self.cancel = observe, cancel
        self.begun = time.perf_counter()
        self.observe_next, self.fraction, self.planned = 0.0, 0.0, 0
        self._begin()

    def _begin(self) -> None:
        """Nothing is known yet."""
        self.own = conformal.load()
        self.specs = registry.choose(self.settings.models)
        self.results = {s.id: initial_results.result(s) for s in self.specs}
        self.models: dict[str, Model] = {}
        self.people: dict[int, SubjectBuilder] = {}
        self.whole = FullFrameScores()
        self.wholes = {s.id for s in self.specs if s.crop.kind == "whole"}
        self.looked: list[float] = []
        self.searched = 0
        self.found: dict[float, list[vision.Detection]] = {}
        """by time of each frame that was searched"""
        self.timings: dict[str, float] = defaultdict(float)
        self.lock = threading.Lock()
        self.stop = CancellationToken(self.cancel)
        self.frames: BoundedQueue[Frame | None] = BoundedQueue(QUEUED_FRAMES, self.stop)
        self.items: BoundedQueue[Item] = BoundedQueue(QUEUED_CROPS, self.stop)
        # Whole pictures at their own size are as large as frames: as few of them may wait.
        self.large: BoundedQueue[None] = BoundedQueue(QUEUED_FRAMES, self.stop)
        self.media: Media | None = None
        self.shots: list[Shot] | None = None
        self.provenance: Provenance | None = None
        self.reading: SignalStage | None = None

    def execute(self, path: Path, name: str | None) -> Analysis:
        """Run the stages and decide. Raises what any of them raised."""
        try:
            return self._execute(path, name)
        except WrongOrientation as found:
            assert self.media is not None
            about = media.turned(self.media, found.degrees)
            about.notes.append(
                f"A face was only found with the picture turned by {found.degrees}°, so it is shown"
                " and was judged turned. The file's own rotation is wrong or missing."
            )
            self.look = replace(self.look, media=about, shots=self.shots)
            self._begin()
            return self._execute(path, name)

    def _execute(self, path: Path, name: str | None) -> Analysis:
        if self.cancel.is_set():
            raise Canceled()
        self._report("read")
        with Timer(self.timings, "read"):
            self.media = self.look.media or media.probe(path, name=name)
            self.shots = self.look.shots if self.look.media else self._search_shots(path)
            clips = not self.look.frames_only
            moments, runs, unfit = planning.plan(
                path,
                self.media,
                self.settings,
                [spec for spec in self.specs if clips or spec.kind != "clip"],
                self.cancel,
                for_signals=not self.scores_only,
                moments=self.look.moments,
                shots=self.shots,
            )
            for id, why in unfit.items():
                self.results[id].not_counted_because = why
        self.planned = len(moments)
        wanted = tuple(sorted({*moments, *(t for run in runs for t in run.times)}))
        notes: list[str] = []
        decoder = Worker(lambda: self._decode(path, wanted, notes), self.stop)
        scorer = Worker(self._score, self.stop)
        workers: dict[Worker, Stage] = {decoder: "faces", scorer: "score"}
        if not self.scores_only:
            self.reading = SignalStage(len(moments), self.stop, self.timings)
            workers[Worker(lambda: self._inspect(path), self.stop)] = "score"
            workers[Worker(self.reading.work, self.stop)] = "signals"
        for worker in workers:
            worker.start()
        try:
            lasts = 1.5 / self.media.fps if self.media.fps else 1.0
            with runtime.beside_others():
                self._find_faces(with_timestamps(self.frames, wanted, lasts), moments, runs)
            self.items.put(None)
            if self.reading:
                self.reading.end()
            for worker, stage in workers.items():
                while worker.is_alive():
                    worker.join(0.1)
                    self._report(stage)
        except StageCancelled:
            pass
        finally:
            self.stop.set()
            for worker in workers:
                worker.join()
        if self.cancel.is_set():
            raise Canceled()
        for worker in workers:
            if worker.error:
                raise worker.error
        self.media.notes += [note for note in notes if note not in self.media.notes]
        with Timer(self.timings, "verdict"):
            analysis = decide(self._analysis())
        if self.reading:
            with Timer(analysis.timings, "signals"):
                analysis.signals = self.reading.signals(analysis, self._kept())
        analysis.timings["total"] = round(time.perf_counter() - self.begun, 3)
        self._report("verdict", done=True)
        return analysis

    def _search_shots(self, path: Path) -> list[Shot] | None:
        """Where the clip cuts: as part of the plan, or to say what was looked at."""
        assert self.media is not None
        planned = self.settings.sampling == "closer" or planning.sparse(self.media, self.settings)
        if self.scores_only and not planned:
            return None
        return planning.shots(path, self.media, self.settings, self.cancel)

    # --- stage 1, a thread: decode ---------------------------------------------------------------

    def _decode(self, path: Path, wanted: Sequence[float], notes: list[str]) -> None:
        assert self.media is not None
        source = self.look.source or self.media
        decoded = media.decode(path, source, wanted, notes=notes, cancel=self.stop)
        try:
            while True:
                with Timer(self.timings, "decode"):
                    frame = next(decoded, None)
                    if frame is not None and self.look.change is not None:
                        frame = replace(frame, rgb=self.look.change(frame.rgb))
                self.frames.put(frame)
                if frame is None:
                    return
        except Canceled:
            raise StageCancelled from None

    # --- beside them, a thread: where the file says it comes from --------------------------------

    def _inspect(self, path: Path) -> None:
        assert self.media is not None
        with Timer(self.timings, "provenance"):
            self.provenance = provenance.inspect(path, self.media, cancel=self.stop)

    # --- stage 2, the caller's thread: find, link, assess, cut -----------------------------------

    def _find_faces(
        self,
        frames: Iterator[tuple[Frame, tuple[float, ...]]],
        moments: Sequence[float],
        runs: Sequence[windows.FrameWindow],
    ) -> None:
        tracker = vision.Tracker()
        every = list(dict.fromkeys(s.crop for s in self.specs if s.kind != "clip"))
        recipes = [recipe for recipe in every if recipe.kind != "whole"]
        whole = [recipe for recipe in every if recipe.kind == "whole"]
        anchors = {t for run in runs for t in run.anchors}
        closer_looks, searched = CLOSER_LOOKS, -1.0
        standing = OrientationCheck(self.detector, self.settings.min_face)
        for frame, times in frames:
            looked_at = not set(moments).isdisjoint(times)
            for run in runs:
                run.add(frame, times)
            if looked_at or not anchors.isdisjoint(times):
                with Timer(self.timings, "faces"):
                    known = self.look.known.get(frame.time)
                    before = self._found_before(frame.time, known)
                    found = (
                        self.detector.detect(frame.rgb, self.settings.min_face)
                        if before is None
                        else before
                    )
                    if not found and closer_looks and before is None:
                        closer_looks -= 1
                        smallest = max(SMALLEST_FACE, max(frame.rgb.shape) // SMALLEST_SHARE)
                        found = self.detector.detect(frame.rgb, smallest)
                    numbers = tracker.update(frame.time, frame.rgb, found)
                with self.lock:
                    self.searched += 1
                    self.found[frame.time] = found
                    for number, face in zip(numbers, found, strict=True):
                        person = self.people.setdefault(number, SubjectBuilder())
                        person.anchors.append((frame.time, face))
                    index = len(self.looked)
                    if looked_at:
                        self.looked.append(frame.time)
                if looked_at and self.look.media is None:
                    with Timer(self.timings, "faces"):
                        standing.look(frame.rgb, found)
                if looked_at:
                    said = [said for _, said in known or []]
                    for at, (number, face) in enumerate(zip(numbers, found, strict=True)):
                        again = said[at] if said else None
                        self._look(frame, index, number, face, recipes, again)
                    if self.wholes:
                        self._look_at_all(frame, index, whole)
                searched = max(times)
            self._cut_runs(runs, searched)
            self._report("faces")
        if self.look.media is None:
            standing.end(len(self.looked))

    def _found_before(
        self, time: float, known: list[tuple[vision.Detection, FaceFrame]] | None
    ) -> list[vision.Detection] | None:
        """A frame's faces, where they were found before; None where they must be searched."""
        if known is not None:
            return [face for face, _ in known]
        return self.look.faces_at(time) if self.look.faces_at is not None else None

    def _look(
        self,
        frame: Frame,
        index: int,
        number: int,
        face: vision.Detection,
        recipes: Sequence[CropRecipe],
        said: FaceFrame | None = None,
    ) -> None:
        """Record one person's face at one moment and send off its crops; none where it was scored
        before."""
        record = self._again(said, index) or FaceFrame(
            index=index,
            time=round(frame.time, 4),
            box=face.box,
            landmarks=list(face.landmarks),
            quality=vision.assess(frame.rgb, face, self.settings.min_face),
        )
        with self.lock:
            self.people[number].looked[index] = record
        if record.quality.problem is None:
            for recipe in () if said else recipes:
                box = vision.box_for(recipe, face.box, self.detector.name)
                crop = vision.cut(frame.rgb, box, recipe, face.landmarks)
                self.items.put(FaceItem(recipe, number, index, crop))
            if self.reading:
                self.reading.face(frame, index, number, face)

    def _again(self, said: FaceFrame | None, index: int) -> FaceFrame | None:
        """What was said of a face before, at its place among the moments of now."""
        if said is None:
            return None
        with self.lock:
            for id in said.logits:
                self.results[id].scored += 1
        return said.model_copy(update={"index": index, "logits": dict(said.logits)})

    def _look_at_all(self, frame: Frame, index: int, recipes: Sequence[CropRecipe]) -> None:
        """Record one moment of the whole picture and send it off."""
        said = self.look.whole.get(frame.time)
        record = self._again(said, index) or self.whole.look(frame, index)
        with self.lock:
            self.whole.looked[index] = record
        for recipe in () if said else recipes:
            crop = vision.cut(frame.rgb, record.box, recipe)
            if not recipe.final:
                self.large.put(None)
            self.items.put(FaceItem(recipe, EVERYBODY, index, crop))

    def _cut_runs(self, runs: Sequence[windows.FrameWindow], searched: float) -> None:
        for run in runs:
            if run.frames and run.cut(self.people, searched):
                for number, crops in run.runs():
                    start, end = run.times[0], run.times[-1]
                    if run.models:
                        self.items.put(ClipItem(run.models, number, start, end, crops))
                    elif self.reading:
                        self.reading.run(number, start, end, crops)

    # --- stage 3, a thread: score ----------------------------------------------------------------

    def _score(self) -> None:
        import torch

        torch.set_num_threads(1)  # per thread; two pools of threads starve each other
        self._load_models()  # here, so that faces are found meanwhile
        waiting: dict[CropRecipe, list[FaceItem]] = defaultdict(list)
        while (item := self.items.take()) is not None:
            if isinstance(item, ClipItem):
                self._score_clip(item)
            elif not item.recipe.final:  # crops of any size: the model does the rest
                self._score_faces([item])
                if item.person == EVERYBODY:
                    self.large.take()
            else:
                batch = waiting[item.recipe]
                batch.append(item)
                if len(batch) == BATCH:
                    self._score_faces(waiting.pop(item.recipe))
        for batch in waiting.values():
            self._score_faces(batch)

    def _score_faces(self, batch: list[FaceItem]) -> None:
        crops = np.stack([item.crop for item in batch])
        for spec in self.specs:
            if spec.kind != "clip" and spec.crop == batch[0].recipe:
                logits = self._run_model(spec.id, crops)
                with self.lock:
                    for item, logit in zip(batch, logits, strict=False):
                        of = self.whole if item.person == EVERYBODY else self.people[item.person]
                        of.looked[item.index].logits[spec.id] = logit

    def _score_clip(self, item: ClipItem) -> None:
        for id in item.models:
            for logit in self._run_model(id, item.crops[None]):
                start, end = round(item.start, 4), round(item.end, 4)
                window = ClipWindow(model=id, start=start, end=end, logit=logit)
                of = self.whole if item.person == EVERYBODY else self.people[item.person]
                with self.lock:
                    of.windows.append(window)

    def _run_model(self, id: str, batch: np.ndarray) -> list[float]:
        """Logits of one batch; none when the model fails, and it then scores nothing more."""
        result = self.results[id]
        if result.error:
            return []
        begun = time.perf_counter()
        try:
            logits = self.models[id].score(batch)
            if not np.isfinite(logits).all():
                raise ModelError(f"{result.title} gave a score that is not a number.")
        except Exception as error:  # a broken model must not take the others down
            log.exception("%s failed", id)
            why = error.message if isinstance(error, ModelError) else "it stopped while scoring"
            result.error = why
            return []
        result.seconds = (result.seconds or 0.0) + time.perf_counter() - begun
        result.scored += len(batch)
        return [round(float(x), 5) for x in logits]

    # --- what is run -----------------------------------------------------------------------------

    def _load_models(self) -> None:
        for spec in self.specs:
            try:
                self.models[spec.id] = registry.load_model(spec.id, device=self.device)
            except ModelError as error:
                self.results[spec.id].error = error.message

    # --- what comes out --------------------------------------------------------------------------

    def _analysis(self, *, partial: bool = False) -> Analysis:
        """What is known by now, undecided."""
        assert self.media is not None
        with self.lock:
            people = list(self._kept(everyone=partial).values())
            found = self.whole.onto(tracks(people, self.media.width) if people else [])
            results = [r.model_copy() for r in self.results.values()]
            moments = [round(t, 4) for t in self.looked]
        ensembles = initial_results.ensembles(results, self.own)
        return Analysis(
            id=self._id(),
            created=datetime.now(UTC),
            media=self.media.model_copy(deep=True),
            settings=self.settings,
            verdict=Verdict(
                label=Label.NOT_APPLICABLE, thresholds=ensembles[Question.MANIPULATION].thresholds
            ),
            ensembles=ensembles,
            models=results,
            tracks=found,
            moments=moments,
            coverage=coverage(self.media, self.settings, moments, self.shots),
            provenance=self.provenance,
            timings={k: round(v, 3) for k, v in self.timings.items()},
            software=software(self.device),
            partial=partial,
        )

    def known(self) -> RunOptions:
        """What a second run of the same file need not find and score again."""
        assert self.media is not None
        times = dict(enumerate(self.looked))
        known: dict[float, list[tuple[vision.Detection, FaceFrame]]] = {t: [] for t in self.looked}
        for person in self.people.values():
            found = dict(person.anchors)
            for index, said in person.looked.items():
                known[times[index]].append((found[times[index]], said))
        for at_once in known.values():  # as the detector gives them
            at_once.sort(key=lambda pair: (pair[0].box[0] + pair[0].box[2], pair[0].box[1]))
        whole = {times[index]: said for index, said in self.whole.looked.items()}
        return RunOptions(media=self.media, shots=self.shots, known=known, whole=whole)

    def _kept(self, *, everyone: bool = False) -> dict[int, SubjectBuilder]:
        """People by number, in order of first appearance, without what only looked like a face."""
        return {
            number: person
            for number, person in sorted(self.people.items())
            if person.looked
            and (everyone or vision.keep([face for _, face in person.anchors], self.searched))
        }

    def _id(self) -> str:
        """Hash of the media, the settings, the program and the weights."""
        assert self.media is not None
        program = software(self.device).version
        parts = [self.media.sha256, self.settings.model_dump_json(), program]
        parts += [f"{r.id}:{r.weights_sha256}" for r in self.results.values()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _report(self, stage: Stage, *, done: bool = False) -> None:
        """Tell the observer, now and then; and take notice of a cancel."""
        if self.stop.is_set() and not done:
            raise StageCancelled
        now = time.perf_counter()
        if self.observe is None or not (done or now > self.observe_next):
            return
        with self.lock:
            faces_known = sum(
                face.quality.problem is None
                for person in self.people.values()
                for face in person.looked.values()
            )
            models = {
                id: (r.scored, r.scored if r.kind == "clip" else max(r.scored, known))
                for id, r in self.results.items()
                for known in [len(self.looked) if id in self.wholes else faces_known]
            }
        looked = len(self.looked)
        shares = [scored / known for scored, known in models.values() if known]
        scored = sum(shares) / len(shares) if shares else 1.0
        share = looked / self.planned * (0.5 + 0.5 * scored) if self.planned else 0.0
        self.fraction = 1.0 if done else max(self.fraction, min(0.99, 0.02 + 0.97 * share))
        self.observe(
            Progress(
                stage=stage,
                fraction=self.fraction,
                seconds=dict(self.timings, total=now - self.begun),
                moments=looked,
                moments_total=looked if done else self.planned,
                models=models,
                media=self.media,
                partial=decide(self._analysis(partial=True)) if looked and not done else None,
            )
        )
        end = time.perf_counter()
        self.observe_next = end + max(OBSERVE_EVERY, (end - now) / OBSERVE_SHARE)
