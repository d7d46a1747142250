"""Whether it is the same face from the start of a clip to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.errors import ModelError
from detector.schema.analysis import Signal
from detector.signals import identity
from detector.signals.identity import DRIFT as SPEC
from detector.signals.measure import Observer, RunPlan, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch

if TYPE_CHECKING:
    from detector.signals.mobilefacenet import Embedder


FACES = 8
"""Of a person, that are compared with each other, about; spread over the moments."""


class IdentityDrift(Observer):
    """Keeps some aligned faces of a person until they are compared."""

    def __init__(self, plan: RunPlan) -> None:
        self._stride = max(1, plan.moments // FACES)
        self._faces: list[tuple[float, np.ndarray]] = []
        self._found: tuple[float, float] | None = None
        self._why = ""

    def on_face(self, face: FacePatch, index: int) -> None:
        """See `Observer.on_face`."""
        if index % self._stride or len(self._faces) >= 2 * FACES or not identity.ready():
            return
        aligned = identity.align(face)
        if aligned is not None:
            self._faces.append((face.time, aligned))

    def close(self) -> None:
        """See `Observer.close`: compare the faces and let go of them."""
        embedder = self._embedder() if len(self._faces) >= identity.FEWEST else None
        if embedder is not None:
            found = identity.drift(embedder([aligned for _, aligned in self._faces]))
            self._found = (found[0], self._faces[found[1]][0]) if found else None
        self._faces.clear()

    def _embedder(self) -> Embedder | None:
        try:
            return identity.embedder()
        except ModelError as error:  # damaged: the other signals stand
            self._why = error.message
            return None

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        if self._found:
            value, time = self._found
            return subject.signal(SPEC, value, weak=subject.soft, times=[time])
        few = "Fewer than four faces could be compared."
        return SPEC.absent(
            self._why or (few if identity.ready() else identity.ABSENT), subject.track.id
        )


SIGNAL = SignalMeasure(SPEC, rank=80, stills=False, observe=IdentityDrift)
