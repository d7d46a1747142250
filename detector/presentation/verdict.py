"""The verdict of a file: headline, paragraphs, likelihood, reasons, limits."""

from collections.abc import Collection

from detector import messages
from detector.messages import format, states
from detector.messages.format import capital, clock, lower_first, percent
from detector.presentation import (
    LIMITS,
    Block,
    Cell,
    Picture,
    Pictures,
    Section,
    Text,
    actions,
    answers,
    comparison,
    lead,
    models,
    odds,
    pulls,
    summary,
)  # fmt: skip
from detector.presentation.pulls import judged
from detector.schema.analysis import Analysis, Basis, CaveatCode, Label, Reason, ReasonCode, Verdict
from detector.schema.ensemble import NotCounted
from detector.sentences import _, count, join, say

LIKELIHOOD = _("likelihood")
"""What the one number of a result is."""
NO_FACT = _(
    "A likelihood is no fact about a person: it says how the scores of this file compare with "
    "those of labeled files, and it holds for files like those."
)
TRACED = (ReasonCode.ABOVE_THRESHOLD, ReasonCode.BELOW_THRESHOLD)
"""Reasons that name the strongest trace themselves, or say that there is none."""


def headline(analysis: Analysis) -> str:
    """Return the headline of the result, the same on every page and in every report."""
    if analysis.media.too_slow is not None and analysis.proof is None:
        return states.too_slow()
    names = analysis.verdict.label, analysis.verdict.question
    faces = analysis.unjudged_faces
    return states.headline(*names, proof=analysis.proof, unjudged_faces=faces)


def short(analysis: Analysis) -> Cell:
    """Return the headline with the likelihood."""
    return Cell(join(headline(analysis), likelihood(analysis), by=" · "), state=analysis.label)


def alone(verdict: Verdict) -> Cell:
    """Return the detectors' answer, whatever else leads the headline."""
    return Cell(states.headline(verdict.label, verdict.question), state=verdict.label)


def of_what(analysis: Analysis) -> str:
    """Return the basis of the verdict: "14 s video · 2 people", or the finding that leads it."""
    if analysis.proof is not None:
        found = analysis.accusing_comparison
        return _("against its original") if found else _("by its origin")
    media, people = analysis.media, len(analysis.people)
    kind = summary.kind(media.kind, media.duration)
    return join(kind, count(people, "person", "people") if people else "", by=" · ")


def settings(analysis: Analysis) -> str:
    """Return which settings of a verdict the person changed."""
    limits = analysis.verdict.thresholds.custom
    models = any(m.not_counted_because == NotCounted.SWITCHED_OFF for m in analysis.models)
    if limits and models:
        return _("with your thresholds and models")
    return _("with your thresholds") if limits else _("with your models")


def own_thresholds(analysis: Analysis) -> str:
    """Return the clips behind a person's own thresholds; empty for the shipped ones."""
    limits = analysis.verdict.thresholds
    text = _("with thresholds from {data}")
    return text.format(data=say(limits.data)) if limits.own else ""


def unjudged(verdict: Verdict) -> str:
    """Return why a file got no verdict; empty if it got one."""
    judged = verdict.label is not Label.NOT_APPLICABLE or not verdict.reasons
    return "" if judged else messages.text(verdict.reasons[0])


def nothing_judged(analysis: Analysis) -> tuple[ReasonCode, str, list[str]]:
    """Return why a file was not judged: code, heading and sentences."""
    reason = next((r for r in analysis.verdict.reasons if lead.why_not(r.code)), None)
    code = reason.code if reason else ReasonCode.NO_MODEL
    head = states.too_slow() if code is ReasonCode.TOO_SLOW else capital(lead.why_not(code))
    text, points = _("There is no score for this file."), list[str]()
    if reason is not None:
        text, more = messages.wording(reason)
        points.append(more)
    if code is ReasonCode.NO_MODEL:
        head = _("No verdict")
        if any(track.models for track in analysis.judged):
            text = _("There are scores, but of no model that counts.")
        left_out = ((models.plain(m), m.error or m.not_counted_because) for m in analysis.models)
        points += [f"{title}: {say(why)}" for title, why in left_out if why]
    points += map(say, analysis.media.notes)
    return code, head, [text, *filter(None, points)]


def paragraphs(analysis: Analysis, base_rate: float = odds.EVEN) -> list[str]:
    """Return the paragraphs below the headline, or why there is no verdict. If another finding
    leads, the detectors' verdict follows it. `base_rate` is the reader's share of fakes, 0..1."""
    found = analysis.accusing_comparison
    about = [lead.sentence(analysis), in_ten(analysis, base_rate), detail(analysis)]
    if analysis.proof is None:
        return [*filter(None, [*about, beside(analysis), lead.others(analysis)])]
    leads = [lead.origin(analysis), beside(analysis)]
    if found is not None:
        leads = [comparison.lead(found), comparison.against(found)]
    alone = [detectors_alone(analysis), lead.sentence(analysis), lead.others(analysis)]
    return [*filter(None, leads), " ".join(filter(None, alone))]


def in_ten(analysis: Analysis, base_rate: float = odds.EVEN) -> str:
    """Return the odds of the verdict in words; empty if unmeasured, or on unmeasured material."""
    unlike = any(c.code is CaveatCode.UNMEASURED_MATERIAL for c in analysis.verdict.caveats)
    if judged(analysis) is None or unlike:
        return ""
    said = odds.in_ten(analysis.verdict, base_rate)
    return f"{capital(said)}." if said else ""


def detail(analysis: Analysis) -> str:
    """Return details on why the verdict is open."""
    why = lead.reason(analysis)
    text = messages.detail(why) if why else ""
    return f"{capital(text.rstrip('.'))}." if text else ""


def detectors_alone(analysis: Analysis) -> str:
    """Return the detectors' verdict, if another finding leads."""
    verdict = analysis.verdict
    said = lower_first(states.headline(verdict.label, verdict.question))
    if verdict.probability is None:
        return _("Detectors alone: {said}.").format(said=said)
    text = _("Detectors alone: {number}, {said}.")
    return text.format(number=likelihood(analysis), said=said)


def beside(analysis: Analysis) -> str:
    """Return what a comparison that does not lead adds; empty without one."""
    found = analysis.comparison
    if found is None or not found.finding.related:
        return ""
    if found.finding.undecided:
        return comparison.lead(found)
    no_proof = comparison.no_proof(found)  # without it the question's row says all
    return f"{comparison.headline(found)}. {no_proof}" if no_proof else ""


def opening(
    analysis: Analysis, base_rate: float = odds.EVEN, *, said: str = "", picture: Picture | None
) -> Section:
    """Return the first section of a report: verdict, likelihood, basis, limits, next steps. `said`
    precedes it, `picture` is the frame of its moment."""
    found = judged(analysis)
    first, *rest = paragraphs(analysis, base_rate)
    blocks: list[Block] = [Text(said, "strong")] if said else []
    blocks += [Text(first, "lead"), *map(Text, rest)]
    if found is not None:
        blocks += [
            Text(f"{likelihood(analysis)} {say(LIKELIHOOD)}", "number"),
            Text(judged_by(analysis), "note"),
            answers.scale(found.probability or 0.0, found.thresholds, found.question),
        ]
        if found.odds is not None:
            tests = odds.of_tests(found.odds, found.question), odds.support(found)
            blocks += [Text(line, "note") for line in tests]
    if picture is not None:
        blocks.append(Pictures((picture,)))
    blocks += pulls.blocks(analysis)
    if reasons := why(analysis):
        blocks.append(Text(_("Why"), "subhead"))
    blocks += [Text(f"{number}. {line}") for number, line in enumerate(reasons, 1)]
    blocks += actions.blocks(analysis)
    blocks.append(Text(say(LIMITS), "subhead"))
    said = f"{_caveats(analysis)} {say(NO_FACT)}".strip()
    return Section("verdict", "", (*blocks, Text(said, "aside")))


# --- the number -----------------------------------------------------------------------------------


def likelihood(analysis: Analysis) -> str:
    """Return the likelihood of the file, "88 %"; empty without a score."""
    verdict = analysis.verdict
    return (
        ""
        if verdict.probability is None
        else percent(verdict.probability, verdict.thresholds.edges)
    )


def judged_by(analysis: Analysis) -> str:
    """Return the interval and basis of the likelihood: "95 % interval 62 to 91 % · with your
    thresholds"; empty without a score."""
    found = judged(analysis)
    if found is None:
        return ""
    parts = [confidence(analysis)]
    if found.basis in (Basis.PUBLISHED, Basis.SUBSET, Basis.CUSTOM, Basis.OWN):
        parts.append(states.basis(found.basis))
    else:
        counted = [m for m in analysis.models if m.counted]
        if not all(m.calibration for m in counted):
            parts.append(_("uncalibrated"))
    return " · ".join(filter(None, parts))


def confidence(analysis: Analysis) -> str:
    """Return the interval of the likelihood, or that there are too few clips for one; empty if
    unmeasured."""
    found = judged(analysis)
    if found is None or found.interval is None:
        return ""
    return format.confidence(found.interval)


# --- why, and what it can't tell ------------------------------------------------------------------


def why(analysis: Analysis) -> list[str]:
    """Return the reasons that the lead sentence does not state, and the strongest trace."""
    said, reasons = lead.sentence(analysis), analysis.verdict.reasons
    written = [(reason, *messages.wording(reason)) for reason in reasons]
    lines = [
        _reason(analysis, reason, text, more)
        for reason, text, more in written
        if text.rstrip(".") not in said
    ]
    traced = any(reason.code in TRACED for reason in reasons)
    trace = "" if traced else lead.trace(analysis)
    return [*lines, *filter(None, [trace])]


def _reason(analysis: Analysis, reason: Reason, text: str, more: str) -> str:
    """Return a reason with its moment."""
    timed = reason.time is not None and analysis.media.kind != "image"
    timed = timed and reason.code is not ReasonCode.TOGETHER_ABOVE
    where = f" ({clock(reason.time or 0.0)})" if timed else ""
    detail = f" {more}." if more else ""
    return f"{text}{where}.{detail}".replace("..", ".")


def limits(analysis: Analysis, without: Collection[CaveatCode] = ()) -> str:
    """Return the limits of the verdict, `without` some; that of every likelihood if it has none of
    its own."""
    return _caveats(analysis, without) or say(NO_FACT)


def _caveats(analysis: Analysis, without: Collection[CaveatCode] = ()) -> str:
    caveats = [c for c in analysis.verdict.caveats if c.code not in without]
    return " ".join(messages.text(caveat) for caveat in caveats)


def guessing(analysis: Analysis) -> bool:
    """Return whether the material is too poor to show the likelihood unasked."""
    return any(r.code is ReasonCode.LOW_QUALITY for r in analysis.verdict.reasons)
