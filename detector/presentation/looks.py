"""Captions of frames, faces, heatmaps, traces and sound maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.decision.numbers import sigmoid
from detector.messages.format import capital, clock, listed, percent, score, stretch
from detector.presentation import Cell, lead, series
from detector.presentation.models import plain
from detector.schema.analysis import (
    Analysis,
    FrameSegment,
    Media,
    Modality,
    ModelResult,
    Subject,
    Thresholds,
)
from detector.sentences import NBSP, _, join, numeral, say

if TYPE_CHECKING:
    import numpy as np

    from detector.explain import Effect, Heatmap
    from detector.explain.sound import SoundMap
    from detector.signals.reference import CurveRange


def shown(analysis: Analysis) -> tuple[Subject, FrameSegment] | None:
    """Return the subject and frame of the result's moment (`lead.moment`), without a score the
    sharpest; None if nothing is seen."""
    time, id = lead.moment(analysis) or (None, None)
    seen = [subject for subject in analysis.seen if subject.frames]
    top = next((subject for subject in seen if subject.id == id), None)
    if top is not None and time is not None:
        return top, min(top.frames, key=lambda frame: abs(frame.time - time))
    if not seen:
        return None
    return seen[0], max(seen[0].frames, key=lambda f: (f.quality.sharpness, -f.time))


def title(analysis: Analysis, subject: Subject | None, time: float) -> str:
    """Return the heading of a moment."""
    if analysis.media.kind != "image":
        return _("Frame at {time}").format(time=clock(time, tenths=True))
    whole = subject is not None and subject.modality is not Modality.FACE
    return _("The picture") if whole else _("The face")


def frame(analysis: Analysis, time: float, boxed: list[Subject]) -> str:
    """Return the caption of a frame, with the people that have boxes."""
    if analysis.media.kind == "image":
        return _("The whole frame")
    text = _("The whole frame at {time}, {who} boxed") if boxed else _("The whole frame at {time}")
    who = listed([lead.name(subject) for subject in boxed])
    return text.format(time=clock(time, tenths=True), who=who)


def highest(analysis: Analysis, subject: Subject, face: FrameSegment) -> str:
    """Return the caption of the frame of the result's moment."""
    scores = [look.score for look in analysis.counted_looks(subject) if look.score is not None]
    text = frame(analysis, face.time, [])
    if analysis.media.kind == "image" or face.score is None or face.score < max(scores):
        return text
    return _("{frame}, where all models together score highest").format(frame=text)


def face(analysis: Analysis, subject: Subject, face: FrameSegment) -> str:
    """Return the caption of a face."""
    who = lead.name(subject)
    if analysis.media.kind == "image":
        return who
    return _("{person} at {time}").format(person=who, time=clock(face.time, tenths=True))


def unscored(face: FrameSegment) -> str:
    """Return why a face was not scored, with its width; empty for a scorable one."""
    if face.quality.problem is None:
        return ""
    width = f"{face.quality.width:.0f}{NBSP}px"
    return _("{width} wide, {why}: not scored").format(width=width, why=series.why(face))


def reading(face: FrameSegment | None, limits: Thresholds) -> Cell:
    """Return a face's score, or the reason for none."""
    if face is None or face.score is None:
        return Cell(series.why(face))
    return Cell(series.together(face.score, limits), state=series.label_at(face.score, limits))


def away(subject: Subject) -> str:
    """Return that a person is out of frame."""
    return _("{who} is not in frame here.").format(who=lead.name(subject))


# --- where a model looked -------------------------------------------------------------------------


def blind(model: ModelResult) -> str:
    """Return that a model has no heatmap."""
    return _("{model} can’t show where it looked").format(model=plain(model))


def no_heatmap(model: ModelResult, why: str) -> str:
    """Return that a heatmap failed, and why."""
    return _("No heatmap of {model}: {why}.").format(model=plain(model), why=why.rstrip("."))


def heatmap(analysis: Analysis, heat: Heatmap, model: ModelResult) -> str:
    """Return the caption of a heatmap, and whether its model counts."""
    counted = model.counted
    said = capital(say(heat.caption))
    return said if counted else _("{heatmap}, not counted").format(heatmap=said)


def with_heatmap(heat: Heatmap | None) -> str:
    """Return the caption of a whole frame below a heatmap; empty without one."""
    return _("with the heatmap, {caption}").format(caption=say(heat.caption)) if heat else ""


def seen_by(model: ModelResult) -> str:
    """Return the caption of a model's input."""
    return _("as {model} saw it").format(model=plain(model))


def failed(model: ModelResult) -> str:
    """Return that a model could not be run for a heatmap."""
    return _("{model} could not be run for a heatmap").format(model=plain(model))


WHERE = _("Where each model looked")
WHERE_NOTE = _("the same frame · scaled per model: compare places, not strength")
PROVES = _("A heatmap shows places, not proof.")
HOW_TO_READ = _(
    "The places raised a model's score, scaled for each picture by itself; a high score for a "
    "wrong reason has a heatmap too."
)
"""What a heatmap proves, and more of it where there is room."""


def worth(heat: Heatmap, media: Media) -> str:
    """Return the evidential value of a heatmap, and that padding is mirrored."""
    text = say(PROVES)
    if not heat.map.any():
        text = _("Nothing in this picture raised the score.")
    if not heat.mirrors(media.width, media.height):
        return text
    return join(text, _("Beyond the edge the model sees the picture’s mirror image."))


def effect(found: Effect, model: ModelResult) -> str:
    """Return the score after blurring the hottest places, compared with random places."""
    text = _(
        "With the hottest {share} blurred away, {model} scores {after} instead of {before}; hiding "
        "as much elsewhere gives {elsewhere}"
    )
    return text.format(
        share=percent(found.share), model=plain(model), after=score(found.after),
        before=score(found.before), elsewhere=score(found.at_random),
    )  # fmt: skip


def hottest(heat: Heatmap) -> str:
    """Return the time of the most important frame of a video model's window; empty for other
    models."""
    if heat.over_time is None:
        return ""
    at = heat.times[int(heat.over_time.argmax())]
    return _("most at {time}").format(time=clock(at, tenths=True))


def at(model: ModelResult, time: float, said: str) -> str:
    """Return a text with its model and time."""
    text = _("{model} at {time}: {said}")
    return text.format(model=plain(model), time=clock(time, tenths=True), said=said)


# --- traces of a face -----------------------------------------------------------------------------


TRACES = {
    "spectrum": _("Spectrum"),
    "bands": _("DCT bands"),
    "picture": _("Spectrum, picture"),
    "noise": _("Noise"),
    "error": _("Error level"),
}
_HOW_TO_READ = {
    "picture": _("log power, coarse in the middle; a lone dot is a regular pattern"),
    "noise": _("what a high-pass filter leaves; face and surroundings should match"),
    "error": _("what one more JPEG changes; edges always do, patches may be pasted"),
}
COARSE, FINE, ENERGY = _("coarse"), _("fine detail"), _("energy, log")
"""Ends of the axis of a spectrum, and what its curve is"""
USUAL = _("untouched, middle 90 %")
"""The band below the curve"""
NOTABLE = 0.5
"""mean distance from the usual range, in logarithms of energy, from which fine detail differs"""


def trace(view: str) -> str:
    """Return how to read a view of traces."""
    return say(_HOW_TO_READ[view])


def picture_of(view: str) -> str:
    """Return the text alternative of a view of traces that is a picture."""
    return _("{view} of the face").format(view=say(TRACES[view]))


def fine_detail(values: np.ndarray, usual: CurveRange | None, fine: slice, kind: str) -> str:
    """Return a face's high-frequency energy compared with untouched faces."""
    if usual is None:
        return _("there is no reference to compare with")
    below, above = (getattr(usual, side)[fine] for side in ("low", "high"))
    mean = float((values[fine] - values[fine].clip(below, above)).mean())
    said = _("fine detail is as in untouched faces")
    if abs(mean) > NOTABLE:
        weaker = _("fine detail is weaker than in untouched faces")
        said = weaker if mean < 0 else _("fine detail is stronger than in untouched faces")
    beside = _("{finding}, beside {number} untouched clips")
    if kind == "image":
        beside = _("{finding}, beside {number} untouched pictures")
    return beside.format(finding=said, number=usual.files)


def too_small(least: float) -> str:
    """Return that a face is too small for its spectrum, which needs `least` px."""
    text = _("The face is too small: a spectrum needs {least}, all of them in the frame.")
    return text.format(least=f"{least:.0f}{NBSP}px")


# --- a sound --------------------------------------------------------------------------------------


def sound(found: SoundMap, model: ModelResult) -> str:
    """Return the time and frequency band that a window's score depends on most."""
    row, column = found.strongest
    first, last = float(found.times[0]), float(found.times[-1])
    fall = float(found.falls[row, column])
    text = _("{when}: hiding no part lowers the likelihood.")
    if fall > 0:
        text = _(
            "{when}: hiding {low} to {high}\u00a0Hz from {part} lowers the likelihood most, from "
            "{before} to {after}."
        )
    part = stretch(float(found.times[column]), float(found.times[column + 1]), tenths=True)
    said = text.format(
        when=stretch(first, last, tenths=True), part=part,
        low=numeral(found.bands[row], ",.0f"), high=numeral(found.bands[row + 1], ",.0f"),
        before=percent(_likelihood(found.before, model)),
        after=percent(_likelihood(found.before - fall, model)),
    )  # fmt: skip
    return join(said, _("Places, not proof: hiding by itself moves a score too."))


def _likelihood(logit: float, model: ModelResult) -> float:
    fit = model.calibration
    return sigmoid(fit.scale * logit + fit.offset) if fit else sigmoid(logit)
