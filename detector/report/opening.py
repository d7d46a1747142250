"""The first page of a report: the verdict, whom and when it is about, what it rests on, its limits,
what to do next, and who answers for the report."""

import io

from detector import messages, questions
from detector.decision.next_steps import Facts, next_steps
from detector.messages import actions, comparison, lead, states
from detector.messages.format import capital, clock, interval, percent
from detector.report import boxes, charts, words
from detector.report.content import Content
from detector.report.paper import FILL, INK, MUTED, SMALL, Paper
from detector.schema.analysis import Analysis, Answer, Reason, ReasonCode

TRACED = (ReasonCode.ABOVE_THRESHOLD, ReasonCode.BELOW_THRESHOLD)
"""Reasons that name the strongest trace themselves, or say that there is none."""


def draw(pdf: Paper, content: Content) -> None:
    """Draw the page."""
    _, speech, analysis = pdf.speech.gettext, pdf.speech, content.analysis
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    _head(pdf, content)
    if answer is not None and answer.probability is not None:
        by = states.basis(answer.basis, speech)
        what = _("combined likelihood")
        if answer.interval is not None:
            what += f" ({interval(answer.interval, speech)})"
        pdf.number(percent(answer.probability), ", ".join(filter(None, [what, by])))
        charts.scale(pdf, answer.probability, answer.thresholds, verdict.question)
        if (odds := answer.odds) is not None:
            said = states.odds(odds.share, odds.low, odds.high, verdict.question, speech)
            pdf.say(said, SMALL, MUTED)
    if analysis.robustness is not None and analysis.robustness.fragile:
        flips = ", ".join(_(t.title) for t in analysis.robustness.flipped)
        text = _("Fragile: the verdict changes under {changes}.")
        pdf.say(text.format(changes=flips), style="B")
    _moment(pdf, content)
    if answer is not None:
        _bars(pdf, analysis, answer)
    _why(pdf, analysis)
    _next(pdf, analysis)
    limits = [messages.text(caveat, speech) for caveat in verdict.caveats]
    no_fact = _(
        "A likelihood is no fact about a person: it says how the scores of this file compare with "
        "those of labeled files, and it holds for files like those."
    )
    pdf.box(_("What this can't tell"), " ".join([*limits, no_fact]))
    _case(pdf, content)


def _head(pdf: Paper, content: Content) -> None:
    """Draw the verdict of the file, its person and times, as the page of the result does."""
    _, speech, analysis = pdf.speech.gettext, pdf.speech, content.analysis
    manipulated, state = analysis.accusing_comparison, analysis.label
    verdict = analysis.verdict
    pdf.banner(FILL[state])
    made, analyzed = (
        words.when(time, content.details.zone, speech)
        for time in (content.exported, analysis.created)
    )
    text = _("Unmask report · {made} · analyzed {analyzed}")
    pdf.say(text.format(made=made, analyzed=analyzed), SMALL, MUTED)
    pdf.say(analysis.media.name, 11, style="B")
    about = " ".join(filter(None, [lead.sentence(analysis, speech), lead.others(analysis, speech)]))
    why = lead.reason(analysis)
    pdf.headline(analysis.headline_in(speech), INK[state])
    pdf.ln(1)
    if content.origin:
        pdf.say(content.origin, style="B")
    if analysis.proof is not None:
        found = lead.origin(analysis, speech)
        if manipulated:
            found = comparison.lead(manipulated, speech)
            found += f" {comparison.against(manipulated, speech)}"
        pdf.say(found, 11)
        alone = states.headline(verdict.label, verdict.question, verdict.lean, speech)
        text = _("The detectors, alone: {verdict}").format(verdict=alone)
        pdf.say(f"{text}. {about}", color=MUTED)
    else:
        pdf.say(about, 11)
        detail = messages.detail(why, speech) if why is not None else ""
        if detail:
            pdf.say(f"{capital(detail.rstrip('.'))}.", color=MUTED)


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
    _ = pdf.speech.gettext
    if rows := words.bars(analysis, answer, pdf.speech):
        pdf.ln(1)
        pdf.subhead(_("What pulled which way"))
        of = questions.of(analysis.verdict.question)
        axis = _("Log odds: above 0 {above}, below 0 {below}.")
        axis = axis.format(above=_(of.towards_fake), below=_(of.towards_real))
        pdf.say(axis, SMALL, MUTED)
        charts.bars(pdf, rows)


def _why(pdf: Paper, analysis: Analysis) -> None:
    """Draw the reasons that the sentence at the top is not, and the strongest trace."""
    said, reasons = lead.sentence(analysis, pdf.speech), analysis.verdict.reasons
    written = [(reason, *messages.wording(reason, pdf.speech)) for reason in reasons]
    lines = [
        _line(analysis, reason, text, detail)
        for reason, text, detail in written
        if text.rstrip(".") not in said
    ]
    traced = any(reason.code in TRACED for reason in reasons)
    if not traced and (trace := lead.trace(analysis, pdf.speech)):
        lines.append(trace)
    if lines:
        pdf.subhead(pdf.speech.gettext("Why"))
    for number, line in enumerate(lines, 1):
        pdf.say(f"{number}. {line}")


def _next(pdf: Paper, analysis: Analysis) -> None:
    """Draw what to do next, as far as it can be done without this program."""
    steps = [actions.step(step, pdf.speech) for step in next_steps(analysis, Facts(may_run=False))]
    if steps:
        pdf.subhead(pdf.speech.gettext("What to do next"))
    for step in steps:
        pdf.say(f"· {step.head}. {step.why}")


def _case(pdf: Paper, content: Content) -> None:
    """Draw the case and who answers for the report: to be filled in by hand where nobody did."""
    _, details = pdf.speech.gettext, content.details
    pdf.ln(2)
    pdf.form(
        (
            (_("Case"), details.case),
            (_("Reviewer"), details.reviewer),
            (_("Times of day in"), words.zone(content.exported, details.zone)),
            (_("Date and signature"), ""),
        )
    )


def _line(analysis: Analysis, reason: Reason, text: str, detail: str) -> str:
    """Return a reason with its moment; for several models, that of the strongest."""
    timed = reason.time is not None and analysis.media.kind != "image"
    timed = timed and reason.code is not ReasonCode.TOGETHER_ABOVE
    where = f" ({clock(reason.time or 0.0)})" if timed else ""
    more = f" {detail}." if detail else ""
    return f"{text}{where}.{more}".replace("..", ".")
