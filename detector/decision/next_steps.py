"""Recommended actions for a result: at most three, the most useful first.

A pure function of an analysis and further facts. Codes with parameters; the sentences are in
`detector.presentation.actions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from detector.decision.material import WIDE_GAP, widest_gap
from detector.decision.reasons import UNLIKE
from detector.schema.analysis import Analysis, Basis, Label, Question, ReasonCode, Side
from detector.schema.base import Param

MOST = 3
"""actions at once"""
SMALL_FACE = 80
"""px; narrower faces gain most from a larger copy"""
OWN_CLIPS = 19
"""untouched clips from which an own threshold at 1 in 20 can be made (1 / (19 + 1))"""


class ActionCode(StrEnum):
    """Code of an action. Stable: programs may branch on it."""

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
    """Footage that shows the same as the file, and can be opened beside it."""

    name: str  # hostile
    is_original: bool = True  # it may be called the file's original
    compared: bool = False  # with the file


@dataclass(frozen=True)
class Facts:
    """Facts about a result beside its analysis."""

    closer: int = 0
    """frames of a closer look; 0: the file is gone, or was analyzed closely"""
    closer_seconds: float | None = None  # its duration, if known
    strong: str = ""
    """title of the strong model that could be added; empty if one is installed or none can be"""
    strong_bytes: int | None = None  # of its download
    untouched: int = 0  # clips that the person confirmed to be untouched
    same: SameFootage | None = None  # in their library, or compared with the file
    searched: int = 0
    """files of their library without this footage; 0: it was found, or not searched for"""
    may_run: bool = True  # a viewer of another person's result may start no analysis
    file_there: bool = True  # still stored, so that it can be analyzed again


@dataclass(frozen=True)
class NextStep:
    """One action."""

    code: ActionCode
    params: dict[str, Param] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    """changed settings with which the file is analyzed again, if that is the action"""


_AS_SPEECH = NextStep(ActionCode.ASSUME_SPEECH, settings={"assume_speech": True})
SMALLEST = 16
"""px of the smallest faces that are searched for: smaller ones show nothing"""
CLOSER = 480
"""frames of a closer look, at most: two a second in four minutes"""
MAX_MOMENTS = 200
"""frames to sample where a face could not be seen well enough"""
_NO_FACE = (ReasonCode.NO_FACE, ReasonCode.FACE_TOO_SMALL)
_OF_SPEECH = (ReasonCode.NO_SPEECH, ReasonCode.MUSIC, ReasonCode.SPEECH_TOO_SHORT)
_SEEN_POORLY = (
    ReasonCode.TOO_BLURRED, ReasonCode.TOO_DARK, ReasonCode.TOO_BRIGHT, ReasonCode.TURNED_AWAY,
)  # fmt: skip


def ways_on(analysis: Analysis, why: ReasonCode) -> Iterator[NextStep]:
    """Yield actions by which a file without a verdict (`why`) may get one."""
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


def closer_look(analysis: Analysis) -> int:
    """Return the frames of a closer look at a file; 0 if it was analyzed closely."""
    if analysis.settings.sampling == "closer":
        return 0
    return min(CLOSER, analysis.media.frame_count or CLOSER)


def advised(analysis: Analysis) -> list[NextStep]:
    """Return the actions for an unknown reader, as of a report."""
    return next_steps(analysis, Facts(closer=closer_look(analysis)))


def next_steps(analysis: Analysis, facts: Facts) -> list[NextStep]:
    """Return at most `MOST` actions by the first rules that apply. Of an unjudged file they are
    what a person can do where nothing like it was in the tests, and none otherwise: `ways_on`."""
    verdict = analysis.verdict
    if verdict.probability is None or verdict.label is Label.NOT_APPLICABLE:
        return list(_unlike_tested(analysis))
    steps: dict[ActionCode, NextStep] = {}
    origin = analysis.provenance
    if origin is not None and origin.maker and analysis.media.kind != "audio":  # a hit settles it
        steps[ActionCode.CHECK_SYNTHID] = NextStep(
            ActionCode.CHECK_SYNTHID, {"maker": origin.maker}
        )
    if verdict.vetoed_by is ReasonCode.SINGING and facts.may_run and facts.file_there:
        steps[ActionCode.ASSUME_SPEECH] = _AS_SPEECH
    for step in _steps(analysis, facts):
        steps.setdefault(step.code, step)
    return list(steps.values())[:MOST]


def _steps(analysis: Analysis, facts: Facts) -> Iterator[NextStep]:
    label = analysis.verdict.label
    if analysis.media.kind == "audio":  # there are no faces to compare or to look at closer
        if label.side is not Side.REAL:
            yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "sound"})
        yield NextStep(ActionCode.CHECK_ORIGIN)
        return
    if analysis.media.live:  # there is no file, and the person on camera can be asked
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
        params |= _lone_peak(analysis)
        closer: dict[str, object] = {"sampling": "closer", "frames": facts.closer}
        yield NextStep(ActionCode.LOOK_CLOSER, params, closer)
    if analysis.media.still and label is Label.INCONCLUSIVE:  # what a single picture can be asked
        yield from _lost_traces(analysis)
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "copies"})
        yield NextStep(ActionCode.CHECK_ORIGIN)
    # A match in which only the face differs is near-proof. A generated picture has no original.
    compare = list(_original(analysis, facts)) if facts.may_run else []
    generated = analysis.verdict.question is Question.PICTURE  # no question of faces
    if facts.same is not None or (label.side is Side.FAKE and not generated):
        yield from compare
    yield from _lost_traces(analysis)
    if facts.strong and label.side is not Side.FAKE and not generated:
        yield _stronger(facts)
    # Shipped thresholds, and enough clips for own ones.
    shipped = analysis.verdict.basis in (Basis.MEASURED, Basis.PUBLISHED)
    if facts.may_run and shipped and facts.untouched >= OWN_CLIPS:
        clips: dict[str, Param] = {"clips": facts.untouched, "needed": OWN_CLIPS}
        yield NextStep(ActionCode.OWN_THRESHOLD, clips)
    if label.side is Side.REAL:
        yield NextStep(ActionCode.CHECK_ORIGIN)
    else:
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "copies"})
    yield NextStep(ActionCode.CHECK_ORIGIN)


def _unlike_tested(analysis: Analysis) -> Iterator[NextStep]:
    if not any(reason.code in UNLIKE for reason in analysis.verdict.reasons):
        return
    if analysis.media.live:
        yield NextStep(ActionCode.TEST_LIVE)
        yield NextStep(ActionCode.REACH)
        return
    why = "sound" if analysis.media.kind == "audio" else "copies"
    yield NextStep(ActionCode.ASK_ORIGINAL, {"why": why})
    yield NextStep(ActionCode.CHECK_ORIGIN)


def _unjudged(analysis: Analysis) -> Iterator[NextStep]:
    """Yield actions for content that was found but not judged: turned faces, a film."""
    if turn := analysis.media.faces_turned:
        yield NextStep(ActionCode.TURN, {"degrees": turn}, {"rotate": turn})
    if analysis.media.film is not None:
        yield NextStep(ActionCode.FILM, {"seconds": analysis.media.film})


def _stronger(facts: Facts) -> NextStep:
    return NextStep(ActionCode.ADD_MODEL, {"title": facts.strong, "bytes": facts.strong_bytes})


def _lone_peak(analysis: Analysis) -> dict[str, Param]:
    """Return the time and height of the highest score, if it is above the threshold."""
    looks = [look for subject in analysis.judged for look in subject.looks]
    scores = [(look.score, look.start) for look in looks if look.score is not None]
    highest, time = max(scores, default=(0.0, 0.0))
    over = highest > analysis.verdict.thresholds.suspect
    return {"peak": time, "highest": highest} if over else {}


def _original(analysis: Analysis, facts: Facts) -> Iterator[NextStep]:
    """Yield the comparison with an original, or the search for one, unless it was compared."""
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
    """Yield the request for a better copy if compression or size hide traces."""
    rated = {item.code: item for item in analysis.evidence}
    compression, face = rated.get("compression"), rated.get("face_size")
    width = face.params.get("width") if face else None
    if compression is not None and compression.rating != "good":
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "compression"})
    elif isinstance(width, int | float) and width < SMALL_FACE:
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "size", "width": round(width)})
    elif "surroundings" in rated and rated["surroundings"].rating == "poor":
        yield NextStep(ActionCode.ASK_ORIGINAL, {"why": "surroundings"})
