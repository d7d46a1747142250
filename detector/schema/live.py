"""Input and output of a live session: plain, frozen data.

Every time is in seconds of the session's own clock, the `t` that frames are pushed with; boxes are
pixels of the pushed frame; probabilities are calibrated, 0..1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from detector.schema.analysis import Box, Label, Point, Question, Thresholds

HISTORY = 60.0  # s of `LiveState.series`


@dataclass(frozen=True)
class LiveSettings:
    """What one viewer asks for."""

    models: tuple[str, ...] | None = None
    """Ids; None: the default ensemble."""
    name: str = "Live session"
    """What the session is called in its Analysis: "Camera", a file's name, an address."""
    min_face: int = 40
    """px. Narrower faces are not judged."""
    most_faces: int = 4
    """More people than that are boxed and not scored: the largest are."""
    screen: bool = False
    """Frames are of a screen: faces stay small, so they are searched as finely on a slow computer;
    and no filmed screen is looked for, whose patterns a screen's own text and tables have too."""
    alarm_above: float | None = None
    """Likelihood above which an alarm begins; None: the upper threshold."""
    alarm_seconds: float = 3.0
    """s for which it must stay above, and, to end, `ALARM_SLACK` below."""


@dataclass(frozen=True)
class LiveFace:
    """One person in view."""

    id: str  # A, B, ... in order of first appearance in the session.
    box: Box  # At `time`
    velocity: tuple[float, float]
    """px/s of the box's center, so that a display may move the box to its own frame's time."""
    time: float  # Of the frame that the box was measured in
    probability: float | None
    """By `detector.decision.decide` on the last `session.WINDOW` s; None while there is too
    little."""
    label: Label
    """INCONCLUSIVE while evidence is thin, NOT_APPLICABLE when this face can't be judged
    (`problem` says why)."""
    problem: str | None = None
    """In a few words for a person: "too small", "too dark", "turned away" ..."""
    landmarks: tuple[Point, ...] = ()  # As `Detection.landmarks`
    question: Question | None = None  # Which of the two it answers


@dataclass(frozen=True)
class TooSlow:
    """How few frames were scored while a face was in view: no reading may rest on them."""

    scored: int  # frames, by `model` or, without one, by any
    seconds: float  # with a face in view, of the last `session.WINDOW` s
    since: float  # Time at which it became so
    model: str = ""  # Title of the one that scored too few, where all together scored enough


@dataclass(frozen=True)
class LiveReading:
    """The current reading of the session."""

    label: Label
    """Of the verdict that `detector.decision.decide` gives on the last `session.WINDOW` s."""
    since: float  # Time at which the label became this one
    text: str  # One or two sentences under the label
    thresholds: Thresholds  # That `probability` stands against
    probability: float | None = None  # Of the verdict; None without a scored face
    interval: tuple[float, float] | None = None  # 95 % interval of `probability`
    alone: float | None = None  # Of the person in front, as on the box, with several
    question: Question | None = None  # Which of the two questions leads
    person: str | None = None  # Whose face it is, with several
    too_slow: TooSlow | None = None  # Why no reading can be relied on; NOT_APPLICABLE then


class HintCode(StrEnum):
    """Hints on picture quality. Stable: programs may branch on them."""

    STARTING = "starting"  # models are being loaded
    NO_FACE = "no_face"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TOO_BLURRED = "too_blurred"
    TURNED_AWAY = "turned_away"
    TOO_MANY = "too_many"
    RECAPTURE = "recapture"
    TOO_SLOW = "too_slow"
    NO_SIGNAL = "no_signal"  # no frame came for a while
    MODEL_FAILED = "model_failed"


@dataclass(frozen=True)
class Hint:
    """A hint on picture quality, in words."""

    code: HintCode
    title: str  # For a chip: "Light low"
    text: str  # A sentence: "The face is dark, so scores are less sure. Ask for more light".
    blocking: bool  # Nothing is judged while it holds; else scores are only less sure
    person: str | None = None  # Whose face, with several


AlarmKind = Literal["manipulated", "no_face"]


@dataclass(frozen=True)
class Alarm:
    """A stretch that deserves attention. Each begins once and ends once."""

    number: int  # 1, 2, ...: the same alarm has the same number in every later state
    kind: AlarmKind
    start: float  # When the condition began (not when the wait was over)
    end: float | None = None  # None while it goes on
    peak: float | None = None  # Highest likelihood in it
    person: str | None = None


@dataclass(frozen=True)
class LiveRates:
    """How the session keeps up."""

    pushed: int = 0
    looked: int = 0
    scored: int = 0
    dropped: int = 0
    """Frames since the start: handed in, in which faces were searched or followed, scored by a
    frame model, never looked at because a newer one came (pushed = looked + dropped + waiting)."""
    fps: float = 0.0
    scored_fps: float = 0.0  # Each over the last few seconds
    delay: float | None = None
    """s from push to the state with that frame's box, median of the last few seconds."""
    delay_p95: float | None = None  # Its 95th percentile
    score_delay: float | None = None  # s from push to the state with that frame's score, median


@dataclass(frozen=True)
class Dot:
    """One scored frame of the chart: a dot, and the line through them."""

    time: float
    score: float | None
    """Of this frame alone, the most suspicious face; None where there was no face to score."""
    mean: float | None  # `LiveReading.probability` then
    label: Label  # `LiveReading.label` then


@dataclass(frozen=True)
class LiveState:
    """An immutable snapshot; cheap to take, safe to keep."""

    time: float
    """Of the newest pushed frame."""
    size: tuple[int, int]
    """Width and height of the pushed frames, px."""
    faces: tuple[LiveFace, ...]
    """People in view, most suspicious first."""
    reading: LiveReading
    hints: tuple[Hint, ...]
    """Most important first; empty when all is well."""
    alarms: tuple[Alarm, ...]
    """Of the whole session (the newest `MAX_ALARMS`), newest first."""
    rates: LiveRates
    series: tuple[Dot, ...]
    """The last `HISTORY` s, ascending."""
    every: Mapping[str, float] = field(default_factory=dict)
    """s between two frames that a model scores, by id; 0: it scores each scored frame."""
    ready: bool = False
    """The models are loaded."""
    mostly_slow: bool = False
    """Too few frames were scored for most of the session, or are now: its record has no verdict."""


class Move(StrEnum):
    """Moves of a challenge, in order."""

    TURN = "turn"
    COVER = "cover"
    LEAN = "lean"


@dataclass(frozen=True)
class Observation:
    """Measurements during one move."""

    move: Move
    made: bool | None  # whether the move was seen; None where that can't be told
    scored: int  # frames with a score
    highest: float | None  # of their scores
    rose: bool  # a frame was above the upper threshold, and none before the challenge
    lost: float  # s without a face, of those between two looks
    replaced: bool  # who is followed afterwards is not who was before

    @property
    def judged(self) -> bool:
        """Return whether a frame was scored, of a move that was not missing."""
        return self.scored > 0 and self.made is not False

    @property
    def held(self) -> bool:
        """Return whether nothing broke. Behind a hand a face may be lost."""
        lost = self.lost > 0 and self.move is not Move.COVER
        return not (self.rose or self.replaced or lost)
