"""What a viewer is told besides the reading: hints about the picture, and alarms."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from detector.decision import material
from detector.live import recapture
from detector.live.state import Alarm, Hint, HintCode
from detector.schema.analysis import Quality, ReasonCode

STEADY = 1.0
"""s over which a hint is decided: by most of the looks in it"""
LEAST_LOOKS = 3
NO_FACE = 2.0
"""s"""
NO_SIGNAL = 2.0
"""s"""
DIM = 45.0
"""Mean luma of a face. The darkest of the 1,122 faces that `detector.vision.quality` was set on has
42: what is darker was not in what the models were measured with."""
SLOW = 4.0
"""scored frames a second"""
SLOW_SECONDS = 5.0
"""s after the start before slowness is said: the first frames are always slow."""
ALARM_SLACK = 0.10
"""of the likelihood, below the alarm's level, before an alarm can end"""
MOST_ALARMS = 50
NO_FACE_ALARM = 3.0
"""s without a face that are put on record"""

SCREEN = (
    "Stripes run over the whole picture, as when a camera films a screen. A face on a screen can't "
    "be judged this way: open the video itself."
)
_PROBLEMS: dict[ReasonCode, tuple[HintCode, str, str]] = {
    ReasonCode.FACE_TOO_SMALL: (
        HintCode.TOO_SMALL,
        "Face too small",
        "The face is {width:.0f} px wide, too small to judge. Move the camera closer.",
    ),
    ReasonCode.TOO_DARK: (
        HintCode.TOO_DARK,
        "Too dark",
        "The face is too dark to judge. Ask for more light on it.",
    ),
    ReasonCode.TOO_BRIGHT: (
        HintCode.TOO_BRIGHT,
        "Too bright",
        "The face is overexposed, so it can't be judged. Ask for less light on it.",
    ),
    ReasonCode.TOO_BLURRED: (
        HintCode.TOO_BLURRED,
        "Too blurred",
        "The face is too blurred to judge. Keep the camera still, or wipe its lens.",
    ),
    ReasonCode.TURNED_AWAY: (
        HintCode.TURNED_AWAY,
        "Turned away",
        "The face is turned away. Ask for a look into the camera.",
    ),
}
SHORT = {
    ReasonCode.FACE_TOO_SMALL: "too small",
    ReasonCode.TOO_DARK: "too dark",
    ReasonCode.TOO_BRIGHT: "too bright",
    ReasonCode.TOO_BLURRED: "too blurred",
    ReasonCode.TURNED_AWAY: "turned away",
}
"""Why a face has no score, for the label on its box."""


class QualityMonitor:
    """Hints of one viewer. Not locked."""

    def __init__(self, time: float, most_faces: int) -> None:
        self._most_faces = most_faces
        self._looks: deque[tuple[float, int, Quality | None, str]] = deque()
        self._stripes: deque[float] = deque(maxlen=5)
        self._face_at = time
        self._began = time

    def look(self, time: float, people: int, quality: Quality | None, person: str) -> None:
        """One look: how many people, and how good the largest face is."""
        self._looks.append((time, people, quality, person))
        while self._looks[0][0] < time - STEADY:
            self._looks.popleft()

    def face(self, time: float) -> None:
        """A face is in view."""
        self._face_at = time

    def stripes(self, strength: float) -> None:
        """One measurement of `recapture.stripes`."""
        self._stripes.append(strength)

    @property
    def screen(self) -> bool:
        """A screen is being filmed, by most of the last looks for one."""
        striped = sum(strength > recapture.PEAK for strength in self._stripes)
        return len(self._stripes) >= LEAST_LOOKS and 2 * striped > len(self._stripes)

    @property
    def no_face_since(self) -> float:
        """When a face was last in view."""
        return self._face_at

    def hints(self, time: float, *, silent: float, rate: float, lag: float) -> list[Hint]:
        """What to say now, most important first.

        Parameters
        ----------
        time : float
            s, of the newest frame.
        silent : float
            s since the last frame was pushed.
        rate : float
            Scored frames a second.
        lag : float
            s that the reading can lag by.
        """
        if silent > NO_SIGNAL:
            text = "No picture has come for a moment. Check the camera or the connection."
            return [Hint(HintCode.NO_SIGNAL, "No picture", text, blocking=True)]
        hints = []
        if time - self._face_at > NO_FACE:
            text = "No face in view. Look at the camera, and see that nothing covers it."
            hints.append(Hint(HintCode.NO_FACE, "No face", text, blocking=True))
        elif len(self._looks) >= LEAST_LOOKS:
            hints += self._of_the_face()
        if self.screen:
            hints.insert(0, Hint(HintCode.RECAPTURE, "Screen filmed", SCREEN, blocking=True))
        most = max((people for _, people, _, _ in self._looks), default=0)
        if most > self._most_faces:
            text = f"{most} faces are in view; the {self._most_faces} largest are judged."
            hints.append(Hint(HintCode.TOO_MANY, f"{most} faces", text, blocking=False))
        watched = time - self._began > SLOW_SECONDS and self._face_at == time
        if watched and rate < SLOW:
            often = f"{rate:.0f} frames" if rate >= 1.5 else "about 1 frame"
            text = f"This computer scores {often} a second: the reading can lag by {lag:.0f} s."
            hints.append(Hint(HintCode.TOO_SLOW, "Slow", text, blocking=False))
        return hints

    def _of_the_face(self) -> list[Hint]:
        """What is wrong with the largest face in most of the last looks, or could be better."""
        seen = [(quality, person) for _, _, quality, person in self._looks if quality]
        if not seen:
            return []
        qualities = [quality for quality, _ in seen]
        person = seen[-1][1]
        width = sorted(q.width for q in qualities)[len(qualities) // 2]
        problem, times = Counter(q.problem for q in qualities).most_common(1)[0]
        if problem in _PROBLEMS and 2 * times > len(qualities):
            code, title, text = _PROBLEMS[problem]
            return [Hint(code, title, text.format(width=width), blocking=True, person=person)]
        hints = []
        fewer = "so scores are less sure."

        def most(below: Sequence[bool]) -> bool:
            return 2 * sum(below) > len(below)

        if most([q.width < material.FAIR_WIDTH for q in qualities]):
            text = f"The face is {width:.0f} px wide, {fewer} Move the camera closer."
            hints.append(Hint(HintCode.TOO_SMALL, "Face small", text, False, person))
        if most([q.brightness < DIM for q in qualities]):
            text = f"The light on the face is low, {fewer} Ask for more light."
            hints.append(Hint(HintCode.TOO_DARK, "Light low", text, False, person))
        elif most([q.sharpness < material.POOR_SHARPNESS for q in qualities]):
            text = f"The face is soft, {fewer} Keep the camera still, or wipe its lens."
            hints.append(Hint(HintCode.TOO_BLURRED, "Picture soft", text, False, person))
        return hints


class Alarms:
    """Stretches above a level, and stretches without a face. Each begins once and ends once.

    Parameters
    ----------
    seconds : float
        For how long the mean has to be above the level, and, to end, `ALARM_SLACK` below it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._above: float | None = None
        self._below: float | None = None
        self._peak = 0.0
        self._count = 0
        self._alarms: list[Alarm] = []

    @property
    def all(self) -> tuple[Alarm, ...]:
        """Newest first."""
        return tuple(reversed(self._alarms))

    def reading(
        self, time: float, probability: float | None, level: float, person: str | None = None
    ) -> None:
        """Take notice of a mean; None: there is none now, which neither begins nor ends one."""
        if probability is None:
            self._above = self._below = None
            return
        going = self._going("manipulated")
        if going is not None:
            self._replace(going, peak=max(going.peak or 0.0, probability))
            going = self._going("manipulated")
            assert going is not None
            if probability >= level - ALARM_SLACK:
                self._below = None
            elif self._below is None:
                self._below = time
            if self._below is not None and time - self._below >= self._seconds:
                self._replace(going, end=self._below)
                self._above = self._below = None
            return
        if probability <= level:
            self._above = None
            return
        if self._above is None:
            self._above, self._peak = time, 0.0
        self._peak = max(self._peak, probability)
        if time - self._above >= self._seconds:
            self._begin("manipulated", self._above, self._peak, person)
            self._below = None

    def faces(self, time: float, last_face: float) -> None:
        """Take notice of when a face was last in view."""
        going = self._going("no_face")
        if going is None and time - last_face > NO_FACE_ALARM:
            self._begin("no_face", last_face, None, None)
            raised = self._going("manipulated")
            if raised is not None:  # nobody is there whom it could be about
                self._replace(raised, end=last_face)
                self._above = self._below = None
        elif going is not None and last_face > going.start:
            self._replace(going, end=last_face)

    def end(self, time: float) -> None:
        """The session is over."""
        for alarm in [a for a in self._alarms if a.end is None]:
            self._replace(alarm, end=time)

    def _going(self, kind: str) -> Alarm | None:
        return next((a for a in self._alarms if a.kind == kind and a.end is None), None)

    def _begin(self, kind: str, start: float, peak: float | None, person: str | None) -> None:
        self._count += 1
        alarm = Alarm(self._count, kind, start, None, peak, person)  # type: ignore[arg-type]
        self._alarms = [*self._alarms, alarm][-MOST_ALARMS:]

    def _replace(self, alarm: Alarm, **changed: float | None) -> None:
        self._alarms[self._alarms.index(alarm)] = replace(alarm, **changed)  # type: ignore[arg-type]
