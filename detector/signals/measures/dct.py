"""Signal: energy of the high-frequency 8 x 8 DCT coefficients of a face over time."""

from detector.signals import frequency
from detector.signals.measure import of_each
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec

FINE = slice(7, None)  # Of the diagonals of the 8 x 8 DCT: the finer half


def energy(face: FacePatch) -> float | None:
    """Return the mean energy of the fine half of the DCT, dB over the coarsest diagonal."""
    plane = frequency.face_plane(face)
    return None if plane is None else float(frequency.bands(plane)[FINE].mean())


SPEC = SignalSpec(
    id="dct",
    title="DCT energy",
    unit="dB",
    side="both",
    say="{value:.1f} dB in the fine coefficients",
    means="How much energy the fine coefficients of an 8 × 8 DCT of the face hold.",
    low="Less than in most faces: smoothing, upscaling, soft focus and compression do this.",
    high="More than in most faces: sharpening and noise do this, and some generators.",
    purpose="Points to faces that were smoothed, enlarged or sharpened.",
)
SIGNAL = of_each(SPEC, energy, frequency.TOO_SMALL, rank=30)
