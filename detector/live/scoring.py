"""Scoring of a live session: the frame models due on a frame, and the windows of video models."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter

from detector.isolation import Frame
from detector.live.faces import LiveFrame, TrackedFace
from detector.live.rates import Cadence, Rates
from detector.models.base import Model, ModelSpec
from detector.pipeline.scoring import ScoreItem, Scorer, fed
from detector.pipeline.windows import ANCHOR_EVERY, ClipShape, CompleteRun, FrameWindow
from detector.schema.analysis import Modality, ModelResult
from detector.sentences import _
from detector.vision import Detection

MISSED_STEPS = 3  # steps without a frame that the frame before them fills, as in a slow file
MAX_WAITING = 3 * ANCHOR_EVERY  # steps without a search after which a run restarts
MAX_BYTES = 64 << 20  # of the crops of one window in live use


def unfit(spec: ModelSpec) -> str | None:
    """Return why a model can't score live, if so."""
    if spec.modality is not Modality.FACE:
        return _("it judges no faces")
    if spec.kind != "video":
        return None
    shape = ClipShape.of(spec, None)
    if shape.frames * shape.recipe.size**2 * 3 > MAX_BYTES:
        return _("its windows take more memory than a live session has")
    return None


class ClipCollector:
    """Collects overlapping windows of one shape, for the `models` with that input. A frame's
    position is its time in steps. For one thread at a time.

    As in a file, faces are taken from every few frames and interpolated in between: the jitter of
    detections from frame to frame would be motion that the face did not make."""

    def __init__(self, shape: ClipShape, models: tuple[str, ...], detector: str) -> None:
        self._shape, self._models, self._detector = shape, models, detector
        self._newest = self._anchor = -(10**9)
        """positions of the newest frame and of the newest frame whose faces were taken"""
        self._last: Frame | None = None
        self._open: list[FrameWindow] = []
        self._tracks: dict[int, list[tuple[float, Detection]]] = {}

    def add(self, frame: Frame, people: Sequence[TrackedFace]) -> Iterator[CompleteRun]:
        """Add a frame and the people in it; yield the windows that are complete with it."""
        shape, position = self._shape, round(frame.time / self._shape.step)
        if position - self._anchor > MAX_WAITING:
            self._open, self._tracks = [], {}
        counts = bool(people) and position - self._anchor >= ANCHOR_EVERY
        if counts:
            times = tuple(n * shape.step for n in range(position, position + shape.frames))
            self._open.append(FrameWindow(self._models, shape.recipe, times))
        if position > self._newest:
            missed = range(self._newest + 1, position)
            for window in self._open:
                if self._last is not None and len(missed) <= MISSED_STEPS:
                    window.add(self._last, [n * shape.step for n in missed])
                window.add(frame, [position * shape.step])
            self._newest, self._last = position, frame
        if not counts:
            return
        here = {p.number: (frame.time, p.face) for p in people}
        self._tracks = {n: [*self._tracks.get(n, [])[-1:], face] for n, face in here.items()}
        self._anchor, until = position, position * shape.step
        for window in self._open:
            yield from window.cut(self._tracks, self._detector, until)
        self._open = [window for window in self._open if window.times[-1] > until]


class LiveScorer(Scorer):
    """Scorer of one viewer's models; frames and windows may be scored concurrently. `detector`: the
    name of the detector of the faces."""

    def __init__(
        self,
        results: Mapping[str, ModelResult],
        lock: threading.Lock,
        load: Callable[[str], Model],
        detector: str,
    ) -> None:
        super().__init__(results, lock, load)
        self._detector = detector
        self._turns: defaultdict[str, Cadence] = defaultdict(Cadence)

    @property
    def stopped(self) -> list[ModelResult]:
        """Return the models that failed while scoring."""
        return [self.results[id] for id in self.models if self.results[id].error]

    @property
    def of_frames(self) -> dict[str, ModelSpec]:
        """Return the frame models, by id."""
        specs = {id: model.spec for id, model in self.models.items()}
        return {id: spec for id, spec in specs.items() if spec.kind != "video"}

    @property
    def shapes(self) -> dict[ClipShape, tuple[str, ...]]:
        """Return the input shapes of the video models, and the ids of the models of each."""
        clips = [model.spec for model in self.models.values() if model.spec.kind == "video"]
        return fed(clips, lambda spec: ClipShape.of(spec, None))

    def take_turns(self, frame: LiveFrame) -> tuple[list[ModelSpec], list[ModelSpec]]:
        """Take the turns of the models that are due with this frame, and return these models: those
        to score at once, and slow ones made for few moments of a clip, which may follow while the
        next frames are scored."""
        due = []
        for id, spec in self.of_frames.items():
            every = frame.schedule.model_every.get(id, 0.0)
            if self._turns[id].due(frame.time, every):
                self._turns[id].take(frame.time, every)
                due.append(spec)
        often = [s for s in due if not s.moments and not self.results[s.id].error]
        return (often, [spec for spec in due if spec.moments]) if often else (due, [])

    def frame(self, frame: LiveFrame, specs: Iterable[ModelSpec], rates: Rates) -> None:
        """Score the usable faces of a frame by these models, and time each model."""
        good = [face for face in frame.segments.values() if face.usable]
        if not good:
            return
        for recipe, ids in fed(specs, lambda spec: spec.crop).items():
            begun = perf_counter()
            items = [
                ScoreItem.cut(Modality.FACE, frame.rgb, face, recipe, ids, self._detector)
                for face in good
            ]
            for id in ids:
                for batch in [items] if recipe.final else [[item] for item in items]:
                    self.score(id, batch)
                rates.add(id, (perf_counter() - begun) / len(good))
                begun = perf_counter()
        with self._lock:  # the pace of the session counts these models meanwhile
            frame.models.update(id for face in good for id in face.logits)
