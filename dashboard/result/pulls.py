"""What pulled which way: a bar for each part of the combined log odds, which they sum to.

Evidence is added (`detector.decision`), so what is printed adds up as well: one decimal each, and
what rounding leaves over goes to the largest row, where it is the smallest share.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import verdict
from dashboard.components.markup import show
from dashboard.i18n import _, speech
from dashboard.result.linked import ResultViewState
from detector.decision.numbers import logit, printed
from detector.messages import format, states
from detector.schema.analysis import Analysis, Answer, Contribution, ModelResult, ReasonCode

AXIS = 1.25
"""The axis reaches so many times as far as the longest bar."""


@dataclass(frozen=True)
class Row:
    """One part.

    Attributes
    ----------
    tenths : int
        Tenths of log odds, as printed.
    slug : str
        Of the state its bar is filled with; "na" for what is no model.
    time : float or None
        That model's strongest moment, s.
    id : str
        The model's, or empty.
    """

    name: str
    tenths: int
    slug: str
    time: float | None = None
    id: str = ""


def answer_of(analysis: Analysis) -> Answer | None:
    """The answer in front, where it has a score."""
    found = analysis.verdict
    answer = found.answers.get(found.question) if found.question else None
    return answer if answer and answer.probability is not None else None


def rows(analysis: Analysis) -> list[Row]:
    """The parts: models by size, then what is no model. Printed they sum to `total`."""
    answer = answer_of(analysis)
    if answer is None or not answer.contributions:
        return []
    models = {m.id: m for m in analysis.models}
    parts = sorted(
        answer.contributions, key=lambda part: (part.kind != "model", _rank(part), -abs(part.logit))
    )
    tenths = printed([part.logit for part in parts], total(answer))
    found = [
        _row(part, models.get(part.id), value) for part, value in zip(parts, tenths, strict=True)
    ]
    shown = [row for row in found if row.id or row.tenths]
    return sorted(shown, key=lambda row: -abs(row.tenths) if row.id else 1)


def total(answer: Answer) -> int:
    """The combined log odds in tenths, as printed."""
    assert answer.probability is not None
    return round(10 * logit(answer.probability))


def _rank(part: Contribution) -> int:
    """Grey rows stand in a fixed order."""
    return ("model", "start", "held_back", "people").index(part.kind)


def _row(part: Contribution, model: ModelResult | None, tenths: int) -> Row:
    title = (model.plain or model.title) if model else ""
    name = states.contribution(part.kind, part.id, title, speech())
    slug = "na" if part.kind != "model" else "fake" if part.logit > 0 else "real"
    return Row(name, tenths, slug, part.time, part.id if model else "")


def silent(analysis: Analysis) -> list[tuple[str, str]]:
    """Models of this question that add nothing: name, and why."""
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
            why = _("not counted: {why}").format(why=not_counted(model))
        out.append((labels.plain(model), why))
    return out


def not_counted(model: ModelResult) -> str:
    """Why a model's score is left out, in words."""
    return labels.of_catalog(model.not_counted_because or "") or _("not counted")


# --- drawn ----------------------------------------------------------------------------------------


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the bars, each model's with a link to its strongest moment."""
    found, answer = rows(analysis), answer_of(analysis)
    if not found or answer is None:
        return
    end = AXIS * max(abs(row.tenths) for row in [*found, _combined(answer)]) or 1
    moves = analysis.media.kind != "image"
    show(
        verdict.sides(
            _("What pulled which way"),
            (_("towards untouched"), _("towards manipulated")),
            (_("untouched"), _("manipulated")),
            bare=not moves,
        )
    )
    with st.container(key="pulls", gap=None):
        for place, row in enumerate(found):
            leads = row.time is not None and moves
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap=None,
                key=f"pull-{'to' if leads else 'bare'}-{row.id or place}",
            ):  # fmt: skip
                show(bar(row, end, bare=not moves))
                if leads and row.time is not None:
                    st.button(
                        labels.clock(row.time, tenths=False),
                        key=linked.widget(f"pull.{row.id}"),
                        icon=":material/play_arrow:",
                        type="tertiary",
                        help=_("Go to its strongest moment"),
                        on_click=linked.go,
                        args=(row.time, answer.subject),
                    )
    show(
        *(verdict.pulls_nothing(name, why) for name, why in silent(analysis)),
        bar(_combined(answer), end, bare=not moves, total=True),
        verdict.trace(" ".join(traces(analysis))),
    )


def _combined(answer: Answer) -> Row:
    assert answer.probability is not None
    name = _("Combined, {percent}").format(percent=labels.percent(answer.probability))
    return Row(name, total(answer), "all")


def bar(row: Row, end: float, *, bare: bool = False, total: bool = False) -> Markup:
    """Return a row: name, bar from the middle, value."""
    value = format.signed(row.tenths / 10)
    return verdict.pull(row.name, value, row.tenths / end, row.slug, bare=bare, total=total)


def traces(analysis: Analysis) -> list[str]:
    """What the strongest trace is, when it is strongest and what else can cause it; sentences.

    Where the scores stay low, how high they get.
    """
    kept = (ReasonCode.TOGETHER_ABOVE, ReasonCode.BELOW_THRESHOLD)
    out = [f"{labels.say(r).rstrip('.')}." for r in analysis.verdict.reasons if r.code in kept]
    answer = answer_of(analysis)
    if answer is None or any(
        r.code is ReasonCode.BELOW_THRESHOLD for r in analysis.verdict.reasons
    ):
        return out
    pulling = [p for p in answer.contributions if p.kind == "model" and p.logit > 0]
    strongest = max(pulling, key=lambda p: p.logit, default=None)
    model = next((m for m in analysis.models if strongest and m.id == strongest.id), None)
    if strongest is None or model is None or not model.finding:
        return out
    finding, other = labels.of_catalog(model.finding), model.confused_by
    parts = [f"{labels.plain(model)}: {finding[:1].lower()}{finding[1:]}"]
    if strongest.time is not None and analysis.media.kind != "image":
        time = labels.clock(strongest.time, tenths=False)
        parts.append(_("strongest at {time}").format(time=time))
    text = ", ".join(parts)
    if other:
        text = _("{trace}; {cause} can look alike").format(
            trace=text, cause=labels.of_catalog(other)
        )
    return [*out, f"{text}."]
