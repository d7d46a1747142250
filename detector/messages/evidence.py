"""How good the material is, in words: (name, value) for each kind."""

from __future__ import annotations

from detector.messages.types import Params, Speech, Wording


def _size(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    word = {"poor": _("small"), "fair": _("fair"), "good": _("good")}[str(p["rating"])]
    return _("Face size"), _("{width} px, {word}").format(width=p["width"], word=word)


def _sharpness(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    word = {"poor": _("very soft"), "fair": _("soft"), "good": _("good")}[str(p["rating"])]
    return _("Sharpness"), word


def _compression(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    word = {"poor": _("very heavy"), "fair": _("heavy"), "good": _("light")}[str(p["rating"])]
    return _("Compression"), word


def _frames(p: Params, speech: Speech) -> tuple[str, str]:
    _ = speech.gettext
    value = _("{scored} of {looked} scored").format(scored=p["scored"], looked=p["looked"])
    return _("Frames"), value


WORDINGS: dict[str, Wording] = {
    "face_size": _size,
    "sharpness": _sharpness,
    "compression": _compression,
    "frames": _frames,
}
