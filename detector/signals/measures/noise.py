"""Noise in the face beside noise around it."""

from __future__ import annotations

from detector.signals import noise
from detector.signals.measure import median_of
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="noise",
    title="Noise",
    unit="dB",
    side="both",
    say=noise.in_words,
    means="Noise in the face beside noise around it. One camera gives both much the same.",
    low="The face has far less noise than what is around it: a generated or smoothed face does "
    "this, and so do a beauty filter and a busy background.",
    high="The face has far more noise than what is around it: a face from another picture does "
    "this, and so does a blurred or plain background.",
    purpose="Points to a face that is not from the camera of its surroundings.",
)
SIGNAL = median_of(SPEC, noise.noise, noise.NO_RING, rank=30)
