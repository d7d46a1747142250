"""What to do next with a result: at most three actions, the most useful first.

A pure function of an analysis and of what is known around it. Codes with parameters; the sentences
stand in `detector.presentation.actions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from detector.decision.material import WIDE_GAP, widest_gap
from detector.schema.analysis import Analysis, Answer, Basis, Label, Question, ReasonCode, Side
from detector.schema.base import Param

MOST = 3
"""actions at once"""
SMALL_FACE = 80
"""px; narrower faces gain most from a larger copy"""
OWN_CLIPS = 19
"""untouched clips from which an own threshold at 1 in 20 can be made (1 / (19 + 1))"""


class ActionCode(StrEnum):
    """What can be done. Stable: programs may branch on it."""

    TURN = "turn"
    FILM = "film"
    LOOK_CLOSER = "look_closer"
    COMPARE_ORIGINAL = "compare_original"
    ASK_ORIGINAL = "ask_original"
    ADD_MODEL = "add_model"
    OWN_THRESHOLD = "own_threshold"
    CHECK_ORIGIN = "check_origin"
    TEST_LIVE = "test_live"
    REACH = "reach"
    CHECK_SYNTHID = "check_synthid"
    ASSUME_SPEECH = "assume_speech"
    SMALLER_FACES = "smaller_faces"
    WHOLE_PICTURE = "whole_picture"
    MORE_MOMENTS = "more_moments"


@dataclass(frozen=True)
class SameFootage:
    """Footage at hand that shows what the file shows, and can be opened beside it."""

    name: str  # hostile
    is_original: bool = True  # it may be called the file's original
    compared: bool = False  # the two were held against each other


@dataclass(frozen=True)
class Facts:
    """What is known around a result."""

    closer: int = 0
    """moments of a closer look; 0: the file is gone, or was looked at closely"""
    closer_seconds: float | None = None  # how long that would take, where it is known
    strong: str = ""
    """title of the strong model that could be added; empty where one is there or none can be"""
    strong_bytes: int | None = None  # of its download
    untouched: int = 0  # clips in the person's history that they confirmed to be untouched
    same: SameFootage | None = None  # of their library, or what they held the file against
    searched: int = 0
    """files of their library in which the footage is not; 0: it was found, or not looked for"""
    may_run: bool = True  # who reads somebody else's result may start no analysis
    file_there: bool = True  # still stored, so that it can be analyzed again


@dataclass(frozen=True)
class NextStep:
    """One thing to do."""

    code: ActionCode
    params: dict[str, Param] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    """Settings with other values, with which the file is analyzed again: that is all of the step"""


_AS_SPEECH = NextStep(ActionCode.ASSUME_SPEECH, settings={"assume_speech": True})
SMALLEST = 16
"""px; faces are looked for no smaller: below it nothing can be seen"""
MAX_MOMENTS = 200
"""that are looked at where a face could not be seen well enough"""
_NO_FACE = (ReasonCode.NO_FACE, ReasonCode.FACE_TOO_SMALL)
_OF_SPEECH = (ReasonCode.NO_SPEECH, ReasonCode.MUSIC, ReasonCode.SPEECH_TOO_SHORT)
_SEEN_POORLY = (
    ReasonCode.TOO_BLURRED, ReasonCode.TOO_DARK, ReasonCode.TOO_BRIGHT, ReasonCode.TURNED_AWAY,
)  # fmt: skip


def ways_on(analysis: Analysis, why: ReasonCode) -> Iterator[NextStep]:
    """Yield how a file that could not be judged, and `why` not, may be judged after all."""
    settings = analysis.settings
    yield from _unjudged(analysis)
    smaller = max(SMALLEST, settings.min_face // 2)
    if why in _NO_FACE and smaller < settings.min_face:
        yield NextStep(ActionCode.SMALLER_FACES, {"px": smaller}, {"min_face": smaller})
    if why in _NO_FACE and settings.models is not None:
        every: dict[str, object] = {"models": None, "ensemble": None}
        yield NextStep(ActionCode.WHOLE_PICTURE, settings=every)
    if why in _OF_SPEECH and not settings.assume_speech:
        yield _AS_SPEECH
    more = min(MAX_MOMENTS, settings.frames * 4)
    if why in _SEEN_POORLY and analysis.media.kind == "video" and more > settings.frames:
        yield NextStep(ActionCode.MORE_MOMENTS, {"moments": more}, {"frames": more})


def next_steps(analysis: Analysis, facts: Facts) -> list[NextStep]:
    """Return at most `MOST` actions by the first rules that hold; none for an unjudged file."""
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    if answer is None or verdict.label is Label.NOT_APPLICABLE:
        return []
    steps: dict[ActionCode, NextStep] = {}
    origin = analysis.provenance
    if origin is not None and origin.maker and analysis.media.kind != "audio":  # a hit settles it
        steps[ActionCode.CHECK_SYNTHID] = NextStep(
            ActionCode.CHECK_SYNTHID, {"maker": origin.maker}
        )
    if answer.vetoed_by is ReasonCode.SINGING and facts.may_run and facts.file_there:
        steps[ActionCode.ASSUME_SPEECH] = _AS_SPEECH
    for step in _steps(analysis, answer, facts):
        steps.setdefault(step.code, step)
    return list(steps.values())[:MOST]


def _steps(analysis: Analysis, answer: Answer, facts: Facts) -> Iterator[NextStep]:
    """Yield what helps with a judged file, most useful first."""
    label = analysis.verdict.label
    if analysis.media.kind == "audio":  # there are no faces to compare or to look at closer
        if label.side is not Side.REAL:
            yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "sound"})
        yield NextStep(ActionCode.CHECK_ORIGIN)
        return
    if analysis.media.live:  # nobody sent a file, and who was in front of the camera can be asked
        if facts.same is not None and facts.may_run:
            yield from _original(analysis, facts)
        yield NextStep(ActionCode.TEST_LIVE)
        yield NextStep(ActionCode.REACH)
        if facts.strong and label.side is not Side.FAKE:
            yield _stronger(facts)
        return
    if facts.may_run and facts.file_there:
        yield from _unjudged(analysis)
    # A short change can hide between frames that are far apart.
    hidden = label.side is not Side.FAKE and widest_gap(analysis) > WIDE_GAP
    if hidden and facts.may_run and facts.closer:
        params: dict[str, Param] = {
            "moments": facts.closer,
            "looked": len(analysis.timestamps),
            "frames": analysis.coverage.frames if analysis.coverage else 0,
            "seconds": facts.closer_seconds,
        }
        params |= _lone_peak(analysis, answer)
        closer: dict[str, object] = {"sampling": "closer", "frames": facts.closer}
        yield NextStep(ActionCode.LOOK_CLOSER, params, closer)
    # Of the same scene: a match in which only the face differs is near-proof. What was generated as
    # a whole has no original.
    compare = list(_original(analysis, facts)) if facts.may_run else []
    generated = analysis.verdict.question is Question.PICTURE  # no question of faces
    if facts.same is not None or (label.side is Side.FAKE and not generated):
        yield from compare
    yield from _lost_traces(analysis)
    if facts.strong and label.side is not Side.FAKE and not generated:
        yield _stronger(facts)
    # The thresholds are ours, and the person has what it takes to make them theirs.
    ours = answer.basis in (Basis.MEASURED, Basis.PUBLISHED)
    if facts.may_run and ours and facts.untouched >= OWN_CLIPS:
        clips: dict[str, Param] = {"clips": facts.untouched, "needed": OWN_CLIPS}
        yield NextStep(ActionCode.OWN_THRESHOLD, clips)
    if label.side is Side.REAL:
        yield NextStep(ActionCode.CHECK_ORIGIN)
    else:
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "copies"})
    yield NextStep(ActionCode.CHECK_ORIGIN)


def _unjudged(analysis: Analysis) -> Iterator[NextStep]:
    """Yield how to judge what was found and is not judged: turned faces, a film."""
    if turn := analysis.media.faces_turned:
        yield NextStep(ActionCode.TURN, {"degrees": turn}, {"rotate": turn})
    if analysis.media.film is not None:
        yield NextStep(ActionCode.FILM, {"seconds": analysis.media.film})


def _stronger(facts: Facts) -> NextStep:
    return NextStep(ActionCode.ADD_MODEL, {"title": facts.strong, "bytes": facts.strong_bytes})


def _lone_peak(analysis: Analysis, answer: Answer) -> dict[str, Param]:
    """Return when a person's score is over the threshold, and by how much, where it ever is."""
    asked = analysis.verdict.question
    looks = [look for subject in analysis.judged for look in subject.looks]
    scores = [(look.answers[asked], look.start) for look in looks if asked in look.answers]
    highest, time = max(scores, default=(0.0, 0.0))
    return {"peak": time, "highest": highest} if highest > answer.thresholds.suspect else {}


def _original(analysis: Analysis, facts: Facts) -> Iterator[NextStep]:
    """Yield how to compare the file with its original, or to look for that; nothing where it was
    compared, or found to differ from a file that is gone: the page leads with that."""
    same, params = facts.same, dict[str, Param]()
    found = analysis.comparison
    settled = same is None and found is not None and found.finding.manipulated
    if settled or (same is not None and same.compared):
        return
    if same is not None:
        params = {"name": same.name, "original": same.is_original}
    elif facts.searched:
        params = {"searched": facts.searched}
    yield NextStep(ActionCode.COMPARE_ORIGINAL, params)


def _lost_traces(analysis: Analysis) -> Iterator[NextStep]:
    """Yield what to ask for where compression or size keep traces from being seen."""
    rated = {item.code: item for item in analysis.evidence}
    compression, face = rated.get("compression"), rated.get("face_size")
    width = face.params.get("width") if face else None
    if compression is not None and compression.rating != "good":
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "compression"})
    elif isinstance(width, int | float) and width < SMALL_FACE:
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "size", "width": round(width)})
    elif "surroundings" in rated and rated["surroundings"].rating == "poor":
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "surroundings"})
