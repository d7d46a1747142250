"""The first page of a report: the verdict, whom and when it is about, what it rests on, its limits,
what to do next, and who answers for the report."""

import io

from detector import questions
from detector.decision.next_steps import Facts, next_steps
from detector.messages import actions, comparison, lead, states
from detector.messages.format import capital, clock, likelihood
from detector.report import boxes, charts, words
from detector.report.content import Content
from detector.report.paper import FILL, INK, MUTED, SMALL, Paper
from detector.schema.analysis import Analysis, Answer, Reason, ReasonCode

LIKELIHOOD = (
    "A likelihood is no fact about a person: it says how the scores of this file compare with "
    "those of labeled files, and it holds for files like those."
)

TRACED = (ReasonCode.ABOVE_THRESHOLD, ReasonCode.BELOW_THRESHOLD)
"""Reasons that name the strongest trace themselves, or say that there is none."""


def draw(pdf: Paper, content: Content) -> None:
    """Draw the page."""
    analysis = content.analysis
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    _head(pdf, content)
    if answer is not None and answer.probability is not None:
        by = states.basis(answer.basis)
        pdf.number(likelihood(answer.probability, answer.interval) + (f", {by}" if by else ""))
        charts.scale(pdf, answer.probability, answer.thresholds, verdict.question)
        if (odds := answer.odds) is not None:
            pdf.say(states.odds(odds.share, odds.low, odds.high, verdict.question), SMALL, MUTED)
    if analysis.robustness is not None and analysis.robustness.fragile:
        flips = ", ".join(t.title for t in analysis.robustness.flipped)
        pdf.say(f"Fragile: the verdict changes under {flips}.", style="B")
    _moment(pdf, content)
    if answer is not None:
        _bars(pdf, analysis, answer)
    _why(pdf, analysis)
    _next(pdf, analysis)
    pdf.box("What this can't tell", " ".join([*verdict.limits, LIKELIHOOD]))
    _case(pdf, content)


def _head(pdf: Paper, content: Content) -> None:
    """Draw the verdict of the file, its person and times, as the page of the result does."""
    analysis = content.analysis
    manipulated, state = analysis.accusing_comparison, analysis.label
    verdict = analysis.verdict
    pdf.banner(FILL[state])
    made, analyzed = (
        words.when(time, content.details.zone) for time in (content.exported, analysis.created)
    )
    pdf.say(f"Unmask report · {made} · analyzed {analyzed}", SMALL, MUTED)
    pdf.say(analysis.media.name, 11, style="B")
    about = " ".join(filter(None, [lead.sentence(analysis), lead.others(analysis)]))
    why = lead.reason(analysis)
    pdf.headline(analysis.headline, INK[state])
    pdf.ln(1)
    if content.origin:
        pdf.say(content.origin, style="B")
    if analysis.proof is not None:
        found = lead.origin(analysis)
        if manipulated:
            found = f"{comparison.lead(manipulated)} {comparison.against(manipulated)}"
        pdf.say(found, 11)
        alone = states.headline(verdict.label, verdict.question, verdict.lean)
        pdf.say(f"The detectors, alone: {alone}. {about}", color=MUTED)
    else:
        pdf.say(about, 11)
        if why is not None and why.detail:
            pdf.say(f"{capital(why.detail.rstrip('.'))}.", color=MUTED)


def _moment(pdf: Paper, content: Content) -> None:
    """Draw the frame of the most suspicious moment, with the boxes."""
    frame = next((f for f in content.figures if f.kind == "frame"), None)
    if frame is None:
        return
    height = boxes.height_of(frame.size)
    pdf.ln(1)
    pdf.image(
        io.BytesIO(frame.jpeg), h=height, w=height * frame.size[0] / frame.size[1],
        alt_text=frame.caption,
    )  # fmt: skip
    pdf.say(frame.caption, SMALL, MUTED)


def _bars(pdf: Paper, analysis: Analysis, answer: Answer) -> None:
    """Draw what pulled which way, in log odds; as printed the rows add up."""
    if rows := words.bars(analysis, answer):
        pdf.ln(1)
        pdf.subhead("What pulled which way")
        of = questions.of(analysis.verdict.question)
        axis = f"Log odds: above 0 {of.towards_fake}, below 0 {of.towards_real}."
        pdf.say(axis, SMALL, MUTED)
        charts.bars(pdf, rows)


def _why(pdf: Paper, analysis: Analysis) -> None:
    """Draw the reasons that the sentence at the top is not, and the strongest trace."""
    said, reasons = lead.sentence(analysis), analysis.verdict.reasons
    lines = [_line(analysis, reason) for reason in reasons if reason.text.rstrip(".") not in said]
    if not any(reason.code in TRACED for reason in reasons) and (trace := lead.trace(analysis)):
        lines.append(trace)
    if lines:
        pdf.subhead("Why")
    for number, line in enumerate(lines, 1):
        pdf.say(f"{number}. {line}")


def _next(pdf: Paper, analysis: Analysis) -> None:
    """Draw what to do next, as far as it can be done without this program."""
    steps = [actions.step(step) for step in next_steps(analysis, Facts(may_run=False))]
    if steps:
        pdf.subhead("What to do next")
    for step in steps:
        pdf.say(f"· {step.head}. {step.why}")


def _case(pdf: Paper, content: Content) -> None:
    """Draw the case and who answers for the report: to be filled in by hand where nobody did."""
    details = content.details
    pdf.ln(2)
    pdf.form(
        (
            ("Case", details.case),
            ("Reviewer", details.reviewer),
            ("Times of day in", words.zone(content.exported, details.zone)),
            ("Date and signature", ""),
        )
    )


def _line(analysis: Analysis, reason: Reason) -> str:
    """Return a reason with its moment; for several models, that of the strongest."""
    timed = reason.time is not None and analysis.media.kind != "image"
    timed = timed and reason.code is not ReasonCode.TOGETHER_ABOVE
    where = f" ({clock(reason.time or 0.0)})" if timed else ""
    detail = f" {reason.detail}." if reason.detail else ""
    return f"{reason.text}{where}.{detail}".replace("..", ".")
