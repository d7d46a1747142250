"""A live engine that says what it is told to, for tests of what is drawn and of who is let in; and
pictures on which what was drawn can be told from what was there.

What the real one says is tested in tests/integration/detector/test_live.py and in the browser.
"""

import math
from dataclasses import replace

import numpy as np

from detector.errors import UnmaskError, UsageError
from detector.live import (
    Alarm,
    Dot,
    Hint,
    HintCode,
    LiveFace,
    LiveRates,
    LiveReading,
    LiveSettings,
    LiveState,
    VoiceState,
)
from detector.schema.analysis import Label, Question, Thresholds
from tests.support.result_sample import make_analysis

LIMITS = Thresholds(low=0.3, high=0.7)
ALARMS = (Alarm(2, "no_face", 49.0, 53.0, None), Alarm(1, "manipulated", 32.0, 46.0, 0.93, "A"))
"""The newest first, as the engine gives them."""


def reading(label=Label.INCONCLUSIVE, probability=0.52):
    return LiveReading(
        label=label,
        probability=probability,
        interval=None if probability is None else (probability - 0.11, probability + 0.11),
        since=40.0,
        text="The score is between the thresholds.",
        question=Question.MANIPULATION,
        thresholds=LIMITS,
    )


def made_state(time=60.0, **changes):
    """A minute with one stretch above the upper threshold."""
    series = []
    for i in range(int(min(time, 60.0) * 4)):
        t = time - min(time, 60.0) + i / 4
        mean = 0.17 if t < 30 else 0.9 if t < 47 else 0.52
        score = min(1.0, max(0.0, mean + 0.09 * math.sin(i * 2.4)))
        series.append(Dot(t, score, mean, Label.INCONCLUSIVE))
    state = LiveState(
        time=time,
        size=(640, 480),
        faces=(LiveFace("A", (230, 120, 410, 360), (0.0, 0.0), time, 0.52, Label.INCONCLUSIVE),),
        reading=reading(),
        hints=(
            Hint(HintCode.TOO_DARK, "Light low", "Scores are less sure. Turn to a lamp.", False),
        ),
        alarms=tuple(alarm for alarm in ALARMS if alarm.end is not None and alarm.end <= time),
        rates=LiveRates(1500, 1440, 480, 60, 24.2, 8.1, 0.11, 0.19, 0.3),
        series=tuple(series),
        ready=True,
    )
    return replace(state, **changes)


class StandInSession:
    """Counts frames. `shown` is the state; without one it is made for the last frame's time."""

    def __init__(self, settings):
        self.settings = settings
        self.failure: UnmaskError | None = None
        self.frames: list[float] = []
        self.shown: LiveState | None = None
        self.closed = 0
        self.finished = 0
        self.kept: int | None = None
        self.seen: np.ndarray | None = None

    def push(self, frame, t):
        assert not self.closed, "a closed session got a frame"
        self.frames.append(t)
        self.seen = frame

    @property
    def state(self):
        if self.shown is not None:
            return self.shown
        return made_state(self.frames[-1] if self.frames else 0.0)

    def finish(self):
        self.finished += 1
        if not self.frames:
            raise UsageError("No frame was looked at.", code="nothing_seen")
        analysis = make_analysis()
        self.kept = len(analysis.timestamps)
        return analysis

    def thumbnails(self):
        return {"A": np.zeros((96, 96, 3), np.uint8)}

    def close(self):
        self.closed += 1


class StandInVoice:
    """Counts frames of sound. `shown` is the state."""

    def __init__(self):
        self.heard: list[float] = []
        self.closed = 0
        self.shown = VoiceState(None, True, None, Thresholds(low=0, high=1), ())

    def push(self, frame, t):
        assert not self.closed, "a closed microphone got sound"
        self.heard.append(t)

    @property
    def state(self):
        return self.shown

    def close(self):
        self.closed += 1


class StandInEngine:
    def __init__(self):
        self.opened: list[StandInSession] = []
        self.voices: list[StandInVoice] = []

    def listen(self):
        self.voices.append(StandInVoice())
        return self.voices[-1]

    def open(self, settings=None):
        self.opened.append(StandInSession(settings or LiveSettings()))
        return self.opened[-1]


def gray(picture):
    """The same pictures without color: what has one then was drawn into them."""

    def shown(number):
        return np.repeat(picture(number).mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)

    return shown


def colored(rgb):
    """How many pixels have a strong color."""
    return int((rgb.max(axis=2).astype(int) - rgb.min(axis=2) > 60).sum())
