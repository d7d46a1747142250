"""How much fine detail the face has for its size."""

from __future__ import annotations

import numpy as np

from detector.schema.analysis import Signal
from detector.signals import frequency
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch
from detector.signals.reference import Range, SignalSpec


def _beside(value: float, known: Range | None) -> str:
    if known is None:
        return f"{value:.1f} dB"
    apart = value - known.p50
    if abs(apart) < 1:
        return "as in most camera faces"
    return f"{abs(apart):.0f} dB {'weaker' if apart < 0 else 'stronger'} than most"


SPEC = SignalSpec(
    id="frequency",
    title="Fine detail",
    unit="dB",
    side="both",
    say=_beside,
    means="How much fine detail the face has for its size, beside camera faces.",
    low="Less fine detail than camera faces: smoothing, upscaling and swaps do this, and so do "
    "filters, soft focus and compression.",
    high="More fine detail than camera faces: sharpening and noise do this, and some generators.",
    relative=True,
    purpose="Points to faces that were smoothed, enlarged or sharpened.",
)


class FineDetail(Observer):
    """Collects the spectra of a person's faces."""

    def __init__(self, frames: int) -> None:
        self._profiles: list[np.ndarray] = []
        self._bands: list[np.ndarray] = []

    def on_face(self, face: FacePatch, index: int) -> None:
        plane = frequency.face_plane(face)
        if plane is not None:
            self._profiles.append(frequency.profile(plane))
            self._bands.append(frequency.bands(plane))

    def finish(self, subject: SubjectContext) -> Signal:
        values = [frequency.fine_detail(profile) for profile in self._profiles]
        return subject.median(SPEC, values, frequency.TOO_SMALL)

    def curves(self) -> dict[str, np.ndarray]:
        """Return radial profile and DCT bands, means over the faces, for the reference."""
        rows = {"profile": self._profiles, "bands": self._bands}
        return {id: np.mean(values, axis=0) for id, values in rows.items() if values}


SIGNAL = SignalMeasure(SPEC, rank=10, stills=True, observe=FineDetail)
