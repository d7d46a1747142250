"""Where the score of a person changes for good: no pixels, only the scores of the models.

A clip that was altered in a part has a step there; one that is all original or all altered has
none. Steps are found by binary segmentation with a penalty for each (Scott and Knott 1974; the
penalty is that of Schwarz, with the noise taken from neighboring scores).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.schema.analysis import Signal
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

SHORTEST = 3
"""scores on each side of a step."""
MOST = 6
"""steps that are told."""
FEWEST = 8
"""scores, below which nothing is searched."""


@dataclass(frozen=True)
class ScoreStep:
    """The score stays at another level from `time` on; `size` in natural-log odds."""

    time: float
    size: float


def logits(scores: Sequence[float]) -> np.ndarray:
    """Return probabilities as log odds, bounded where they are certain."""
    p = np.clip(np.asarray(scores, float), 0.005, 0.995)
    odds: np.ndarray = np.log(p / (1 - p))
    return odds


def steps(times: Sequence[float], values: Sequence[float]) -> list[ScoreStep]:
    """Return where the level of a noisy line changes, ascending in time.

    Parameters
    ----------
    times : s, ascending
    values : log odds at these times
    """
    line = np.asarray(values, float)
    if len(line) < FEWEST:
        return []
    # Differences of neighbors know little of steps; 1.4826 makes their median a standard deviation.
    noise = 1.4826 * float(np.median(np.abs(np.diff(line)))) / math.sqrt(2)
    penalty = 3.0 * max(noise, 0.05) ** 2 * math.log(len(line))
    cuts: list[int] = []
    parts = [(0, len(line))]
    while parts and len(cuts) < MOST:
        start, end = parts.pop(0)
        gain, at = _best(line, start, end)
        if gain > penalty:
            cuts.append(at)
            parts += [(start, at), (at, end)]
    edges = [0, *sorted(cuts), len(line)]
    levels = [float(line[a:b].mean()) for a, b in itertools.pairwise(edges)]
    return [
        ScoreStep(float((times[at - 1] + times[at]) / 2), levels[i + 1] - levels[i])
        for i, at in enumerate(edges[1:-1])
    ]


def _best(line: np.ndarray, start: int, end: int) -> tuple[float, int]:
    """By how much one cut lowers the squared error of a stretch, and where."""
    part = line[start:end]
    places = np.arange(SHORTEST, len(part) - SHORTEST + 1)
    if not len(places):
        return 0.0, start
    sums = np.cumsum(part)
    left, right = sums[places - 1] / places, (sums[-1] - sums[places - 1]) / (len(part) - places)
    gains = places * (len(part) - places) / len(part) * (left - right) ** 2
    best = int(gains.argmax())
    return float(gains[best]), start + int(places[best])


SPEC = SignalSpec(
    id="changes",
    title="Score over time",
    unit="log odds",
    side="high",
    say=lambda value, known: f"changes by {value:.1f} log odds" if value else "no lasting change",
    means="Whether the models' score moves to another level and stays there.",
    high="The score moves to another level and stays, as where only a part was altered; a cut, a "
    "turn of the head or other light can look alike.",
    purpose="Points to the part of a clip that was altered, where only a part was.",
)


class ScoreChanges(Observer):
    """Reads the scores once all are known."""

    def finish(self, subject: SubjectContext) -> Signal:
        faces = subject.track.frames
        scored = [(face.time, face.score) for face in faces if face.score is not None]
        if len(scored) < FEWEST:
            few = f"{len(scored)} scores are too few to see a change in; it takes {FEWEST}."
            return subject.absent(SPEC, few)
        times = [time for time, _ in scored]
        jumps = steps(times, logits([score for _, score in scored]).tolist())
        size = max((abs(step.size) for step in jumps), default=0.0)
        return subject.signal(SPEC, size, times=[step.time for step in jumps])


SIGNAL = SignalMeasure(SPEC, rank=70, stills=False, observe=ScoreChanges)
