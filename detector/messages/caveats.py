"""What a verdict can't tell: a sentence for each `CaveatCode`; how good the material is."""

from detector.messages.template import Template, _, by, of_question
from detector.messages.types import Params, Wording
from detector.sentences import Speech


def _rated(name: str, poor: str, fair: str, good: str) -> Wording:
    values = {"poor": poor, "fair": fair, "good": good}
    return by("rating", **{rating: Template(name, value) for rating, value in values.items()})


EVIDENCE: dict[str, Wording] = {
    "face_size": _rated(
        _("Face size"), _("{width} px, small"), _("{width} px, fair"), _("{width} px, good")
    ),
    "sharpness": _rated(_("Sharpness"), _("very soft"), _("soft"), _("good")),
    "compression": _rated(_("Compression"), _("very heavy"), _("heavy"), _("light")),
    "frames": Template(_("Frames"), _("{scored} of {looked} scored")),
    "surroundings": Template(_("Surroundings"), _("{seen} % in the picture")),
    "speech": _rated(
        _("Speech"),
        _("{seconds} of {heard} s, short"),
        _("{seconds} of {heard} s, fair"),
        _("{seconds} of {heard} s, good"),
    ),
    "band": _rated(
        _("Band"),
        _("up to {band} kHz, as by phone"),
        _("up to {band} kHz, narrow"),
        _("up to {band} kHz, full"),
    ),
    "noise": _rated(
        _("Noise"),
        _("{snr} dB below speech, loud"),
        _("{snr} dB below speech, fair"),
        _("{snr} dB below speech, good"),
    ),
}
"""How good the material is: (name, value) for each kind."""


def _material(p: Params, speech: Speech) -> tuple[str, str]:
    if p["item"] == "surroundings":
        text = _(
            "The face nearly fills the frame, so mistakes in either direction are more likely."
        )
        return Template(text)({}, speech)
    name, value = EVIDENCE[str(p["item"])](p, speech)
    text = speech.gettext("{name}: {value}, so mistakes in either direction are more likely.")
    return text.format(name=name, value=value), ""


def _published(p: Params, speech: Speech) -> tuple[str, str]:
    text = Template(
        "How often it errs on footage like yours: {titles} is judged by its authors’ threshold, "
        "not measured here, so it can't clear a file."
    )
    return text(p, speech)[0], " ".join(str(source) for source in p.get("sources", ()))


WORDINGS: dict[str, Wording] = {
    "who_and_why": of_question(lambda spec: spec.who_and_why),
    "not_judged": Template("Anything about this file. It was not judged."),
    "poor_material": _material,
    "not_genuine": Template(
        "That the file is genuine. New methods can leave no trace these models know."
    ),
    "which_person": Template(
        "Which of {people} people is fake, for sure: the more there are, the more often a "
        "high score is chance, and the likelihood allows for that."
    ),
    "not_asked": of_question(lambda spec: spec.not_asked),
    "stays_open": of_question(lambda spec: spec.stays_open),
    "no_sign_withheld": Template(
        "We can't clear a file: the installed models aren't reliable enough to call it untouched. "
        "On footage of new sources no threshold made {right} of such answers right."
    ),
    "never_decides": of_question(lambda spec: spec.never_decides),
    "published_point": _published,
    "subset": Template("How often it errs: these thresholds were not made for just these models."),
    "sampling_gap": Template(
        "What lies between: a swap shorter than {gap} s could fall between the moments we looked "
        "at."
    ),
    "unmeasured_material": by(
        "kind",
        smooth=Template(
            "How often it errs on so smooth a face: these models were hardly measured on such."
        ),
        grainy=Template(
            "How often it errs on so grainy a face: these models were hardly measured on such."
        ),
        few_colors=Template(
            "How often it errs on a picture of so few colors: a fake can look untouched there, so "
            "there is no interval."
        ),
        heavy_compression=Template(
            "How often it errs on so strongly compressed footage: a fake can look untouched there, "
            "so there is no interval."
        ),
        interlaced=Template(
            "How often it errs on interlaced footage, whose fields were put together first: a fake "
            "can look untouched there, so there is no interval."
        ),
    ),
    "frozen": Template(
        "How the face moves: the video shows one unmoving picture, which was judged as a still."
    ),
    "copies": Template("Whether it holds for copies: under {trials} it does not."),
}
