"""Whether the lips move with the sound, and by how much the sound is late."""

from __future__ import annotations

from detector.errors import MediaError
from detector.schema.analysis import Signal
from detector.signals import lips
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

JUMP = 0.15
"""s by which a window's lag differs from the clip's, where its moment is named"""
MOST_MOMENTS = 4
NEAR = 0.05
"""s, about a frame: a smaller lag is none"""
PROVEN = (
    "Proven on made clips alone, a still face whose mouth was opened by real speech; no talking "
    "video with its own sound was measured."
)


def say(lag: float) -> str:
    """Return the lag in words."""
    if abs(lag) < NEAR:
        return "together"
    return f"sound {abs(lag):.2f} s {'late' if lag > 0 else 'early'}"


SPEC = SignalSpec(
    id="lips",
    title="Lips and voice",
    unit="s",
    side="both",
    say=say,
    means="By how much the sound comes after the lips: when the mouth moves, not what it says. "
    "Bad encoding moves sound too; broadcasters allow 0.09 s early to 0.19 s late (ITU-R BT.1359). "
    f"{PROVEN}",
    purpose="Points to sound that was moved or exchanged.",
)


class LipSync(Observer):
    """Reads frame after frame of the stretch in which most is spoken, once the run has ended."""

    def finish(self, subject: SubjectContext) -> Signal:
        if subject.clip is None:
            return subject.absent(SPEC, subject.no_clip)
        try:
            sync = lips.measure(subject.clip, subject.landmarks)
        except MediaError:
            return subject.absent(SPEC, "The sound or the frames beside it could not be read.")
        if sync is None:
            return subject.absent(
                SPEC,
                f"It takes {lips.SHORTEST:.0f} s of video in which the face is seen throughout.",
            )
        strength = f"Strength {sync.strength:.1f}; from {lips.SURE:.0f} on a lag is told."
        if sync.strength < lips.SURE:
            return SPEC.signal(0.0, subject.track.id).model_copy(
                update={
                    "value": "nothing in common found",
                    "number": None,
                    "how_to_read": "Lips and sound do not move together in a way that stands out, "
                    "as where the sound was exchanged; small, turned or covered lips, music and a "
                    f"speaker out of view look alike. {strength} {PROVEN}",
                }
            )
        odd = [
            at for at, lag, sure in sync.windows if sure >= lips.SURE and abs(lag - sync.lag) > JUMP
        ]
        signal = subject.signal(SPEC, sync.lag, times=odd[:MOST_MOMENTS])
        return signal.model_copy(update={"how_to_read": f"{signal.how_to_read} {strength}"})


SIGNAL = SignalMeasure(SPEC, rank=80, observe=LipSync)
