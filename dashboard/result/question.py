"""The questions of a result: a row each in the verdict's card, the one that decided first; and the
result as one question sees it, for what is drawn of it."""

from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import verdict
from dashboard.components.chips import inked
from dashboard.components.markup import join
from detector.decision.reasons import why_unanswered
from detector.messages import comparison, lead
from detector.messages import comparison as words
from detector.schema.analysis import Analysis, Answer, Label, Question, Subject
from detector.schema.comparison import Comparison, ComparisonFinding
from detector.sentences import _
from service.records.model import RecordsError

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
    """Return the analysis as one question sees it: its subjects, models, scores, labels and
    thresholds.

    The verdict's label and the order of the people stay.
    """
    if question is None:
        return analysis
    asked_of = [s for s in analysis.subjects if question in s.questions]
    if len(answered(analysis)) < 2:
        all_asked = len(asked_of) == len(analysis.subjects)
        return analysis if all_asked else analysis.model_copy(update={"subjects": asked_of})
    answer = analysis.verdict.answers[question]
    models = [m for m in analysis.models if m.question in (question, None)]
    of_answer = ("thresholds", "subject", "agreeing_models", "counted")
    seen = analysis.verdict.model_copy(
        update={"question": question, **{name: getattr(answer, name) for name in of_answer}}
    )
    ids = {m.id for m in models}
    subjects = [_viewed_subject(subject, question, ids) for subject in asked_of]
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
        last = comparison.unstated(found) and not found.accuses
        rows.insert(len(rows) if last else 0, comparison_row(found))
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
        words = labels.answer_words(answer.label, question)
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
    if code := why_unanswered(analysis, question):
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


# --- beside its original --------------------------------------------------------------------------


def found_slug(comparison: Comparison) -> tuple[labels.Slug, str]:
    """Return how a finding is shown: a state's slug, and an icon."""
    if comparison.roles_doubtful or comparison.finding.undecided:
        return "inc", "help"
    if comparison.finding.manipulated:
        return "fake", "warning"
    if comparison.excerpt is not None:
        return "na", "content_cut"
    if comparison.finding is ComparisonFinding.NOTHING_DIFFERS:
        # A tick would read as "genuine", and what was merely seen before may be a fake itself.
        return ("na", "content_copy") if words.unstated(comparison) else ("real", "check_circle")
    if comparison.finding is ComparisonFinding.TRANSFORMED:
        return "na", "crop"
    return "na", "do_not_disturb_on"


def proof_head(analysis: Analysis) -> Markup:
    """Return the head of the verdict's card where a finding is the stronger answer; what the
    detectors say by themselves stays beside it, unaltered."""
    found = analysis.accusing_comparison
    if found is None:
        by, leads = _("by its origin"), [lead.origin(analysis), beside(analysis)]
    else:
        by, leads = (_("against its original"), [words.lead(found), words.against(found)])
    state = labels.STATES[analysis.label]
    return verdict.head(
        join([_("Verdict"), by], " · "),
        state.slug,
        state.icon,
        analysis.headline_in(),
        *leads,
        detectors_alone(analysis),
        announced=True,
    )


def detectors_alone(analysis: Analysis) -> str:
    """Return what the detectors say by themselves."""
    answer = analysis.verdict
    said = labels.headline(answer)
    if answer.probability is None:
        return _("Detectors alone: {said}.").format(said=labels.lower_first(said))
    text = _("Detectors alone: {number}, {said}.")
    number = labels.percent(answer.probability)
    return text.format(number=number, said=labels.lower_first(said))


def beside(analysis: Analysis) -> str:
    """Return what a comparison that does not head a result adds to it; empty without one."""
    found = analysis.comparison
    if found is None or not found.finding.related:
        return ""
    if found.finding.undecided:
        return words.lead(found)
    no_proof = words.no_proof(found)  # without it the question's row says all
    return f"{words.headline(found)}. {no_proof}" if no_proof else ""


def outcome(analysis: Analysis) -> Markup | str:
    """Return what a preview adds below the headline: what the detectors say where another finding
    leads, else that of a comparison; empty without one."""
    if analysis.proof is not None:
        return detectors_alone(analysis)
    found = analysis.comparison
    if found is None or not found.finding.related:
        return ""
    return inked(words.headline(found), *found_slug(found))


def comparison_row(found: Comparison) -> verdict.QuestionRow:
    """Return the row of the comparison's question among those of the detectors."""
    state, icon = found_slug(found)
    answer, seen = words.short(found), words.unstated(found)
    if seen and found.finding is ComparisonFinding.NOTHING_DIFFERS and (why := _answer_of(found)):
        text = _("Same footage as {name}, which you analyzed ({answer})")
        answer = text.format(name=found.original_media.name, answer=why)
    return verdict.QuestionRow(
        words.question(seen=seen), state, icon, answer, "–",
        counts=False, leads=found.accuses,
    )  # fmt: skip


def _answer_of(found: Comparison) -> str:
    """Return the outcome of the user's analysis of the other file, in a word or two; empty for
    anybody else, and where it is not here any more."""
    originals = session.application().originals
    try:
        scope = session.record_scope()
        id = originals.analysis_of(scope, found.original_media.sha256)
        record = scope.store.get(scope.owner, id) if id else None
    except RecordsError:
        return ""
    if record is None or record.result is None:
        return ""
    result = record.result
    said = labels.state(result.verdict, result.question, result.proof).short
    return labels.lower_first(said)
