"""The flow: media, faces, tracks, crops, models, logits, verdict. One public class, `Analyzer`.

Three stages run side by side, joined by bounded queues, so that memory does not grow with the
clip: a thread decodes; the caller's thread finds, links and cuts faces; a thread scores crops in
batches. Each frame is decoded once, each face found once and each crop cut once per crop recipe,
whatever the number of models.

A clip model looks at runs of consecutive frames (windows). Faces are searched at the looked-at
moments and at every `ANCHOR_EVERY`-th frame of a window; in between, the box is interpolated.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from detector import faces, media
from detector.errors import Canceled, ModelError, UsageError
from detector.models import registry
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.results import (
    Analysis,
    ClipWindow,
    FaceFrame,
    Label,
    Media,
    ModelResult,
    Settings,
    Software,
    Track,
    Verdict,
)
from detector.verdict import decide

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 8
"""crops a frame model is given at once: larger gains nothing on two cores."""
WINDOWS = 4
"""runs of consecutive frames for clip models, spread over the clip."""
ANCHOR_EVERY = 5
"""frames of a window between two face searches (0.4 s at the usual step of 0.08 s)."""
SMALLEST_FACE = 16
"""px; where no face is found, the first `CLOSER_LOOKS` frames are searched down to this width, so
that "too small" can be told from "no face". A full search of every frame would cost twice."""
CLOSER_LOOKS = 4
QUEUED_FRAMES = 4
"""decoded frames that may wait; a 4K frame is 25 MB."""
QUEUED_CROPS = 64
OBSERVE_EVERY = 0.25
"""s between two progress reports."""

Stage = Literal["read", "faces", "score", "verdict"]


@dataclass
class Progress:
    """What is known so far; a fresh object each time, safe to keep."""

    stage: Stage
    fraction: float
    """0..1 of the whole run."""
    seconds: dict[str, float]
    """elapsed by stage."""
    moments: int = 0
    moments_total: int = 0
    models: dict[str, tuple[int, int]] = field(default_factory=dict)
    """id -> (scored, known so far)"""
    media: Media | None = None
    partial: Analysis | None = None
    """tracks and scores so far; no verdict."""


Observer = Callable[[Progress], None]


class Analyzer:
    """Analyzes files with shared, cached models. One instance serves all threads.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Where networks run. "auto": a GPU when there is one.
    detector : str
        Name of the face detector (`detector.faces.load_detector`).
    """

    def __init__(self, *, device: str = "auto", detector: str = "mtcnn") -> None:
        self.device = _device(device)
        self._detector_name = detector
        self._detector: faces.FaceDetector | None = None
        self._lock = threading.Lock()

    def warm_up(self, models: Sequence[str] | None = None) -> None:
        """Load the face detector and the models, so that the first analysis doesn't wait."""
        self.detector()
        for spec in registry.choose(models):
            try:
                registry.load_model(spec.id, self.device)
            except ModelError as error:
                log.warning("%s", error.message)

    def analyze(
        self,
        path: str | Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one video, animation or picture.

        Parameters
        ----------
        path : path
            A file on this machine. Treated as hostile.
        settings : Settings, optional
        name : str, optional
            What to call the file; default its own name.
        observe : callable, optional
            Called from this thread with a `Progress` a few times a second.
        cancel : threading.Event, optional
            Set it from elsewhere to stop.

        Returns
        -------
        Analysis
            The same for the same input on the same machine, but for times.

        Raises
        ------
        MediaError
            The file cannot be read, or must not be.
        UsageError
            A model id is unknown.
        Canceled
            `cancel` was set.
        """
        settings = settings or Settings()
        return _Run(self, settings, observe, cancel or threading.Event()).go(Path(path), name)

    def load(self, spec: ModelSpec) -> Model:
        return registry.load_model(spec.id, self.device)

    def detector(self) -> faces.FaceDetector:
        with self._lock:
            if self._detector is None:
                self._detector = faces.load_detector(self._detector_name, self.device)
            return self._detector


def analyze(path: str | Path, settings: Settings | None = None, **options: str) -> Analysis:
    """Analyze one file with a new `Analyzer` (models stay cached in the process)."""
    return Analyzer(**options).analyze(path, settings)


@dataclass
class _Person:
    """A track under construction."""

    anchors: list[tuple[float, faces.Detection]] = field(default_factory=list)
    looked: dict[int, FaceFrame] = field(default_factory=dict)
    windows: list[ClipWindow] = field(default_factory=list)


@dataclass
class _Window:
    """A run of frames that waits for its last anchor; `times` ascending."""

    times: tuple[float, ...]
    frames: dict[int, media.Frame] = field(default_factory=dict)
    crops: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """(person, position) -> crop"""


@dataclass(frozen=True)
class _FrameItem:
    recipe: CropRecipe
    person: int
    index: int
    crop: np.ndarray


@dataclass(frozen=True)
class _ClipItem:
    models: tuple[str, ...]
    person: int
    start: float
    end: float
    crops: np.ndarray


class _Run:
    """One analysis. Lives for one call of `Analyzer.analyze`."""

    def __init__(
        self,
        analyzer: Analyzer,
        settings: Settings,
        observe: Observer | None,
        cancel: threading.Event,
    ) -> None:
        self.analyzer, self.settings, self.cancel = analyzer, settings, cancel
        self.observe = observe
        self.specs = registry.choose(settings.models)
        self.results = {s.id: _result(s) for s in self.specs}
        self.queued: dict[str, int] = defaultdict(int)
        self.people: dict[int, _Person] = defaultdict(_Person)
        self.timings: dict[str, float] = defaultdict(float)
        self.begun = time.perf_counter()
        self.last_observed = 0.0
        self.looked: list[float] = []
        self.lock = threading.Lock()
        self.stop = threading.Event()  # set when any stage ends early
        self.media: Media | None = None
        self.moments_total = 0

    # --- the three stages ------------------------------------------------------------------------

    def go(self, path: Path, name: str | None) -> Analysis:
        self._report("read", force=True)
        with self._timed("read"):
            self.media = media.probe(path, name=name)
            self.models = self._load_models()
            plan, windows = self._plan(path, self.media)
        self.moments_total = len(plan)
        notes: list[str] = []
        decoded: queue.Queue[media.Frame | None] = queue.Queue(QUEUED_FRAMES)
        items: queue.Queue[_FrameItem | _ClipItem | None] = queue.Queue(QUEUED_CROPS)
        wanted = tuple(sorted({*plan, *(t for w in windows for t in w.times)}))
        failures: list[BaseException] = []

        def guarded(work: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                try:
                    work()
                except BaseException as error:  # handed to the caller's thread below
                    failures.append(error)
                    self.stop.set()

            return run

        decode = guarded(lambda: self._decode(path, wanted, notes, decoded))
        score = guarded(lambda: self._score(items))
        threads = [threading.Thread(target=t, daemon=True) for t in (decode, score)]
        for thread in threads:
            thread.start()
        try:
            lasts = 1.5 / self.media.fps if self.media.fps else 1.0
            frames = _grouped(decoded, wanted, lasts, self._alive)
            self._find_faces(frames, plan, windows, items)
            self._put(items, None)
            self._wait(threads[1])
        except _Stopped:
            pass
        except BaseException:
            self.stop.set()
            raise
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        if self.cancel.is_set():
            raise Canceled()
        if failures:
            raise failures[0]
        self.media.notes.extend(notes)
        with self._timed("verdict"):
            analysis = decide(self._analysis())
        analysis.timings["total"] = round(time.perf_counter() - self.begun, 3)
        self._report("verdict", force=True, done=True)
        return analysis

    def _decode(
        self,
        path: Path,
        wanted: Sequence[float],
        notes: list[str],
        decoded: queue.Queue[media.Frame | None],
    ) -> None:
        assert self.media is not None
        frames = media.decode(path, self.media, wanted, notes=notes, cancel=self.stop)
        while True:
            with self._timed("decode"):
                frame = next(frames, None)
            self._put(decoded, frame)
            if frame is None:
                return

    def _find_faces(
        self,
        frames: Iterator[tuple[media.Frame, tuple[float, ...]]],
        plan: Sequence[float],
        windows: list[_Window],
        items: queue.Queue[_FrameItem | _ClipItem | None],
    ) -> None:
        """Find, link, assess and cut; feed the scorer. Runs in the caller's thread."""
        detector = self.analyzer.detector()
        tracker = faces.Tracker()
        recipes = {
            s.crop.model_dump_json(): s.crop for s in self.specs if self._runs(s.id, clip=False)
        }
        moments = {t: i for i, t in enumerate(plan)}
        anchors = {t for w in windows for t in _anchors(w)}
        closer_looks = CLOSER_LOOKS
        for frame, times in frames:
            looked_at = [moments[t] for t in times if t in moments]
            if looked_at or any(t in anchors for t in times):
                with self._timed("faces"):
                    found = detector.detect(frame.rgb, self.settings.min_face)
                    if not found and closer_looks:
                        closer_looks -= 1
                        found = detector.detect(frame.rgb, SMALLEST_FACE)
                    numbers = tracker.update(
                        looked_at[0] if looked_at else -1, frame.time, frame.rgb, found
                    )
                    for number, detection in zip(numbers, found, strict=True):
                        self.people[number].anchors.append((frame.time, detection))
                if looked_at:
                    with self.lock:
                        self.looked.append(frame.time)
                    index = len(self.looked) - 1
                    for number, detection in zip(numbers, found, strict=True):
                        self._look(frame, index, number, detection, recipes, items)
            for window in windows:
                for position, t in enumerate(window.times):
                    if t in times:
                        window.frames[position] = frame
                self._advance(window, frame.time, items)
            self._report("faces")

    def _look(
        self,
        frame: media.Frame,
        index: int,
        number: int,
        detection: faces.Detection,
        recipes: dict[str, CropRecipe],
        items: queue.Queue[_FrameItem | _ClipItem | None],
    ) -> None:
        """Record one person's face at one looked-at moment and queue its crops."""
        quality = faces.assess(frame.rgb, detection, self.settings.min_face)
        face = FaceFrame(
            index=index,
            time=round(frame.time, 4),
            box=detection.box,
            landmarks=list(detection.landmarks),
            quality=quality,
        )
        with self.lock:
            self.people[number].looked[index] = face
        if quality.problem is not None:
            return
        for recipe in recipes.values():
            crop = faces.cut(frame.rgb, detection.box, recipe)
            self._put(items, _FrameItem(recipe, number, index, crop))

    def _advance(
        self,
        window: _Window,
        now: float,
        items: queue.Queue[_FrameItem | _ClipItem | None],
    ) -> None:
        """Cut what can be interpolated by now; when the run is whole, queue it and let it go."""
        if not window.frames:
            return
        last_anchor = max((t for t in _anchors(window) if t <= now + 1e-6), default=None)
        if last_anchor is None:
            return
        specs = [s for s in self.specs if self._runs(s.id, clip=True) and _fits(s, window)]
        if not specs:
            window.frames.clear()
            return
        recipe = specs[0].crop
        ready = [p for p in window.frames if window.times[p] <= last_anchor + 1e-6]
        for position in ready:
            frame = window.frames.pop(position)
            for number, person in self.people.items():
                box = faces.interpolate(person.anchors, frame.time)
                if box is not None:
                    crop = faces.cut(frame.rgb, box.box, recipe)
                    window.crops[number, position] = crop
        if len(window.times) - 1 not in ready:
            return
        ids = tuple(s.id for s in specs)
        for number in {n for n, _ in window.crops}:
            crops = [window.crops.get((number, p)) for p in range(len(window.times))]
            whole = [c for c in crops if c is not None]
            if len(whole) == len(crops):
                start, end = window.times[0], window.times[-1]
                self._put(items, _ClipItem(ids, number, start, end, np.stack(whole)))
        window.crops.clear()

    def _score(self, items: queue.Queue[_FrameItem | _ClipItem | None]) -> None:
        """Score crops in batches as they come. Runs in its own thread."""
        import torch

        torch.set_num_threads(1)  # per thread; two pools of threads starve each other
        waiting: dict[str, list[_FrameItem]] = defaultdict(list)
        while True:
            item = self._get(items)
            if isinstance(item, _ClipItem):
                for id in item.models:
                    self._run_clip(id, item)
            elif isinstance(item, _FrameItem):
                key = item.recipe.model_dump_json()
                waiting[key].append(item)
                if len(waiting[key]) >= BATCH:
                    self._run_frames(waiting.pop(key))
            else:
                for batch in waiting.values():
                    self._run_frames(batch)
                return

    def _run_frames(self, batch: list[_FrameItem]) -> None:
        crops = np.stack([item.crop for item in batch])
        for spec in self.specs:
            if spec.crop == batch[0].recipe and self._runs(spec.id, clip=False):
                logits = self._run_model(spec.id, crops)
                if logits is not None:
                    with self.lock:
                        for item, logit in zip(batch, logits, strict=True):
                            face = self.people[item.person].looked[item.index]
                            face.logits[spec.id] = round(float(logit), 5)

    def _run_clip(self, id: str, item: _ClipItem) -> None:
        logits = self._run_model(id, item.crops[None])
        if logits is not None:
            window = ClipWindow(
                model=id,
                start=round(item.start, 4),
                end=round(item.end, 4),
                logit=round(float(logits[0]), 5),
            )
            with self.lock:
                self.people[item.person].windows.append(window)

    def _run_model(self, id: str, batch: np.ndarray) -> np.ndarray | None:
        """Logits of one batch, or None when the model failed: it then scores nothing more."""
        result = self.results[id]
        begun = time.perf_counter()
        try:
            logits = self.models[id].score(batch)
            if not np.isfinite(logits).all():
                raise ModelError(f"{result.title} gave a score that is not a number.")
        except Exception as error:  # a broken model must not take the others down
            log.exception("%s failed", id)
            why = error.message if isinstance(error, ModelError) else "it stopped while scoring"
            result.error = why
            return None
        result.seconds = (result.seconds or 0.0) + time.perf_counter() - begun
        result.scored += len(batch)
        return logits

    # --- what is run -----------------------------------------------------------------------------

    def _load_models(self) -> dict[str, Model]:
        models = {}
        for spec in self.specs:
            try:
                models[spec.id] = self.analyzer.load(spec)
            except ModelError as error:
                self.results[spec.id].error = error.message
        return models

    def _runs(self, id: str, *, clip: bool) -> bool:
        """Whether a model takes part, as a clip model or as a frame model."""
        result = self.results[id]
        return id in self.models and result.error is None and (result.kind == "clip") == clip

    def _plan(self, path: Path, info: Media) -> tuple[tuple[float, ...], list[_Window]]:
        """Which moments to look at, and the runs of frames for clip models."""
        shapes = sorted(
            {(s.clip_frames, s.clip_step) for s in self.specs if self._runs(s.id, clip=True)}
        )
        moments = media.plan(info, self.settings, path=path).moments
        windows: list[_Window] = []
        for frames, step in shapes:
            plan = media.plan(info, self.settings, windows=(WINDOWS, frames, step), path=path)
            windows += [_Window(times) for times in plan.windows]
        for spec in self.specs:
            if self._runs(spec.id, clip=True) and not any(_fits(spec, w) for w in windows):
                still = info.kind == "image"
                self.results[spec.id].not_counted_because = (
                    "it judges motion, and this is a picture"
                    if still
                    else f"it needs {spec.clip_frames * spec.clip_step:.1f} s of video"
                )
        return moments, windows

    # --- what comes out --------------------------------------------------------------------------

    def _analysis(self, *, partial: bool = False) -> Analysis:
        assert self.media is not None
        with self.lock:
            kept = {
                n: p
                for n, p in sorted(self.people.items())
                if p.looked and (partial or faces.keep([d for _, d in p.anchors], len(self.looked)))
            }
            tracks = [
                _track(_letter(i), person, self.media, alone=len(kept) == 1)
                for i, person in enumerate(kept.values())
            ]
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
            tracks=tracks,
            moments=moments,
            timings={k: round(v, 3) for k, v in self.timings.items()},
            software=software(self.analyzer.device),
            partial=partial,
        )

    def _id(self) -> str:
        """Hash of the media, the settings and the weights."""
        assert self.media is not None
        parts = [self.media.sha256, self.settings.model_dump_json(), software("").version]
        parts += [f"{r.id}:{r.weights_sha256}" for r in self.results.values()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _report(self, stage: Stage, *, force: bool = False, done: bool = False) -> None:
        now = time.perf_counter()
        if self.observe is None or not (force or now - self.last_observed > OBSERVE_EVERY):
            return
        self.last_observed = now
        with self.lock:
            looked = len(self.looked)
            queued = {
                s.id: sum(
                    1
                    for p in self.people.values()
                    for f in p.looked.values()
                    if f.quality.problem is None
                )
                if s.kind != "clip"
                else sum(len(p.windows) for p in self.people.values())
                for s in self.specs
            }
        models = {id: (r.scored, max(r.scored, queued[id])) for id, r in self.results.items()}
        total = max(1, self.moments_total)
        scoring = [s / q for s, q in models.values() if q]
        scored = sum(scoring) / len(scoring) if scoring else 1.0
        share = looked / total * (0.5 + 0.5 * scored) if self.moments_total else 0.0
        seconds = dict(self.timings, total=now - self.begun)
        self.observe(
            Progress(
                stage=stage,
                fraction=1.0 if done else min(0.99, 0.02 + 0.97 * share),
                seconds=seconds,
                moments=looked,
                moments_total=self.moments_total,
                models=models,
                media=self.media,
                partial=decide(self._analysis(partial=True)) if looked and not done else None,
            )
        )

    # --- plumbing --------------------------------------------------------------------------------

    def _alive(self) -> None:
        if self.stop.is_set() or self.cancel.is_set():
            self.stop.set()
            raise _Stopped

    def _put(self, target: queue.Queue[T], item: T) -> None:
        while True:
            self._alive()
            try:
                return target.put(item, timeout=0.1)
            except queue.Full:
                continue

    def _get(self, source: queue.Queue[T]) -> T:
        return _take(source, self._alive)

    def _wait(self, thread: threading.Thread) -> None:
        while thread.is_alive():
            thread.join(0.1)
            self._alive()
            self._report("score")

    def _timed(self, stage: str) -> _Timer:
        return _Timer(self.timings, stage)


class _Stopped(Exception):
    """Another stage ended early, or the caller canceled."""


class _Timer:
    """Adds the time spent inside to a table."""

    def __init__(self, table: dict[str, float], key: str) -> None:
        self.table, self.key = table, key

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.table[self.key] = self.table.get(self.key, 0.0) + time.perf_counter() - self.begun


def _take(source: queue.Queue[T], alive: Callable[[], None]) -> T:
    while True:
        alive()
        try:
            return source.get(timeout=0.1)
        except queue.Empty:
            continue


def _grouped(
    decoded: queue.Queue[media.Frame | None],
    wanted: Sequence[float],
    lasts: float,
    alive: Callable[[], None],
) -> Iterator[tuple[media.Frame, tuple[float, ...]]]:
    """Each frame with all the wanted times that fall on it (several, at a low frame rate).
    `lasts`: s that a frame stays on screen."""
    held = _take(decoded, alive)
    while held is not None:
        following = _take(decoded, alive)
        end = following.index if following is not None else len(wanted)
        if following is None:  # a damaged file may stop early: later times fall on no picture
            on_it = [t for t in wanted[held.index :] if t - held.time < lasts]
            end = held.index + max(1, len(on_it))
        yield held, tuple(wanted[held.index : end])
        held = following


def _anchors(window: _Window) -> tuple[float, ...]:
    """Times in a window at which faces are searched: every few frames, and the last."""
    picked = [*range(0, len(window.times) - 1, ANCHOR_EVERY), len(window.times) - 1]
    return tuple(window.times[p] for p in picked)


def _fits(spec: ModelSpec, window: _Window) -> bool:
    if spec.kind != "clip" or len(window.times) != spec.clip_frames:
        return False
    return abs(window.times[1] - window.times[0] - spec.clip_step) < 1e-3


def _result(spec: ModelSpec) -> ModelResult:
    digest = hashlib.sha256("".join(f.sha256 for f in spec.files).encode()).hexdigest()
    return ModelResult(
        id=spec.id,
        title=spec.title,
        kind=spec.kind,
        task=spec.task,
        weights_sha256=spec.files[0].sha256 if len(spec.files) == 1 else digest,
        calibration=spec.calibration,
        weight=spec.weight,
        finding=spec.finding,
        confused_by=spec.confused_by,
    )


def _track(id: str, person: _Person, info: Media, *, alone: bool) -> Track:
    looked = [person.looked[i].model_copy(deep=True) for i in sorted(person.looked)]
    best = max(
        looked,
        key=lambda f: (f.quality.problem is None, f.quality.width * (1 - abs(f.quality.yaw))),
    )
    center = float(np.mean([(f.box[0] + f.box[2]) / 2 for f in looked])) / info.width
    side: Literal["left", "center", "right"] | None = None
    if not alone:
        side = "left" if center < 0.4 else "right" if center > 0.6 else "center"
    return Track(
        id=id,
        side=side,
        start=looked[0].time,
        end=looked[-1].time,
        thumbnail_time=best.time,
        faces=looked,
        windows=sorted((w.model_copy() for w in person.windows), key=lambda w: (w.model, w.start)),
    )


def _letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _device(wanted: str) -> str:
    if wanted == "cpu":
        return "cpu"
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("No GPU was found.", hint="Leave --device out to use the processor.")
    return wanted


@lru_cache
def software(device: str) -> Software:
    """Versions that a result depends on."""
    try:
        version = metadata.version("unmask")
    except metadata.PackageNotFoundError:
        version = "0"
    return Software(
        version=version,
        commit=_commit(),
        python=platform.python_version(),
        torch=metadata.version("torch"),
        device=device,
        backend="torch",
    )


def _commit() -> str | None:
    """The checkout's commit, read from .git without running git."""
    git = Path(__file__).parent.parent / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        return (git / head[5:]).read_text().strip()[:12]
    except OSError:
        return None
