"""What our detectors have to beat, on the same files in the same run.

Published detectors of the registry whose weights are on this computer, each on the person that is
the most suspicious to it, with the direction that its authors gave it; and features that need no
detector at all, each in the better of its two directions, which flatters them.
"""

from collections.abc import Sequence
from typing import Literal

from detector import weights
from detector.errors import UsageError
from detector.evaluation import metrics, scores
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.scores import Scored
from detector.evaluation.tallies import Column, Estimate, figure_of
from detector.models import registry
from detector.schema.base import StrictModel


class Baseline(StrictModel):
    """One baseline beside ours."""

    id: str
    title: str
    kind: Literal["published", "feature"]
    reversed: bool = False  # A feature that is lower in fakes, such as sharpness
    auc: Estimate
    judged: int
    pairs_won: Number
    difference: Interval  # AUC of ours less this one's, paired, over groups

    @property
    def beaten(self) -> str:
        """Whether ours is better, outside the interval."""
        if self.difference.low > 0:
            return "yes"
        return "no" if self.difference.high < 0 else "not outside the interval"


def published(text: str, besides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return baselines ("all" or ids with commas), but `besides`: here, missing. Raise
    UsageError."""
    if text == "all":
        specs = [
            s
            for s in registry.list_models()
            if not s.bundled and s.kind != "audio" and s.id not in besides
        ]
    else:
        specs = registry.choose([part.strip() for part in text.split(",") if part.strip()])
    missing = [spec.id for spec in specs if not weights.available(spec)]
    if text != "all" and missing:
        raise UsageError(
            f"The weights of {', '.join(missing)} are not on this computer.",
            hint=f"To download them, type: unmask fetch {' '.join(missing)}",
        )
    return [spec.id for spec in specs if spec.id not in missing], missing


def compare(
    scored: Sequence[Scored], ids: Sequence[str], ours: Column, couples: Sequence[tuple[int, int]]
) -> list[Baseline]:
    """Return every baseline that judged any of these files, published first, against `ours`."""
    titles = {spec.id: spec.title for spec in registry.list_models()}
    columns = [(id, titles[id], [s.highest.get(id) for s in scored]) for id in ids]
    columns += [(name, name, [s.features.get(name) for s in scored]) for name in scores.FEATURES]
    compared = []
    for place, (id, title, values) in enumerate(columns):
        if all(value is None for value in values):
            continue
        column, feature = Column.of(values, scored), place >= len(ids)
        judged = column.judged
        turned = feature and metrics.auc(column.values[judged], column.labels[judged]) < 0.5
        if turned:
            column = Column.of([None if v is None else -v for v in values], scored)
        compared.append(
            Baseline(
                id=id,
                title=title,
                kind="feature" if feature else "published",
                reversed=turned,
                auc=figure_of(column),
                judged=int(judged.sum()),
                pairs_won=metrics.paired_ranking_accuracy(column.values, couples),
                difference=ours.auc_less(column),
            )
        )
    return compared
