"""Rows of a result's questions, and the view of a result by one question."""

from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import verdict
from dashboard.components.chips import inked
from detector.presentation import answers, comparison, summary
from detector.presentation import verdict as presented
from detector.schema.analysis import Analysis, Question
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
    """Return the analysis as one question sees it: the subjects and models that it is about. Scores
    are those of the whole file's likelihood."""
    if question is None:
        return analysis
    subjects = [s for s in analysis.subjects if question in s.questions]
    models = [m for m in analysis.models if m.question in (question, None)]
    return analysis.model_copy(update={"models": models, "subjects": subjects})


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
