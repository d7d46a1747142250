"""Whether a regular pattern lies in the face."""

from __future__ import annotations

import numpy as np

from detector.schema.analysis import Signal
from detector.signals import frequency
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="pattern",
    title="Regular pattern",
    unit="dB",
    side="high",
    say=lambda value, known: f"strongest peak {value:.0f} dB",
    means="Whether one frequency stands out of its neighbors. In camera faces none does by much.",
    high="A regular pattern: generators that enlarge a picture leave one, and so do screens filmed "
    "off, halftones and woven cloth.",
    purpose="Points to faces that a generator has enlarged.",
)


class RegularPattern(Observer):
    """Adds up the power spectra of a person's faces: what moves with the face fades."""

    def __init__(self, frames: int) -> None:
        self._power: np.ndarray | None = None

    def on_face(self, face: FacePatch, index: int) -> None:
        plane = frequency.native_plane(face)
        if plane is not None:
            power = frequency.power(plane)
            self._power = power if self._power is None else self._power + power

    def finish(self, subject: SubjectContext) -> Signal:
        peaks = [] if self._power is None else [frequency.peak(self._power)]
        return subject.median(SPEC, peaks, frequency.TOO_SMALL)


SIGNAL = SignalMeasure(SPEC, rank=20, stills=True, observe=RegularPattern)
