"""One analysis from file to verdict: three stages side by side."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detector import faces, media
from detector.errors import Canceled, ModelError
from detector.media import Frame
from detector.models import registry
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.pipeline import windows
from detector.pipeline.conveyor import Belt, Halt, Stopped, Timer, Worker, with_times
from detector.pipeline.people import Person, tracks
from detector.pipeline.progress import Observer, Progress, Stage
from detector.pipeline.software import software
from detector.results import (
    Analysis,
    ClipWindow,
    FaceFrame,
    Label,
    Media,
    ModelResult,
    Settings,
    Verdict,
)
from detector.verdict import decide

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
    """One person's crop at one moment, for the frame models with this recipe."""

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


class Run:
    """Lives for one call of `Analyzer.analyze`. The lock guards what the scorer writes and the
    caller's thread reports: people, moments and model results."""

    def __init__(
        self,
        detector: faces.FaceDetector,
        device: str,
        settings: Settings,
        observe: Observer | None,
        cancel: threading.Event,
    ) -> None:
        self.detector, self.device, self.settings = detector, device, settings
        self.observe, self.cancel = observe, cancel
        self.specs = registry.choose(settings.models)
        self.results = {s.id: _result(s) for s in self.specs}
        self.models: dict[str, Model] = {}
        self.people: dict[int, Person] = {}
        self.looked: list[float] = []
        self.searched = 0
        self.timings: dict[str, float] = defaultdict(float)
        self.begun = time.perf_counter()
        self.observe_next, self.fraction, self.planned = 0.0, 0.0, 0
        self.lock = threading.Lock()
        self.stop = Halt(cancel)
        self.frames: Belt[Frame | None] = Belt(QUEUED_FRAMES, self.stop)
        self.items: Belt[Item] = Belt(QUEUED_CROPS, self.stop)
        self.media: Media | None = None

    def go(self, path: Path, name: str | None) -> Analysis:
        """Run the stages and decide. Raises what any of them raised."""
        if self.cancel.is_set():
            raise Canceled()
        self._report("read")
        with Timer(self.timings, "read"):
            self.media = media.probe(path, name=name)
            moments, runs = self._plan(path, self.media)
        self.planned = len(moments)
        wanted = tuple(sorted({*moments, *(t for run in runs for t in run.times)}))
        notes: list[str] = []
        decoder = Worker(lambda: self._decode(path, wanted, notes), self.stop)
        scorer = Worker(self._score, self.stop)
        decoder.start()
        scorer.start()
        try:
            lasts = 1.5 / self.media.fps if self.media.fps else 1.0
            self._find_faces(with_times(self.frames, wanted, lasts), moments, runs)
            self.items.put(None)
            while scorer.is_alive():
                scorer.join(0.1)
                self._report("score")
        except Stopped:
            pass
        finally:
            self.stop.set()
            decoder.join()
            scorer.join()
        if self.cancel.is_set():
            raise Canceled()
        for worker in (decoder, scorer):
            if worker.error:
                raise worker.error
        self.media.notes.extend(notes)
        with Timer(self.timings, "verdict"):
            analysis = decide(self._analysis())
        analysis.timings["total"] = round(time.perf_counter() - self.begun, 3)
        self._report("verdict", done=True)
        return analysis

    # --- stage 1, a thread: decode ---------------------------------------------------------------

    def _decode(self, path: Path, wanted: Sequence[float], notes: list[str]) -> None:
        assert self.media is not None
        decoded = media.decode(path, self.media, wanted, notes=notes, cancel=self.stop)
        try:
            while True:
                with Timer(self.timings, "decode"):
                    frame = next(decoded, None)
                self.frames.put(frame)
                if frame is None:
                    return
        except Canceled:
            raise Stopped from None

    # --- stage 2, the caller's thread: find, link, assess, cut -----------------------------------

    def _find_faces(
        self,
        frames: Iterator[tuple[Frame, tuple[float, ...]]],
        moments: Sequence[float],
        runs: Sequence[windows.Window],
    ) -> None:
        tracker = faces.Tracker()
        recipes = list(dict.fromkeys(s.crop for s in self.specs if s.kind != "clip"))
        anchors = {t for run in runs for t in run.anchors}
        closer_looks = CLOSER_LOOKS
        for frame, times in frames:
            looked_at = not set(moments).isdisjoint(times)
            for run in runs:
                run.add(frame, times)
            if looked_at or not anchors.isdisjoint(times):
                with Timer(self.timings, "faces"):
                    found = self.detector.detect(frame.rgb, self.settings.min_face)
                    if not found and closer_looks:
                        closer_looks -= 1
                        smallest = max(SMALLEST_FACE, max(frame.rgb.shape) // SMALLEST_SHARE)
                        found = self.detector.detect(frame.rgb, smallest)
                    numbers = tracker.update(frame.time, frame.rgb, found)
                with self.lock:
                    self.searched += 1
                    for number, face in zip(numbers, found, strict=True):
                        person = self.people.setdefault(number, Person())
                        person.anchors.append((frame.time, face))
                    index = len(self.looked)
                    if looked_at:
                        self.looked.append(frame.time)
                if looked_at:
                    for number, face in zip(numbers, found, strict=True):
                        self._look(frame, index, number, face, recipes)
                self._cut_runs(runs, max(times))
            self._report("faces")

    def _look(
        self,
        frame: Frame,
        index: int,
        number: int,
        face: faces.Detection,
        recipes: Sequence[CropRecipe],
    ) -> None:
        """Record one person's face at one moment and send off its crops."""
        quality = faces.assess(frame.rgb, face, self.settings.min_face)
        record = FaceFrame(
            index=index,
            time=round(frame.time, 4),
            box=face.box,
            landmarks=list(face.landmarks),
            quality=quality,
        )
        with self.lock:
            self.people[number].looked[index] = record
        if quality.problem is None:
            for recipe in recipes:
                crop = faces.cut(frame.rgb, face.box, recipe)
                self.items.put(FaceItem(recipe, number, index, crop))

    def _cut_runs(self, runs: Sequence[windows.Window], searched: float) -> None:
        for run in runs:
            if run.frames and run.cut(self.people, searched):
                for number, crops in run.runs():
                    start, end = run.times[0], run.times[-1]
                    self.items.put(ClipItem(run.models, number, start, end, crops))

    # --- stage 3, a thread: score ----------------------------------------------------------------

    def _score(self) -> None:
        import torch

        torch.set_num_threads(1)  # per thread; two pools of threads starve each other
        self._load_models()  # here, so that faces are found meanwhile
        waiting: dict[CropRecipe, list[FaceItem]] = defaultdict(list)
        while (item := self.items.take()) is not None:
            if isinstance(item, ClipItem):
                self._score_clip(item)
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
                        face = self.people[item.person].looked[item.index]
                        face.logits[spec.id] = logit

    def _score_clip(self, item: ClipItem) -> None:
        for id in item.models:
            for logit in self._run_model(id, item.crops[None]):
                start, end = round(item.start, 4), round(item.end, 4)
                window = ClipWindow(model=id, start=start, end=end, logit=logit)
                with self.lock:
                    self.people[item.person].windows.append(window)

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
                self.models[spec.id] = registry.load_model(spec.id, self.device)
            except ModelError as error:
                self.results[spec.id].error = error.message

    def _plan(self, path: Path, info: Media) -> tuple[tuple[float, ...], list[windows.Window]]:
        """Which moments to look at, and the runs of frames for clip models."""
        shapes: dict[windows.Shape, list[ModelSpec]] = defaultdict(list)
        for spec in self.specs:
            if spec.kind == "clip":
                shapes[windows.Shape.of(spec)].append(spec)
        # A plan by changes in the picture reads the whole clip: one plan for a shape, not one more.
        wanted: list[tuple[int, int, float] | tuple[()]]
        wanted = [(windows.COUNT, shape.frames, shape.step) for shape in shapes] or [()]
        plans = [media.plan(info, self.settings, run, path, cancel=self.cancel) for run in wanted]
        runs: list[windows.Window] = []
        for (shape, specs), plan in zip(shapes.items(), plans, strict=False):
            ids = tuple(s.id for s in specs)
            runs += [windows.Window(ids, shape.recipe, times) for times in plan.windows]
            if not plan.windows:
                why = (
                    "it judges motion, and this is a picture"
                    if info.kind == "image"
                    else f"it needs {shape.frames * shape.step:.1f} s of video"
                )
                for id in ids:
                    self.results[id].not_counted_because = why
        return plans[0].moments, runs

    # --- what comes out --------------------------------------------------------------------------

    def _analysis(self, *, partial: bool = False) -> Analysis:
        """What is known by now, undecided."""
        assert self.media is not None
        with self.lock:
            people = [
                person
                for _, person in sorted(self.people.items())
                if person.looked
                and (partial or faces.keep([face for _, face in person.anchors], self.searched))
            ]
            found = tracks(people, self.media.width)
            results = [r.model_copy() for r in self.results.values()]
            moments = [round(t, 4) for t in self.looked]
        ensemble = registry.manifest().ensemble
        return Analysis(
            id=self._id(),
            created=datetime.now(UTC),
            media=self.media.model_copy(deep=True),
            settings=self.settings,
            verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=ensemble.thresholds),
            ensemble=ensemble,
            models=results,
            tracks=found,
            moments=moments,
            timings={k: round(v, 3) for k, v in self.timings.items()},
            software=software(self.device),
            partial=partial,
        )

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
            raise Stopped
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
                id: (r.scored, r.scored if r.kind == "clip" else max(r.scored, faces_known))
                for id, r in self.results.items()
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


def _result(spec: ModelSpec) -> ModelResult:
    """An empty result. Several weight files are named by the hash of their hashes."""
    together = hashlib.sha256("".join(f.sha256 for f in spec.files).encode()).hexdigest()
    return ModelResult(
        id=spec.id,
        title=spec.title,
        kind=spec.kind,
        task=spec.task,
        weights_sha256=spec.files[0].sha256 if len(spec.files) == 1 else together,
        calibration=spec.calibration,
        weight=spec.weight,
        finding=spec.finding,
        confused_by=spec.confused_by,
    )
