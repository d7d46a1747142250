"""The questions of a result: a row each in the verdict's card, the one that decided first; and the
result as one question sees it, for what is drawn of it."""

from __future__ import annotations

from markupsafe import Markup

from dashboard import labels
from dashboard.components import verdict
from dashboard.i18n import _
from dashboard.labels import NBSP
from detector.schema.analysis import Analysis, Answer, Label, Question, ReasonCode, Subject

WEAK = 0.75
"""AUC on sources left out under which models are called weak where they did not decide."""


def asked(analysis: Analysis) -> list[Question]:
    """The questions that a model answered, the one in front first."""
    answers = analysis.verdict.answers
    found = [q for q, answer in answers.items() if answer.asked]
    return sorted(found, key=lambda q: q is not analysis.verdict.question)


def viewed(analysis: Analysis, question: Question | None) -> Analysis:
    """The analysis as one question sees it: its models, scores, labels and thresholds.

    The verdict's label and the order of the people stay. With one asked question it is the analysis
    itself.
    """
    if len(asked(analysis)) < 2 or question is None:
        return analysis
    answer = analysis.verdict.answers[question]
    models = [m for m in analysis.models if m.question in (question, None)]
    seen = analysis.verdict.model_copy(
        update={
            "question": question,
            "thresholds": answer.thresholds,
            "subject": answer.subject,
            "agree": answer.agree,
            "counted": answer.counted,
        }
    )
    ids = {m.id for m in models}
    subjects = [_viewed_subject(s, question, ids) for s in analysis.subjects]
    return analysis.model_copy(update={"verdict": seen, "models": models, "subjects": subjects})


def _viewed_subject(track: Subject, question: Question, ids: set[str]) -> Subject:
    person = track.answers.get(question)
    frames = [
        face.model_copy(
            update={
                "scores": {id: score for id, score in face.scores.items() if id in ids},
                "score": face.answers.get(question),
            }
        )
        for face in track.frames
    ]
    return track.model_copy(
        update={
            "question": question,
            "probability": person.probability if person else None,
            "label": person.label if person else Label.NOT_APPLICABLE,
            "reason": person.reason if person else None,
            "models": {id: score for id, score in track.models.items() if id in ids},
            "frames": frames,
        }
    )


# --- the rows -------------------------------------------------------------------------------------


def rows(analysis: Analysis) -> Markup:
    """Return the answers, a row each: the deciding one first, bold."""
    answers = analysis.verdict.answers
    ordered = sorted(
        answers.items(),
        key=lambda item: (item[0] is not analysis.verdict.question, not item[1].asked),
    )
    return verdict.questions(_row(analysis, question, answer) for question, answer in ordered)


def _row(analysis: Analysis, question: Question, answer: Answer) -> verdict.QuestionRow:
    open = answer.stays_open or not answer.asked
    state = labels.state(Label.NOT_APPLICABLE if open else answer.label, question)
    said = state.short
    if not answer.asked:
        said = _("Not asked: no model for it")
    elif answer.stays_open:
        said = _("Not decided: {why}").format(why=why_open(analysis, question))
    elif answer.label is Label.INCONCLUSIVE:
        said = labels.lean_words(answer.label, question, answer.lean)
    return verdict.QuestionRow(
        question=labels.QUESTIONS[question].text,
        slug=state.slug,
        symbol=state.icon,
        answer=said,
        number=_number(analysis, answer),
        counts=answer.probability is not None and not answer.stays_open,
        leads=question is analysis.verdict.question,
    )


def _number(analysis: Analysis, answer: Answer) -> str:
    """A row's likelihood; that of a question that stays open is no part of the verdict."""
    if answer.probability is None:
        return "–"
    if not answer.stays_open:
        return labels.percent(answer.probability)
    number = labels.whole_percent(answer.probability)
    if withheld(analysis):
        return f"{number}{NBSP}%"
    return _("{number}, not counted").format(number=number)


def withheld(analysis: Analysis) -> bool:
    """Whether an open question keeps "no sign" from the whole file."""
    reasons = analysis.verdict.reasons
    return any(r.code is ReasonCode.OTHER_QUESTION_OPEN for r in reasons)


def why_open(analysis: Analysis, question: Question) -> str:
    """Why a question is not decided, in a few words."""
    answer, ensemble = analysis.verdict.answers[question], analysis.ensembles.get(question)
    if answer.lowered_by is not None and answer.lowered_by in labels.WHY_NOT:
        return labels.WHY_NOT[answer.lowered_by]
    if answer.label is Label.NOT_APPLICABLE:
        return _("no score")
    if ensemble is not None and ensemble.auc is not None and ensemble.auc.value < WEAK:
        return _("one weak model") if answer.counted == 1 else _("weak models")
    return _("score in between")
