"""What one more JPEG changes, in the face beside around it (error level analysis)."""

from __future__ import annotations

from detector.signals import noise
from detector.signals.measure import median_of
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="recompression",
    title="Error level",
    unit="dB",
    side="both",
    say=noise.in_words,
    means="What one more compression changes, in the face beside around it.",
    low="The face changes far less than what is around it, as smoothed faces do, and faces before "
    "a busy background.",
    high="The face changes far more than what is around it, as pasted faces do, and faces before a "
    "plain background.",
    purpose="Points to a face that was saved more or fewer times than its surroundings.",
)
SIGNAL = median_of(SPEC, noise.recompression, noise.NO_RING, rank=40)
