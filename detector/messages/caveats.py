"""What a verdict can't tell: a sentence for each `CaveatCode`."""

from __future__ import annotations

from detector.messages.evidence import WORDINGS as EVIDENCE
from detector.messages.format import listed, percent
from detector.messages.types import Params, Speech, Wording


def _who(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext("Who changed it, or why."), ""


def _anything(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext("Anything about this file. It was not judged."), ""


def _material(p: Params, speech: Speech) -> tuple[str, str]:
    name, value = EVIDENCE[str(p["item"])](p, speech)
    text = speech.gettext("{name}: {value}, which makes errors of both kinds more likely.")
    return text.format(name=name, value=value), ""


def _genuine(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    return (
        _("That the file is genuine. New methods can leave no trace these models know."),
        "",
    )


def _which(p: Params, speech: Speech) -> tuple[str, str]:
    text = speech.gettext(
        "Which of {people} people was altered, for sure: the more there are, the more often a high "
        "score is chance, and the likelihood allows for that."
    )
    return text.format(people=p["people"]), ""


def _not_asked(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    if p["question"] == "manipulation":
        return _("Whether a face was altered: no model here was asked that."), ""
    return _("Whether the whole picture was generated: no model here was made for that."), ""


def _open(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    if p["question"] == "manipulation":
        return _("Whether a face was altered: that question stays open."), ""
    return _("Whether the whole picture was made by a machine: that question stays open."), ""


def _withheld(p: Params, speech: Speech) -> tuple[str, str]:
    text = speech.gettext(
        "That nothing was altered: these models never say “no sign”, since on footage of sources "
        "they had not seen no threshold made {right} of such answers right."
    )
    return text.format(right=percent(float(p["right"]))), ""


def _published(p: Params, speech: Speech) -> tuple[str, str]:
    text = speech.gettext(
        "How often it errs on footage like yours: {models} is judged by its authors’ threshold, "
        "not measured here."
    )
    names = listed([str(name) for name in p["titles"]], speech)
    return text.format(models=names), " ".join(str(source) for source in p.get("sources", ()))


def _subset(p: Params, speech: Speech) -> tuple[str, str]:
    return speech.gettext(
        "How often it errs: these thresholds were not made for just these models."
    ), ""


def _gap(p: Params, speech: Speech) -> tuple[str, str]:
    text = speech.gettext(
        "What lies between: a swap shorter than {gap} s could fall between the moments we looked "
        "at."
    )
    return text.format(gap=p["gap"]), ""


def _copies(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    trials = listed([_(str(title)) for title in p["trials"]], speech)
    return _("Whether it holds for copies: under {trials} it does not.").format(trials=trials), ""


WORDINGS: dict[str, Wording] = {
    "who_and_why": _who,
    "not_judged": _anything,
    "poor_material": _material,
    "not_genuine": _genuine,
    "which_person": _which,
    "not_asked": _not_asked,
    "stays_open": _open,
    "no_sign_withheld": _withheld,
    "published_point": _published,
    "subset": _subset,
    "sampling_gap": _gap,
    "copies": _copies,
}
