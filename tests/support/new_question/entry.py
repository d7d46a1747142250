"""What `detector/questions.py` gains by a new question: was the background replaced?"""

TASK = '"background replacement", '
QUESTION_NAME = '    SCENERY = "scenery"\n'
MODALITY_NAME = '    BACKGROUND = "background"\n'
MODALITY = """\
    Modality.BACKGROUND: ModalitySpec(
        name=_("The background"), about=_("the background")
    ),
"""
QUESTION = """\
    Question.SCENERY: QuestionSpec(
        modalities=(Modality.BACKGROUND,),
        task="background replacement",
        methods=("green screen",),
        text=_("Was the background replaced?"),
        short=_("Background"),
        group=_("Replaced backgrounds"),
        looks_for=_("replaced backgrounds"),
        about=_("the background"),
        fake=_("Likely a replaced background"),
        probably_fake=_("Probably replaced"),
        unmeasured_above=_("{title}, which was not measured here, calls it replaced"),
        not_asked=_("Whether the background was replaced: no model here was asked that."),
    ),
"""
