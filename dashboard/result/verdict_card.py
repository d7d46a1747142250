"""The verdict card: what, who and when, each question's answer, one number with its scale, what it
meant in our tests, why, what it can't tell. In this order."""

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import controls, typography, verdict
from dashboard.components.markup import Text, join, rich, show
from dashboard.components.typography import strong
from dashboard.i18n import LazyDict
from dashboard.labels import NBSP
from dashboard.result import base_rate, pulls, question
from dashboard.result.linked import ResultViewState
from detector.messages import lead, states
from detector.messages import odds as wording
from detector.messages.measured import of_these
from detector.schema.analysis import Analysis, Answer, Basis, CaveatCode, Question, ReasonCode
from detector.schema.ensemble import NotCounted
from detector.sentences import _, say

KIND: LazyDict[str, str] = LazyDict(
    lambda: {
        "video": _("video"),
        "image": _("picture"),
        "animation": _("animation"),
        "audio": _("sound"),
    }
)
IN_ROWS = (CaveatCode.NOT_ASKED, CaveatCode.FACES_UNJUDGED, CaveatCode.STAYS_OPEN)
"""Caveats that the questions' rows say."""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card into the container at hand."""
    slug = labels.STATES[analysis.label].slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        show(head(analysis, linked.changed), question.rows(analysis))
        if pulls.answer_of(analysis) is not None:
            if not guessing(analysis) or linked.scores_anyway:
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
    """Return the verdict as heading and sentence. Announced once."""
    if analysis.proof is not None:
        return question.proof_head(analysis)
    state = labels.state(analysis.verdict.label, analysis.verdict.question)
    limits, whose = analysis.verdict.thresholds, ""
    if changed:
        whose = _changed_settings(analysis)
    elif limits.own:
        whose = _("with thresholds from {data}").format(data=say(limits.data))
    own = [verdict.own(whose)] if whose else []
    kicker = join([_("Verdict"), _kicker(analysis), *own], " · ")
    return verdict.head(
        kicker,
        state.slug,
        state.icon,
        analysis.headline_in(),
        sentence(analysis),
        odds(analysis),
        detail(analysis),
        question.beside(analysis),
        lead.others(analysis),
        announced=True,
    )


def preview(analysis: Analysis, *, with_scale: bool = False) -> list[Markup]:
    """Return a verdict in short, as it stands beside a list."""
    parts = [question.outcome(analysis), sentence(analysis)]
    shown = [typography.outcome(part) for part in parts if part]
    if pulls.answer_of(analysis) is not None and not guessing(analysis):
        shown += [number(analysis)] + [scale(analysis)] * with_scale
    return shown


def guessing(analysis: Analysis) -> bool:
    """Return whether the file is too poor for its number to be shown unasked."""
    return any(r.code is ReasonCode.LOW_QUALITY for r in analysis.verdict.reasons)


def _kicker(analysis: Analysis) -> str:
    media = analysis.media
    kind, seconds = KIND[media.kind], media.duration or 0.0
    if seconds >= 1:
        length = labels.took(seconds) if seconds >= 100 else f"{seconds:.0f}{NBSP}s"
        kind = _("{length} {kind}").format(length=length, kind=kind)
    people = len(analysis.people)
    return f"{kind} · {labels.count(people, 'person', 'people')}" if people else kind


def _changed_settings(analysis: Analysis) -> str:
    limits = any(answer.thresholds.custom for answer in analysis.verdict.answers.values())
    models = any(m.not_counted_because == NotCounted.SWITCHED_OFF for m in analysis.models)
    if limits and models:
        return _("with your thresholds and models")
    return _("with your thresholds") if limits else _("with your models")


# --- the number -----------------------------------------------------------------------------------


def _front(analysis: Analysis) -> tuple[Answer, Question, float]:
    answer, lead = pulls.answer_of(analysis), analysis.verdict.question
    assert answer is not None and answer.probability is not None and lead is not None
    return answer, lead, answer.probability


def number(analysis: Analysis) -> Markup:
    """Return the one number of the file, and by what it is judged."""
    answer, lead, probability = _front(analysis)
    text = rich(
        _("<b>{percent}</b> combined likelihood"),
        percent=labels.percent(probability, answer.thresholds.edges),
    )
    return verdict.number(text, _judged_by(analysis, answer, lead))


def _judged_by(analysis: Analysis, answer: Answer, lead: Question) -> str:
    """Return the number's interval, by what it is judged, and one person's own number."""
    parts = list(filter(None, [interval(analysis)]))
    if answer.basis in (Basis.PUBLISHED, Basis.SUBSET, Basis.CUSTOM, Basis.OWN):
        parts.append(states.basis(answer.basis.value))
    else:
        counted = [m for m in analysis.models if m.counted and m.question is lead]
        fitted = all(m.calibration for m in counted)
        if not fitted:
            parts.append(_("uncalibrated"))
        elif len(counted) == 1 and answer.auc is not None:
            auc = _("AUC {value} on sources left out")
            parts.append(auc.format(value=f"{answer.auc.value:.2f}"))
    return " · ".join(parts)


def scale(analysis: Analysis) -> Markup:
    """Return the likelihood scale."""
    answer, lead, probability = _front(analysis)
    return verdict.scale(probability, answer.thresholds, lead)


def interval(analysis: Analysis) -> str:
    """Return the interval of the number, or that there are too few clips for one; empty where that
    was not measured."""
    answer, lead, _probability = _front(analysis)
    if answer.interval is not None:
        return labels.confidence(answer.interval)
    table = analysis.ensembles[lead].odds if lead in analysis.ensembles else []
    if answer.vetoed_by is not None:  # it says why such a score means less than in our tests
        return ""
    if table and answer.basis in (Basis.MEASURED, Basis.OWN) and analysis.media.kind != "image":
        return _("too few such clips in our tests for an interval")
    return ""


def limits(analysis: Analysis) -> Markup:
    """Return what this can't tell; inside the card, because it is part of the verdict."""
    shown = IN_ROWS if analysis.verdict.answers else ()
    text = " ".join(labels.sentence(c) for c in analysis.verdict.caveats if c.code not in shown)
    return verdict.limits(_("What this can’t tell"), text)


def sentence(analysis: Analysis) -> Text:
    """Return the sentence or two under the headline, the person in bold."""
    said = labels.unbroken(lead.sentence(analysis))
    top = next((s for s in analysis.judged if s.id == analysis.verdict.subject), None)
    before, name, after = said.partition(lead.person(top) if top else said)
    return join([before, strong(name), after]) if before and name else said


def odds(analysis: Analysis) -> str:
    """Return the odds of an answer in words, by how many fakes the reader gets; empty where the
    headline is another finding's, or they were not measured."""
    answer = pulls.answer_of(analysis)
    if answer is None or analysis.verdict.label is not answer.label:
        return ""
    said = wording.in_ten(answer, analysis.verdict.question, base_rate.chosen())
    return f"{labels.capital(said)}." if said else ""


def detail(analysis: Analysis) -> str:
    """Return what stands under the lead sentence in small: more of why there is no verdict."""
    why = lead.reason(analysis)
    text = labels.small(why) if why else ""
    return f"{labels.capital(text.rstrip('.'))}." if text else ""


# --- how we know ----------------------------------------------------------------------------------


def draw_statistics(analysis: Analysis, *first: str) -> None:
    """Draw the popover; `first` stands over the statistics."""
    with st.popover(_("How we know"), type="tertiary", key="how-we-know"):
        typography.know(*first, *statistics(analysis))
        answer = pulls.answer_of(analysis)
        if answer is not None and answer.odds is not None:
            base_rate.draw("know-base-rate")


def statistics(analysis: Analysis) -> list[str]:
    """Return the paragraphs that stand in it."""
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    if answer is None or verdict.question is None:
        return []
    words = labels.QUESTIONS[verdict.question]
    paragraphs = _error_rates(answer)
    if answer.auc is not None:
        percents = {name: labels.whole_percent(value) for name, value in answer.auc}
        paragraphs.append(words.auc.format(**percents))
    if answer.odds is not None:
        said = wording.of_tests(answer.odds, verdict.question)
        counted = _(
            "The interval is of the {clips} clips with a score near this one among the clips that "
            "the thresholds were made on. Each was scored by a fit that had seen nothing of its "
            "group of sources; the groups were drawn anew."
        )
        counted = counted.format(clips=f"{answer.odds.clips:,}")
        paragraphs += [said, counted, words.prior]
        paragraphs.append(wording.support(answer, verdict.question))
    added = _(
        "Each model’s evidence is its calibrated log odds times its weight; they are added, and "
        "what is doubtful about the material takes some of it back."
    )
    return [*paragraphs, added]


def _error_rates(answer: Answer) -> list[str]:
    """Return how often the two thresholds err, or that it was not measured."""
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
    measured = [labels.right(band) for band in limits.bands]
    measured += [t for t in (labels.alarms(limits), labels.missed(limits)) if t]
    if limits.data:
        by = _("Set by {data}.") if limits.own else _("Measured on {data}.")
        measured.append(by.format(data=say(limits.data)))
        if these := of_these(limits):
            measured.append(these)
    if limits.never_decide:
        measured.append(
            _(
                "No limit made 82\u00a0% of the answers right on sources left out, so there is a "
                "likelihood and no answer."
            )
        )
    elif not limits.can_clear and not limits.own:
        measured.append(
            _(
                "We can’t clear a file: the installed models aren’t reliable enough to call it "
                "untouched. On sources left out, no limit made 82\u00a0% of such answers right."
            )
        )
    return measured
