"""Signal: energy of the top octave of a face's spectrum over time."""

from detector.signals import frequency
from detector.signals.measure import of_each
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec


def energy(face: FacePatch) -> float | None:
    """Return the mean log power of the top octave, dB over the face's own coarse end."""
    plane = frequency.face_plane(face)
    return None if plane is None else float(frequency.profile(plane)[frequency.FINE].mean())


SPEC = SignalSpec(
    id="fft",
    title="FFT energy",
    unit="dB",
    side="both",
    say="{value:.1f} dB in the top octave",
    means="How much fine detail the spectrum of the face holds, for its size.",
    low="Less than in most faces: smoothing, upscaling, soft focus and compression do this.",
    high="More than in most faces: sharpening and noise do this, and some generators.",
    purpose="Points to faces that were smoothed, enlarged or sharpened.",
)
SIGNAL = of_each(SPEC, energy, frequency.TOO_SMALL, rank=40)
