"""What stands under a verdict in words: the evidence, the reasons, and what it can't tell.

Reads scores that `detector.verdict` has filled; changes none. US English, short, kind, exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from detector.results import (
    Analysis,
    Answer,
    Evidence,
    Label,
    Media,
    ModelResult,
    Question,
    Reason,
    ReasonCode,
    Tally,
    Thresholds,
    Track,
    Trial,
    Verdict,
)

MIN_DURATION = 0.5
"""s; a shorter video holds a handful of near-identical frames: save one as a picture instead."""
MIN_FRAMES = 3
"""scored frames of a person in a video; fewer is a glimpse."""
POOR_WIDTH = 64
"""px; narrower faces are scored, but too poor for a verdict."""
FAIR_WIDTH = 120
"""px; below it the frame model of our first study fell from 0.87 to 0.74 AUC."""
POOR_SHARPNESS = 12.0
FAIR_SHARPNESS = 40.0
"""variance of the Laplacian of the face at 128 px (`Quality.sharpness`)."""
POOR_BITS = {"video": 0.02, "animation": 0.2, "image": 0.4}
FAIR_BITS = {"video": 0.06, "animation": 0.8, "image": 1.0}
"""bits per pixel (per frame for a video): under these the compression is very heavy / heavy."""


def unjudged(analysis: Analysis, top: Track | None) -> Reason | None:
    """Why there is no score at all, if so."""
    looked = len(analysis.moments)
    media = analysis.media
    if analysis.partial:
        return Reason(code=ReasonCode.CANCELED, text="A partial run gets no verdict.")
    if top is None or (top.whole and top.probability is None):
        where = "in the picture" if media.kind == "image" else f"in {_many(looked, 'frame')}"
        none = "no score" if top is None else "no verdict: scores are of the whole picture"
        return Reason(
            code=ReasonCode.NO_FACE,
            text=f"We found no face {where}, so there is {none}.",
            detail=f"Faces under {analysis.settings.min_face} px are skipped. A face seen from "
            "behind or far from the side can't be judged.",
        )
    if media.kind == "video" and (media.duration or 0.0) < MIN_DURATION:
        return Reason(
            code=ReasonCode.CLIP_TOO_SHORT,
            text=f"This clip is {media.duration or 0:.1f} s long; a reading needs at least "
            f"{MIN_DURATION:g} s.",
            detail="Use a longer cut, or save one frame as a picture and drop that.",
        )
    if top.probability is not None:
        return None
    code = top.reason or ReasonCode.NO_MODEL
    faces = [f for track in analysis.tracks for f in track.faces]
    bad = sum(1 for f in faces if f.quality.problem is not None)
    widest = max((f.quality.width for f in faces), default=0.0)
    left_out = f"{bad} of {_many(len(faces), 'face')} were left out."
    text = {
        ReasonCode.FACE_TOO_SMALL: f"The face is {widest:.0f} px wide; these models need "
        f"{analysis.settings.min_face}.",
        ReasonCode.TOO_BLURRED: f"The face is too blurred: {left_out}",
        ReasonCode.TOO_DARK: f"The face is too dark: {left_out}",
        ReasonCode.TOO_BRIGHT: f"The face is overexposed: {left_out}",
        ReasonCode.TURNED_AWAY: f"The face is turned away: {left_out}",
    }.get(code, "No model gave a score.")
    return Reason(code=code, text=text, track=top.id)


def covered(analysis: Analysis) -> str:
    """How much of a clip was looked at; empty for a picture, and where it is not known."""
    seen = analysis.coverage
    if seen is None or analysis.media.kind == "image":
        return ""
    text = f"{seen.moments} of {seen.frames:,} frame{'' if seen.frames == 1 else 's'}"
    if seen.shots is None or seen.shots_seen is None:
        return text
    if seen.shots == 1:
        return f"{text}, one shot"
    if seen.every_shot:
        return f"{text}, every shot seen ({seen.shots})"
    return f"{text}, {seen.shots_seen} of {seen.shots} shots seen"


SAYS = {Question.MANIPULATION: "likely manipulated", Question.SYNTHESIS: "likely machine-made"}
"""What a score over the threshold says, by question."""
NOT_ASKED = {
    Question.MANIPULATION: "Whether a face was altered: no model here was asked that.",
    Question.SYNTHESIS: "Whether the whole picture was generated: no model here was made for that.",
}
"""What can't be told when a question has no model."""
_HELD_BACK_BY = {
    "size": "a small face",
    "sharpness": "a soft picture",
    "compression": "heavy compression",
    "frames": "so few frames",
    "disagreement": "models that differ so much",
}


def reasons(
    analysis: Analysis,
    top: Track,
    question: Question,
    answer: Answer,
    counted: Sequence[ModelResult],
) -> list[Reason]:
    """At most three lines for one question, strongest first, each with a moment to look at."""
    person, limits = top.answers[question], answer.thresholds
    if person.reason in _ABSTAINED:
        return [_ABSTAINED[person.reason](top, question)]
    scores = [(top.models[m.id], m) for m in counted if m.id in top.models]
    scores.sort(key=lambda pair: -pair[0].probability)
    peak = _peak(top, question)
    if answer.label is Label.FAKE:
        return [
            _above(top, model, limits, analysis)
            for score, model in scores
            if score.label is Label.FAKE or len(scores) == 1
        ][:3] or [
            Reason(
                code=ReasonCode.ABOVE_THRESHOLD,
                text="Together the models are over the threshold, though none is by itself",
                time=peak,
                track=top.id,
            )
        ]
    if person.reason is ReasonCode.SEVERAL_PEOPLE:
        return [
            Reason(
                code=ReasonCode.SEVERAL_PEOPLE,
                text=f"Alone, Person {top.id} would be over the threshold; "
                f"among {answer.people} people one such score can be chance",
                time=peak,
                track=top.id,
            )
        ]
    labels = {score.label for score, _ in scores}
    if answer.label is Label.INCONCLUSIVE and {Label.FAKE, Label.REAL} <= labels:
        (high, most), (low, least) = scores[0], scores[-1]
        return [
            Reason(
                code=ReasonCode.MODELS_DISAGREE,
                text=f"{most.title} says {SAYS[question]} ({percent(high.probability)}), "
                f"{least.title} says no sign ({percent(low.probability)})",
                detail=f"{most.title}'s score also rises with {most.confused_by}"
                if most.confused_by
                else "",
                time=_peak(top, most.id),
                track=top.id,
                model=most.id,
            )
        ]
    if person.reason is ReasonCode.UNCERTAIN:
        cause = max(person.doubt, key=lambda name: person.doubt[name])
        return [
            Reason(
                code=ReasonCode.UNCERTAIN,
                text=f"With {_HELD_BACK_BY[cause]} the models err too often for a verdict",
                time=peak,
                track=top.id,
            )
        ]
    return [_within(analysis, top, question, answer)]


def _within(analysis: Analysis, top: Track, question: Question, answer: Answer) -> Reason:
    """Not over the threshold: where the score is, and how high it gets."""
    under = answer.label is Label.REAL
    highest = _peak_score(top, question) or 0.0
    if analysis.media.kind == "image":
        text = f"The score {'is below the lower threshold' if under else _BETWEEN}"
    elif not under:
        text = f"The score {_BETWEEN}; its highest moment is {percent(highest)}"
    elif highest <= answer.thresholds.high:
        text = f"The highest moment stays at {percent(highest)}"
    else:
        text = f"One moment reaches {percent(highest)}, the clip as a whole stays low"
    return Reason(
        code=ReasonCode.BELOW_THRESHOLD if under else ReasonCode.BETWEEN_THRESHOLDS,
        text=text,
        time=_peak(top, question),
        track=top.id,
    )


_BETWEEN = "lies between the thresholds"


def _too_few(top: Track, question: Question) -> Reason:
    scored = sum(1 for f in top.faces if question in f.answers)
    text = f"The face is seen well in only {_many(scored, 'frame')}"
    return Reason(code=ReasonCode.TOO_FEW_FRAMES, text=text, track=top.id)


def _too_poor(top: Track, question: Question) -> Reason:
    width = float(np.median([f.quality.width for f in top.faces]))
    return Reason(
        code=ReasonCode.LOW_QUALITY,
        text="The file is too poor for a reading. The models would be guessing.",
        detail=f"The face is {width:.0f} px wide; under {POOR_WIDTH} px the scores mean little.",
        track=top.id,
    )


_ABSTAINED: dict[ReasonCode | None, Callable[[Track, Question], Reason]] = {
    ReasonCode.TOO_FEW_FRAMES: _too_few,
    ReasonCode.LOW_QUALITY: _too_poor,
}


def _above(top: Track, model: ModelResult, thresholds: Thresholds, analysis: Analysis) -> Reason:
    """One model's evidence, with its strongest stretch."""
    time = _peak(top, model.id)
    detail = model.title
    if analysis.media.kind != "image" and time is not None:
        start, end = _stretch(top, model.id, time, thresholds.high)
        detail += f", strongest {clock(start)} to {clock(end)}" if end > start else ""
    if model.confused_by:
        detail += f"; {model.confused_by} can look alike"
    return Reason(
        code=ReasonCode.ABOVE_THRESHOLD,
        text=capital(model.finding or f"{model.title} is over its threshold"),
        detail=detail,
        time=time,
        track=top.id,
        model=model.id,
    )


def _curve(track: Track, of: str | Question) -> list[tuple[float, float]]:
    """(time, score) of one model, or of a question's models together, where there is a score."""
    points = [
        (f.time, f.answers.get(of) if isinstance(of, Question) else f.scores.get(of))
        for f in track.faces
    ]
    return [(t, s) for t, s in points if s is not None]


def _peak(track: Track, of: str | Question) -> float | None:
    curve = _curve(track, of)
    return max(curve, key=lambda p: p[1])[0] if curve else None


def _peak_score(track: Track, of: str | Question) -> float | None:
    return max((s for _, s in _curve(track, of)), default=None)


def _stretch(track: Track, model: str, peak: float, above: float) -> tuple[float, float]:
    """The run of moments around the peak that stays above a score."""
    curve = _curve(track, model)
    middle = next(i for i, (t, _) in enumerate(curve) if t == peak)
    first = last = middle
    while first > 0 and curve[first - 1][1] > above:
        first -= 1
    while last + 1 < len(curve) and curve[last + 1][1] > above:
        last += 1
    return curve[first][0], curve[last][0]


def limits(analysis: Analysis, verdict: Verdict) -> list[str]:
    """What this can't tell: always who and why; then what applies to this file."""
    limits = ["Who changed it, or why."]
    if verdict.probability is None:
        return limits
    worst = next((e for e in analysis.evidence if e.rating == "poor"), None) or next(
        (e for e in analysis.evidence if e.rating == "fair"), None
    )
    if worst:
        limits.append(f"{worst.name}: {worst.value}, which makes errors of both kinds more likely.")
    if verdict.label is Label.REAL:
        limits.append("That the file is genuine. New methods can leave no trace these models know.")
    lead = verdict.answers[verdict.question] if verdict.question else None
    if lead and lead.people > 1:
        limits.append(
            f"Which of {lead.people} people was altered, for sure: the more there are, the more "
            "often a high score is chance, and the likelihood allows for that."
        )
    asked = {q for q, answer in verdict.answers.items() if answer.asked}
    limits += [text for question, text in NOT_ASKED.items() if question not in asked]
    return limits


def turned(trials: Sequence[Trial]) -> Reason:
    """Why there is no verdict: it turns around under changes that leave a face as it is."""
    return Reason(
        code=ReasonCode.FRAGILE,
        text="The verdict turns around when the file is changed a little",
        detail=f"under {_listed([t.title for t in trials])}",
    )


def weakened(trials: Sequence[Trial]) -> str:
    """What is said of a verdict that becomes inconclusive under such changes."""
    return f"Whether it holds for copies: under {_listed([t.title for t in trials])} it does not."


def evidence(analysis: Analysis, top: Track | None) -> list[Evidence]:
    """How good the material is, for the most suspicious person."""
    if top is None or not top.faces:
        return []
    width = float(np.median([f.quality.width for f in top.faces]))
    sharpness = float(np.median([f.quality.sharpness for f in top.faces]))
    scored = sum(1 for f in top.faces if f.score is not None)
    items = [
        Evidence(
            name="Face size",
            value=f"{width:.0f} px, {_word(width, POOR_WIDTH, FAIR_WIDTH, 'small', 'fair')}",
            rating=_rate(width, POOR_WIDTH, FAIR_WIDTH),
        ),
        Evidence(
            name="Sharpness",
            value=_word(sharpness, POOR_SHARPNESS, FAIR_SHARPNESS, "very soft", "soft"),
            rating=_rate(sharpness, POOR_SHARPNESS, FAIR_SHARPNESS),
        ),
    ]
    if top.whole:  # the picture's own size says nothing of a face
        items = items[1:]
    bits = bits_per_pixel(analysis.media)
    if bits is not None:
        kind = analysis.media.kind
        items.append(
            Evidence(
                name="Compression",
                value=_word(bits, POOR_BITS[kind], FAIR_BITS[kind], "very heavy", "heavy", "light"),
                rating=_rate(bits, POOR_BITS[kind], FAIR_BITS[kind]),
            )
        )
    if analysis.media.kind != "image":
        looked = len(analysis.moments)
        share = scored / looked if looked else 0.0
        items.append(
            Evidence(
                name="Frames",
                value=f"{scored} of {looked} scored",
                rating="poor" if scored < MIN_FRAMES else "fair" if share < 0.5 else "good",
            )
        )
    return items


def bits_per_pixel(media: Media) -> float | None:
    """Bits spent on one pixel of one frame; None where the file does not tell."""
    pixels = media.width * media.height
    if media.live:
        return None
    if media.kind == "image":
        return media.size * 8 / pixels
    if not media.duration or not media.fps:
        return None
    rate = media.bit_rate or media.size * 8 / media.duration
    return rate / (pixels * media.fps)


def _rate(value: float, poor: float, fair: float) -> Literal["poor", "fair", "good"]:
    return "poor" if value < poor else "fair" if value < fair else "good"


def _word(value: float, poor: float, fair: float, low: str, middle: str, high: str = "good") -> str:
    return low if value < poor else middle if value < fair else high


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def capital(text: str) -> str:
    """ "the face" -> "The face", as a sentence begins."""
    return text[:1].upper() + text[1:]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which holds for few clips and for none of many.

    The share over a threshold that was set by these very clips, with so many of them over it, is
    within about a percent of the same (it follows a beta distribution: `conformal.guarantee`).
    """
    z, share = 1.959964, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + (z / total / 2) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)


def at_most(tally: Tally) -> float:
    """The largest share that a tally leaves likely, rounded up to a whole percent."""
    return math.ceil(wilson(tally.count, tally.clips)[1] * 100) / 100


def whole_percent(probability: float) -> int:
    """0.789 -> 79; 0.999 -> 99 and 0.001 -> 1, because no model is certain."""
    whole = round(probability * 100)
    if whole == 100 and probability < 1:
        return 99
    if whole == 0 and probability > 0:
        return 1
    return whole


def percent(probability: float) -> str:
    """0.789 -> "79 %", as every page and report says it."""
    return f"{whole_percent(probability)} %"


def clock(seconds: float) -> str:
    """mm:ss, or h:mm:ss from an hour on."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{text}" if hours else text
