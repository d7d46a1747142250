"""Networks over crops of a live session: which run on this frame, and what it costs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from detector.live.schedule import SELDOM, Costs, Schedule
from detector.models.base import Model
from detector.pipeline.modalities.full_frame import full_frame_segment
from detector.pipeline.scoring import ScoreItem, Scorer, fed
from detector.pipeline.windows import ClipShape
from detector.schema.analysis import FrameSegment, Modality, ModelResult


class LiveScorer(Scorer):
    """The models of one viewer. Frames and windows may be scored at once.

    `detector`: whose boxes are given; `costs`: gets what each model takes.
    """

    def __init__(
        self,
        results: Mapping[str, ModelResult],
        lock: threading.Lock,
        load: Callable[[str], Model],
        detector: str,
        costs: Costs,
    ) -> None:
        super().__init__(results, lock, load)
        self._detector, self._costs = detector, costs
        self._count = 0

    @property
    def stopped(self) -> list[ModelResult]:
        """Models that stopped as they scored."""
        return [self.results[id] for id in self.models if self.results[id].error]

    @property
    def usual(self) -> dict[str, int]:
        """Return n of each frame model that scores every n-th scored frame, if there is time."""
        specs = {id: model.spec for id, model in self.models.items()}
        return {id: SELDOM if s.moments else 1 for id, s in specs.items() if s.kind != "clip"}

    def every(self, schedule: Schedule) -> dict[str, int]:
        """Return n by id, where a model scores every n-th of the scored frames."""
        return {id: schedule.model_every.get(id, 1) for id in self.usual}

    @property
    def shapes(self) -> dict[ClipShape, tuple[str, ...]]:
        """The windows that are needed, and the clip models that are fed with them."""
        clips = [model.spec for model in self.models.values() if model.spec.kind == "clip"]
        return fed(clips, lambda spec: ClipShape.of(spec, None))

    def frame(
        self, rgb: np.ndarray, time: float, faces: Sequence[FrameSegment], schedule: Schedule
    ) -> FrameSegment | None:
        """Score the usable faces of a frame by the models that are due; return the full frame if
        any judged it."""
        good, full_frame = [face for face in faces if face.usable], None
        if not good:
            return None
        every = self.every(schedule)
        due = [self.models[id].spec for id, n in every.items() if not self._count % n]
        self._count += 1
        for recipe, ids in fed(due, lambda spec: spec.crop).items():
            begun, shown = perf_counter(), good
            if recipe.modality is Modality.FULL_FRAME:
                full_frame = full_frame or full_frame_segment(rgb, time, 0)
                shown = [full_frame]
            items = [ScoreItem.cut(rgb, one, recipe, ids, self._detector) for one in shown]
            for id in ids:
                for batch in [items] if recipe.final else [[item] for item in items]:
                    self.score(id, batch)
                self._costs.add(f"model:{id}", perf_counter() - begun)
                begun = perf_counter()
        return full_frame if full_frame and full_frame.logits else None

    def clip(self, item: ScoreItem) -> None:
        """Score one window by every model of its shape."""
        begun = perf_counter()
        for id in item.models:
            self.score(id, [item])
        self._costs.add("clip", perf_counter() - begun)
