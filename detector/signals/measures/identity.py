"""Whether it is the same face from the start of a clip to its end."""

import numpy as np

from detector.errors import ModelError
from detector.schema.analysis import Signal
from detector.sentences import _
from detector.signals import identity
from detector.signals.identity import DRIFT as SPEC
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch

FACES = 8  # Of a person, that are compared with each other, about; spread over the frames


class IdentityDrift(Observer):
    """Keeps some aligned faces of a person until they are compared."""

    def __init__(self, frames: int) -> None:
        self._stride = max(1, frames // FACES)
        self._faces: list[tuple[float, np.ndarray]] = []
        self._drift: tuple[float, float] | None = None
        self._why = ""

    def on_face(self, face: FacePatch, index: int) -> None:
        if index % self._stride or len(self._faces) >= 2 * FACES or not identity.ready():
            return
        aligned = identity.align(face)
        if aligned is not None:
            self._faces.append((face.time, aligned))

    def close(self) -> None:
        """See `Observer.close`: compare the faces and let go of them."""
        try:
            embedder = identity.embedder() if len(self._faces) >= identity.FEWEST else None
        except ModelError as error:  # damaged: the other signals stand
            self._why, embedder = error.message, None
        if embedder is not None:
            drift = identity.drift(embedder([aligned for _, aligned in self._faces]))
            self._drift = (drift[0], self._faces[drift[1]][0]) if drift else None
        self._faces.clear()

    def finish(self, subject: SubjectContext) -> Signal:
        if self._drift:
            value, time = self._drift
            return subject.signal(SPEC, value, weak=subject.soft, times=[time])
        few = _("Fewer than four faces could be compared.")
        return subject.absent(SPEC, self._why or (few if identity.ready() else identity.ABSENT))


SIGNAL = SignalMeasure(SPEC, rank=80, observe=IdentityDrift)
