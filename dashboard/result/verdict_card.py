"""Verdict card: headline, answers, likelihood with its scale, odds, reasons, limits."""

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import blocks, controls, typography, verdict
from dashboard.components.markup import Text, join, show
from dashboard.components.typography import strong
from dashboard.result import base_rate, question
from dashboard.result.linked import ResultViewState
from detector.presentation import LIMITS, answers, lead, pulls
from detector.presentation import verdict as presented
from detector.schema.analysis import Analysis, CaveatCode
from detector.sentences import _, say

IN_ROWS = (CaveatCode.NOT_ASKED, CaveatCode.FACES_UNJUDGED)
"""Caveats that the questions' rows say."""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card into the container at hand."""
    slug = labels.look(analysis.label).slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        show(head(analysis, linked.changed), question.rows(analysis))
        if pulls.judged(analysis) is not None:
            if not presented.guessing(analysis) or linked.scores_anyway:
                show(number(analysis), scale(analysis))
                why = pulls.traces(analysis)[-1:]
                # Where an origin or a comparison leads, the models' trace is one click away.
                folded = analysis.proof is not None or analysis.comparison is not None
                draw_statistics(analysis, *(why if folded else []))
                if why and not folded:
                    show(verdict.trace(why[0]))
            else:
                with st.container(key="anyway"):
                    text, key = _("Show the likelihood anyway"), linked.widget("anyway")
                    controls.button(text, "visibility", key, linked.show_scores)
        show(limits(analysis))


def head(analysis: Analysis, changed: bool = False) -> Markup:
    """Return the headline and its paragraphs, announced once to screen readers."""
    said = presented.paragraphs(analysis, base_rate.chosen())
    return verdict.head(
        join([_("Verdict"), *_by(analysis, changed)], " · "),
        analysis.label,
        presented.headline(analysis),
        _person_strong(analysis, said[0]),
        *said[1:],
        announced=True,
    )


def _by(analysis: Analysis, changed: bool) -> list[Text]:
    """Return the basis of the verdict, or the finding that leads it."""
    whose = presented.settings(analysis) if changed else presented.own_thresholds(analysis)
    marked = [verdict.own(whose)] if whose and analysis.proof is None else []
    return [presented.of_what(analysis), *marked]


def preview(analysis: Analysis, *, with_scale: bool = False) -> list[Markup]:
    """Return a short verdict, for the preview beside a list."""
    parts = [question.outcome(analysis), _person_strong(analysis, lead.sentence(analysis))]
    shown = [typography.outcome(part) for part in parts if part]
    if pulls.judged(analysis) is not None and not presented.guessing(analysis):
        shown += [number(analysis)] + [scale(analysis)] * with_scale
    return shown


def number(analysis: Analysis) -> Markup:
    """Return the likelihood of the file with its interval and basis."""
    value, note = presented.likelihood(analysis), presented.judged_by(analysis)
    return verdict.number(value, say(presented.LIKELIHOOD), note)


def scale(analysis: Analysis) -> Markup:
    """Return the likelihood scale."""
    found = analysis.verdict
    assert found.probability is not None
    return verdict.scale(found.probability, found.thresholds, found.question)


def limits(analysis: Analysis) -> Markup:
    """Return the limits of the verdict."""
    shown = IN_ROWS if analysis.verdict.answers else ()
    return verdict.limits(say(LIMITS), presented.limits(analysis, shown))


def _person_strong(analysis: Analysis, text: str) -> Text:
    """Return a sentence with the leading person in bold."""
    top = next((s for s in analysis.judged if s.id == analysis.verdict.subject), None)
    before, name, after = text.partition(lead.person(top) if top else text)
    return join([before, strong(name), after]) if before and name else text


# --- how we know ----------------------------------------------------------------------------------


def draw_statistics(analysis: Analysis, *first: str) -> None:
    """Draw the popover; `first` stands over the statistics."""
    with st.popover(say(answers.HOW), type="tertiary", key="how-we-know"):
        typography.know(*map(blocks.block, answers.how_we_know(analysis, *first).blocks))
        answer = pulls.judged(analysis)
        if answer is not None and answer.odds is not None:
            base_rate.draw("know-base-rate")
