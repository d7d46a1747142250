"""Base class of the extractors of modalities, and their input."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from detector import vision
from detector.media import Frame
from detector.models.base import CropRecipe, ModelSpec
from detector.pipeline import rounds
from detector.pipeline.options import RunOptions, SeenAt
from detector.pipeline.scoring import ScoreItem, SignalStage, fed
from detector.pipeline.windows import FrameWindow
from detector.schema.analysis import FrameSegment, Media, Modality, ModelResult, Settings, Subject
from detector.schema.origin import GeneratorMark


@dataclass
class Extraction:
    """Input and output of an extractor in one run."""

    path: Path
    media: Media
    settings: Settings
    options: RunOptions
    detector: vision.FaceDetector
    specs: Sequence[ModelSpec]  # of its modality
    windows: Sequence[FrameWindow]  # for its video models
    planned: Sequence[float]  # times of the frames to sample, s
    submit: Callable[[ScoreItem], None]  # to the scoring stage; waits for room
    results: Mapping[str, ModelResult]  # by model id
    lock: threading.Lock = field(default_factory=threading.Lock)
    """guards subjects and segments, which are read during the run"""
    timings: dict[str, float] = field(default_factory=dict)  # s, by stage
    marks: list[GeneratorMark] | None = None  # found in the sound; None: not searched
    signals: SignalStage | None = None
    cancel: threading.Event = field(default_factory=threading.Event)  # set when the run ends early

    def frame_models(self) -> dict[CropRecipe, tuple[str, ...]]:
        """Return the ids of frame models by crop recipe."""
        return fed((s for s in self.specs if s.kind != "video"), lambda spec: spec.crop)

    def orders(self, models: Sequence[str]) -> dict[float, int] | None:
        """Return the planned times of frames to score, each with its order; None: all at once."""
        specs = [spec for spec in self.specs if spec.id in models]
        most = max(spec.moments for spec in specs)
        if not most or self.settings.sampling == "closer" or len(self.planned) < 2:
            return None
        usual = Settings().frames
        if self.settings.frames == usual < len(self.planned):  # a long film
            most = round(most * len(self.planned) / usual)
        return rounds.orders(self.planned, most)


class Extractor:
    """Extracts the subjects of one modality and submits their segments to the scoring stage.

    `frame` and `end` are called in the run's own thread, `read` in another one; `subjects` and
    `expected` at any time, with the lock held. All but the last two are optional.
    """

    modality: ClassVar[Modality]
    reads: ClassVar[bool] = False  # Whether `read` has to be called

    def __init__(self, run: Extraction) -> None:
        self._run = run
        self._known = run.options.known.get(self.modality, {})
        """results of an earlier run"""
        self._fed = run.frame_models()
        self._orders = {recipe: run.orders(models) for recipe, models in self._fed.items()}
        self._times: dict[int, float] = {}
        """of the sampled frames, unrounded, by index"""

    def frame(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        """Process a decoded frame with its planned `times`, s, and its `index` among the sampled
        frames, if it is one."""

    def end(self) -> None:
        """Finish after the last frame."""

    def read(self) -> None:
        """Extract from the file's sound."""

    def expected(self) -> int:
        """Return the number of segments for frame models so far."""
        raise NotImplementedError

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return copies of the subjects so far, undecided."""
        raise NotImplementedError

    def id_of(self, subject: Hashable) -> str:
        """Return the id, in `subjects`, of a subject by `ScoreItem.subject`."""
        return self.modality.value

    def seen(self) -> SeenAt:
        """Return the results that a second run can reuse."""
        return {}

    def _lacking(self, segment: FrameSegment) -> dict[CropRecipe, tuple[str, ...]]:
        """Return the models without a score of a segment, by crop recipe."""
        lacking = {
            recipe: tuple(id for id in models if id not in segment.logits)
            for recipe, models in self._fed.items()
        }
        return {recipe: models for recipe, models in lacking.items() if models}

    def _order(self, recipe: CropRecipe, times: Sequence[float]) -> int | None:
        """Return the order of a frame among those that a recipe's models score; None: at once;
        `SPARE` if it is not one of them."""
        orders = self._orders[recipe]
        if orders is None:
            return None
        return min((orders[time] for time in times if time in orders), default=rounds.SPARE)

    def _scored_before(self, segment: FrameSegment, index: int) -> FrameSegment:
        """Return a segment of an earlier run with its index in this run."""
        with self._run.lock:
            for id in segment.logits:
                self._run.results[id].scored += 1
        return segment.model_copy(update={"index": index, "logits": dict(segment.logits)})
