"""Where the score of a person changes for good."""

from __future__ import annotations

from detector.schema.analysis import Signal
from detector.signals import scores
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="changes",
    title="Score over time",
    unit="log odds",
    side="high",
    say=lambda value, known: "no lasting change" if value == 0 else f"changes by {value:.1f}",
    means="Whether the models' score moves to another level and stays there.",
    high="The score moves to another level and stays, as where only a part was altered; a cut, a "
    "turn of the head or other light can look alike.",
    purpose="Points to the part of a clip that was altered, where only a part was.",
)


class ScoreChanges(Observer):
    """Reads the scores once all are known."""

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        faces = subject.track.frames
        scored = [(face.time, face.score) for face in faces if face.score is not None]
        if len(scored) < scores.FEWEST:
            return SPEC.absent(
                f"{len(scored)} scores are too few to see a change in; it takes {scores.FEWEST}.",
                subject.track.id,
            )
        times = [time for time, _ in scored]
        steps = scores.steps(times, scores.logits([score for _, score in scored]).tolist())
        size = max((abs(step.size) for step in steps), default=0.0)
        return subject.signal(SPEC, size, times=[step.time for step in steps])


SIGNAL = SignalMeasure(SPEC, rank=70, stills=False, observe=ScoreChanges)
