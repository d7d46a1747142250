"""What came of judging labeled files, in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.messages import states
from detector.messages.format import percent
from detector.presentation import Row
from detector.sentences import _, ngettext

if TYPE_CHECKING:
    from detector.evaluation.metrics import Interval
    from detector.evaluation.report import KindReport
    from detector.evaluation.scores import Scored

FEW = 20
"""of which a share in percents would say more than is known"""


def figures(kind: KindReport) -> tuple[Row, ...]:
    """Return how good all models together are, each figure with its interval or count."""
    first = kind.combined
    auc, pairs = first["AUC"], first["pairs won"]
    interval = _("{low} to {high}").format(low=f"{auc.low:.2f}", high=f"{auc.high:.2f}")
    return (
        Row(_("AUC"), f"{auc.value:.2f}", interval),
        Row(_("Pairs ranked rightly"), *_pairs(pairs.of or 0, pairs.value)),
        Row(_("Originals called fake"), *_share(first["originals called FAKE"])),
        Row(_("Got an answer"), *_share(first["decided"])),
        Row(_("Of these, right"), *_share(first["right of the decided"])),
        Row(_("Calibration error"), f"{first['ECE'].value:.2f}", _("0 is best")),
    )


def mistake(name: str, scored: Scored, probability: float) -> str:
    """Return a sentence on a judged file: what it is, what the models say, and which verdict came
    of that."""
    what = _("an original")
    if scored.label:
        what = _("a fake") if scored.method == "unknown" else _("a fake ({method})")
    decided = (question for question, label in scored.answer_labels.items()
               if label == scored.verdict)  # fmt: skip
    text = _("{file} is {what}; the models say {percent} likely manipulated. Verdict: {verdict}.")
    return text.format(
        file=name, what=what.format(method=scored.method), percent=percent(probability),
        verdict=states.state(scored.verdict, next(decided, None), short=True),
    )  # fmt: skip


def _pairs(count: int, won: float) -> tuple[str, str]:
    if not count:
        return "–", _("no groups with both")
    pairs = ngettext("of {number} pair", "of {number} pairs", count).format(number=count)
    if count < FEW:
        return f"{round(won * count)} {pairs}", ""
    return percent(won), pairs


def _share(share: Interval) -> tuple[str, str]:
    """Return a share in percent with its count and interval; of few files the count alone."""
    if not share.of:
        return "–", _("none")
    part = _("{number} of {total}").format(number=share.count, total=share.of)
    interval = _("{low} to {high} %").format(
        low=round(100 * share.low), high=round(100 * share.high)
    )
    return (part, interval) if share.of < FEW else (percent(share.value), f"{part}, {interval}")
