"""The statistics behind a verdict, once: how often its thresholds erred, on what that was measured,
how the odds are made and what they assume."""

import streamlit as st

from dashboard import labels
from dashboard.components import typography
from dashboard.i18n import _, speech
from detector.messages import states
from detector.schema.analysis import Analysis, Answer, Basis


def draw(analysis: Analysis, *first: str) -> None:
    """Draw the popover; `first` stands over the statistics."""
    with st.popover(_("How we know"), type="tertiary", key="how-we-know"):
        typography.know(*first, *text(analysis))


def text(analysis: Analysis) -> list[str]:
    """Return the paragraphs that stand in it."""
    verdict = analysis.verdict
    answer = verdict.answers.get(verdict.question) if verdict.question else None
    if answer is None or verdict.question is None:
        return []
    ensemble = analysis.ensembles.get(verdict.question)
    words = labels.QUESTIONS[verdict.question]
    paragraphs = _thresholds(answer)
    if ensemble is not None and ensemble.auc is not None and answer.basis is Basis.MEASURED:
        percents = {name: labels.whole_percent(value) for name, value in ensemble.auc}
        paragraphs.append(words.auc.format(**percents))
    if answer.odds is not None:
        odds = answer.odds
        said = states.odds(odds.share, odds.low, odds.high, verdict.question, speech())
        counted = _(
            "The interval is of the {clips} clips with a score near this one among the clips that "
            "the thresholds were made on. Each was scored by a fit that had seen nothing of its "
            "group of sources; the groups were drawn anew."
        )
        paragraphs += [said, counted.format(clips=f"{odds.clips:,}"), words.prior]
    added = _(
        "Each model’s evidence is its calibrated log odds times its weight; they are added, and "
        "what is doubtful about the material takes some of it back."
    )
    return [*paragraphs, added]


def _thresholds(answer: Answer) -> list[str]:
    """How often the two thresholds err, or that nobody measured it."""
    limits = answer.thresholds
    if answer.basis is Basis.PUBLISHED:
        return [
            _(
                "A published model alone is counted, and judged by its authors’ operating point "
                "with a margin. How often that errs on footage like yours was not measured here, "
                "so it can’t clear a file."
            )
        ]
    if answer.basis is Basis.CUSTOM:
        return [_("How often your values err was not measured.")]
    if answer.basis is Basis.SUBSET:
        return [_("How often these models err together was not measured.")]
    measured = [t for t in (labels.alarms(limits), labels.missed(limits)) if t]
    if limits.data:
        by = _("Set by {data}.") if limits.own else _("Measured on {data}.")
        measured.append(by.format(data=limits.data))
        if of_these := labels.of_these(limits):
            measured.append(of_these)
    if limits.never_decide:
        measured.append(
            _(
                "No threshold made 95\u00a0% of the answers right on sources left out, so there "
                "is a likelihood and no verdict."
            )
        )
    elif not limits.can_clear and not limits.own:
        measured.append(
            _(
                "We can’t clear a file: the installed models aren’t reliable enough to call it "
                "untouched. On sources left out, no lower threshold made 95\u00a0% of such answers "
                "right."
            )
        )
    return measured
