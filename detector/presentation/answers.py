"""The answers to a file's questions, and the error rates of each answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from detector.decision.numbers import wilson
from detector.decision.reasons import why_unanswered
from detector.messages import states
from detector.messages.format import capital, limit, percent, whole_percent
from detector.presentation import (
    Block,
    Cell,
    Grid,
    LikelihoodScale,
    Section,
    Text,
    items,
    measured,
    models,
    odds,
)  # fmt: skip
from detector.presentation.lead import why_not
from detector.presentation.pulls import judged
from detector.schema.analysis import (
    Analysis,
    Answer,
    BandRate,
    Basis,
    Label,
    Question,
    Side,
    Thresholds,
    Verdict,
)
from detector.schema.ensemble import NotCounted
from detector.sentences import _, numeral, say

HOW = _("How we know")


@dataclass(frozen=True)
class AnswerRow:
    """A question and its answer, by the detectors or by a comparison."""

    question: str
    answer: str
    state: Label | None
    """how it is shown: NOT_APPLICABLE where it is no part of the likelihood"""
    share: str = ""  # "84 % of the evidence"; empty where it says nothing
    counts: bool = False  # it is part of the likelihood
    leads: bool = False  # it is the largest part
    asked: Question | None = None  # of the detectors
    models: int = 0  # that were counted
    evaluated: bool = False  # any was

    @property
    def cell(self) -> Cell:
        """Return the answer with its state."""
        return Cell(self.answer, state=self.state)


def section(analysis: Analysis) -> Section:
    """Return each question with its answer, and the limits and error rates of the answers."""
    table = [
        (row.question, row.cell, row.share, f"{row.models}" if row.evaluated else "")
        for row in rows(analysis)
    ]
    heads = _("Question"), _("Answer"), _("Share"), _("Models")
    blocks: list[Block] = [Grid(heads, table)]
    if judged(analysis) is not None:
        blocks += [Text(say(HOW), "subhead"), *error_rates(analysis.verdict, interval=True)]
    title = _("What was asked, and how often that errs")
    return Section("questions", title, (*blocks, *_how_to_read(blocks)))


def rows(analysis: Analysis) -> list[AnswerRow]:
    """Return the answers: the largest part first, unasked questions last."""
    verdict = analysis.verdict
    first = [*verdict.parts, *(q for q, answer in verdict.answers.items() if answer.evaluated)]
    ordered = dict.fromkeys([*first, *verdict.answers])
    return [row(analysis, question, verdict.answers[question]) for question in ordered]


def row(analysis: Analysis, question: Question, answer: Answer) -> AnswerRow:
    """Return the row of one question."""
    verdict, share = analysis.verdict, ""
    if answer.share is not None and verdict.label.side is Side.FAKE and len(verdict.parts) > 1:
        share = _("{percent} of the evidence").format(percent=percent(answer.share))
    return AnswerRow(
        asked=question,
        question=states.question(question),
        answer=answered(analysis, question, answer),
        state=answer.label if answer.counts else Label.NOT_APPLICABLE,
        share=share,
        models=answer.counted,
        evaluated=answer.evaluated,
        counts=answer.counts,
        leads=question is verdict.question,
    )


def answered(analysis: Analysis, question: Question, answer: Answer) -> str:
    """Return an answer in a few words, or why there is none."""
    if not answer.evaluated:
        return _not_asked(analysis, question)
    if not answer.counts:
        why = why_not(answer.reason or why_unanswered(analysis, question)) or _("no score")
        return _("Not judged: {why}").format(why=why)
    return states.state(answer.label, question, short=True)


def _not_asked(analysis: Analysis, question: Question) -> str:
    if code := why_unanswered(analysis, question):
        return _("Not judged: {why}").format(why=why_not(code))
    models = [m for m in analysis.models if m.question is question and m.scored]
    if any(m.not_counted_because == NotCounted.ADDS_NOTHING for m in models):
        return _("Not counted: it adds nothing to a face")
    if question.of_sound and models:
        return _("Not judged: no calibrated model")
    return _("Not asked by these models")


def bands(limits: Thresholds, question: Question | None) -> list[str]:
    """Return the meaning of each band of the likelihood: "over 70: likely manipulated"."""
    if limits.never_decide:
        return [_("no likelihood decides")]
    texts = {Side.FAKE: _("over {limit}: {name}"), Side.REAL: _("under {limit}: {name}")}
    out = []
    for label, start, end in limits.zones:
        text = texts[label.side] if label.side else _("between: {name}")
        edge = limit(start if label.side is Side.FAKE else end)
        out.append(text.format(limit=edge, name=states.zone(label, question)))
    return out


def scale(share: float, limits: Thresholds, question: Question | None) -> LikelihoodScale:
    """Return a likelihood, 0..1, on the scale of its answers, in the words of a question."""
    return LikelihoodScale(
        percent(share, limits.edges),
        share,
        tuple(limits.zones),
        tuple(bands(limits, question)),
        tuple((edge, limit(edge)) for edge in limits.edges),
    )


def meaning(limits: Thresholds, question: Question | None) -> list[str]:
    """Return the meaning of each band, a line each, and whether its errors were measured."""
    said = [f"{capital(band)}." for band in bands(limits, question)]
    return [*said, *[_("How often your values err was not measured.")] * limits.custom]


# --- error rates ----------------------------------------------------------------------------------


def how_we_know(analysis: Analysis, *first: str) -> Section:
    """Return the error rates of the verdict, its odds and how evidence is combined, after
    `first`."""
    verdict = judged(analysis)
    blocks: list[Block] = [Text(line) for line in first]
    if verdict is None:
        return Section("how", say(HOW), tuple(blocks))
    blocks += error_rates(verdict, interval=True)
    if verdict.odds is not None:
        lines = odds.of_tests(verdict.odds, verdict.question), odds.support(verdict)
        blocks += [Text(line) for line in lines if line]
    added = _(
        "One likelihood for the whole file: the odds of all its parts, of each person, the picture "
        "and the voice, are summed and mapped to what such sums meant in our tests."
    )
    return Section("how", say(HOW), (*blocks, Text(added), *_how_to_read(blocks)))


def _how_to_read(blocks: Iterable[Block]) -> list[Block]:
    """Return the note on tables of error rates, if there are any."""
    text = _(
        "Right: on new sources, with as many fakes as genuine files; the least that this can be "
        "with 90 % confidence. Errors: with their 95 % interval."
    )
    heads = {head for block in blocks if isinstance(block, Grid) for head in block.heads}
    return [Text(text, "note")] if heads & {_("Right"), _("Errors in our tests")} else []


def error_rates(verdict: Verdict, *, interval: bool = False) -> list[Block]:
    """Return the table of the answers (limits, share of right ones, errors) and what they were
    measured on; with `interval` also what clips the interval of the odds refers to."""
    limits, unmeasured = verdict.thresholds, verdict.basis not in (Basis.MEASURED, Basis.OWN)
    question = verdict.question or Question.MANIPULATION
    rows = []
    for label, start, end in reversed(limits.zones):
        ends = {Side.FAKE: _("over {low} %"), Side.REAL: _("under {high} %")}
        span = ends[label.side] if label.side else _("{low} to {high} %")
        share = span.format(low=limit(start), high=limit(end))
        named = Cell(states.state(label, question), state=label)
        rates = "", ""
        if not unmeasured:
            rates = _right(limits.rate(label)), _errors(question, limits, label)
        rows.append((named, share, *rates))
    heads = _("Answer"), _("Likelihood"), _("Right"), _("Errors in our tests")
    kept = [n for n, column in enumerate(zip(*rows, strict=True)) if any(map(str, column))]
    table = Grid(tuple(heads[n] for n in kept), [[row[n] for n in kept] for row in rows])
    blocks: list[Block] = [table]
    if limits.never_decide:
        blocks = [Text(f"{capital(line)}.") for line in bands(limits, question)]
    lines = _measured(question, verdict)
    if interval and verdict.odds is not None:
        text = _(
            "The interval is of the {clips} clips with a score near this one among the clips that "
            "the thresholds were made on. Each was scored by a fit that had seen nothing of its "
            "group of sources; the groups were drawn anew."
        )
        lines += [text.format(clips=numeral(verdict.odds.clips)), say(question.spec.prior)]
    return [*blocks, *([Text(" ".join(lines))] if lines else [])]


def _right(band: BandRate | None) -> str:
    if band is None:
        return ""
    text = _("{right}, at least {low}")
    return text.format(right=percent(band.right), low=percent(band.low))


def _errors(question: Question, limits: Thresholds, label: Label) -> str:
    """Return the error count of an outer band with its interval; empty for an inner band."""
    spec = question.spec
    tally, rate, other = {
        Label.FAKE: (limits.false_positives, limits.false_positive_rate, spec.real_word),
        Label.REAL: (limits.false_negatives, limits.false_negative_rate, spec.fake_word),
    }.get(label, (None, None, ""))
    kind = _("{word} {unit}").format(word=say(other), unit=measured.unit(limits))
    if tally is not None:
        low, high = wilson(tally.count, tally.files)
        text = _("{count} of {files} {kind}: {rate} %, {low} to {high} %")
        shares = {"rate": tally.count / tally.files, "low": low, "high": high}
        return text.format(
            count=numeral(tally.count), files=numeral(tally.files), kind=kind,
            **{name: numeral(100 * share, ".1f") for name, share in shares.items()},
        )  # fmt: skip
    if rate is None:
        return ""
    text = _("at most {rate} of {kind} like yours") if limits.own else _("{rate} of {kind}")
    return text.format(rate=percent(rate), kind=kind)


def _measured(question: Question, verdict: Verdict) -> list[str]:
    """Return the data behind the limits, the AUC, and which answers are impossible; or that error
    rates were not measured."""
    limits, out = verdict.thresholds, list[str]()
    unmeasured = {
        Basis.PUBLISHED: _(
            "Only models that were not measured here are counted, each by the operating point "
            "stated for it, with a margin. How often that errs on footage like yours is not "
            "known, so they can’t clear a file."
        ),
        Basis.CUSTOM: _("How often your values err was not measured."),
        Basis.SUBSET: _("How often these models err together was not measured."),
    }
    if verdict.basis in unmeasured:
        out.append(unmeasured[verdict.basis])
    else:
        if limits.data:
            by = _("Set by {data}.") if limits.own else _("Measured on {data}.")
            out += [by.format(data=say(limits.data)), *filter(None, [measured.of_these(limits)])]
        if limits.never_decide:
            out.append(
                _(
                    "No limit made 82\u00a0% of the answers right on sources left out, so there is "
                    "a likelihood and no answer."
                )
            )
        elif not limits.can_clear and not limits.own:
            out.append(
                _(
                    "We can’t clear a file: the installed models aren’t reliable enough to call "
                    "it untouched. On sources left out, no limit made 82\u00a0% of such answers "
                    "right."
                )
            )
    if verdict.auc is not None:
        percents = {name: whole_percent(value) for name, value in verdict.auc}
        out.append(say(question.spec.auc).format(**percents))
    return out


def not_tested(analysis: Analysis) -> Section:
    """Return the list of what this analysis did not cover."""
    out = []
    for question, answer in analysis.verdict.answers.items():
        text = _("{question} No model that was asked here answers that.")
        if why_unanswered(analysis, question):
            text = f"{{question}} {answered(analysis, question, answer)}."
        if not answer.evaluated:
            out.append(text.format(question=states.question(question)))
    out += [
        f"{models.plain(model)}: {models.left_out(analysis, model)}."
        for model in analysis.models
        if not model.counted and model.not_counted_because
    ]
    coverage = analysis.coverage
    if coverage is not None and coverage.frames > coverage.sampled:
        text = _(
            "{missed} of {frames} frames were not looked at; the longest stretch without one is "
            "{seconds} s."
        )
        missed, gap = coverage.frames - coverage.sampled, numeral(coverage.longest_gap, ".1f")
        out.append(
            text.format(missed=numeral(missed), frames=numeral(coverage.frames), seconds=gap)
        )
    if analysis.robustness is None:
        out.append(_("Whether the verdict survives compression, scaling and noise was not tried."))
    if analysis.comparison is None and analysis.media.kind != "audio" and not analysis.media.live:
        out.append(_("The file was not compared with an original."))
    out.append(
        _("The error rates hold for material like that which they were measured on; other cameras, "
          "generators, people and kinds of processing were not tested.")
    )  # fmt: skip
    return Section("not_tested", _("What was not tested"), tuple(items(out)))
