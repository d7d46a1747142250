"""Joint answer of face, picture, voice and lips of a video with a voice."""

from detector.presentation.signals import READINGS
from detector.schema.analysis import Analysis, JointCode
from detector.sentences import _, say

_SAYS: dict[JointCode, str] = {
    "both_fake": _(
        "What is seen and what is heard both look fake, as in generated clips and in portraits "
        "that speak with a cloned voice."
    ),
    "picture_fake": _(
        "What is seen looks fake and the voice real, as in face swaps and in lips synced to a "
        "genuine recording."
    ),
    "picture_fake_voice_open": _(
        "What is seen looks fake; whether the voice is cloned stays open."
    ),
    "voice_fake": _(
        "The voice looks cloned and what is seen genuine, as where genuine footage was given "
        "another voice."
    ),
    "voice_fake_picture_open": _(
        "The voice looks cloned; whether what is seen is fake stays open."
    ),
    "neither": _("Neither what is seen nor the voice shows a sign of manipulation."),
    "voice_open": _(
        "What is seen shows no sign of manipulation; whether the voice is cloned stays open."
    ),
    "picture_open": _(
        "The voice shows no sign of cloning; whether what is seen is fake stays open."
    ),
    "open": _("Whether what is seen is fake and whether the voice is cloned both stay open."),
}


def sentence(analysis: Analysis) -> str:
    """Return the joint answer; empty unless a video's voice was judged, or all of it is open."""
    joint = analysis.joint
    if joint is None or joint.says == "open":
        return ""
    said = _("Together: {says}").format(says=say(_SAYS[joint.says]))
    if joint.lips is None:  # the reading is no likelihood, and counts nothing
        return said
    reading = say(READINGS[joint.lips][1]).lower()
    return f"{said} {_('Lips: {reading}.').format(reading=reading)}"
