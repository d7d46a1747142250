"""The questions of a file: the answer to each, and how often such an answer is wrong."""

from dataclasses import dataclass

from detector.decision.numbers import at_most, wilson
from detector.decision.reasons import why_unanswered
from detector.messages import states
from detector.messages.format import capital, likelihood, percent, whole_percent
from detector.presentation import (
    Block,
    Cell,
    Grid,
    Section,
    Text,
    items,
    measured,
    models,
    odds,
)  # fmt: skip
from detector.presentation.lead import why_not
from detector.schema.analysis import (
    Analysis,
    Answer,
    BandRate,
    Basis,
    Label,
    Question,
    Side,
    Thresholds,
)
from detector.sentences import _, say

HOW = _("How we know")
WEAK = 0.75
"""AUC on sources left out under which models are called weak where they did not decide."""


@dataclass(frozen=True)
class AnswerRow:
    """A question and its answer: of the detectors, or of a comparison."""

    question: str
    answer: str
    label: Label
    """how it is shown: NOT_APPLICABLE where the question stays open"""
    likelihood: str = ""  # "88 %", "88 %, not counted"; empty without a score
    counts: bool = False  # the likelihood is part of the verdict
    leads: bool = False  # it is the question that decided
    asked: Question | None = None  # of the detectors
    limits: str = ""  # "30 %, 70 %"
    bands: str = ""  # "under 30: no sign; between: can’t tell; over 70: likely manipulated"
    basis: str = ""  # by what the limits stand, where it is not the usual
    models: int = 0  # that were counted
    evaluated: bool = False  # any was


def section(analysis: Analysis) -> Section:
    """Return each question with its answer and thresholds, and how often these err."""
    asked = rows(analysis)
    heads = _("Question"), _("Answer"), _("Likelihood"), _("Thresholds"), _("Models")
    table = [
        (
            row.question,
            Cell(row.answer, label=row.label),
            row.likelihood,
            row.limits if row.evaluated else "",
            f"{row.models}" if row.evaluated else "",
        )
        for row in asked
    ]
    blocks: list[Block] = [Grid(heads, table)]
    put, rates = [row for row in asked if row.evaluated], list[tuple[str, ...]]()
    if put:
        blocks.append(Text(say(HOW), "subhead"))
    for row in put:
        assert row.asked is not None
        answer = analysis.verdict.answers[row.asked]
        named = [row.question] * (len(put) > 1)
        said = [f"{capital(row.bands)}.", *statistics(row.asked, answer)]
        if row.leads:  # odds as they stand under the number
            said += interval_explained(row.asked, answer)
        blocks.append(Text(" ".join([*named, *said])))
        for error, *figures in error_rates(row.asked, answer):
            rates.append((" ".join([*named, error]), *figures))
    if rates:
        columns = _("Error"), _("In our tests"), _("Rate"), _("95 % interval")
        blocks.append(Grid(columns, rates))
    return Section("questions", _("What was asked, and how often that errs"), tuple(blocks))


def rows(analysis: Analysis) -> list[AnswerRow]:
    """Return the answers: the one that decided first, those that were not asked last."""
    verdict = analysis.verdict
    ordered = sorted(
        verdict.answers.items(),
        key=lambda pair: (pair[0] is not verdict.question, not pair[1].evaluated),
    )
    return [row(analysis, question, answer) for question, answer in ordered]


def row(analysis: Analysis, question: Question, answer: Answer) -> AnswerRow:
    """Return one question's."""
    limits, near, share = answer.thresholds, answer.probability, ""
    if near is not None:
        share = percent(near, limits.edges)
        if analysis.verdict.uncounted(question):
            share = _("{percent}, not counted").format(percent=share)
    beside = [] if near is None else [near]
    return AnswerRow(
        asked=question,
        question=states.question(question),
        answer=answered(analysis, question, answer),
        label=Label.NOT_APPLICABLE if _open(answer) else answer.label,
        likelihood=share,
        limits=", ".join(percent(edge, beside) for edge in limits.edges) or _("none"),
        bands="; ".join(bands(limits, question, near)),
        basis=_("by {clips}").format(clips=say(limits.data)) if limits.own
        else states.basis(answer.basis),
        models=answer.counted,
        evaluated=answer.evaluated,
        counts=near is not None and not answer.undecided_secondary,
        leads=question is analysis.verdict.question,
    )  # fmt: skip


def answered(analysis: Analysis, question: Question, answer: Answer) -> str:
    """Return a question's answer in a few words; why there is none."""
    if not answer.evaluated:
        return _not_asked(analysis, question)
    if answer.undecided_secondary:
        return _("Not decided: {why}").format(why=why_open(analysis, question))
    return states.state(answer.label, question, short=True)


def _open(answer: Answer) -> bool:
    return answer.undecided_secondary or not answer.evaluated


def _not_asked(analysis: Analysis, question: Question) -> str:
    if code := why_unanswered(analysis, question):
        return _("Not judged: {why}").format(why=why_not(code))
    scored = any(m.scored and m.question is question for m in analysis.models)
    if question.of_sound and scored:
        return _("Not judged: no calibrated model")
    return _("Not asked: no model for it")


def why_open(analysis: Analysis, question: Question) -> str:
    """Return why a question is not decided, in a few words."""
    answer, ensemble = analysis.verdict.answers[question], analysis.ensembles.get(question)
    if vetoed := why_not(answer.vetoed_by):
        return vetoed
    if answer.label is Label.NOT_APPLICABLE:
        return _("no score")
    if ensemble is not None and ensemble.auc is not None and ensemble.auc.value < WEAK:
        return _("one weak model") if answer.counted == 1 else _("weak models")
    return _("score below the threshold")


def bands(limits: Thresholds, question: Question | None, near: float | None = None) -> list[str]:
    """Return what each band of the likelihood says: "over 70: likely manipulated"; limits close to
    a likelihood `near` them have a decimal."""
    if limits.never_decide:
        return [_("no likelihood decides")]
    texts = {Side.FAKE: _("over {limit}: {name}"), Side.REAL: _("under {limit}: {name}")}
    beside, out = [] if near is None else [near], []
    for label, start, end in limits.zones:
        limit = likelihood(start if label.side is Side.FAKE else end, beside)
        text = texts[label.side] if label.side else _("between: {name}")
        out.append(text.format(limit=limit, name=states.zone(label, question)))
    return out


def meaning(limits: Thresholds, question: Question | None) -> list[str]:
    """Return what each band says, a line each, and whether its errors were measured."""
    said = [f"{capital(band)}." for band in bands(limits, question)]
    return [*said, *[_("How often your values err was not measured.")] * limits.custom]


# --- how we know ----------------------------------------------------------------------------------


def how_we_know(analysis: Analysis) -> list[str]:
    """Return how often the leading answer is wrong, what its odds are, and how the models' evidence
    is put together, a paragraph each; nothing where no question leads."""
    question = analysis.verdict.question
    answer = analysis.verdict.answers.get(question) if question else None
    if question is None or answer is None:
        return []
    out = statistics(question, answer)
    if answer.odds is not None:
        counted = interval_explained(question, answer)
        out += [odds.of_tests(answer.odds, question), *counted, odds.support(answer, question)]
    added = _(
        "Each model’s evidence is its calibrated log odds times its weight; they are added, and "
        "what is doubtful about the material takes some of it back."
    )
    return [*out, added]


def interval_explained(question: Question, answer: Answer) -> list[str]:
    """Return what clips the interval of the odds is of, and what it assumes of fakes."""
    if answer.odds is None:
        return []
    text = _(
        "The interval is of the {clips} clips with a score near this one among the clips that "
        "the thresholds were made on. Each was scored by a fit that had seen nothing of its "
        "group of sources; the groups were drawn anew."
    )
    return [text.format(clips=f"{answer.odds.clips:,}"), say(question.spec.prior)]


def statistics(question: Question, answer: Answer) -> list[str]:
    """Return how often the limits err and on what that was measured, or that it was not."""
    out = _error_rates(question, answer)
    if answer.auc is not None:
        percents = {name: whole_percent(value) for name, value in answer.auc}
        out.append(say(question.spec.auc).format(**percents))
    return out


def _error_rates(question: Question, answer: Answer) -> list[str]:
    limits = answer.thresholds
    if answer.basis is Basis.PUBLISHED:
        return [
            _(
                "Only models that were not measured here are counted, each by the operating point "
                "stated for it, with a margin. How often that errs on footage like yours is not "
                "known, so they can’t clear a file."
            )
        ]
    if answer.basis is Basis.CUSTOM:
        return [_("How often your values err was not measured.")]
    if answer.basis is Basis.SUBSET:
        return [_("How often these models err together was not measured.")]
    out = [_right(band, question) for band in limits.bands] + _false_rates(question, limits)
    if limits.data:
        by = _("Set by {data}.") if limits.own else _("Measured on {data}.")
        out += [by.format(data=say(limits.data)), *filter(None, [measured.of_these(limits)])]
    if limits.never_decide:
        out.append(
            _(
                "No limit made 82\u00a0% of the answers right on sources left out, so there is a "
                "likelihood and no answer."
            )
        )
    elif not limits.can_clear and not limits.own:
        out.append(
            _(
                "We can’t clear a file: the installed models aren’t reliable enough to call it "
                "untouched. On sources left out, no limit made 82\u00a0% of such answers right."
            )
        )
    return out


def _right(band: BandRate, question: Question) -> str:
    text = _("“{answer}” was right {percent} of the time on new sources, with as many fakes as "
             "genuine files (at least {low}, with 90 % confidence).")  # fmt: skip
    answer = states.state(band.label, question)
    return text.format(answer=answer, percent=percent(band.right), low=percent(band.low))


def _false_rates(question: Question, limits: Thresholds) -> list[str]:
    """Return how many files of each kind lie beyond the limit for the other; nothing where there is
    no such limit."""
    rated = _("{rate} of {kind} score above {limit}.")
    if limits.own:
        rated = _("At most {rate} of {kind} like yours score above {limit}.")
    above = (
        _("In our tests none of {files} {kind} scored above {limit} (at most {most}, with 95 % "
          "confidence)."),
        _("In our tests {count} of {files} {kind} scored above {limit} (at most {most}, with "
          "95 % confidence)."),
        rated,
    )  # fmt: skip
    below = (
        _("In our tests none of {files} {kind} scored below {limit} (at most {most}, with 95 % "
          "confidence)."),
        _("In our tests {count} of {files} {kind} scored below {limit} (at most {most}, with "
          "95 % confidence)."),
        _("{rate} of {kind} score below {limit}."),
    )  # fmt: skip
    spec, out = question.spec, list[str]()
    for word, limit, tally, rate, (none, some, share) in (
        (spec.real_word, limits.high, limits.false_positives, limits.false_positive_rate, above),
        (spec.fake_word, limits.low, limits.false_negatives, limits.false_negative_rate, below),
    ):
        kind = _("{word} {unit}").format(word=say(word), unit=measured.unit(limits))
        values = {"kind": kind, "limit": percent(limit)}
        if not 0 < limit < 1:
            continue
        if tally is not None:
            text, most = some if tally.count else none, percent(at_most(tally))
            out.append(text.format(count=tally.count, files=tally.files, most=most, **values))
        elif rate is not None:
            out.append(share.format(rate=percent(rate), **values))
    return out


def error_rates(question: Question, answer: Answer) -> list[tuple[str, str, str, str]]:
    """Return how often the limits erred, as (error, count, rate, 95 % interval)."""
    limits, rows = answer.thresholds, []
    if answer.basis not in (Basis.MEASURED, Basis.OWN):
        return []
    real, fake = say(question.spec.real_word), say(question.spec.fake_word)
    sides = [(real, fake, limits.false_positives)]
    if limits.can_clear:
        sides.append((fake, real, limits.false_negatives))
    for one, other, tally in sides:
        if tally is not None:
            low, high = wilson(tally.count, tally.files)
            count = _("{count} of {files}").format(count=tally.count, files=tally.files)
            ends = _("{low} to {high}").format(low=f"{100 * low:.1f}", high=f"{100 * high:.1f} %")
            name = capital(_("{one} called {other}").format(one=one, other=other))
            rows.append((name, count, f"{100 * tally.count / tally.files:.1f} %", ends))
    return rows


def not_tested(analysis: Analysis) -> Section:
    """Return what this analysis did not look at."""
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
        missed, gap = coverage.frames - coverage.sampled, f"{coverage.longest_gap:.1f}"
        out.append(text.format(missed=f"{missed:,}", frames=f"{coverage.frames:,}", seconds=gap))
    if analysis.robustness is None:
        out.append(_("Whether the verdict survives compression, scaling and noise was not tried."))
    if analysis.comparison is None and analysis.media.kind != "audio" and not analysis.media.live:
        out.append(_("The file was not compared with an original."))
    out.append(
        _("The error rates hold for material like that which they were measured on; other cameras, "
          "generators, people and kinds of processing were not tested.")
    )  # fmt: skip
    return Section("not_tested", _("What was not tested"), tuple(items(out)))
