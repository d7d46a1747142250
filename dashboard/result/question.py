"""The questions of a result: a row each in the verdict's card, the one that decided first; and the
result as one question sees it, for what is drawn of it."""

from markupsafe import Markup

from dashboard import labels
from dashboard.components import verdict
from dashboard.i18n import _
from dashboard.result import original
from detector.decision import voice
from detector.messages import comparison
from detector.schema.analysis import Analysis, Answer, Label, Question, Subject

WEAK = 0.75
"""AUC on sources left out under which models are called weak where they did not decide."""


def answered(analysis: Analysis) -> list[Question]:
    """Return the questions that a model answered, the one in front first."""
    verdict = analysis.verdict
    answered = [q for q, answer in verdict.answers.items() if answer.evaluated]
    return sorted(answered, key=lambda q: q is not verdict.question)


def of_picture(analysis: Analysis) -> list[Question]:
    """Return those of them that are about what is seen."""
    return [q for q in answered(analysis) if not q.of_sound]


def viewed(analysis: Analysis, question: Question | None) -> Analysis:
    """Return the analysis as one question sees it: its models, scores, labels and thresholds.

    The verdict's label and the order of the people stay. With one asked question it is the analysis
    itself.
    """
    if len(answered(analysis)) < 2 or question is None:
        return analysis
    answer = analysis.verdict.answers[question]
    models = [m for m in analysis.models if m.question in (question, None)]
    of_answer = ("thresholds", "subject", "agreeing_models", "counted")
    seen = analysis.verdict.model_copy(
        update={"question": question, **{name: getattr(answer, name) for name in of_answer}}
    )
    ids = {m.id for m in models}
    subjects = [_viewed_subject(s, question, ids) for s in analysis.subjects]
    return analysis.model_copy(update={"verdict": seen, "models": models, "subjects": subjects})


def _viewed_subject(track: Subject, question: Question, ids: set[str]) -> Subject:
    person = track.answers.get(question)
    frames = []
    spans = [span.model_copy(update={"score": span.answers.get(question)}) for span in track.spans]
    for face in track.frames:
        scores = {id: score for id, score in face.scores.items() if id in ids}
        score = face.answers.get(question)
        frames.append(face.model_copy(update={"scores": scores, "score": score}))
    return track.model_copy(
        update={
            "question": question,
            "probability": person.probability if person else None,
            "label": person.label if person else Label.NOT_APPLICABLE,
            "reason": person.reason if person else None,
            "models": {id: score for id, score in track.models.items() if id in ids},
            "frames": frames,
            "spans": spans,
        }
    )


# --- the rows -------------------------------------------------------------------------------------


def rows(analysis: Analysis) -> Markup:
    """Return the answers, a row each: the deciding one first, bold."""
    answers = analysis.verdict.answers
    ordered = sorted(
        answers.items(),
        key=lambda item: (item[0] is not analysis.verdict.question, not item[1].evaluated),
    )
    rows = [_row(analysis, question, answer) for question, answer in ordered]
    if (found := analysis.comparison) is not None:
        # What was merely seen before, and accuses nobody, is a remark on what was asked.
        last = comparison.assumed(found) and not found.accuses
        rows.insert(len(rows) if last else 0, original.row(found))
    return verdict.questions(rows)


def _row(analysis: Analysis, question: Question, answer: Answer) -> verdict.QuestionRow:
    open = answer.undecided_secondary or not answer.evaluated
    state = labels.state(Label.NOT_APPLICABLE if open else answer.label, question)
    words = state.short
    if not answer.evaluated:
        words = _not_asked_because(analysis, question)
    elif answer.undecided_secondary:
        words = _("Not decided: {why}").format(why=why_open(analysis, question))
    elif answer.label is Label.INCONCLUSIVE:
        words = labels.lean_words(answer.label, question, answer.lean)
    return verdict.QuestionRow(
        question=labels.QUESTIONS[question].text,
        slug=state.slug,
        symbol=state.icon,
        answer=words,
        number=_number(analysis, question, answer),
        counts=answer.probability is not None and not answer.undecided_secondary,
        leads=question is analysis.verdict.question,
    )


def _not_asked_because(analysis: Analysis, question: Question) -> str:
    """Return why no model of a question was counted, in a few words."""
    heard = voice.heard_of(analysis) if question.of_sound else None
    if heard and (code := voice.unscorable(heard)):
        return _("Not judged: {why}").format(why=labels.WHY_NOT[code])
    scored = any(m.scored and m.question is question for m in analysis.models)
    if question.of_sound and scored:
        return _("Not judged: no calibrated model")
    return _("Not asked: no model for it")


def _number(analysis: Analysis, question: Question, answer: Answer) -> str:
    """Return a row's likelihood; that of a question that stays open is no part of the verdict."""
    if answer.probability is None:
        return "–"
    if analysis.verdict.uncounted(question):
        return _("{percent}, not counted").format(percent=labels.percent(answer.probability))
    return labels.percent(answer.probability)


def why_open(analysis: Analysis, question: Question) -> str:
    """Return why a question is not decided, in a few words."""
    answer, ensemble = analysis.verdict.answers[question], analysis.ensembles.get(question)
    if answer.vetoed_by is not None and answer.vetoed_by in labels.WHY_NOT:
        return labels.WHY_NOT[answer.vetoed_by]
    if answer.label is Label.NOT_APPLICABLE:
        return _("no score")
    if ensemble is not None and ensemble.auc is not None and ensemble.auc.value < WEAK:
        return _("one weak model") if answer.counted == 1 else _("weak models")
    return _("score below the threshold")
