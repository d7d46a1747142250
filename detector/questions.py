"""Registry of questions about a file and of modalities in it, with their sentences.

To add a question: a member of `Question`, its task, its `QuestionSpec` here (for a new modality
also a `Modality` and its `ModalitySpec`); a module of the modality's name in
`detector.pipeline.modalities`; a family and a catalog entry of a model; and, if the result page
shows more than the answer, a module of the question's name in `dashboard.result.cards`.

Sentences are English and marked by `_` for `tools.languages`; the renderer translates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from detector.sentences import _

Task = Literal["face manipulation", "whole-image synthesis", "picture synthesis", "voice"]
"""Task of a model in the catalog, which determines its question."""
Medium = Literal["picture", "sound"]


class Question(StrEnum):
    """A question about a file, with its own models and calibration."""

    MANIPULATION = "manipulation"
    """Is a face fake: swapped, reenacted, lip-synced, or generated?"""
    SYNTHESIS = "synthesis"
    """Was a head generated as a whole: talking heads, GAN and diffusion faces?"""
    PICTURE = "picture"
    """Was the whole picture generated, whatever it shows?"""
    VOICE = "voice"
    """Was the voice cloned, converted or synthesized?"""

    @property
    def spec(self) -> QuestionSpec:
        """Return the question's entry."""
        return QUESTIONS[self]

    @property
    def subject(self) -> Modality:
        """Return the question's main modality."""
        return self.spec.modalities[0]

    @property
    def of_sound(self) -> bool:
        """Return True for a question about the sound."""
        return self.subject.of_sound


class Modality(StrEnum):
    """Kind of a subject. Each model has one modality and gets no other input.

    Without an answer towards fake, the first of these modalities leads the verdict.
    """

    FACE = "face"
    PICTURE = "picture"
    """the full frame as a subject of its own, with or without faces"""
    FULL_FRAME = "full_frame"
    """the full frame as evidence about every face in it; judged by itself without faces"""
    VOICE = "voice"

    @property
    def spec(self) -> ModalitySpec:
        """Return the modality's entry."""
        return MODALITIES[self]

    @property
    def of_sound(self) -> bool:
        """Return True for a modality of the sound."""
        return self.spec.medium == "sound"


@dataclass(frozen=True, kw_only=True)
class ModalitySpec:
    """Medium of a modality, and names of its subjects."""

    medium: Medium = "picture"
    name: str = _("Person {person}")  # of one subject, by its id
    only: str = ""  # of a subject whose id is the modality's: the only one in the file
    sides: Mapping[str, str] = field(default_factory=dict)  # names of subjects of these ids
    about: str = ""  # what a score is about, within a sentence; empty: the face of the subject


MODALITIES: dict[Modality, ModalitySpec] = {
    Modality.FACE: ModalitySpec(),
    Modality.PICTURE: ModalitySpec(name=_("The whole picture"), about=_("the whole picture")),
    Modality.FULL_FRAME: ModalitySpec(name=_("The whole picture"), about=_("the whole picture")),
    Modality.VOICE: ModalitySpec(
        medium="sound",
        name=_("Speaker {person}"),
        only=_("The voice"),
        sides={"left": _("The left voice"), "right": _("The right voice")},
        about=_("the voice"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class QuestionSpec:
    """Modalities, task and sentences of one question."""

    modalities: tuple[Modality, ...]
    """the first is the default of its models"""
    task: Task  # of its models, in the catalog
    methods: tuple[str, ...] = ()  # families of fakes (`detector.evaluation.labels`)
    covers: tuple[Question, ...] = ()  # questions whose fakes count as fakes of this one too

    text: str  # the question itself
    short: str  # its short name
    group: str  # its models on the Models page: the filter
    looks_for: str  # the same within a sentence
    about: str  # what it is about, within a sentence
    fake: str  # the answer over the upper threshold
    probably_fake: str = _("Probably manipulated")
    probably_real: str = _("Probably untouched")
    no_sign: str = _("No sign of manipulation found")  # under the lower one
    consistent_with: str = _("manipulation")  # of a live score over the threshold

    real_word: str = _("untouched")  # of its two kinds of clips
    fake_word: str = _("manipulated")
    towards_real: str = _("towards untouched")
    towards_fake: str = _("towards manipulated")
    odds: str = _(
        "Of 100 clips with a score like this, {low} to {high} were manipulated in our tests, with "
        "95 % confidence."
    )
    auc: str = _(
        "Of a manipulated and an untouched clip of sources left out, these models give the "
        "manipulated one the higher score in {value} of 100 pairs ({low} to {high})."
    )
    prior: str = _(
        "It assumes as many manipulated as untouched clips. Where fakes are rarer than "
        "that, fewer clips with such a score are manipulated."
    )

    # reasons and caveats
    no_model: str = _("No model gave a score.")
    no_operating_point: str = _(
        "{titles} gave scores, but nobody has said from which score on a face is fake"
    )
    unmeasured_above: str
    not_asked: str
    never_decides: str = _(
        "Whether it is fake: on footage of sources these models had not seen no threshold made "
        "{right} of their answers right, so they give a likelihood and no verdict."
    )
    who_and_why: str = _("Who changed it, or why.")
    out_of_scope: str = ""  # what it does not ask, and material that it is often wrong about


QUESTIONS: dict[Question, QuestionSpec] = {
    Question.MANIPULATION: QuestionSpec(
        modalities=(Modality.FACE, Modality.FULL_FRAME),
        task="face manipulation",
        covers=(Question.SYNTHESIS,),
        text=_("Is a face fake?"),
        short=_("Face"),
        group=_("Fake faces"),
        looks_for=_("fake faces"),
        about=_("the face"),
        fake=_("Likely manipulated"),
        unmeasured_above=_("{title}, which was not measured here, calls it manipulated"),
        not_asked=_("Whether a face is fake: no model here was asked that."),
    ),
    Question.SYNTHESIS: QuestionSpec(
        modalities=(Modality.FACE,),
        task="whole-image synthesis",
        methods=("talking head", "avatar", "text to video", "gan", "text to image"),
        text=_("AI-generated head?"),
        short=_("Head"),
        group=_("Generated heads"),
        looks_for=_("generated heads"),
        about=_("the head"),
        fake=_("Likely AI-generated"),
        probably_fake=_("Probably AI-generated"),
        consistent_with=_("an AI-generated face"),
        real_word=_("genuine"),
        fake_word=_("generated"),
        towards_real=_("towards genuine"),
        towards_fake=_("towards generated"),
        odds=_(
            "Of 100 clips with a score like this, {low} to {high} were generated in our tests, "
            "with 95 % confidence."
        ),
        auc=_(
            "Of a generated and a genuine head of sources left out, these models give the "
            "generated one the higher score in {value} of 100 pairs ({low} to {high})."
        ),
        prior=_(
            "It assumes as many generated as genuine heads. Where generated ones are rarer than "
            "that, fewer clips with such a score are generated."
        ),
        unmeasured_above=_("{title}, which was not measured here, calls it AI-generated"),
        not_asked=_("Whether a head was generated: no model here was asked that."),
    ),
    Question.PICTURE: QuestionSpec(
        modalities=(Modality.PICTURE,),
        task="picture synthesis",
        methods=("text to video", "gan", "text to image"),
        text=_("AI-generated picture?"),
        short=_("Picture"),
        group=_("Generated pictures"),
        looks_for=_("pictures generated as a whole"),
        about=_("the whole picture"),
        fake=_("Likely AI-generated"),
        probably_fake=_("Probably AI-generated"),
        probably_real=_("Probably not AI-generated"),
        no_sign=_("No sign of AI generation found"),
        consistent_with=_("an AI-generated picture"),
        real_word=_("genuine"),
        fake_word=_("generated"),
        towards_real=_("towards genuine"),
        towards_fake=_("towards generated"),
        odds=_(
            "Of 100 files with a score like this, {low} to {high} were generated in our tests, "
            "with 95 % confidence."
        ),
        auc=_(
            "Of a generated and a genuine picture of sources left out, these models give the "
            "generated one the higher score in {value} of 100 pairs ({low} to {high})."
        ),
        prior=_(
            "It assumes as many generated as genuine pictures. Where generated ones are rarer "
            "than that, fewer files with such a score are generated."
        ),
        no_model=_("No model of whole pictures gave a score."),
        unmeasured_above=_("{title}, which was not measured here, calls it AI-generated"),
        not_asked=_("Whether the whole picture was generated: no model here was asked that."),
        never_decides=_(
            "Whether the picture was generated: on pictures of sources the model had not seen no "
            "threshold made {right} of its answers right, so it gives a likelihood and no verdict."
        ),
        who_and_why=_("Who generated it, or why."),
        out_of_scope=_(
            "Edits of a part, such as retouching and inpainting. Heavy filters, upscaling, "
            "drawings and screenshots of text are often judged wrongly."
        ),
    ),
    Question.VOICE: QuestionSpec(
        modalities=(Modality.VOICE,),
        task="voice",
        text=_("Voice cloned?"),
        short=_("Voice"),
        group=_("Voice"),
        looks_for=_("voices"),
        about=_("the voice"),
        fake=_("Likely cloned"),
        no_sign=_("No sign of a cloned voice found"),
        probably_fake=_("Probably cloned"),
        probably_real=_("Probably a real voice"),
        real_word=_("real"),
        fake_word=_("cloned"),
        towards_real=_("towards real"),
        towards_fake=_("towards cloned"),
        odds=_(
            "Of 100 clips with a score like this, {low} to {high} were cloned in our tests, with "
            "95 % confidence."
        ),
        auc=_(
            "Of a cloned and a real voice of sources left out, these models give the cloned "
            "one the higher score in {value} of 100 pairs ({low} to {high})."
        ),
        prior=_(
            "It assumes as many cloned as real voices. Where clones are rarer than that, "
            "fewer clips with such a score are cloned."
        ),
        no_model=_("No model of voices gave a score."),
        no_operating_point=_(
            "{titles} gave scores, but nobody has measured from which score on a voice is cloned"
        ),
        unmeasured_above=_("{title}, which was not measured here, calls it cloned"),
        not_asked=_("Whether a voice was cloned: that was not judged."),
        never_decides=_(
            "Whether the voice was cloned: on speech of sources the model had not heard no "
            "threshold made {right} of its answers right, so it gives a likelihood and no verdict."
        ),
        who_and_why=_(
            "Who made the voice, or whose it imitates. Strong noise removal, dubbing and some "
            "phone apps leave similar traces."
        ),
    ),
}
"""In display order."""
QUESTION_OF: dict[str, Question] = {spec.task: q for q, spec in QUESTIONS.items()}
"""The question of each task."""
OF_PICTURE = tuple(q for q in QUESTIONS if not q.of_sound)
"""Questions about pictures, and faces or full frames in them."""
OF_SOUND = tuple(q for q in QUESTIONS if q.of_sound)
"""Questions about sounds, and voices in them."""


def of(name: str | None) -> QuestionSpec:
    """Return the entry of a question by name; None: that about a face."""
    return QUESTIONS[Question(name) if name else Question.MANIPULATION]
