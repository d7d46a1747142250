"""Networks over crops of a live session: which run on this frame, and what it costs."""

import logging
import time
from collections.abc import Mapping

import numpy as np

from detector import vision
from detector.errors import ModelError
from detector.live.clip_windows import ClipCrops
from detector.live.schedule import SELDOM, Costs, Schedule
from detector.models.base import Model
from detector.pipeline.scoring import require_finite
from detector.pipeline.windows import ClipShape
from detector.schema.analysis import Modality, SpanSegment
from detector.vision import Detection

log = logging.getLogger(__name__)


class Scorer:
    """The loaded models of one viewer. Frames and windows may be scored at once.

    `detector`: whose boxes are given; `costs`: gets what each model takes.
    """

    def __init__(self, models: Mapping[str, Model], detector: str, costs: Costs) -> None:
        self._frames = {id: m for id, m in models.items() if m.spec.kind != "clip"}
        self._clips = {id: m for id, m in models.items() if m.spec.kind == "clip"}
        self._detector, self._costs = detector, costs
        self._count = 0
        self.failed: dict[str, str] = {}
        """Models that stopped, and why: they score nothing more."""

    @property
    def usual(self) -> dict[str, int]:
        """Return n of each frame model that scores every n-th scored frame, if there is time."""
        return {id: SELDOM if model.spec.moments else 1 for id, model in self._frames.items()}

    def every(self, schedule: Schedule) -> dict[str, int]:
        """Return n by id, where a model scores every n-th of the scored frames."""
        return {id: schedule.model_every.get(id, 1) for id in self._frames}

    @property
    def shapes(self) -> list[ClipShape]:
        """Of the windows that are needed."""
        return list(dict.fromkeys(ClipShape.of(m.spec, None) for m in self._clips.values()))

    def frame(
        self, rgb: np.ndarray, people: Mapping[int, Detection], schedule: Schedule
    ) -> tuple[dict[int, dict[str, float]], dict[str, float]]:
        """Logits of the due frame models, by person and id, and of the full frame by id."""
        logits: dict[int, dict[str, float]] = {number: {} for number in people}
        of_full_frame: dict[str, float] = {}
        cuts: dict[object, np.ndarray] = {}
        numbers, every = list(people), self.every(schedule)
        for id, model in self._frames.items():
            if not numbers or self._count % every[id]:
                continue
            begun = time.perf_counter()
            recipe = model.spec.crop
            if recipe not in cuts:
                if recipe.modality is Modality.FULL_FRAME:
                    unused_box = (0.0, 0.0, 0.0, 0.0)
                    cuts[recipe] = vision.cut(rgb, unused_box, recipe)[None]
                else:
                    crops = []
                    for face in people.values():
                        box = vision.box_for(recipe, face.box, self._detector)
                        crops.append(vision.cut(rgb, box, recipe, face.landmarks))
                    cuts[recipe] = np.stack(crops)
            scores = self._run(id, model, cuts[recipe])
            if recipe.modality is Modality.FULL_FRAME and scores:
                of_full_frame[id] = scores[0]
            elif recipe.modality is Modality.FACE:
                for number, score in zip(numbers, scores, strict=False):
                    logits[number][id] = score
            self._costs.add(f"model:{id}", time.perf_counter() - begun)
        self._count += bool(numbers)
        return logits, of_full_frame

    def clip(self, run: ClipCrops) -> SpanSegment | None:
        """Score one window by every model of its shape; None where none gave a score."""
        begun = time.perf_counter()
        logits = {
            id: logit
            for id, model in self._clips.items()
            if ClipShape.of(model.spec, None) == run.shape
            for logit in self._run(id, model, run.crops[None])
        }
        self._costs.add("clip", time.perf_counter() - begun)
        if not logits:
            return None
        return SpanSegment(start=round(run.start, 4), end=round(run.end, 4), logits=logits)

    def _run(self, id: str, model: Model, batch: np.ndarray) -> list[float]:
        """Return the logits of one batch; none when the model fails."""
        if id in self.failed:
            return []
        try:
            logits = model.score(batch)
            require_finite(logits, model.spec.title)
        except Exception as error:  # a broken model must not take the others down
            log.exception("%s failed", id)
            why = error.message if isinstance(error, ModelError) else "it stopped while scoring"
            self.failed[id] = why
            return []
        return [round(float(x), 5) for x in logits]
