"""Fit calibrated probabilities, ensemble weights and thresholds to raw logits.

All fits use files that no model was trained on, and all figures are cross-fitted: each source is
evaluated by a fit on the others. Questions are calibrated separately, each with its fakes against
all originals; `lab.evaluation.bands` fits the limits of the answers and `lab.evaluation.manifest`
stores the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from detector.errors import InputError
from detector.evaluation import metrics, scores
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.scores import Scored, Scoring
from detector.models import registry
from detector.schema.analysis import (
    QUESTION_OF,
    Calibration,
    ConfidenceInterval,
    Ensemble,
    Question,
)
from detector.schema.base import StrictModel
from detector.schema.verdict import BandRate
from detector.sentences import _
from lab.evaluation import bands, fitting, groups
from lab.evaluation.ensemble_fit import Clip, EnsembleFit, clip_of
from lab.evaluation.groups import HoldOut, held_out_people
from lab.evaluation.tables import markdown

COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)


class QuestionReport(StrictModel):
    """Figures of one question. All but `models` are cross-fitted by source."""

    question: Question
    originals: int
    fakes: int
    models: dict[str, float]  # AUC of each model's raw logit
    auc: float
    calibration_error: float
    by_chance: float
    """97.5 % quantile of the calibration error of perfectly calibrated probabilities."""
    brier: float


class Summary(StrictModel):
    """Figures of the verdict on left-out sources."""

    clips: int
    sources: int
    auc: float
    calibration_error: float
    by_chance: float
    brier: float
    bands: list[list[BandRate]]
    """Rates of a file's answers by medium; limits are cross-fitted by source."""
    risk: dict[str, float]
    """Error rate of the most confident 20, 40 … 100 % of the clips, and "area" under the curve."""


class Calibrated(StrictModel):
    """Result of a calibration."""

    models: dict[str, Calibration]
    weights: dict[str, float]
    ensembles: dict[Question, Ensemble]
    reports: list[QuestionReport]
    summary: Summary

    @classmethod
    def joined(cls, parts: Sequence[Calibrated]) -> Calibrated:
        """Return calibrations of different questions as one, with the summary of the first and the
        bands of all."""
        first, *others = parts
        for part in others:
            first.models |= part.models
            first.weights |= part.weights
            first.ensembles |= part.ensembles
            first.reports += part.reports
            first.summary.bands += part.summary.bands
        return first


def risk(together: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the error rate of the most confident clips by coverage (`metrics.risk_coverage`)."""
    seen = np.isfinite(together)
    wrong = (together[seen] > 0) != labels[seen]
    coverage, curve = metrics.risk_coverage(np.abs(together[seen]), wrong)
    shares = [*np.interp(COVERAGES, coverage, curve).tolist(), float(curve.mean())]
    return dict(zip([*(f"{c:.0%}" for c in COVERAGES), "area"], shares, strict=True))


def to_markdown(result: Calibrated) -> str:
    """Return the result as Markdown; every figure but the models' AUC is cross-fitted."""
    heads = (
        "question", "originals", "fakes", "AUC of each model", "together", "ECE (by chance)",
        "Brier",
    )  # fmt: skip
    rows = [
        (
            r.question.value, r.originals, r.fakes,
            ", ".join(f"{id} {auc:.2f}" for id, auc in r.models.items()), f"{r.auc:.3f}",
            f"{r.calibration_error:.3f} ({r.by_chance:.3f})", f"{r.brier:.3f}",
        )
        for r in result.reports
    ]  # fmt: skip
    s = result.summary
    lines = [
        markdown(heads, rows),
        f"All questions together, {s.clips} clips of {s.sources} sources: AUC {s.auc:.3f}, ECE "
        f"{s.calibration_error:.3f} (by chance {s.by_chance:.3f}), Brier {s.brier:.3f}.",
        "The file's answers, each source judged by limits that were fitted without it:",
        *map(bands.table, s.bands),
        markdown(("answered", *s.risk), [("wrong", *(f"{v:.1%}" for v in s.risk.values()))]),
    ]
    return "\n\n".join(lines) + "\n"


Folds = dict[str, EnsembleFit | None]
"""Fit on the other sources, by source; None where these lack a label."""


@dataclass(frozen=True)
class _QuestionFit:
    """Ensemble of one question, and its cross-fitted logits."""

    ensemble: EnsembleFit
    held: np.ndarray  # float [clips]; NaN where a clip can't be judged
    about: np.ndarray  # bool [clips]: the fakes of the question
    report: QuestionReport


def fit_scores(scored: Sequence[Scored], models: Sequence[str], data: str) -> Calibrated:
    """Calibrate on scores and analyses of files that no model was trained on; questions without any
    of `models` are skipped."""
    by_question: dict[Question, list[str]] = {}
    for id in models:
        question = QUESTION_OF.get(registry.get_spec(id).task)
        if question:
            by_question.setdefault(question, []).append(id)
    clips = [clip_of(s) for s in scored]
    if all(groups.known(clip) for clip in clips):
        # Similar sources make figures optimistic: whole groups of them are left out.
        clips = [replace(c, source=groups.fold_of(c)) for c in clips]
    if len({clip.source for clip in clips}) == 1:
        # A single source can only be split by person.
        clips = [replace(c, source=s.person) for c, s in zip(clips, scored, strict=True)]
    return fit_clips(clips, by_question, data)


def fit_clips(
    clips: Sequence[Clip], by_question: Mapping[Question, Sequence[str]], data: str
) -> Calibrated:
    """Calibrate on clips, with model ids by question; `data` describes the clips in words. Raise
    InputError where a question has too few scored originals or fakes."""
    fits = {question: _fit_question(clips, question, ids) for question, ids in by_question.items()}
    return _assemble(clips, fits, data)


def _fit_question(clips: Sequence[Clip], question: Question, ids: Sequence[str]) -> _QuestionFit:
    known = _known(clips, question, ids)
    whole = EnsembleFit.of([clips[i] for i in known], ids)
    held = _held_out(clips, _folds(clips, known, ids))
    # A fit is overconfident on unseen clips: the left-out ones give the shrinkage factor (van
    # Houwelingen & le Cessie 1990).
    left, labels = held[known], np.array([clips[i].label for i in known])
    seen = np.isfinite(left)
    scale, offset = fitting.platt(left[seen], labels[seen])
    held = scale * held + offset
    raw_auc = {}
    for id in ids:
        x = np.array([clips[i].people[0].get(id, np.nan) for i in known])
        raw_auc[id] = metrics.auc(x[np.isfinite(x)], labels[np.isfinite(x)])
    report = QuestionReport(
        question=question,
        originals=int((labels == 0).sum()),
        fakes=int((labels == 1).sum()),
        models=raw_auc,
        **_quality(held[known], labels),
    )
    about = np.array([clip.is_fake_of(question) for clip in clips])
    return _QuestionFit(whole.moved(scale, offset), held, about, report)


def _known(clips: Sequence[Clip], question: Question, models: Sequence[str]) -> list[int]:
    """Return the indices of a question's clips: originals and its fakes, scored by any model."""
    known = [
        i
        for i, clip in enumerate(clips)
        if (not clip.label or clip.is_fake_of(question))
        and clip.people
        and any(id in clip.people[0] for id in models)
    ]
    if any(len({clips[i].label for i in known if id in clips[i].people[0]}) < 2 for id in models):
        raise InputError(
            _(
                "Calibrating {models} needs originals and fakes of its question "
                "({value}) that each of them has scored."
            ).format(models=", ".join(models), value=question.value),
            hint=_("Leave these models out, or add such clips to the labels."),
        )
    return known


def _folds(clips: Sequence[Clip], known: Sequence[int], models: Sequence[str]) -> Folds:
    folds: Folds = {}
    for name in sorted({clip.source for clip in clips}):
        rest = [clips[i] for i in known if clips[i].source != name]
        both = len({clip.label for clip in rest}) == 2
        folds[name] = EnsembleFit.of(rest, models) if both else None
    return folds


def _held_out(clips: Sequence[Clip], folds: Folds) -> np.ndarray:
    """Return the cross-fitted logit of each clip; NaN without a fit."""
    fits = [(folds[clip.source], clip) for clip in clips]
    return np.array([fit.clip_logit(clip) if fit else np.nan for fit, clip in fits])


def held_out_logits(clips: Sequence[Clip], question: Question, ids: Sequence[str]) -> np.ndarray:
    """Return cross-fitted logits of models together, by maps and weights fitted without a clip's
    source: float [clips], NaN where no model scored it."""
    return _held_out(clips, _folds(clips, _known(clips, question, ids), ids))


def _quality(held: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the figures common to all reports."""
    seen = np.isfinite(held)
    p, y = expit(held[seen]), labels[seen]
    return {
        "auc": metrics.auc(p, y),
        "calibration_error": metrics.calibration_error(p, y),
        "by_chance": metrics.calibration_error_by_chance(p).high,
        "brier": metrics.brier(p, y),
    }


def _assemble(
    clips: Sequence[Clip], fits: Mapping[Question, _QuestionFit], data: str
) -> Calibrated:
    """Return the bands of all questions, the combined answer, and its figures."""
    labels = np.array([clip.label for clip in clips])
    origins = np.array([clip.origin or clip.source for clip in clips])
    alone = np.array([len(clip.people) == 1 for clip in clips])
    about = {q: fit.about for q, fit in fits.items()}
    held = {q: fit.held for q, fit in fits.items()}
    left_out = bands.HeldOutLogits(held, labels, about, origins)
    fitted = [bands.fit(medium) for medium in left_out.media()]
    of = {q: (edges, one.rates) for one in fitted for q, edges in one.limits.items()}
    ensembles, maps, weights = {}, {}, {}
    for q, fit in fits.items():
        own = (labels == 0) | about[q]
        x, y, origin = held[q][own], labels[own], origins[own]
        seen = np.isfinite(x)
        auc = metrics.auc_interval(x[seen], y[seen], origin[seen])
        value, low, high = (round(figure, 3) for figure in (auc.value, auc.low, auc.high))
        ensembles[q] = _ensemble(
            fit.ensemble, x, data,
            thresholds=bands.thresholds(*of[q], x, y, data),
            people_correction=bands.tail_slope(held[q][(labels == 0) & alone]),
            auc=ConfidenceInterval(value=value, low=low, high=high),
            odds=fitting.odds_table(x, y, origin),
        )  # fmt: skip
        for id, weight in zip(fit.ensemble.models, fit.ensemble.weights, strict=True):
            scale, offset = fit.ensemble.maps[id]
            count = int(np.isfinite(x).sum())
            maps[id] = Calibration(scale=scale, offset=offset, data=data, clips=count)
            weights[id] = round(float(weight), 3)
    together = _combined(held)
    summary = Summary(
        clips=len(clips),
        sources=len(set(origins.tolist())),
        **_quality(together, labels),
        bands=[one.rates for one in fitted],
        risk=risk(together, labels),
    )
    reports = [fit.report for fit in fits.values()]
    return Calibrated(
        models=maps, weights=weights, ensembles=ensembles, reports=reports, summary=summary
    )


def _combined(held: Mapping[Question, np.ndarray]) -> np.ndarray:
    """Return each clip's logit of the question about any kind of fake, if it was calibrated."""
    return held.get(Question.MANIPULATION, next(iter(held.values())))


def _ensemble(fit: EnsembleFit, held: np.ndarray, data: str, **stated: Any) -> Ensemble:
    """Return one question as the manifest states it."""
    counted = [id for id, w in zip(fit.models, fit.weights, strict=True) if w > 0]
    clips = int(np.isfinite(held).sum())
    return Ensemble(
        models=counted,
        calibration=Calibration(scale=1.0, offset=fit.start, data=data, clips=clips),
        # Thresholds hold for all of them: of three or more, one may be missing.
        min_models=max(min(2, len(counted)), len(counted) - 1),
        **stated,
    )


def calibrate(
    labels: Path,
    *,
    models: Sequence[str] = (),
    recipe: HoldOut | None = None,
    where: str = "",
    scoring: Scoring | None = None,
) -> Calibrated:
    """Calibrate models (default: the default ones of pictures) on the clips of a labelled CSV.

    Only clips that `recipe` held out of training are used, and those with a value in the column
    `where`; without both, all, none of which may have been trained on."""
    models = list(models) or [s.id for s in registry.choose() if s.kind != "audio"]
    items = [item for item in read_labels(labels) if item.kind != "image"]
    if recipe is not None or where:
        names = filled(labels, where) if where else set()
        people = held_out_people(items, recipe) if recipe else set()
        items = [item for item in items if item.person in people or item.name in names]
    scored = scores.score_files(items, models=models, scoring=scoring)
    return fit_scores(scored, models, _in_words(items))


def filled(path: Path, column: str) -> set[str]:
    """Return the files with a value in a column of a CSV; raise InputError without the column."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if column not in table:
        text = _("The labels {path} have no column {column}.")
        raise InputError(text.format(path=path, column=repr(column)))
    return set(table["file"][table[column].str.strip() != ""])


def _in_words(items: Sequence[Item]) -> str:
    real, fake = ([i for i in items if i.label == label] for label in (0, 1))
    return (
        f"{len(items)} clips, each judged by weights that never saw it ({len(real)} untouched of "
        f"{len({i.source for i in real})} sources, {len(fake)} manipulated of "
        f"{len({i.source for i in fake})} sources)"
    )
