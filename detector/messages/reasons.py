"""Sentences of each `ReasonCode`, `CaveatCode` and kind of `Evidence`."""

from detector import questions
from detector.messages.format import capital, clock, stretch
from detector.messages.states import subject, subject_name
from detector.messages.template import Params, Template, Wording, by, of_question
from detector.sentences import _, ngettext, say


def _above(p: Params) -> tuple[str, str]:
    title, finding = say(str(p["title"])), str(p.get("finding") or "")
    text = say(finding or _("{title} is over the threshold")).format(title=title)
    detail = title
    if p.get("start") is not None and p.get("end") is not None:
        when = stretch(float(p["start"]), float(p["end"]))
        detail = _("{title}, strongest {when}").format(title=title, when=when)
    if cause := p.get("confused_by"):
        alike = _("{detail}; {cause} can look alike")
        detail = alike.format(detail=detail, cause=say(str(cause)))
    return capital(text), detail


def _between(p: Params) -> tuple[str, str]:
    still = p["kind"] == "image"
    if p.get("never"):
        text = _("No score of these models decides")
        moment = _("No score of these models decides; its highest moment is {highest}")
    elif p.get("one_threshold"):
        text = _("The score is not over the threshold of {high}")
        moment = _("The score is not over the threshold of {high}; its highest moment is {highest}")
    else:
        text = _("The score lies between the thresholds")
        moment = _("The score lies between the thresholds; its highest moment is {highest}")
    return Template(text if still else moment)(p)


def _below(p: Params) -> tuple[str, str]:
    if p["kind"] == "image":
        text = _("The score is below the lower threshold")
    elif float(p["highest"]) <= float(p["high"]):
        text = _("The highest moment stays at {highest}")
    else:
        text = _("One moment reaches {highest}, the clip as a whole stays low")
    return Template(text)(p)


def _disagree(p: Params) -> tuple[str, str]:
    detail = _("{most}’s score also rises with {confused_by}") if p.get("confused_by") else ""
    text = _("{most} says {question} ({most_score}), {least} says no sign ({least_score})")
    return Template(text, detail)(p)


def _too_few_frames(p: Params) -> tuple[str, str]:
    n = int(p["scored"])
    text = ngettext(
        "{what} is seen well in only {n} frame", "{what} is seen well in only {n} frames", n
    )
    return capital(text.format(what=subject(None, whole=bool(p.get("whole"))), n=n)), ""


def _too_noisy(p: Params) -> tuple[str, str]:
    text = _("The voice is no louder than what is around it: no verdict may rest on its score.")
    if p["snr"] > 0:
        text = _(
            "The voice is only {snr} dB louder than what is around it: no verdict may rest on its "
            "score."
        )
    return Template(text)(p)


def _part_above(p: Params) -> tuple[str, str]:
    text = _(
        "From {start} to {end} the score is over {high}, up to {highest}; in the rest it is not"
    )
    detail = _("A short change is averaged away in the score of the whole clip")
    times = {"start": clock(float(p["start"])), "end": clock(float(p["end"]))}
    return Template(text, detail)({**p, **times})


def _person_open(p: Params) -> tuple[str, str]:
    who = subject_name(str(p["modality"]), str(p["subject"]))
    text = _("{who} is not cleared")
    return text.format(who=capital(who)), _("A file is cleared only with everyone in it")


def _no_face(p: Params) -> tuple[str, str]:
    n = int(p["looked"])
    if p["kind"] == "image" or not n:
        text = say(
            _("We found no face in the picture, so there is no verdict: scores are of the whole "
              "picture.")
            if p["scored"]
            else _("We found no face in the picture, so there is no score.")
        )  # fmt: skip
    elif p["scored"]:
        text = ngettext(
            "We found no face in {n} frame, so there is no verdict: scores are of the whole "
            "picture.",
            "We found no face in {n} frames, so there is no verdict: scores are of the whole "
            "picture.",
            n,
        )
    else:
        text = ngettext(
            "We found no face in {n} frame, so there is no score.",
            "We found no face in {n} frames, so there is no score.",
            n,
        )
    detail = _(
        "Faces under {least} px are skipped. A face seen from behind or far from the side can’t be "
        "judged."
    ).format(least=p["min_face"])
    return text.format(n=n), detail


def _left_out(text: str) -> Wording:
    def told(p: Params) -> tuple[str, str]:
        out = ngettext(
            "{bad} of {faces} face was left out.",
            "{bad} of {faces} faces were left out.",
            int(p["faces"]),
        )
        out = out.format(bad=p["bad"], faces=int(p["faces"]))
        return say(text).format(out=out), ""

    return told


_OWN_THRESHOLD = _(
    "Set a threshold by 19 or more untouched clips of your own, or add a model that has one."
)


def _no_point(p: Params) -> tuple[str, str]:
    text = questions.of(p.get("question")).no_operating_point
    return Template(text, _OWN_THRESHOLD)({"titles": p["titles"]})


_STRANGE = _(
    "Masks, paint, drawings, strong filters, night vision and extreme colors can be the cause."
)


REASONS: dict[str, Wording] = {
    "above_threshold": _above,
    "together_above": Template(
        "No single model decides; {models} agree and together they pass {high}"
    ),
    "below_threshold": _below,
    "between_thresholds": _between,
    "models_disagree": _disagree,
    "too_few_models": Template(
        "{counted} of the {needed} models that a verdict needs gave a score"
    ),
    "too_few_frames": _too_few_frames,
    "low_quality": Template(
        "The file is too poor for a reading. The models would be guessing.",
        _("The face is {width} px wide; under {least} px the scores mean little."),
    ),
    "part_above": _part_above,
    "person_open": _person_open,
    "unmeasured_above": of_question(lambda spec: spec.unmeasured_above, "asked"),
    "too_poor_to_clear": Template(
        "The score is low, but this copy is too poor to call it untouched",
        _("Traces of manipulation are lost first"),
    ),
    "fragile": Template(
        "The verdict turns around when the file is changed a little", _("under {trials}")
    ),
    "no_face": _no_face,
    "picture_too_small": Template(
        "The picture of {width} × {height} px is too small, or too narrow, to be judged."
    ),
    "face_too_small": Template("The face is {width} px wide; these models need {min_face}."),
    "too_blurred": _left_out(_("The face is too blurred: {out}")),
    "too_dark": _left_out(_("The face is too dark: {out}")),
    "too_bright": _left_out(_("The face is overexposed: {out}")),
    "turned_away": _left_out(_("The face is turned away: {out}")),
    "pixelated": Template(
        "Not judged: the face is pixelated.",
        _("Pixelation removes the traces that these models look for."),
    ),
    "graphic": Template(
        "Not judged: this is a drawing or graphic.",
        _("These models were made for photographs, film, portraits and paintings."),
    ),
    "false_colors": Template(
        "Not judged: the colors of this file can't be converted, and no model was tested on false "
        "colors."
    ),
    "views": Template(
        "Not judged: the picture holds two views for two eyes, or all directions, and no model was "
        "tested on squeezed or bent faces."
    ),
    "unlike_tested": by(
        "modality",
        face=Template("Not judged: nothing like this face was in our tests.", _STRANGE),
        picture=Template("Not judged: nothing like this picture was in our tests.", _STRANGE),
        voice=Template(
            "Not judged: nothing like this voice was in our tests.",
            _("Effects that replace the voice by tones or noise do that."),
        ),
    ),
    "clip_too_short": Template(
        "This clip is {seconds:.2f} s long; a reading needs at least {least:g} s.",
        _("Use a longer cut, or save one frame as a picture and drop that."),
    ),
    "too_slow": Template(
        "In {slow} of {seconds} s with a face in view this computer scored too few frames for a "
        "verdict.",
        _("Close other programs or choose fewer models, or record it and analyze the file."),
    ),
    "no_operating_point": _no_point,
    "no_skill": Template(
        "{titles}: not measured here, and no skill shown on our test faces. So there is no answer.",
        "An unmeasured model has to accuse altered faces more often than untouched ones in a small "
        "check on bundled pictures before it may accuse anybody.",
    ),
    "no_model": of_question(lambda spec: spec.no_model),
    "no_speech": Template("No speech in this sound, or none that we could make out."),
    "music": Template(
        "Too little ordinary speech: {tones} % of what is heard holds tones.",
        _("Music does that, and so can a voice that sings, cries or shouts."),
    ),
    "speech_too_short": Template(
        "{seconds} s of speech; these models need {least:g} s.", _("Use a longer cut.")
    ),
    "singing": Template(
        "Too little ordinary speech: {notes} % of the voice stays on notes, as in singing.",
        _("These models were made for speech, which moves on sooner."),
    ),
    "too_noisy": _too_noisy,
    "clipped": Template(
        "{clipped} % of the speech is overloaded (cut off at full scale), which cuts traces off "
        "too: no answer towards real may rest on its score."
    ),
    "phone_quality": Template(
        "Phone quality: everything over {band} kHz is cut, where most traces are."
    ),
    "canceled": Template("A partial run gets no verdict."),
    "undecodable": Template("The file can’t be read."),
}


# --- caveats --------------------------------------------------------------------------------------


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
    "clipping": Template(_("Overload"), _("{clipped} % of the speech cut off at full scale")),
}
"""How good the material is: (name, value) for each kind."""


def _material(p: Params) -> tuple[str, str]:
    if p["item"] == "surroundings":
        text = _(
            "The picture ends close to the face, so mistakes in either direction are more likely."
        )
        return Template(text)({})
    name, value = EVIDENCE[str(p["item"])](p)
    text = _("{name}: {value}, so mistakes in either direction are more likely.")
    return text.format(name=name, value=value), ""


def _published_point(p: Params) -> tuple[str, str]:
    text = Template(
        "How often it errs on footage like yours: {titles} is judged by a threshold that was "
        "not measured here, so it can't clear a file."
    )
    return text(p)[0], " ".join(str(source) for source in p.get("sources", ()))


def _which_person(p: Params) -> tuple[str, str]:
    text = _("Which of {people} people is fake, for sure.")
    if p.get("voices"):
        text = _("Which of {people} voices is cloned, for sure.")
    return Template(text)(p)[0], ""


CAVEATS: dict[str, Wording] = {
    "who_and_why": of_question(lambda spec: spec.who_and_why),
    "not_judged": Template("Anything about this file. It was not judged."),
    "poor_material": _material,
    "not_genuine": Template(
        "That the file is genuine. New methods can leave no trace these models know."
    ),
    "which_person": _which_person,
    "out_of_scope": of_question(lambda spec: spec.out_of_scope),
    "not_asked": of_question(lambda spec: spec.not_asked),
    "faces_unjudged": Template("Whether a face in it is fake: we found none that could be judged."),
    "swap_not_excluded": Template(
        "Whether a face was swapped or altered in a real photo: one picture shows that too rarely."
    ),
    "no_sign_withheld": Template(
        "We can't clear a file: the installed models aren't reliable enough to call it untouched. "
        "On footage of new sources no threshold made {right} of such answers right."
    ),
    "never_decides": of_question(lambda spec: spec.never_decides),
    "published_point": _published_point,
    "subset": Template("How often it errs: these thresholds were not made for just these models."),
    "sampling_gap": Template(
        "What lies between: a swap shorter than {gap} s could fall between the moments we looked "
        "at."
    ),
    "short_part": Template(
        "Whether a short part was cloned: the likelihood is the mean of {seconds} s of speech, and "
        "a part of {part} s or less hardly changes that."
    ),
    "unmeasured_material": by(
        "kind",
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
