"""What to do next with a result: at most three actions, the most useful first.

A pure function of an analysis and of what is known around it. Codes with parameters; the sentences
stand in `detector.messages.actions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from detector.decision.material import WIDE_GAP, widest_gap
from detector.messages import Param
from detector.schema.analysis import Analysis, Answer, Basis, Label, Lean

MOST = 3
"""actions at once"""
SMALL_FACE = 80
"""px; narrower faces gain most from a larger copy"""
OWN_CLIPS = 19
"""untouched clips from which an own threshold at 1 in 20 can be made (1 / (19 + 1))"""


class ActionCode(StrEnum):
    """What can be done. Stable: programs may branch on it."""

    LOOK_CLOSER = "look_closer"
    COMPARE_ORIGINAL = "compare_original"
    ASK_ORIGINAL = "ask_original"
    ADD_MODEL = "add_model"
    OWN_THRESHOLD = "own_threshold"
    CHECK_ORIGIN = "check_origin"


@dataclass(frozen=True)
class Facts:
    """What is known around a result.

    Attributes
    ----------
    closer : int
        Moments that a closer look would have; 0 where there can be none (the file is gone, or was
        looked at closely).
    closer_seconds : float or None
        How long that would take, where it is known.
    strong : str
        Title of the strong model that could be added; empty where one is there or none can be.
    strong_bytes : int or None
        Of its download.
    untouched : int
        Clips in the person's history that they confirmed to be untouched.
    may_run : bool
        Whether the person may start analyses here; who reads somebody else's result may not.
    """

    closer: int = 0
    closer_seconds: float | None = None
    strong: str = ""
    strong_bytes: int | None = None
    untouched: int = 0
    may_run: bool = True


@dataclass(frozen=True)
class NextStep:
    """One thing to do."""

    code: ActionCode
    params: dict[str, Param] = field(default_factory=dict)


def next_steps(analysis: Analysis, facts: Facts) -> list[NextStep]:
    """Return at most `MOST` actions; the first rules that hold win.

    A file that could not be judged has none here: its page says what is wrong with it.
    """
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    if answer is None or verdict.label is Label.NOT_APPLICABLE:
        return []
    found: list[NextStep] = []
    for rule in RULES:
        action = rule(analysis, answer, facts)
        if action is not None and action.code not in {a.code for a in found}:
            found.append(action)
    return found[:MOST]


# --- the rules, most useful first -----------------------------------------------------------------


def _look_closer(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    """Offer a closer look: a short change can hide between moments that are far apart."""
    label = analysis.verdict.label
    if (
        not facts.may_run
        or not facts.closer
        or label is Label.FAKE
        or widest_gap(analysis) <= WIDE_GAP
    ):
        return None
    params: dict[str, Param] = {
        "moments": facts.closer,
        "looked": len(analysis.moments),
        "frames": analysis.coverage.frames if analysis.coverage else 0,
        "seconds": facts.closer_seconds,
    }
    return NextStep(ActionCode.LOOK_CLOSER, params)


def _compare_fake(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    return _compare(analysis, answer, facts) if analysis.verdict.label is Label.FAKE else None


def _ask_for_more(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    """Compression or size keep traces from being seen."""
    rated = {item.code: item for item in analysis.evidence}
    squeezed = rated.get("compression")
    face = rated.get("face_size")
    width = face.params.get("width") if face else None
    if squeezed is not None and squeezed.rating != "good":
        return NextStep(ActionCode.ASK_ORIGINAL, {"why": "compression"})
    if isinstance(width, int | float) and width < SMALL_FACE:
        return NextStep(ActionCode.ASK_ORIGINAL, {"why": "size", "width": round(width)})
    return None


def _add_model(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    if not facts.strong or analysis.verdict.label is Label.FAKE:
        return None
    leans = {part.logit > 0 for part in answer.contributions if part.kind == "model"}
    return NextStep(
        ActionCode.ADD_MODEL,
        {"title": facts.strong, "bytes": facts.strong_bytes, "disagree": len(leans) == 2},
    )


def _own_threshold(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    """Offer a threshold of their own: the thresholds are ours, and the person has what it takes to
    make them theirs."""
    ours = answer.basis in (Basis.MEASURED, Basis.PUBLISHED)
    if not facts.may_run or not ours or facts.untouched < OWN_CLIPS:
        return None
    return NextStep(ActionCode.OWN_THRESHOLD, {"clips": facts.untouched, "needed": OWN_CLIPS})


def _check_origin(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    return NextStep(ActionCode.CHECK_ORIGIN) if analysis.verdict.label is Label.REAL else None


def _compare(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    """Of the same scene: a match in which only the face differs is near-proof."""
    return NextStep(ActionCode.COMPARE_ORIGINAL) if facts.may_run else None


def _compare_leaning(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    leans = analysis.verdict.lean is Lean.MANIPULATED
    return _compare(analysis, answer, facts) if leans else None


def _ask_anyway(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    if analysis.verdict.label is Label.REAL:
        return None
    return NextStep(ActionCode.ASK_ORIGINAL, {"why": "copies"})


def _check_anyway(analysis: Analysis, answer: Answer, facts: Facts) -> NextStep | None:
    return NextStep(ActionCode.CHECK_ORIGIN)


Rule = Callable[[Analysis, Answer, Facts], NextStep | None]
RULES: tuple[Rule, ...] = (
    _look_closer,
    _compare_fake,
    _ask_for_more,
    _add_model,
    _own_threshold,
    _check_origin,
    _compare_leaning,
    _ask_anyway,
    _check_anyway,
)
