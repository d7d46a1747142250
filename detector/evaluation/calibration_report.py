"""What calibration finds, as records and in words."""

import numpy as np

from detector.evaluation import metrics
from detector.schema.analysis import Calibration, Ensemble, Question
from detector.schema.base import StrictModel

LEAST_GAIN = 0.001  # nats a clip that uncertainty must save on sources held out, or it is left out
COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)


class QuestionReport(StrictModel):
    """What calibration found for one question. All but `models` is held out by source."""

    question: Question
    originals: int
    fakes: int
    models: dict[str, float]  # AUC of each model's raw logit
    auc: float
    calibration_error: float
    by_chance: float
    """Calibration error that honest probabilities would show on so few clips, 97.5 %."""
    brier: float
    doubt_gains: float
    """Cross-entropy that uncertainty takes away, nats a clip; it is kept where this is positive."""


class Summary(StrictModel):
    """What to expect of the verdict on a source nobody tuned to."""

    clips: int
    sources: int
    auc: float
    calibration_error: float
    by_chance: float
    brier: float
    alarms: float  # Share of originals called FAKE
    missed: float  # Share of fakes called REAL
    decided: float
    right: float
    kept: bool  # whether both targets are met: false alarms, and right of the decided
    alarms_by_source: dict[str, tuple[int, int]]
    risk: dict[str, float]
    """Share wrong of the surest 20, 40 … 100 % of the clips, and "area" under that curve."""
    risk_without_uncertainty: dict[str, float]


class Calibrated(StrictModel):
    """What calibration gives; `detector.evaluation.manifest` writes it down."""

    models: dict[str, Calibration]
    weights: dict[str, float]
    ensembles: dict[Question, Ensemble]
    reports: list[QuestionReport]
    summary: Summary


def risk(together: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the share wrong among the surest clips, by how many of them are answered."""
    seen = np.isfinite(together)
    curve = metrics.risk_coverage(np.abs(together[seen]), (together[seen] > 0) != labels[seen])
    shares = np.interp(COVERAGES, curve.coverage, curve.risk).tolist()
    return dict(zip((f"{c:.0%}" for c in COVERAGES), shares, strict=True)) | {"area": curve.area}


def to_markdown(result: Calibrated) -> str:
    """Return the result as Markdown; every figure but the models' AUC is held out by source."""
    lines = [
        "| question | originals | fakes | AUC of each model | together | ECE (by chance) | Brier | "
        "uncertainty saves |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in result.reports:
        each = ", ".join(f"{id} {auc:.2f}" for id, auc in r.models.items())
        saves = f"{r.doubt_gains:.3f} nats" if r.doubt_gains >= LEAST_GAIN else "nothing, left out"
        lines.append(
            f"| {r.question.value} | {r.originals} | {r.fakes} | {each} | {r.auc:.3f} | "
            f"{r.calibration_error:.3f} ({r.by_chance:.3f}) | {r.brier:.3f} | {saves} |"
        )
    s = result.summary
    target = "both targets met" if s.kept else "more of the decided is wrong than wished"
    lines += [
        "",
        f"All questions together, {s.clips} clips of {s.sources} sources: AUC {s.auc:.3f}, ECE "
        f"{s.calibration_error:.3f} (by chance {s.by_chance:.3f}), Brier {s.brier:.3f}.",
        f"At the thresholds, each source judged by those the others chose: {s.alarms:.1%} of "
        f"originals called FAKE, {s.missed:.1%} of fakes called REAL, {s.decided:.1%} decided, "
        f"{s.right:.1%} of those right ({target}).",
        "Originals called FAKE by source: "
        + "; ".join(f"{name} {a} of {n}" for name, (a, n) in s.alarms_by_source.items())
        + ".",
        "",
        "| answered | " + " | ".join(s.risk) + " |",
        "|---|" + "---|" * len(s.risk),
        "| wrong | " + " | ".join(f"{v:.1%}" for v in s.risk.values()) + " |",
        "| without uncertainty | "
        + " | ".join(f"{v:.1%}" for v in s.risk_without_uncertainty.values())
        + " |",
    ]
    return "\n".join(lines) + "\n"
