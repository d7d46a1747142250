"""Challenge of three moves for the person in front of a camera, and the observations of each.

A real-time face swap has to follow a face that turns, is partly covered or fills the picture. Some
break for a moment: frames score above the upper threshold, the track is lost, or another one
follows. That is a reason to ask on, not a proof: a genuine face may be lost too, and a good swap
holds.
"""

from dataclasses import dataclass

from detector.schema.live import LiveFace, LiveState, Move, Observation
from detector.vision.quality import TURNED, pose

SECONDS = 6.0
"""s of each move, and of the scores considered before the first"""
TURN = TURNED / 2
"""Yaw from which a head counts as turned: half of the yaw that is still judged"""
LEAN = 1.25
"""Factor on a face's width from which it counts as nearer"""


@dataclass(frozen=True)
class _Glance:
    time: float
    face: LiveFace | None  # the largest in view
    slow: bool  # too few frames were scored for a reading


class Challenge:
    """One challenge, begun with a state that shows a face; call `observe` with each later state."""

    def __init__(self, state: LiveState) -> None:
        self.began = self._time = state.time
        self._before = [
            dot.score
            for dot in state.series
            if dot.score is not None and dot.time > state.time - SECONDS
        ]
        self._dots: dict[float, float] = {}
        self._looks = [_glance(state)]
        self._limit = state.reading.thresholds.high

    def observe(self, state: LiveState) -> None:
        """Add a newer state."""
        if self.over or state.time <= self._time:
            return
        self._time = state.time
        self._looks.append(_glance(state))
        for dot in state.series:
            if dot.score is not None and dot.time > self.began:
                self._dots[dot.time] = dot.score

    @property
    def over(self) -> bool:
        return self._time - self.began >= SECONDS * len(Move)

    @property
    def slow(self) -> bool:
        """Return whether too few frames were scored for most of it."""
        return 2 * sum(look.slow for look in self._looks) > len(self._looks)

    @property
    def now(self) -> tuple[Move, float] | None:
        """Return the current move and the s left for it; None when all are over."""
        number, passed = divmod(self._time - self.began, SECONDS)
        return None if self.over else (list(Move)[int(number)], SECONDS - passed)

    def observations(self) -> list[Observation]:
        """Return the observations of the moves that are over."""
        return [
            self._of(move, self.began + n * SECONDS)
            for n, move in enumerate(Move)
            if self._time >= self.began + (n + 1) * SECONDS
        ]

    def _of(self, move: Move, start: float) -> Observation:
        end = start + SECONDS
        scores = [score for time, score in self._dots.items() if start < time <= end]
        looks = [look for look in self._looks if start < look.time <= end]
        earlier = [
            look.face for look in self._looks if look.time <= start and look.face is not None
        ]
        before = earlier[-1] if earlier else None
        seen = [look.face for look in looks if look.face is not None]
        step = SECONDS / len(looks) if looks else SECONDS
        calm = max(self._before, default=0.0) <= self._limit
        return Observation(
            move=move,
            made=_made(move, before, seen),
            scored=len(scores),
            highest=max(scores, default=None),
            rose=calm and max(scores, default=0.0) > self._limit,
            lost=step * (len(looks) - len(seen)) if looks else SECONDS,
            replaced=before is not None and bool(seen) and seen[-1].id != before.id,
        )


def _glance(state: LiveState) -> _Glance:
    largest = max(state.faces, key=_width, default=None)
    return _Glance(state.time, largest, state.reading.too_slow is not None)


def _width(face: LiveFace) -> float:
    return face.box[2] - face.box[0]


def _made(move: Move, before: LiveFace | None, seen: list[LiveFace]) -> bool | None:
    if move is Move.TURN and any(face.landmarks for face in seen):
        return any(abs(pose(face.landmarks)[0]) > TURN for face in seen if face.landmarks)
    if move is Move.LEAN and before is not None and seen:
        return max(map(_width, seen)) > LEAN * _width(before)
    return None
