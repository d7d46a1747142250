"""Findings: sentences about a file's provenance that claim no more than the facts say."""

import re
from collections.abc import Iterator

from detector.provenance.credential import GENERATED
from detector.schema.origin import Fact, Provenance
from detector.sentences import _

GENERATORS = re.compile(
    r"stable diffusion|midjourney|dall[-·. ]?e\b|adobe firefly|comfyui|invokeai|novelai|"
    r"\bimagen\b|\bsora\b|\brunway(?:ml)?\b|\bkling\b|\bflux\.1\b|gpt-image|leonardo\.ai|"
    r"\bveo ?\d?\b|\bheygen\b|\bsynthesia\b|chatgpt|hailuo|pika labs|luma dream|"
    r"made with google ai",
    re.IGNORECASE,
)
"""Names of picture and video generators, as they appear in `Software`."""
MAKERS = {
    "Google": re.compile(
        r"\bgoogle ai\b|\bgoogle.*gemini|\bimagen\b|\bveo ?\d?\b|made with google", re.I
    ),
    "OpenAI": re.compile(r"openai|chatgpt|dall[-·. ]?e\b|gpt-?4o|gpt-image|\bsora\b", re.I),
}
"""Makers that watermark their tools' output, so that their own verifiers recognize it."""
SIDES = {"left": _("left of the picture"), "right": _("right of the picture")}
"""positions of a moving mark outside the corners"""
FEW = 0.02
"""fraction of repeated frames under which no finding is reported: cameras sometimes drop a frame"""


def findings(provenance: Provenance) -> list[str]:
    """Return sentences for a person, the most telling first."""
    parts = (_generated, _encoded_again, _edited, _repeated)
    return [sentence for part in parts for sentence in part(provenance)]


def maker(provenance: Provenance) -> str | None:
    """Return the one of `MAKERS` whose tool the file names, if any."""
    credential = provenance.credential
    texts = [credential.generator, credential.organization, credential.signer, *credential.actions]
    texts += [fact.value for fact in provenance.facts if _names_tools(fact)]
    marked = next((mark.maker for mark in provenance.marks if mark.maker in MAKERS), None)
    if marked or provenance.certain_mark is not None:
        return marked
    text = " · ".join(filter(None, texts))
    return next((name for name, names in MAKERS.items() if names.search(text)), None)


def _generated(provenance: Provenance) -> Iterator[str]:
    credential = provenance.credential
    if credential.state == "invalid":
        yield _(
            "It carries Content Credentials that are broken: the file was changed after it was "
            "signed, or they are those of another file."
        )
    if credential.generated and credential.state in ("trusted", "untrusted"):
        signer = credential.organization or credential.signer or _("its signer")
        if credential.state == "trusted":
            yield _(
                "Its signed origin states that it was generated, at least in part. "
                "{signer} is on the trust list of this installation."
            ).format(signer=signer)
        else:
            yield _(
                "Its signed origin states that it was generated, at least in part. "
                "{signer} is on no trust list here: anybody can sign such words."
            ).format(signer=signer)
    for mark in provenance.marks:
        if mark.place == "voice":
            yield _(
                "The voice carries the inaudible mark of {maker} ({name}). Its tools "
                "put it on what they make; anybody can add one."
            ).format(maker=mark.maker, name=mark.name)
            continue
        place = SIDES.get(mark.place, mark.place)
        if mark.certain:
            yield _(
                "A mark like that of {name} stands at the {place}. Tools put it on what they "
                "make; anybody can draw one."
            ).format(name=mark.name, place=place)
        else:
            yield _(
                "Something like the mark of {name} stands at the {place}: a hint, not "
                "counted. A button, a lamp or a channel's logo can look like it."
            ).format(name=mark.name, place=place)
    for fact in provenance.facts:
        last = re.split(r"[/:]", fact.value)[-1]
        if fact.group == "generator" and fact.source == "XMP" and last in GENERATED:
            yield _("Its XMP states that it was generated, at least in part.")
        elif fact.group == "generator" and fact.source != "XMP":
            yield _("It holds settings of an image generator ({source}: {name}).").format(
                source=fact.source, name=fact.name
            )
        elif _names_tools(fact) and (named := GENERATORS.search(fact.value)):
            yield _("It names a program that makes pictures: {named} ({source}).").format(
                named=named[0], source=fact.source
            )


def _names_tools(fact: Fact) -> bool:
    return fact.group == "software" or fact.name == "Credit"


def _encoded_again(provenance: Provenance) -> Iterator[str]:
    facts = provenance.facts
    named = {fact.name: fact for fact in reversed(facts)}
    camera = named.get("Camera") or named.get("Camera maker")
    encoder = next((f for f in facts if f.group == "encoder" and "x26" in f.value.lower()), None)
    if encoder is not None:
        program = "x265" if "x265" in encoder.value.lower() else "x264"
        if camera is not None:
            yield _(
                "It names a camera ({value}), but its picture was encoded by the program "
                "{program}: it was encoded again after it was recorded."
            ).format(value=camera.value, program=program)
        else:
            yield _(
                "Its picture was encoded by the program {program}, as editors, sites and "
                "messengers do; cameras and phones mostly use a chip."
            ).format(program=program)
    muxer = next((f for f in facts if f.name == "Written by" and "lavf" in f.value.lower()), None)
    if muxer is not None and encoder is None:
        yield _("The file was written by FFmpeg, as editors, sites and messengers do.")


def _edited(provenance: Provenance) -> Iterator[str]:
    for fact in provenance.facts:
        if fact.name == "Edit list" and fact.value.endswith("recording"):
            yield _(
                "Its edit list shows {value}: something was left out, "
                "repeated or moved, without encoding again."
            ).format(value=fact.value)
    times = {f.name: f.value for f in provenance.facts if f.source == "EXIF" and f.group == "time"}
    if "Recorded" in times and "Changed" in times and times["Recorded"] != times["Changed"]:
        yield _("Recorded {recorded}, changed {changed}, by its own account.").format(
            recorded=times["Recorded"], changed=times["Changed"]
        )


def _repeated(provenance: Provenance) -> Iterator[str]:
    repeats = provenance.repeats
    if repeats is None:
        return
    if repeats.frames and repeats.repeated / repeats.frames > FEW:
        yield _(
            "{repeated} of {frames} frames repeat the one before: a "
            "raised frame rate, a frozen picture, a still or a slide."
        ).format(repeated=repeats.repeated, frames=repeats.frames)
    if repeats.copied:
        yield _(
            "{copied} compressed pictures occur twice, in runs: a part of the clip was "
            "copied within it."
        ).format(copied=repeats.copied)
