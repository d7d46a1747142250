"""Rows of a result's questions, and the view of a result by one question."""

from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import verdict
from dashboard.components.chips import inked
from detector.presentation import answers, comparison, summary
from detector.presentation import verdict as presented
from detector.schema.analysis import Analysis, Label, Question, Subject
from detector.schema.comparison import Comparison
from service.records.model import RecordsError


def answered(analysis: Analysis) -> list[Question]:
    """Return the answered questions, the leading one first."""
    verdict = analysis.verdict
    answered = [q for q, answer in verdict.answers.items() if answer.evaluated]
    return sorted(answered, key=lambda q: q is not verdict.question)


def of_picture(analysis: Analysis) -> list[Question]:
    """Return the answered questions about the picture."""
    return [q for q in answered(analysis) if not q.of_sound]


def viewed(analysis: Analysis, question: Question | None) -> Analysis:
    """Return the analysis as one question sees it: subjects, models, scores, labels, thresholds.

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
    """Return the answers, a row each, the leading one first and bold."""
    rows = answers.rows(analysis)
    if (found := analysis.comparison) is not None:
        # What was merely seen before, and accuses nobody, is a remark on what was asked.
        last = comparison.unstated(found) and not found.accuses
        rows.insert(len(rows) if last else 0, comparison.row(found, _answer_of(found)))
    return verdict.questions(rows)


def outcome(analysis: Analysis) -> Markup | str:
    """Return what a preview adds below the headline: the detectors' verdict if another finding
    leads, else a comparison's finding; empty without one."""
    if analysis.proof is not None:
        return presented.detectors_alone(analysis)
    found = analysis.comparison
    if found is None or not found.finding.related:
        return ""
    return inked(comparison.headline(found), comparison.state(found))


def _answer_of(found: Comparison) -> str:
    """Return the user's short verdict of the other file, if that was only analyzed before; empty if
    it is gone or unknown."""
    if not comparison.unstated(found):
        return ""
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
    said = summary.answer(result.verdict, result.question, result.proof)
    return labels.lower_first(said.text)
