"""How good the detectors are on labelled files, through the very pipeline that people use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detector.errors import InputError
from detector.models import registry
from detector.results import Record
from detector.training import metrics, scores
from detector.training.data import Item, read_labels
from detector.training.scores import Scored

ENSEMBLE = "ensemble"

# Words in a method's name -> family; the first that fits. Everything else is "other".
_FAMILIES = (
    ("talking head", (
        "keyface", "sadtalker", "makeittalk", "pc-avs", "styleheat", "echomimic", "hallo", "loopy",
        "v-express", "omnihuman", "eat", "eamm", "edtalk", "avct", "nerf", "geneface", "sonic",
        "jimeng", "styletalk", "real3d", "emoportraits", "dfrf", "anitalker", "aniportrait",
        "dreamtalk", "speechportraits", "neural voice", "talking",
    )),
    ("lip-sync", ("keysync", "wav2lip", "talklip", "dinet", "hyperlips", "lip")),
    ("reenactment", ("face2face", "neuraltextures")),
    ("face swap", (
        "swap", "deepfake", "faceshifter", "deepfacelive", "dfdc", "ff++", "uadfv", "inswapper",
    )),
    ("whole image", ("gan", "diffusion")),
)  # fmt: skip


def family(method: str) -> str:
    """Which kind of manipulation a method is, from its name."""
    text = method.lower()
    # "face swap / lip-sync" and "FF++ DeepFakeDetection" are swaps whatever else they name.
    if "face swap" in text:
        return "face swap"
    return next((name for name, words in _FAMILIES if any(w in text for w in words)), "other")


class Figure(Record):
    """One figure with its 95 % interval (bootstrap over groups)."""

    value: float
    low: float
    high: float
    real: int
    fake: int


class ModelReport(Record):
    """One model (or the ensemble) on all files.

    A file that could not be judged is counted against us: an original as the highest score, a fake
    as the lowest.
    """

    id: str
    auc: Figure
    auc_judged: float
    """Of the files that could be judged."""
    judged: int
    pairs: int
    pairs_won: float
    families: dict[str, Figure]
    """AUC of one family of fakes against all originals."""
    equal_error: float
    tpr_at_5: float


class Report(Record):
    """An evaluation."""

    labels: str
    files: int
    models: list[ModelReport]
    features: dict[str, Figure]
    """AUC of what needs no detector, in the better direction of the two."""
    feature_pairs: dict[str, float]
    false_positive_rate: float
    """Share of originals called FAKE at the shipped thresholds."""
    true_positive_rate: float
    decided: float
    """Share of files that got FAKE or REAL."""
    decided_right: float
    calibration_error: float
    brier: float
    false_positives_by_source: dict[str, str]
    not_judged: dict[str, str]


def evaluate(
    labels: Path,
    *,
    models: Sequence[str] | None = None,
    kind: str | None = "video",
    frames: int = 32,
    device: str = "auto",
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Evaluate on a labelled CSV.

    Parameters
    ----------
    labels : Path
        See `detector.training.data`.
    models : sequence of str, optional
        Default: the default ensemble.
    kind : {"video", "image", None}
        Which files to take.
    store : Path, optional
        Where to keep the scores (see `score_files`).
    """
    items = [item for item in read_labels(labels) if kind in (None, item.kind)]
    if len({item.label for item in items}) < 2:
        raise InputError(f"{labels} needs both originals and fakes of the kind {kind!r}.")
    scored = scores.score_files(
        items, models=models, frames=frames, device=device, store=store, progress=progress
    )
    return report(scored, items, str(labels))


def report(scored: Sequence[Scored], items: Sequence[Item], labels: str) -> Report:
    """Every figure, from scores alone."""
    ids = list(dict.fromkeys(id for s in scored for id in s.logits))
    values: dict[str, list[float | None]] = {ENSEMBLE: [s.probability for s in scored]}
    values |= {id: [s.logits.get(id) for s in scored] for id in ids}
    truth = np.array([s.label for s in scored])
    features: dict[str, Figure] = {}
    feature_pairs: dict[str, float] = {}
    couples = _couples(scored)
    for name in scores.FEATURES:
        column = _filled([s.features.get(name) for s in scored], truth)
        sign = 1.0 if metrics.auc(column, truth) >= 0.5 else -1.0
        column = sign * np.array([s.features.get(name, 0.0) for s in scored])
        features[name] = _auc(column, truth, scored)
        feature_pairs[name] = metrics.pairs_won(column, couples)
    judged = [s for s in scored if s.probability is not None]
    probability = np.array([s.probability for s in judged], float)
    said = np.array([s.label for s in judged])
    verdicts = np.array([s.verdict for s in scored])
    decided = np.isin(verdicts, ["FAKE", "REAL"])
    right = np.where(truth == 1, verdicts == "FAKE", verdicts == "REAL")
    return Report(
        labels=labels,
        files=len(items),
        models=[_model(id, column, truth, scored, couples) for id, column in values.items()],
        features=features,
        feature_pairs=feature_pairs,
        false_positive_rate=float((verdicts[truth == 0] == "FAKE").mean()),
        true_positive_rate=float((verdicts[truth == 1] == "FAKE").mean()),
        decided=float(decided.mean()),
        decided_right=float(right[decided].mean()) if decided.any() else float("nan"),
        calibration_error=metrics.calibration_error(probability, said),
        brier=metrics.brier(probability, said) if len(judged) else float("nan"),
        false_positives_by_source=_by_source(scored),
        not_judged={s.name: s.problem for s in scored if s.probability is None},
    )


def _model(
    id: str,
    column: list[float | None],
    truth: np.ndarray,
    scored: Sequence[Scored],
    couples: list[tuple[int, int]],
) -> ModelReport:
    filled = _filled(column, truth)
    seen = np.array([value is not None for value in column])
    kinds = np.array([family(s.method) if s.label else "" for s in scored])
    families = {}
    for name in sorted(set(kinds) - {""}):
        chosen = (kinds == name) | (truth == 0)
        picked = [s for s, c in zip(scored, chosen, strict=True) if c]
        families[name] = _auc(filled[chosen], truth[chosen], picked)
    return ModelReport(
        id=id,
        auc=_auc(filled, truth, scored),
        auc_judged=metrics.auc(filled[seen], truth[seen]),
        judged=int(seen.sum()),
        pairs=len(couples),
        pairs_won=metrics.pairs_won(filled, couples),
        families=families,
        equal_error=metrics.equal_error(filled, truth),
        tpr_at_5=metrics.tpr_at(filled, truth, 0.05),
    )


def _auc(column: np.ndarray, truth: np.ndarray, scored: Sequence[Scored]) -> Figure:
    groups = [f"{s.source}/{s.group}" for s in scored]
    interval = metrics.bootstrap(metrics.auc, column, truth, groups)
    return Figure(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        real=int((truth == 0).sum()),
        fake=int((truth == 1).sum()),
    )


def _filled(column: Sequence[float | None], truth: np.ndarray) -> np.ndarray:
    worst = np.where(truth == 1, -1e6, 1e6)
    return np.array([w if v is None else v for v, w in zip(column, worst, strict=True)], float)


def _couples(scored: Sequence[Scored]) -> list[tuple[int, int]]:
    originals = {(s.source, s.group): i for i, s in enumerate(scored) if s.label == 0}
    # A group shared by several originals says who, not which footage.
    several = {(s.source, s.group) for i, s in enumerate(scored)
               if s.label == 0 and originals[s.source, s.group] != i}  # fmt: skip
    return [
        (originals[key], i)
        for i, s in enumerate(scored)
        if s.label == 1 and (key := (s.source, s.group)) in originals and key not in several
    ]


def _by_source(scored: Sequence[Scored]) -> dict[str, str]:
    out = {}
    for source in sorted({s.source for s in scored if s.label == 0}):
        verdicts = [s.verdict for s in scored if s.label == 0 and s.source == source]
        out[source] = f"{verdicts.count('FAKE')} of {len(verdicts)}"
    return out


def to_markdown(result: Report) -> str:
    """A report as Markdown tables."""
    titles = {spec.id: spec.title for spec in registry.list_models()} | {ENSEMBLE: "Ensemble"}
    lines = [
        f"{result.files} files of {result.labels}; AUC with 95 % interval (bootstrap over groups); "
        "files that could not be judged are counted against us.",
        "",
        "| model | AUC | judged | pairs won | EER | TPR at 5 % FPR |",
        "|---|---|---|---|---|---|",
    ]
    for m in result.models:
        lines.append(
            f"| {titles.get(m.id, m.id)} | {_text(m.auc)} | {m.judged} | "
            f"{m.pairs_won:.2f} of {m.pairs} | {m.equal_error:.2f} | {m.tpr_at_5:.2f} |"
        )
    for name, figure in result.features.items():
        lines.append(
            f"| *{name} alone* | {_text(figure)} | | {result.feature_pairs[name]:.2f} | | |"
        )
    names = sorted({name for m in result.models for name in m.families})
    lines += ["", "| model | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for m in result.models:
        cells = [
            f"{_text(m.families[n])} ({m.families[n].fake})" if n in m.families else ""
            for n in names
        ]
        lines.append(f"| {titles.get(m.id, m.id)} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"At the thresholds: {result.false_positive_rate:.1%} of originals called FAKE, "
        f"{result.true_positive_rate:.1%} of fakes called FAKE; {result.decided:.1%} of files got "
        f"a verdict, {result.decided_right:.1%} of those right. ECE "
        f"{result.calibration_error:.3f}, Brier {result.brier:.3f}.",
        "",
        "Originals called FAKE by source: "
        + "; ".join(f"{s} {n}" for s, n in result.false_positives_by_source.items())
        + ".",
    ]
    if result.not_judged:
        missing = ", ".join(f"{name} ({why})" for name, why in result.not_judged.items())
        lines += ["", f"Not judged: {missing}."]
    return "\n".join(lines) + "\n"


def _text(figure: Figure) -> str:
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
