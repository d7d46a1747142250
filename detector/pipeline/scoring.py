"""Scoring stage of a run: batches of extracted items through several models concurrently.

A model is fed segments of its own modality alone; an item for another modality is refused.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Self, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from detector import runtime, signals, vision
from detector.cores import usable_cores
from detector.errors import CancellationToken, ModelError
from detector.media import Frame
from detector.models import registry, unlike
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.pipeline.subjects import SubjectBuilder
from detector.pipeline.timing import timed
from detector.schema.analysis import Analysis, FrameSegment, Modality, ModelResult, Segment, Signal
from detector.schema.subject import letter
from detector.sentences import _
from detector.threads import BoundedQueue
from detector.vision import Detection

LARGEST = 32  # items that go through a model together: two passes of `Model.BATCH`


class DynamicBatcher:
    """Merges the batches of concurrent runs for one model. No request waits for others: a batch is
    scored at once if its model is free, and requests that arrive meanwhile are merged into the next
    pass. `max_concurrent_batches`: concurrent passes of one model."""

    def __init__(self, max_concurrent_batches: int = 1) -> None:
        self._max_concurrent = max_concurrent_batches
        self._lanes: WeakKeyDictionary[Model, _Lane] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def score(self, model: Model, batch: np.ndarray) -> np.ndarray:
        """Return `model.read(batch)`, or raise its error."""
        with self._lock:
            lane = self._lanes.get(model)
            if lane is None:
                lane = self._lanes[model] = _Lane(self._max_concurrent)
        return lane.score(model, batch)


@dataclass(eq=False)
class _Request:
    batch: np.ndarray
    rows: Future[np.ndarray] = field(default_factory=Future)


class _Lane:
    def __init__(self, max_concurrent_batches: int) -> None:
        self._turn = threading.Semaphore(max_concurrent_batches)
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []

    def score(self, model: Model, batch: np.ndarray) -> np.ndarray:
        request = _Request(batch)
        with self._lock:
            self._waiting.append(request)
        with self._turn:
            while taken := self._take(request):
                _serve(model, taken)
        return request.rows.result()  # another thread's pass may include it

    def _take(self, own: _Request) -> list[_Request]:
        with self._lock:
            if own not in self._waiting:
                return []
            taken: list[_Request] = []
            for request in list(self._waiting):
                items = sum(len(other.batch) for other in taken) + len(request.batch)
                alike = not taken or request.batch.shape[1:] == taken[0].batch.shape[1:]
                if alike and (not taken or items <= LARGEST):
                    taken.append(request)
                    self._waiting.remove(request)
            return taken


def _serve(model: Model, requests: Sequence[_Request]) -> None:
    """Score requests together; if that fails, each alone, so that none fails for another."""
    try:
        rows = model.read(np.concatenate([request.batch for request in requests]))
    except BaseException as error:
        if len(requests) > 1:
            for request in requests:
                _serve(model, [request])
            return
        requests[0].rows.set_exception(error)
    else:
        ends = np.cumsum([len(request.batch) for request in requests])[:-1]
        for request, own in zip(requests, np.split(rows, ends), strict=True):
            request.rows.set_result(own)


log = logging.getLogger(__name__)

Feed = TypeVar("Feed", bound=Hashable)

BATCH = 8  # items of a batch: larger gains nothing on two cores
FEW = 2
"""items of a batch of a model that scores few moments: so that several cores share them"""
AT_ONCE = 8  # batches that are scored concurrently, at most: each has the memory of its maps
MAX_WAITING = 64
MAX_LARGE_WAITING = 4  # queued pictures at their own size: they are as large as frames


@dataclass(frozen=True)
class ScoreItem:
    """Input of some models for one segment."""

    modality: Modality  # of the segment's subject
    models: tuple[str, ...]  # ids
    segment: Segment  # receives the logits
    data: np.ndarray  # one item of the models' batch: a crop, a run of crops, a piece of sound
    batch: Hashable | None = None  # items of an equal key are scored together; None: alone
    large: bool = False  # counts towards `MAX_LARGE_WAITING`
    subject: Hashable = None  # of its modality
    order: int | None = None
    """place among the subject's moments in which its models score them; None: at once"""

    @classmethod
    def cut(
        cls,
        modality: Modality,
        rgb: np.ndarray,
        segment: FrameSegment,
        recipe: CropRecipe,
        models: tuple[str, ...],
        detector: str,
    ) -> Self:
        """Crop a segment from its frame, uint8 [H, W, 3]; `detector`: the one that gave the box."""
        crop = vision.cut(rgb, segment.box, recipe, segment.landmarks, detector)
        large = recipe.whole and not recipe.final
        return cls(modality, models, segment, crop, recipe if recipe.final else None, large)


def fed(
    specs: Iterable[ModelSpec], feed: Callable[[ModelSpec], Feed]
) -> dict[Feed, tuple[str, ...]]:
    """Group the ids of models by their input."""
    out: dict[Feed, tuple[str, ...]] = defaultdict(tuple)
    for spec in specs:
        out[feed(spec)] += (spec.id,)
    return dict(out)


class Scorer:
    """Loads and runs models; one that fails scores nothing more.

    `results`, by model id, receive numbers of scores and errors. `lock` guards the logits of
    segments. `load` returns the model of an id or raises ModelError. `batcher`: shared with other
    runs; None: batches go directly to the models."""

    def __init__(
        self,
        results: Mapping[str, ModelResult],
        lock: threading.Lock,
        load: Callable[[str], Model],
        batcher: DynamicBatcher | None = None,
    ) -> None:
        self.results = results
        self.models: dict[str, Model] = {}
        self._lock, self._load, self._batcher = lock, load, batcher
        self._rank = {id: number for number, id in enumerate(results)}

    def load(self, id: str) -> None:
        """Load a model, or store its error."""
        try:
            self.models[id] = self._load(id)
        except ModelError as error:
            self.results[id].error = error.message

    def score(self, id: str, items: Sequence[ScoreItem]) -> None:
        """Score a batch by a model, and write the logits and how unlike all that was tested it is
        into the segments of its items."""
        data = [item.data for item in items]
        rows, measured = self._run(id, np.stack(data) if len(data) > 1 else data[0][None])
        with self._lock:
            for item, row in zip(items, rows, strict=False):
                self._put(item.segment.logits, id, round(float(row[0]), 5))
            for item, found in zip(items, measured, strict=False):
                item.segment.unlike, item.segment.graphic = found

    def _put(self, logits: dict[str, float], id: str, logit: float) -> None:
        """Insert a logit in the order of the models."""
        after = [other for other in logits if self._rank.get(other, -1) > self._rank[id]]
        moved = {other: logits.pop(other) for other in after}
        logits[id] = logit
        logits |= moved

    def _run(self, id: str, batch: np.ndarray) -> tuple[np.ndarray, list[unlike.Measured]]:
        """Return logits and features (`Model.read`), and their measures; none if it fails."""
        result, nothing = self.results[id], (np.zeros((0, 1), np.float32), list[unlike.Measured]())
        if result.error:
            return nothing
        begun = time.perf_counter()
        try:
            model, batcher = self.models[id], self._batcher
            rows = batcher.score(model, batch) if batcher else model.read(batch)
            if not np.isfinite(rows[:, 0]).all():
                message = _("{title} gave a score that is not a number.")
                raise ModelError(message.format(title=result.title))
            measured = unlike.measure(id, rows[:, 1:])
        except Exception as error:  # a broken model must not take the others down
            log.exception("%s failed", id)
            why = error.message if isinstance(error, ModelError) else _("it stopped while scoring")
            result.error = why
            return nothing
        with self._lock:
            result.seconds = (result.seconds or 0.0) + time.perf_counter() - begun
            result.scored += len(rows)
        return rows, measured


class ScoreStage:
    """Scoring stage of one run; `results`, `lock` and `batcher` as for `Scorer`."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        results: Mapping[str, ModelResult],
        device: str,
        lock: threading.Lock,
        stop: CancellationToken,
        batcher: DynamicBatcher | None = None,
    ) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._scorer = Scorer(
            results, lock, lambda id: registry.load_model(id, device=device), batcher
        )
        self._turns: dict[str, threading.Semaphore] = {}
        """by model: limits its concurrent batches"""
        self._threads = min(AT_ONCE, usable_cores()) if device == "cpu" else 1
        self._stop = stop
        self._items: BoundedQueue[ScoreItem | threading.Event]
        self._items = BoundedQueue(MAX_WAITING, stop)
        self._large: BoundedQueue[None] = BoundedQueue(MAX_LARGE_WAITING, stop)

    def leave_out(self, modalities: Collection[Modality]) -> None:
        """Load no models of these modalities, which this run does not extract."""
        self._specs = {id: s for id, s in self._specs.items() if s.modality not in modalities}

    def submit(self, item: ScoreItem) -> None:
        """Queue an item, waiting for room; raise ValueError for a model of another modality, or
        Stopped."""
        for id in item.models:
            if (made_for := self._specs[id].modality) is not item.modality:
                raise ValueError(f"{id} judges {made_for}, and this is {item.modality}")
        if item.large:
            self._large.put(None)
        self._items.put(item)

    def scored(self) -> threading.Event:
        """Return an event that is set once all items so far are scored."""
        event = threading.Event()
        self._items.put(event)
        return event

    def end(self) -> None:
        """Mark the end of the items."""
        self._items.end()

    def work(self) -> None:
        """Score until the end, in the stage's thread and a pool of its own."""
        runtime.without_helpers()
        self._load()  # here, so that faces are detected meanwhile
        passes: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._threads, "score", runtime.without_helpers) as pool:
            for items in self._batches():
                if isinstance(items, threading.Event):
                    while passes:
                        passes.popleft().result()
                    items.set()
                    continue
                for id in items[0].models:
                    passes.append(pool.submit(self._score, id, items))
                ahead = 0 if items[0].batch is None else self._threads
                while len(passes) > ahead:
                    passes.popleft().result()
                if items[0].large:
                    self._large.take()
            for last in passes:
                last.result()

    def _batches(self) -> Iterator[list[ScoreItem] | threading.Event]:
        """Yield batches, and each event of `scored` after the batches of the items before it."""
        waiting: dict[Hashable, list[ScoreItem]] = defaultdict(list)
        for item in self._items:
            if isinstance(item, threading.Event):
                yield from waiting.values()
                waiting.clear()
                yield item
                continue
            if item.batch is None:
                yield [item]
                continue
            key = item.batch, item.models
            waiting[key].append(item)
            if len(waiting[key]) == (BATCH if item.order is None else FEW):
                yield waiting.pop(key)
        yield from waiting.values()

    def _load(self) -> None:
        for id in self._specs:
            self._scorer.load(id)
            model = self._scorer.models.get(id)
            turns = self._threads if model and model.side_by_side else 1
            self._turns[id] = threading.Semaphore(turns)

    def _score(self, id: str, items: Sequence[ScoreItem]) -> None:
        with self._turns[id]:
            if not self._stop.is_set():
                self._scorer.score(id, items)


QUEUED = 48  # faces in the queue: half a megabyte each at most


class SignalStage:
    """Signals of one run with `frames` sampled frames; adds to `timings`, s by stage."""

    def __init__(self, frames: int, stop: CancellationToken, timings: dict[str, float]) -> None:
        self._reader = signals.SignalReader(frames)
        self._queue: BoundedQueue[Callable[[], None]] = BoundedQueue(QUEUED, stop)
        self._timings = timings

    def face(self, frame: Frame, index: int, person: int, face: Detection) -> None:
        """Queue one person's face in a sampled frame."""
        patch = signals.cut_patch(frame.rgb, face.box, face.landmarks, frame.time)
        self._queue.put(partial(self._reader.face, person, index, patch))

    def end(self) -> None:
        """Mark the end of the faces."""
        self._queue.end()

    def work(self) -> None:
        """Measure until the end, in the stage's thread."""
        for read in self._queue:
            with timed(self._timings, "signals"):
                read()
        with timed(self._timings, "signals"):
            self._reader.close()

    def signals(self, analysis: Analysis, people: Mapping[int, SubjectBuilder]) -> list[Signal]:
        """Return the signals of a decided analysis; `people` by number, by first appearance."""
        numbers = {letter(i): number for i, number in enumerate(people)}
        return self._reader.signals(analysis, numbers)
