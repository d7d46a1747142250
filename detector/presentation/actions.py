"""Recommended next steps: for each `ActionCode` a head, the reason, the button's label and the
cost; and how each piece of advice is followed."""

from collections.abc import Callable
from dataclasses import dataclass

from detector.decision.next_steps import advised
from detector.messages.format import clock, percent
from detector.messages.template import Coded, Params
from detector.presentation import Block, Text, items
from detector.schema.analysis import Analysis
from detector.sentences import _, ngettext, say

TITLE = _("What to do next")


@dataclass(frozen=True)
class Step:
    """One recommended action, without markup."""

    head: str
    why: str
    button: str  # what is done when it is pressed
    cost: str = ""  # how long it takes, or what it brings


def step(action: Coded) -> Step:
    """Return the wording of an action."""
    said = _STEPS[str(action.code)]
    if not isinstance(said, Step):
        return said(action.params)
    texts = (said.head, said.why, said.button, said.cost)
    return Step(*(text and say(text).format(**action.params) for text in texts))


def blocks(analysis: Analysis) -> list[Block]:
    """Return the steps as advice to a reader without buttons, a list under its title."""
    steps = said(analysis)
    title = [Text(say(TITLE), "subhead")] if steps else []
    return [*title, *items(steps)]


def said(analysis: Analysis) -> list[str]:
    """Return the same advice as sentences."""
    return [f"{step.head}. {step.why}" for step in map(step, advised(analysis))]


def _look_closer(p: Params) -> Step:
    sampled, frames, seconds = int(p["looked"]), int(p["frames"]), p.get("seconds")
    why = (
        _("{looked:,} of {frames:,} frames so far. A short change can hide between them.")
        if frames > sampled
        else _("{looked:,} moments so far. A short change can hide between them.")
    )
    cost = "" if seconds is None else _("about {time} here")
    why = why.format(looked=sampled, frames=frames)
    if "highest" in p:
        peak = _("At {time} the score reaches {highest}.")
        time = clock(float(p["peak"]), tenths=False)
        why = f"{peak.format(time=time, highest=percent(float(p['highest'])))} {why}"
    return Step(
        _("Look closer"),
        why,
        _("Look at {moments:,} moments").format(moments=int(p["moments"])),
        cost and cost.format(time=_duration(float(seconds or 0))),
    )


def _compare(p: Params) -> Step:
    if p.get("name"):
        return _compare_same(p)
    head = _("Compare with an original")
    why = _("Footage of the same scene in which only the face differs is near-proof.")
    if files := int(p.get("searched") or 0):
        head = _("Find the original")
        none = ngettext(
            "No match in {files:,} other file.", "No match in {files:,} other files.", files
        )
        why = f"{none.format(files=files)} {why}"
    return Step(head, why, _("Compare two clips"))


def _compare_same(p: Params) -> Step:
    """Return the step to known footage; a file that was only analyzed before is not called an
    original."""
    head = _("Compare with its original") if p["original"] else _("Compare with the same footage")
    why = _("{name} shows the same footage. If only the face differs, that is near-proof.")
    if not p["original"]:
        why = _("{name} shows the same footage. If only the face differs, one of them was changed.")
    return Step(head, why.format(name=p["name"]), _("Open"))


def _ask(p: Params) -> Step:
    if p["why"] == "sound":
        why = _("Each copy loses traces.")
        return Step(_("Ask for the recording itself"), why, _("How to ask"))
    why = {
        "compression": _("This copy was compressed; the traces we look for go first."),
        "size": _("The face is {width} px wide in this copy; larger shows more."),
        "surroundings": _(
            "The picture ends close to the face; models compare it with what surrounds it."
        ),
        "copies": _("Each copy loses traces."),
    }[str(p["why"])].format(width=p.get("width"))
    return Step(_("Ask for the camera original"), why, _("How to ask"))


def _add(p: Params) -> Step:
    why = _("{model} reads the same faces. It can raise suspicion; it was not measured here.")
    cost = "" if p.get("bytes") is None else _("{size:.1f} GB to download")
    return Step(
        _("Add the strong model"),
        why.format(model=p["title"]),
        _("Add {model}").format(model=p["title"]),
        cost and cost.format(size=(p.get("bytes") or 0) / 1e9),
    )


def how_to_ask(name: str, *, sound: bool = False) -> tuple[str, str]:
    """Return instructions for getting the original of a file, or of a `sound` without a picture,
    and a message to send."""
    if sound:
        what = _(
            "Ask whoever recorded it for the file as the phone or recorder wrote it: by cable, as "
            "a file transfer or on a stick. Messengers compress what they send, and a voice "
            "message was compressed before it was sent."
        )
    else:
        what = _(
            "Ask whoever recorded it for the file as the camera wrote it: by cable, as a file "
            "transfer or on a stick. Messengers and social networks compress what they send."
        )
    message = _(
        "Hello, could you send me the original recording of “{name}”, as the camera or phone "
        "saved it? Please send it as a file (a transfer link or cloud folder), not through a "
        "messenger, and do not cut or convert it. Who recorded it, when and where?"
    )
    return what, message.format(name=name)


_HOW_TO: dict[str, tuple[str, ...]] = {
    "check_origin": (
        _("Search for single frames in two or more picture search engines, and sort by date."),
        _("Find who posted it first, and ask how they got it."),
        _("Hold what is seen against the date and place: weather, shadows, signs, clothes."),
        _("Look for the same moment from another camera."),
    ),
    "test_live": (
        _("Ask them to turn the head all the way to one side, and back."),
        _("Ask them to pass a spread hand slowly across the face."),
        _("Ask for what can’t have been prepared: so many fingers, an object in the room."),
        _("Watch the edge of the face, glasses, hair and teeth meanwhile. Passing is no proof."),
    ),
    "check_synthid": (
        _("Google: give the file to the Gemini app, and ask if it was made with Google AI."),
        _("OpenAI: give a picture (PNG, JPG or WEBP) to openai.com/verify; it takes no videos."),
        _("Both send the file to that company. Use the file itself, not a screenshot."),
        _("No hit proves nothing: cropping, filters and other tools leave no watermark."),
    ),
    "reach": (
        _("Call the person back on a number that you knew before, and ask."),
        _("Ask for something that only they know."),
        _("Let a payment, a password or a decision wait until then."),
    ),
}
_CHECK_SOUND = (
    _("Call the person back on a number that you knew before, and ask."),
    _("Ask for something that only they know; a clone says what it is fed."),
    _("Find who sent or posted it first, and ask how they got it."),
    _("Compare the sounds with the date and place: room, traffic, other voices."),
)


def how_to(code: str, *, sound: bool = False) -> list[str]:
    """Return the instructions of an advised action, one sentence a step; a sound's origin is
    checked in other ways than a picture's."""
    texts = _CHECK_SOUND if sound and code == "check_origin" else _HOW_TO[code]
    return [say(text) for text in texts]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(5, 5 * round(seconds / 5)))
    if seconds < 3600:
        return _("{minutes} min").format(minutes=round(seconds / 60))
    return clock(seconds)


_STEPS: dict[str, Step | Callable[[Params], Step]] = {
    "turn": Step(
        _("Turn the picture"),
        _("Some faces were only found with the picture turned; they are not judged yet."),
        _("Analyze it turned by {degrees}°"),
    ),
    "film": Step(
        _("Analyze the film behind this picture"),
        _("A motion photo holds {seconds:.1f} s of film, which was not judged."),
        _("Analyze the film"),
    ),
    "look_closer": _look_closer,
    "compare_original": _compare,
    "ask_original": _ask,
    "add_model": _add,
    "own_threshold": Step(
        _("Set the threshold by your own footage"),
        _("You confirmed {clips} clips as untouched; {needed} are enough."),
        _("Make it yours"),
        _("they are scored once"),
    ),
    "check_origin": Step(
        _("Check where it came from"),
        _("Date, place and poster say what no model can."),
        _("How to check"),
    ),
    "test_live": Step(
        _("Test them while they are on camera"),
        _("A live deepfake must follow every move, and may slip."),
        _("What to ask for"),
    ),
    "reach": Step(
        _("Reach them another way"),
        _("A face on a screen proves no identity; a number that you knew before does more."),
        _("How to check"),
    ),
    "assume_speech": Step(
        _("Judge it as speech"),
        _("Much of the voice stays on notes; if it speaks and does not sing, its score counts."),
        _("Judge it as speech"),
    ),
    "smaller_faces": Step(
        _("Look for smaller faces"),
        _("Faces from {px} px on are looked for then."),
        _("Look for smaller faces"),
    ),
    "whole_picture": Step(
        _("Judge the whole picture"),
        _("Other models judge pictures without a face."),
        _("Judge the whole picture"),
    ),
    "more_moments": Step(
        _("Look at more moments"),
        _("The face may be seen better at another moment."),
        _("Look at {moments} moments"),
    ),
    "check_synthid": Step(
        _("Check SynthID in the verifier of {maker}"),
        _("A hit settles it; no hit proves nothing."),
        _("How to check it"),
    ),
}
"""By code: the texts, with braces for parameters, or what puts them together."""
