"""What pulled which way: a bar for each part of the combined log odds, which they sum to.

Evidence is added (`detector.decision`), so what is printed adds up as well: one decimal each, and
what rounding leaves over goes to the largest row, where it is the smallest share.
"""

from dataclasses import dataclass

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import controls, verdict
from dashboard.components.markup import show
from dashboard.result.linked import ResultViewState
from detector.decision.numbers import logit, printed
from detector.messages import format, lead, states
from detector.schema.analysis import (
    Analysis,
    Answer,
    Contribution,
    ModelResult,
    Question,
    ReasonCode,
)
from detector.sentences import _

ORDER = ("model", "start", "probit_shrink", "people")
"""Kinds of parts: those that are no model stand in a fixed order."""
AXIS = 1.25
"""The axis reaches so many times as far as the longest bar."""


@dataclass(frozen=True)
class Pull:
    """One part."""

    name: str
    tenths: int  # of log odds, as printed
    slug: str  # of the state its bar is filled with; "na" for what is no model
    time: float | None = None  # that model's strongest moment, s
    id: str = ""  # the model's


def answer_of(analysis: Analysis) -> Answer | None:
    """Return the answer in front, where it has a score."""
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    return answer if answer and answer.probability is not None else None


def rows(analysis: Analysis) -> list[Pull]:
    """Return the parts: models by size, then what is no model. Printed they sum to `total`."""
    answer = answer_of(analysis)
    if answer is None or not answer.contributions:
        return []
    models = {m.id: m for m in analysis.models}
    parts = sorted(answer.contributions, key=lambda p: (ORDER.index(p.kind), -abs(p.logit)))
    tenths = printed([part.logit for part in parts], total(answer))
    every = [_row(part, models.get(part.id), n) for part, n in zip(parts, tenths, strict=True)]
    shown = [row for row in every if row.id or row.tenths]
    return sorted(shown, key=lambda row: -abs(row.tenths) if row.id else 1)


def total(answer: Answer) -> int:
    """Return the combined log odds in tenths, as printed."""
    assert answer.probability is not None
    return round(10 * logit(answer.probability))


def _row(part: Contribution, model: ModelResult | None, tenths: int) -> Pull:
    title = (model.plain or model.title) if model else ""
    name = states.contribution(part.kind, part.id, title)
    slug = "na" if part.kind != "model" else "fake" if part.logit > 0 else "real"
    return Pull(name, tenths, slug, part.time, part.id if model else "")


def silent(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the models of this question that add nothing: name, and why."""
    answer, question = answer_of(analysis), analysis.verdict.question
    if answer is None:
        return []
    adding = {part.id for part in answer.contributions if part.kind == "model"}
    out = []
    for model in analysis.models:
        if model.question is not question or model.id in adding:
            continue
        why = _("gave no score, not counted")
        if model.scored and not model.error:
            why = _("not counted: {why}").format(why=states.not_counted(model.not_counted_because))
        out.append((labels.plain(model), why))
    return out


# --- drawn ----------------------------------------------------------------------------------------


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the bars, each model's with a link to its strongest moment."""
    parts, answer = rows(analysis), answer_of(analysis)
    if not parts or answer is None:
        return
    combined = _combined(answer)
    end = AXIS * max(abs(row.tenths) for row in [*parts, combined]) or 1
    moves = analysis.media.kind != "image"
    question = labels.QUESTIONS[analysis.verdict.question or Question.MANIPULATION]
    show(
        verdict.sides(
            _("What pulled which way"), question.towards_real, question.towards_fake, bare=not moves
        )
    )
    with st.container(key="pulls", gap=None):
        for place, row in enumerate(parts):
            time = row.time if moves else None
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap=None,
                key=f"pull-{'bare' if time is None else 'to'}-{row.id or place}",
            ):  # fmt: skip
                show(bar(row, end, bare=not moves))
                if time is not None:
                    controls.button(
                        labels.clock(time, tenths=False),
                        "play_arrow",
                        linked.widget(f"pull.{row.id}"),
                        linked.looking_at(row.id, time, answer.subject),
                        kind="tertiary",
                        help=_("Go to its strongest moment"),
                    )
    show(
        *(verdict.pulls_nothing(name, why) for name, why in silent(analysis)),
        bar(combined, end, bare=not moves, total=True),
        verdict.trace(" ".join(traces(analysis))),
    )


def _combined(answer: Answer) -> Pull:
    assert answer.probability is not None
    name = _("Combined, {percent}").format(percent=labels.percent(answer.probability))
    return Pull(name, total(answer), "all")


def bar(row: Pull, end: float, *, bare: bool = False, total: bool = False) -> Markup:
    """Return a row: name, bar from the middle, value."""
    value = format.signed(row.tenths / 10)
    return verdict.pull(row.name, value, row.tenths / end, row.slug, bare=bare, total=total)


def strongest(analysis: Analysis) -> Contribution | None:
    """Return what the model adds that pulls most towards the finding, if any does."""
    answer = answer_of(analysis)
    return answer.strongest if answer else None


def traces(analysis: Analysis) -> list[str]:
    """Return sentences: why the models together decide, what the strongest trace is, when, and what
    else can cause it. Where the scores stay low, how high they get."""
    spoken = (ReasonCode.TOGETHER_ABOVE, ReasonCode.BELOW_THRESHOLD)
    reasons = [reason for reason in analysis.verdict.reasons if reason.code in spoken]
    sentences = [f"{labels.sentence(reason).rstrip('.')}." for reason in reasons]
    answer = answer_of(analysis)
    if answer is None or any(r.code is ReasonCode.BELOW_THRESHOLD for r in reasons):
        return sentences
    trace = lead.trace(analysis)
    return [*sentences, trace] if trace else sentences
