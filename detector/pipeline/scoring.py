"""The stage that scores: a thread that feeds what was extracted to the models, in batches.

A model is fed segments of its own modality and nothing else: what an extractor hands over says
which it is, and a model of another is refused.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.errors import ModelError
from detector.models import registry
from detector.models.base import Model, ModelSpec, first_of_network
from detector.pipeline.batching import BatchingFront
from detector.pipeline.bounded_queue import BoundedQueue, CancellationToken
from detector.schema.analysis import Modality, ModelResult, Segment

log = logging.getLogger(__name__)

BATCH = 8
"""items a model is given at once: larger gains nothing on two cores."""
MAX_WAITING = 64
MAX_LARGE_WAITING = 4
"""pictures at their own size that may wait: they are as large as frames."""


@dataclass(frozen=True)
class ScoreItem:
    """What some models are fed to score one segment.

    Attributes
    ----------
    modality : Modality
        Of the segment's subject.
    models : tuple of str
        Ids.
    segment : Segment
        Where the logits go.
    data : ndarray
        One item of the models' batch: a crop, a run of crops, a piece of sound.
    batch : hashable, optional
        Items of an equal key are scored together; None: alone.
    large : bool
        Few of these may wait.
    """

    modality: Modality
    models: tuple[str, ...]
    segment: Segment
    data: np.ndarray
    batch: Hashable | None = None
    large: bool = False


class ScoreStage:
    """The models of one run.

    Parameters
    ----------
    results : mapping
        By model id: scores are counted and failures noted there.
    lock : Lock
        Held while a segment's logits are written.
    front : BatchingFront, optional
        Shared with other runs; None: this run's batches go to the models by themselves.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        results: Mapping[str, ModelResult],
        device: str,
        lock: threading.Lock,
        stop: CancellationToken,
        front: BatchingFront | None = None,
    ) -> None:
        self._front = front
        self._specs = {spec.id: spec for spec in specs}
        self._results, self._device, self._lock = results, device, lock
        self._models: dict[str, Model] = {}
        self._first: dict[str, str] = {}
        self._items: BoundedQueue[ScoreItem | None] = BoundedQueue(MAX_WAITING, stop)
        self._large: BoundedQueue[None] = BoundedQueue(MAX_LARGE_WAITING, stop)

    def leave_out(self, modalities: Collection[Modality]) -> None:
        """Load no models of these: nothing will come for them."""
        self._specs = {id: s for id, s in self._specs.items() if s.modality not in modalities}

    def submit(self, item: ScoreItem) -> None:
        """Hand over an item; waits while there are enough.

        Raises
        ------
        ValueError
            A model of another modality would be fed with it.
        StageCancelled
        """
        for id in item.models:
            if (made_for := self._specs[id].modality) is not item.modality:
                raise ValueError(f"{id} judges {made_for}, and this is {item.modality}")
        if item.large:
            self._large.put(None)
        self._items.put(item)

    def end(self) -> None:
        """Nothing follows."""
        self._items.put(None)

    def work(self) -> None:
        """Score until the end, in the thread of this stage."""
        import torch

        torch.set_num_threads(1)  # per thread; two pools of threads starve each other
        self._load()  # here, so that faces are found meanwhile
        waiting: dict[Hashable, list[ScoreItem]] = defaultdict(list)
        while (item := self._items.take()) is not None:
            if item.batch is None:
                self._score([item])
                if item.large:
                    self._large.take()
                continue
            batch = waiting[item.batch]
            batch.append(item)
            if len(batch) == BATCH:
                self._score(waiting.pop(item.batch))
        for batch in waiting.values():
            self._score(batch)

    def _load(self) -> None:
        self._first = first_of_network(self._specs.values())
        for id in dict.fromkeys(self._first.values()):
            try:
                self._models[id] = registry.load_model(id, device=self._device)
            except ModelError as error:
                self._results[id].error = error.message

    def _score(self, items: Sequence[ScoreItem]) -> None:
        batch = np.stack([item.data for item in items])
        said: dict[str, list[float]] = {}
        for id in items[0].models:
            first = self._first[id]
            if first not in said:
                said[first] = self._run_model(first, batch)
            logits = said[first]
            if id != first:
                self._results[id].scored += len(logits)
                self._results[id].error = self._results[first].error
            with self._lock:
                for item, logit in zip(items, logits, strict=False):
                    item.segment.logits[id] = logit

    def _run_model(self, id: str, batch: np.ndarray) -> list[float]:
        """Logits of one batch; none when the model fails, and it then scores nothing more."""
        result = self._results[id]
        if result.error:
            return []
        begun = time.perf_counter()
        try:
            model, front = self._models[id], self._front
            logits = front.score(model, batch) if front else model.score(batch)
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
