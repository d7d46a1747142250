"""What a modality brings to a run: an `Extractor`, and what it is given."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from detector import vision
from detector.media import Frame
from detector.models.base import CropRecipe, ModelSpec
from detector.pipeline.options import RunOptions, SeenAt
from detector.pipeline.scoring import ScoreItem, SignalStage, fed
from detector.pipeline.windows import FrameWindow
from detector.schema.analysis import FrameSegment, Media, Modality, ModelResult, Settings, Subject
from detector.schema.origin import GeneratorMark


@dataclass
class Extraction:
    """What an extractor works with, in one run."""

    path: Path
    media: Media
    settings: Settings
    options: RunOptions
    detector: vision.FaceDetector
    specs: Sequence[ModelSpec]  # of its modality
    windows: Sequence[FrameWindow]  # that its models of clips need
    planned: Sequence[float]  # times of the frames that will be sampled, s
    submit: Callable[[ScoreItem], None]  # to the scoring stage; waits while there are enough
    results: Mapping[str, ModelResult]  # by model id
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards whatever is read while the run goes on: subjects and segments."""
    timings: dict[str, float] = field(default_factory=dict)  # s, by stage
    marks: list[GeneratorMark] | None = None  # found in what it reads; None: not looked for
    signals: SignalStage | None = None
    cancel: threading.Event = field(default_factory=threading.Event)  # set when the run ends early

    def frame_models(self) -> dict[CropRecipe, tuple[str, ...]]:
        """Ids of the models of single frames, by what they are fed with."""
        return fed((s for s in self.specs if s.kind != "video"), lambda spec: spec.crop)

    def scored_at(self, models: Sequence[str]) -> frozenset[float]:
        """Return the planned times whose frames models score: all, or as many as stated."""
        specs = [spec for spec in self.specs if spec.id in models]
        most = max(spec.moments for spec in specs)
        if not most or most >= len(self.planned) or self.settings.sampling == "closer":
            return frozenset(self.planned)
        step = len(self.planned) / most
        return frozenset(self.planned[int((n + 0.5) * step)] for n in range(most))


class Extractor:
    """Finds the subjects of one modality in a source, and sends their segments to be scored.

    `frame` and `end` are called in the run's own thread, `read` in another one; `subjects` and
    `expected` at any time, with the lock held. What a modality does not need it leaves out.
    """

    modality: ClassVar[Modality]
    reads: ClassVar[bool] = False  # Whether there is anything but frames to extract from

    def __init__(self, run: Extraction) -> None:
        self._run = run
        self._known = run.options.known.get(self.modality, {})
        """What was found and scored before."""
        self._fed = run.frame_models()
        self._times: dict[int, float] = {}
        """of the sampled frames, unrounded, by index"""

    def frame(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        """Take a decoded frame: its planned `times`, s, and `index` among the sampled ones, if
        any."""

    def end(self) -> None:
        """No frame follows."""

    def read(self) -> None:
        """Extract from what is no picture."""

    def expected(self) -> int:
        """Return how many segments the models of single items have to score, as known by now."""
        raise NotImplementedError

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return what was found by now, undecided. The caller may keep and change it."""
        raise NotImplementedError

    def seen(self) -> SeenAt:
        """Return what a second run need not find and score again."""
        return {}

    def _scored_before(self, segment: FrameSegment, index: int) -> FrameSegment:
        """Return a segment that was scored before, at its place among the frames of now."""
        with self._run.lock:
            for id in segment.logits:
                self._run.results[id].scored += 1
        return segment.model_copy(update={"index": index, "logits": dict(segment.logits)})
