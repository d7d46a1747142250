"""Results as a few lines of text, for terminals and agents."""

from detector.presentation import (
    LIMITS,
    answers,
    comparison,
    lead,
    models,
    odds,
    pulls,
    robustness,
    series,
    verdict,
)  # fmt: skip
from detector.presentation.measured import covered
from detector.presentation.origin import accounts
from detector.schema.analysis import Analysis, ModelResult, Robustness
from detector.schema.comparison import Comparison
from detector.sentences import _, join, say

FACTS = 3
"""reasons that a short result names"""


def short(analysis: Analysis) -> list[str]:
    """Return a result in short, a sentence a line: the answer, its subject and time, the
    likelihood and its odds, the strongest reasons, and what was not looked at."""
    answer = pulls.judged(analysis)
    said = [verdict.headline(analysis), lead.sentence(analysis), number(analysis)]
    if answer is not None and answer.odds is not None:
        said.append(odds.of_tests(answer.odds, analysis.verdict.question))
    notes = [_("Note: {note}").format(note=say(note)) for note in analysis.media.notes]
    facts = [*_findings(analysis), *verdict.why(analysis)[:FACTS]]
    return list(filter(None, [*said, *facts, *notes]))


def lines(analysis: Analysis, base_rate: float = odds.EVEN) -> list[str]:
    """Return a result in a few lines, headline first; `base_rate` is the reader's share of fakes,
    0..1."""
    answer = pulls.judged(analysis)
    out = [
        f"{analysis.media.name}: {verdict.headline(analysis)}",
        *verdict.paragraphs(analysis, base_rate),
        lead.sides(analysis),
        number(analysis),
        *(section.line for section in accounts(analysis.provenance)),
        *_findings(analysis),
        *map(_answered, answers.rows(analysis)),
    ]
    if answer is not None and answer.odds is not None:
        said = odds.of_tests(answer.odds, analysis.verdict.question)
        out.append(f"{said} {odds.support(answer)}")
    out += [f"- {line}" for line in verdict.why(analysis)]
    out += [f"{part.value:>5}  {part.name}" for part in pulls.rows(analysis)]
    out += [_left_out(model, why) for model in analysis.models
              if (why := models.left_out(analysis, model))]  # fmt: skip
    if coverage := covered(analysis.coverage):
        out.append(_("Looked at: {coverage}").format(coverage=coverage))
    notes = list(analysis.media.notes)
    if analysis.provenance and analysis.provenance.credential.state == "unreadable":
        why = " ".join(map(say, analysis.provenance.credential.problems))
        notes.append(_("Its signed origin (C2PA) could not be read. {why}").format(why=why))
    out += [_("Note: {note}").format(note=say(note)) for note in notes]
    if turn := analysis.media.faces_turned:
        out.append(_("To analyze it turned: {option}").format(option=f"--rotate {turn}"))
    out.append(f"{say(LIMITS)}: {verdict.limits(analysis)}")
    return list(filter(None, out))


def _findings(analysis: Analysis) -> list[str]:
    """Return what the file states of itself, such as the settings of a generator."""
    return [say(one) for one in analysis.provenance.findings] if analysis.provenance else []


def number(analysis: Analysis) -> str:
    """Return the likelihood of the file, its interval and what it rests on; empty without one."""
    found = verdict.likelihood(analysis)
    said = _("{percent} likelihood").format(percent=found)
    return join(said, verdict.judged_by(analysis), by=", ") if found else ""


def of_robustness(analysis: Analysis, tried: Robustness) -> list[str]:
    """Return a line for each perturbation, then the conclusion."""
    out = [f"{analysis.media.name}: {verdict.headline(analysis)}"]
    limits = analysis.verdict.thresholds
    out += [
        f"  {name:24} {number:>5}  {says}"
        for name, number, _moved, says in robustness.rows(tried, limits)
    ]
    return [*out, f"  {robustness.outcome(tried, limits)}"]


def of_comparison(found: Comparison) -> list[str]:
    """Return a comparison in a few lines."""
    out = [f"{comparison.sentence(found)}.", f"  {comparison.lead(found)}"]
    rows = [*comparison.figures(found), *comparison.people(found)]
    out += [f"  {name + ':':20} {value}" for name, value in rows]
    out += [f"  {say(note)}" for note in found.notes]
    if limits := comparison.limits(found):
        out.append(f"  {say(LIMITS)}: {limits}")
    return out


def _answered(row: answers.AnswerRow) -> str:
    """Return a question and its answer, or why there is none, in a line."""
    return f"{row.question} {join(row.answer, row.share, by=', ')}"


def _left_out(model: ModelResult, why: str) -> str:
    """Return a model that does not count, in a line."""
    if model.probability is not None:
        why = f"{series.scored(model.probability)}, {why}"
    return f"{models.plain(model)}: {why}"
