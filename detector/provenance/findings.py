"""Findings: sentences about a file's provenance that claim no more than the facts say."""

from collections.abc import Iterator

from detector.provenance import origins
from detector.schema.origin import Provenance
from detector.sentences import _

SIDES = {"left": _("left of the picture"), "right": _("right of the picture")}
"""positions of a moving mark outside the corners"""
FEW = 0.02
"""fraction of repeated frames under which no finding is reported: cameras sometimes drop a frame"""


def findings(provenance: Provenance) -> list[str]:
    """Return sentences for a person, the most telling first."""
    parts = (_generated, _encoded_again, _edited, _repeated)
    return [sentence for part in parts for sentence in part(provenance)]


def maker(provenance: Provenance) -> str | None:
    """Return the one of `origins.MAKERS` whose tool the file names, if any."""
    credential = provenance.credential
    texts = [credential.generator, credential.organization, credential.signer, *credential.actions]
    marked = next((mark.maker for mark in provenance.marks if mark.maker in origins.MAKERS), None)
    if marked or provenance.certain_mark is not None:
        return marked
    return origins.maker_of(filter(None, texts), provenance.facts)


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
    yield from dict.fromkeys(filter(None, map(origins.sentence, provenance.facts)))


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
