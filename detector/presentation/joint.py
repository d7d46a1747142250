"""Joint answer of face, picture, voice and lips of a video with a voice."""

from detector.messages.format import percent
from detector.presentation.signals import READINGS
from detector.schema.analysis import Analysis, JointCode, Question
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
    """Return the joint answer with the likelihood of each part; empty unless a video's voice was
    judged."""
    joint = analysis.joint
    if joint is None:
        return ""
    names = {
        Question.MANIPULATION: _("face {likelihood}"),
        Question.SYNTHESIS: _("head {likelihood}"),
        Question.PICTURE: _("picture {likelihood}"),
        Question.VOICE: _("voice {likelihood}"),
    }
    answers = analysis.verdict.answers
    parts = [
        name.format(likelihood=percent(answer.probability or 0.0, answer.thresholds.edges))
        for question, name in names.items()
        if (answer := answers.get(question)) is not None
        and answer is analysis.verdict.most_suspicious(question.subject)
    ]
    if joint.lips is not None:  # the reading is no likelihood, and counts nothing
        reading = say(READINGS[joint.lips][1]).lower()
        parts.append(_("lips {reading}").format(reading=reading))
    return _("Together: {parts}. {says}").format(
        parts=", ".join(parts), says=say(_SAYS[joint.says])
    )
