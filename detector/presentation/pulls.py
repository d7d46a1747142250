"""Contributions to the log odds of a file, which sum to its likelihood.

Evidence is added (`detector.decision`), so what is printed adds up as well: one decimal each, and
what rounding leaves over goes to the largest row, where it is the smallest share.
"""

from detector import messages, questions
from detector.decision.numbers import logit, printed
from detector.messages import states
from detector.messages.format import percent, signed
from detector.presentation import BarChart, BarRow, Block, Text, lead, models
from detector.schema.analysis import Analysis, Contribution, Label, ModelResult, ReasonCode, Verdict
from detector.sentences import _, say

TITLE = _("What pulled which way")


def judged(analysis: Analysis) -> Verdict | None:
    """Return the verdict, if it has a likelihood."""
    return analysis.verdict if analysis.verdict.probability is not None else None


def rows(analysis: Analysis) -> list[BarRow]:
    """Return the contributions in tenths of log odds: models by size with their strongest moments,
    then what all else adds, and the starting point. They sum to `combined`."""
    answer = judged(analysis)
    if answer is None or not answer.contributions:
        return []
    models = {m.id: m for m in analysis.models}
    parts = sorted(answer.contributions, key=lambda p: (p.kind != "model", -abs(p.logit)))
    tenths = printed([part.logit for part in parts], _tenths(answer))
    every = [_row(part, models.get(part.id), n) for part, n in zip(parts, tenths, strict=True)]
    shown = [row for row in every if row.id or row.end]
    return sorted(shown, key=lambda row: -abs(row.end or 0) if row.id else 1)


def blocks(analysis: Analysis) -> list[Block]:
    """Return the contributions as bars; empty without any."""
    if (bars := chart(analysis)) is None:
        return []
    below, above = directions(analysis)
    axis = _("Log odds: above 0 {above}, below 0 {below}.").format(above=above, below=below)
    return [Text(say(TITLE), "subhead"), Text(axis, "note"), bars]


def chart(analysis: Analysis) -> BarChart | None:
    """Return a bar for each contribution and last for their sum; None without any."""
    answer, parts = judged(analysis), rows(analysis)
    if answer is None or not parts:
        return None
    bars = *parts, combined(answer)
    most = 1.25 * max(1.0, *(abs(row.end or 0.0) for row in bars))
    return BarChart(bars, -most, most)


def directions(analysis: Analysis) -> tuple[str, str]:
    """Return what bars below and above 0 pull to."""
    spec = questions.of(analysis.verdict.question)
    return say(spec.towards_real), say(spec.towards_fake)


def combined(answer: Verdict) -> BarRow:
    """Return the bar of the sum."""
    tenths = _tenths(answer)
    name = _("Combined, {percent}").format(
        percent=percent(answer.probability or 0.0, answer.thresholds.edges)
    )
    return BarRow(name, signed(tenths / 10), end=tenths, total=True)


def _tenths(answer: Verdict) -> int:
    assert answer.probability is not None
    return round(10 * logit(answer.probability))


def _row(part: Contribution, model: ModelResult | None, tenths: int) -> BarRow:
    rest = _("Everything else") if part.kind == "others" else _("Starting point")
    name, side = models.plain(model) if model else part.id or rest, None
    if part.kind == "model":
        side = Label.FAKE if part.logit > 0 else Label.REAL
    id, value = part.id if model else "", signed(tenths / 10)
    return BarRow(name, value, end=tenths, state=side, id=id, time=part.time)


def silent(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the models that are not counted: name, and why."""
    if judged(analysis) is None:
        return []
    out = []
    for model in analysis.models:
        if model.counted:
            continue
        why = _("gave no score, not counted")
        if model.scored and not model.error:
            why = _("not counted: {why}").format(why=states.not_counted(model.not_counted_because))
        out.append((models.plain(model), why))
    return out


def traces(analysis: Analysis) -> list[str]:
    """Return sentences on the combined decision and the strongest trace; for low scores the highest
    one."""
    spoken = (ReasonCode.TOGETHER_ABOVE, ReasonCode.BELOW_THRESHOLD)
    reasons = [reason for reason in analysis.verdict.reasons if reason.code in spoken]
    sentences = [f"{messages.text(reason).rstrip('.')}." for reason in reasons]
    answer = judged(analysis)
    if answer is None or any(r.code is ReasonCode.BELOW_THRESHOLD for r in reasons):
        return sentences
    trace = lead.trace(analysis)
    return [*sentences, trace] if trace else sentences
