"""Why a verdict is what it is: a sentence for each `ReasonCode`."""

from __future__ import annotations

from detector.messages.format import capital, clock, listed, percent
from detector.messages.states import says, subject
from detector.messages.types import Params, Speech, Wording


def _above(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    title, finding, other = str(p["title"]), str(p.get("finding") or ""), p.get("confused_by")
    text = _(finding) if finding else _("{title} is over the threshold").format(title=title)
    detail = title
    if p.get("start") is not None and p.get("end") is not None:
        stretch = _("{title}, strongest {start} to {end}")
        detail = stretch.format(
            title=title,
            start=clock(float(p["start"])),
            end=clock(float(p["end"])),
        )
    if other:
        alike = _("{detail}; {cause} can look alike")
        detail = alike.format(detail=detail, cause=_(str(other)))
    return capital(text), detail


def _together(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    names = [str(name) for name in p["leans"]]
    text = _("No single model decides; {models} lean the same way and together they pass {high}")
    return text.format(models=listed(names, speech), high=percent(float(p["high"]))), ""


def _within(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    highest, high = float(p["highest"]), float(p["high"])
    if p["kind"] == "image":
        below = p["which"] == "below_threshold"
        return (
            _("The score is below the lower threshold")
            if below
            else _("The score lies between the thresholds")
        ), ""
    if p["which"] == "between_thresholds":
        between = _("The score lies between the thresholds; its highest moment is {highest}")
        return between.format(highest=percent(highest)), ""
    if highest <= high:
        return _("The highest moment stays at {highest}").format(highest=percent(highest)), ""
    one = _("One moment reaches {highest}, the clip as a whole stays low")
    return one.format(highest=percent(highest)), ""


def _disagree(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    text = _("{most} says {says} ({high}), {least} says no sign ({low})").format(
        most=p["most"],
        says=says(str(p["question"]), speech),
        high=percent(float(p["most_score"])),
        least=p["least"],
        low=percent(float(p["least_score"])),
    )
    if not p.get("confused_by"):
        return text, ""
    rises = _("{model}’s score also rises with {cause}")
    return text, rises.format(model=p["most"], cause=_(str(p["confused_by"])))


def _too_few_models(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    text = _("{counted} of the {needed} models that a verdict needs gave a score")
    return text.format(counted=p["counted"], needed=p["needed"]), ""


def _too_few_frames(p: Params, speech: Speech) -> tuple[str, str]:
    n = int(p["scored"])
    what = subject(None, speech, whole=bool(p.get("whole")))
    text = speech.ngettext(
        "{what} is seen well in only {n} frame", "{what} is seen well in only {n} frames", n
    )
    return capital(text.format(what=what, n=n)), ""


def _low_quality(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    detail = _("The face is {width} px wide; under {least} px the scores mean little.")
    return (
        _("The file is too poor for a reading. The models would be guessing."),
        detail.format(width=p["width"], least=p["least"]),
    )


def _uncertain(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    cause = {
        "size": _("a small face"),
        "sharpness": _("a soft picture"),
        "compression": _("heavy compression"),
        "frames": _("so few frames"),
        "disagreement": _("models that differ so much"),
    }[str(p["cause"])]
    return _("With {cause} the models err too often for a verdict").format(cause=cause), ""


def _several(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    text = _(
        "Alone, Person {person} would be over the threshold; among {people} people one such score "
        "can be chance"
    )
    return text.format(person=p["person"], people=p["people"]), ""


def _somebody(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    return _("The file as a whole is low, but Person {person} alone is not").format(
        person=p["person"]
    ), ""


def _fragile(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    trials = [_(str(title)) for title in p["trials"]]
    return (
        _("The verdict turns around when the file is changed a little"),
        _("under {trials}").format(trials=listed(trials, speech)),
    )


def _other_open(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    if p["open"] == "synthesis":
        return _(
            "No sign in the face, but whether the whole picture was made stays open; the bundled "
            "models say “no sign” only where both questions agree"
        ), ""
    return _(
        "No sign of a made picture, but whether the face was altered stays open; the bundled "
        "models say “no sign” only where both questions agree"
    ), ""


def _no_face(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    n = int(p["looked"])
    if p["kind"] == "image":
        text = (
            _("We found no face in the picture, so there is no verdict: scores are of the whole "
              "picture.")
            if p["scored"]
            else _("We found no face in the picture, so there is no score.")
        )  # fmt: skip
    elif p["scored"]:
        text = speech.ngettext(
            "We found no face in {n} frame, so there is no verdict: scores are of the whole "
            "picture.",
            "We found no face in {n} frames, so there is no verdict: scores are of the whole "
            "picture.",
            n,
        )
    else:
        text = speech.ngettext(
            "We found no face in {n} frame, so there is no score.",
            "We found no face in {n} frames, so there is no score.",
            n,
        )
    detail = _(
        "Faces under {least} px are skipped. A face seen from behind or far from the side can’t be "
        "judged."
    )
    return text.format(n=n), detail.format(least=p["min_face"])


def _too_small(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    text = _("The face is {width} px wide; these models need {least}.")
    return text.format(width=p["width"], least=p["min_face"]), ""


def _left_out(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    faces = int(p["faces"])
    out = speech.ngettext(
        "{bad} of {faces} face was left out.", "{bad} of {faces} faces were left out.", faces
    ).format(bad=p["bad"], faces=faces)
    text = {
        "too_blurred": _("The face is too blurred: {out}"),
        "too_dark": _("The face is too dark: {out}"),
        "too_bright": _("The face is overexposed: {out}"),
        "turned_away": _("The face is turned away: {out}"),
    }[str(p["which"])]
    return text.format(out=out), ""


def _too_short(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    text = _("This clip is {seconds:.1f} s long; a reading needs at least {least:g} s.")
    return (
        text.format(seconds=p["seconds"], least=p["least"]),
        _("Use a longer cut, or save one frame as a picture and drop that."),
    )


def _no_point(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    names = listed([str(name) for name in p["titles"]], speech)
    return (
        _("{models} gave scores, but nobody has said from which score on a face is altered").format(
            models=names
        ),
        _(
            "Set a threshold by 19 or more untouched clips of your own, or add a model that has "
            "one."
        ),
    )


def _no_model(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext("No model gave a score."), ""


def _canceled(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext("A partial run gets no verdict."), ""


def _undecodable(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext("The file can’t be read."), ""


WORDINGS: dict[str, Wording] = {
    "above_threshold": _above,
    "together_above": _together,
    "below_threshold": _within,
    "between_thresholds": _within,
    "models_disagree": _disagree,
    "too_few_models": _too_few_models,
    "too_few_frames": _too_few_frames,
    "low_quality": _low_quality,
    "uncertain": _uncertain,
    "several_people": _several,
    "somebody_above": _somebody,
    "fragile": _fragile,
    "other_question_open": _other_open,
    "no_face": _no_face,
    "face_too_small": _too_small,
    "too_blurred": _left_out,
    "too_dark": _left_out,
    "too_bright": _left_out,
    "turned_away": _left_out,
    "clip_too_short": _too_short,
    "no_operating_point": _no_point,
    "no_model": _no_model,
    "canceled": _canceled,
    "undecodable": _undecodable,
}
