"""Codes of results. Stable: programs may branch on them. `detector.messages` has their wording."""

from __future__ import annotations

from enum import StrEnum

from detector.questions import OF_PICTURE as OF_PICTURE
from detector.questions import OF_SOUND as OF_SOUND
from detector.questions import QUESTION_OF as QUESTION_OF
from detector.questions import Modality as Modality
from detector.questions import Question as Question
from detector.questions import Task as Task


class Label(StrEnum):
    """Label of a file, a person or a model's score: five bands of the likelihood, most suspicious
    first. Each promises how often it is right on sources left out (`Band`)."""

    FAKE = "FAKE"
    PROBABLY_FAKE = "PROBABLY_FAKE"
    INCONCLUSIVE = "INCONCLUSIVE"
    PROBABLY_REAL = "PROBABLY_REAL"
    REAL = "REAL"
    NOT_APPLICABLE = "NOT_APPLICABLE"

    @property
    def side(self) -> Side | None:
        """Return which way it answers; None where it does not."""
        return _SIDES.get(self)

    @property
    def suspicion(self) -> int:
        """Return its rank, the higher the more suspicious; 0 where nothing was judged."""
        return _SUSPICION.index(self)


class Side(StrEnum):
    """Direction of an answer."""

    FAKE = "fake"
    REAL = "real"


_SIDES = {
    Label.FAKE: Side.FAKE,
    Label.PROBABLY_FAKE: Side.FAKE,
    Label.PROBABLY_REAL: Side.REAL,
    Label.REAL: Side.REAL,
}
ANSWERED = tuple(label for label in Label if label is not Label.NOT_APPLICABLE)
_SUSPICION = (
    Label.NOT_APPLICABLE,
    Label.REAL,
    Label.PROBABLY_REAL,
    Label.INCONCLUSIVE,
    Label.PROBABLY_FAKE,
    Label.FAKE,
)


class FileKind(StrEnum):
    """Kind of a file by what could be judged in it. Each has a fit and limits of its own."""

    CLIP = "clip"
    """a video or animation with a face"""
    STILL = "still"
    """a picture with a face, in whatever file it comes"""
    PICTURE = "picture"
    """a picture or clip without a face that could be judged"""
    SOUND = "sound"


class ProofKind(StrEnum):
    """Kind of a finding that leads the headline, the strongest first."""

    COPY = "copy"
    """a comparison found a manipulated copy of a named original"""
    MARK = "mark"
    """the visible mark of a generator"""
    VOICE_MARK = "voice_mark"
    """the inaudible mark of a generator of voices"""
    SIGNED = "signed"
    """trusted Content Credentials state that the file was generated"""
    PART_SIGNED = "part_signed"
    """trusted Content Credentials state that a part of it was generated"""


def headline_label(detectors: Label, proof: object | None) -> Label:
    """Return the label of a result's headline: a finding that proves (`Analysis.proof`) is
    above what the detectors say."""
    return Label.FAKE if proof is not None else detectors


class ReasonCode(StrEnum):
    """Reasons of a verdict. Stable: programs may branch on them."""

    # evidence for a verdict
    ABOVE_THRESHOLD = "above_threshold"
    TOGETHER_ABOVE = "together_above"
    BELOW_THRESHOLD = "below_threshold"
    BETWEEN_THRESHOLDS = "between_thresholds"
    # why it is inconclusive
    MODELS_DISAGREE = "models_disagree"
    TOO_FEW_MODELS = "too_few_models"
    TOO_FEW_FRAMES = "too_few_frames"
    LOW_QUALITY = "low_quality"
    PART_ABOVE = "part_above"
    PERSON_OPEN = "person_open"
    UNMEASURED_ABOVE = "unmeasured_above"
    FRAGILE = "fragile"
    TOO_POOR_TO_CLEAR = "too_poor_to_clear"
    SINGING = "singing"
    TOO_NOISY = "too_noisy"
    PHONE_QUALITY = "phone_quality"
    CLIPPED = "clipped"
    # why it could not be judged
    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    PICTURE_TOO_SMALL = "picture_too_small"
    TOO_BLURRED = "too_blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TURNED_AWAY = "turned_away"
    PIXELATED = "pixelated"
    GRAPHIC = "graphic"
    FALSE_COLORS = "false_colors"
    VIEWS = "views"
    UNLIKE_TESTED = "unlike_tested"
    CLIP_TOO_SHORT = "clip_too_short"
    TOO_SLOW = "too_slow"
    NO_MODEL = "no_model"
    NO_OPERATING_POINT = "no_operating_point"
    NO_SKILL = "no_skill"
    NO_SPEECH = "no_speech"
    MUSIC = "music"
    SPEECH_TOO_SHORT = "speech_too_short"
    CANCELED = "canceled"
    UNDECODABLE = "undecodable"


class CaveatCode(StrEnum):
    """Limits of a verdict. Stable, as `ReasonCode`."""

    WHO_AND_WHY = "who_and_why"
    NOT_JUDGED = "not_judged"
    POOR_MATERIAL = "poor_material"
    NOT_GENUINE = "not_genuine"
    WHICH_PERSON = "which_person"
    OUT_OF_SCOPE = "out_of_scope"
    NOT_ASKED = "not_asked"
    FACES_UNJUDGED = "faces_unjudged"
    SWAP_NOT_EXCLUDED = "swap_not_excluded"
    NO_SIGN_WITHHELD = "no_sign_withheld"
    NEVER_DECIDES = "never_decides"
    PUBLISHED_POINT = "published_point"
    SUBSET = "subset"
    SAMPLING_GAP = "sampling_gap"
    SHORT_PART = "short_part"
    COPIES = "copies"
    UNMEASURED_MATERIAL = "unmeasured_material"
    FROZEN = "frozen"


class Basis(StrEnum):
    """Source of a verdict's thresholds."""

    MEASURED = "measured"
    """made here for just these models, on sources left out"""
    PUBLISHED = "published"
    """the operating point of a published model's authors with a margin; not measured here, so never
    REAL"""
    SUBSET = "subset"
    """models that are calibrated here, but put together otherwise than they were measured"""
    OWN = "own"
    """the person's own untouched clips"""
    CUSTOM = "custom"
    """moved by the person for this one result"""
    NONE = "none"
    """there are none: every score is inconclusive"""
