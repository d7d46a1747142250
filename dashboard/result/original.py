"""What holding the file against its original adds to a result: a finding of its own, which counts
nothing in the detectors' number."""

from markupsafe import Markup

from dashboard import labels, session
from dashboard.components import verdict
from dashboard.components.chips import inked
from dashboard.components.markup import join
from dashboard.i18n import _, speech
from detector.messages import comparison as words
from detector.messages import lead
from detector.schema.analysis import Analysis
from detector.schema.comparison import Comparison, ComparisonFinding
from service.records.model import RecordsError


def slug(comparison: Comparison) -> tuple[labels.Slug, str]:
    """Return how a finding is shown: a state's slug, and an icon."""
    if comparison.roles_doubtful or comparison.finding.undecided:
        return "inc", "help"
    if comparison.finding.manipulated:
        return "fake", "warning"
    if comparison.excerpt is not None:
        return "na", "content_cut"
    if comparison.finding is ComparisonFinding.NOTHING_DIFFERS:
        # A tick would read as "genuine", and what was merely seen before may be a fake itself.
        return ("na", "content_copy") if words.assumed(comparison) else ("real", "check_circle")
    if comparison.finding is ComparisonFinding.TRANSFORMED:
        return "na", "crop"
    return "na", "do_not_disturb_on"


def head(analysis: Analysis) -> Markup:
    """Return the head of the verdict's card where a finding is the stronger answer; what the
    detectors say by themselves stays beside it, unaltered."""
    speaks, found = speech(), analysis.accusing_comparison
    if found is None:
        by, leads = _("by its origin"), [lead.origin(analysis, speaks), beside(analysis)]
    else:
        by, leads = (
            _("against its original"),
            [words.lead(found, speaks), words.against(found, speaks)],
        )
    state = labels.STATES[analysis.label]
    return verdict.head(
        join([_("Verdict"), by], " · "),
        state.slug,
        state.icon,
        analysis.headline_in(speaks),
        *leads,
        alone(analysis),
        announced=True,
    )


def alone(analysis: Analysis) -> str:
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
        return words.lead(found, speech())
    no_proof = words.no_proof(found, speech())  # without it the question's row says all
    return f"{words.headline(found, speech())}. {no_proof}" if no_proof else ""


def outcome(analysis: Analysis) -> Markup | str:
    """Return what a preview adds below the headline: what the detectors say where another finding
    leads, else that of a comparison; empty without one."""
    if analysis.proof is not None:
        return alone(analysis)
    found = analysis.comparison
    if found is None or not found.finding.related:
        return ""
    return inked(words.headline(found, speech()), *slug(found))


def row(found: Comparison) -> verdict.QuestionRow:
    """Return the row of the comparison's question among those of the detectors."""
    state, icon = slug(found)
    answer, seen = words.short(found, speech()), words.assumed(found)
    if seen and found.finding is ComparisonFinding.NOTHING_DIFFERS and (why := _answer_of(found)):
        text = _("Same footage as {name}, which you analyzed ({answer})")
        answer = text.format(name=found.original_media.name, answer=why)
    return verdict.QuestionRow(
        words.question(speech(), seen=seen), state, icon, answer, "–",
        counts=False, leads=found.accuses,
    )  # fmt: skip


def _answer_of(found: Comparison) -> str:
    """Return what came of whoever is here having analyzed the other file, in a word or two; empty
    for anybody else, and where it is not here any more."""
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
