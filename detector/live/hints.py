"""What a viewer is told besides the reading: hints about the picture, and alarms."""

from collections import Counter, deque
from dataclasses import replace

from detector.decision import material
from detector.live import recapture
from detector.live.state import Alarm, AlarmKind, Hint, HintCode
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
MAX_ALARMS = 50
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
        "The face is {width:.0f} px wide, too small to judge. Show it larger.",
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
SHORT = {code: title.removeprefix("Face ").lower() for code, (_, title, _) in _PROBLEMS.items()}
"""Why a face has no score, for the label on its box."""


class QualityMonitor:
    """Hints of one viewer. Not locked."""

    def __init__(self, time: float, most_faces: int) -> None:
        self._most_faces = most_faces
        self._samples: deque[tuple[float, int, Quality | None, str]] = deque()
        self._stripes: deque[float] = deque(maxlen=5)
        self._face_at = time
        self._began = time

    def add_sample(self, time: float, people: int, quality: Quality | None, person: str) -> None:
        """One look: how many people, and how good the largest face is."""
        self._samples.append((time, people, quality, person))
        while self._samples[0][0] < time - STEADY:
            self._samples.popleft()

    def note_face(self, time: float) -> None:
        """Note that a face is in view."""
        self._face_at = time

    def add_stripes(self, strength: float) -> None:
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
        """Return what to say now, most important first.

        `time`: s, of the newest frame. `silent`: s since the last one was pushed. `rate`: scored
        frames a second. `lag`: s that the reading can lag by.
        """
        if silent > NO_SIGNAL:
            text = "No picture has come for a moment. Check the camera or the connection."
            return [Hint(HintCode.NO_SIGNAL, "No picture", text, blocking=True)]
        hints = []
        if time - self._face_at > NO_FACE:
            text = "No face in view. See that one is in the picture and nothing covers it."
            hints.append(Hint(HintCode.NO_FACE, "No face", text, blocking=True))
        elif len(self._samples) >= LEAST_LOOKS:
            hints += self._of_the_face()
        if self.screen:
            hints.insert(0, Hint(HintCode.RECAPTURE, "Screen filmed", SCREEN, blocking=True))
        most = max((people for _, people, _, _ in self._samples), default=0)
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
        """Return what is wrong with the largest face in most samples, or could be better."""
        measured = [(quality, person) for _, _, quality, person in self._samples if quality]
        if not measured:
            return []
        qualities = [quality for quality, _ in measured]
        person = measured[-1][1]
        width = sorted(q.width for q in qualities)[len(qualities) // 2]
        problem, times = Counter(q.problem for q in qualities).most_common(1)[0]
        if problem in _PROBLEMS and 2 * times > len(qualities):
            code, title, text = _PROBLEMS[problem]
            return [Hint(code, title, text.format(width=width), blocking=True, person=person)]
        half, fewer = len(qualities) / 2, "so scores are less sure."
        small = sum(q.width < material.FAIR_WIDTH for q in qualities) > half
        dim = sum(q.brightness < DIM for q in qualities) > half
        soft = sum(q.sharpness < material.POOR_SHARPNESS for q in qualities) > half and not dim
        wide = f"The face is {width:.0f} px wide, {fewer} Show it larger."
        light = f"The light on the face is low, {fewer} Ask for more light."
        still = f"The face is soft, {fewer} Keep the camera still, or wipe its lens."
        rows = (
            (small, HintCode.TOO_SMALL, "Face small", wide),
            (dim, HintCode.TOO_DARK, "Light low", light),
            (soft, HintCode.TOO_BLURRED, "Picture soft", still),
        )
        return [
            Hint(code, title, text, False, person) for holds, code, title, text in rows if holds
        ]


class Alarms:
    """Stretches above a level, and stretches without a face. Each begins once and ends once.

    `seconds`: how long the mean has to be above the level, and, to end, `ALARM_SLACK` below it.
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

    def update_reading(
        self, time: float, probability: float | None, level: float, person: str | None = None
    ) -> None:
        """Take notice of a mean; None: there is none now, which neither begins nor ends one."""
        if probability is None:
            self._above = self._below = None
            return
        if (alarm := self._ongoing("manipulated")) is not None:
            alarm = self._replace(alarm, peak=max(alarm.peak or 0.0, probability))
            if probability >= level - ALARM_SLACK:
                self._below = None
            elif self._below is None:
                self._below = time
            if self._below is not None and time - self._below >= self._seconds:
                self._end(alarm, self._below)
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

    def update_faces(self, time: float, last_face: float) -> None:
        """Take notice of when a face was last in view."""
        absence = self._ongoing("no_face")
        if absence is None and time - last_face > NO_FACE_ALARM:
            self._begin("no_face", last_face)
            if (raised := self._ongoing("manipulated")) is not None:
                self._end(raised, last_face)  # nobody is there whom it could be about
        elif absence is not None and last_face > absence.start:
            self._replace(absence, end=last_face)

    def end(self, time: float) -> None:
        """End what goes on: the session is over."""
        for alarm in [a for a in self._alarms if a.end is None]:
            self._replace(alarm, end=time)

    def _ongoing(self, kind: AlarmKind) -> Alarm | None:
        return next((a for a in self._alarms if a.kind == kind and a.end is None), None)

    def _begin(
        self, kind: AlarmKind, start: float, peak: float | None = None, person: str | None = None
    ) -> None:
        self._count += 1
        alarm = Alarm(self._count, kind, start, None, peak, person)
        self._alarms = [*self._alarms, alarm][-MAX_ALARMS:]

    def _end(self, alarm: Alarm, time: float) -> None:
        self._replace(alarm, end=time)
        self._above = self._below = None

    def _replace(self, alarm: Alarm, **changes: float) -> Alarm:
        changed = replace(alarm, **changes)  # type: ignore[arg-type]
        self._alarms[self._alarms.index(alarm)] = changed
        return changed
