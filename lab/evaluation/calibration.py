"""Fit calibrated probabilities, ensemble weights and thresholds to raw logits.

All fits use files that no model was trained on, and all figures are cross-fitted: each source is
evaluated by a fit on the others. Questions are calibrated separately, each with its fakes against
all originals; `lab.evaluation.bands` fits the limits of the answers and `lab.evaluation.manifest`
stores the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from detector.errors import InputError
from detector.evaluation import metrics, scores
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.metrics import Interval
from detector.evaluation.report import FigureRow, Figures, calibration_figures
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
from lab.evaluation.ensemble_fit import EnsembleFit, covered, files_of, table_of
from lab.evaluation.groups import HoldOut, held_out_people
from lab.evaluation.tables import markdown

COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)
ALONE, WRONG = "AUC, ", "wrong, "
"""Prefixes of the AUC of a model alone, and of the error rate at a coverage."""


class Calibrated(StrictModel):
    """Result of a calibration. All its figures but the AUC of a model alone are cross-fitted."""

    models: dict[str, Calibration]
    weights: dict[str, float]
    ensembles: dict[Question, Ensemble]
    rows: list[FigureRow]
    """Figures of the combined answer and of each question. "wrong, 20%" is the error rate of the
    most confident 20 % of the files, "area of risk" that under the curve."""
    bands: list[list[BandRate]]
    """Rates of a file's answers by medium; limits are cross-fitted by source."""

    def __getitem__(self, question: Question) -> FigureRow:
        """Return the figures of a question."""
        return next(row for row in self.rows if row.name == question)

    @classmethod
    def joined(cls, parts: Sequence[Calibrated]) -> Calibrated:
        """Return calibrations of different questions as one, with the combined answer of the first
        and the bands of all."""
        first, *others = parts
        for part in others:
            first.models |= part.models
            first.weights |= part.weights
            first.ensembles |= part.ensembles
            first.rows += part.rows[1:]
            first.bands += part.bands
        return first


def risk(together: np.ndarray, labels: np.ndarray) -> Figures:
    """Return the error rate of the most confident files by coverage (`metrics.risk_coverage`)."""
    seen = np.isfinite(together)
    wrong = (together[seen] > 0) != labels[seen]
    coverage, curve = metrics.risk_coverage(np.abs(together[seen]), wrong)
    shares = np.interp(COVERAGES, coverage, curve).tolist()
    figures: Figures = {
        f"{WRONG}{c:.0%}": Interval(share) for c, share in zip(COVERAGES, shares, strict=True)
    }
    return figures | {"area of risk": Interval(float(curve.mean()))}


def to_markdown(result: Calibrated) -> str:
    """Return the result as Markdown."""
    heads = (
        "question", "originals", "fakes", "AUC of each model", "together", "ECE (by chance)",
        "Brier",
    )  # fmt: skip
    together, *questions = result.rows
    rows = [
        (
            row.name, row.count("originals"), row.count("fakes"),
            ", ".join(f"{id} {auc:.2f}" for id, auc in of_models(row).items()),
            f"{row['AUC'].value:.3f}",
            f"{row['ECE'].value:.3f} ({row['ECE by chance'].high:.3f})",
            f"{row['Brier'].value:.3f}",
        )
        for row in questions
    ]  # fmt: skip
    wrong = {f.removeprefix(WRONG): together[f] for f in together.figures if f.startswith(WRONG)}
    wrong["area"] = together["area of risk"]
    lines = [
        markdown(heads, rows),
        f"All questions together, {together.count('files')} clips of {together.count('sources')} "
        f"sources: AUC {together['AUC'].value:.3f}, ECE {together['ECE'].value:.3f} (by chance "
        f"{together['ECE by chance'].high:.3f}), Brier {together['Brier'].value:.3f}.",
        "The file's answers, each source judged by limits that were fitted without it:",
        *map(bands.table, result.bands),
        markdown(("answered", *wrong), [("wrong", *(f"{v.value:.1%}" for v in wrong.values()))]),
    ]
    return "\n\n".join(lines) + "\n"


def of_models(row: FigureRow) -> dict[str, float]:
    """Return the AUC of each model alone in the figures of a question."""
    return {f.removeprefix(ALONE): row[f].value for f in row.figures if f.startswith(ALONE)}


@dataclass(frozen=True)
class _QuestionFit:
    """Ensemble of one question, and its cross-fitted logits."""

    ensemble: EnsembleFit
    held: np.ndarray  # float [files]; NaN where a file can't be judged
    row: FigureRow


def fit_scores(scored: Sequence[Scored], models: Sequence[str], data: str) -> Calibrated:
    """Calibrate on scores and analyses of files that no model was trained on; questions without any
    of `models` are skipped."""
    folds = [one.source for one in scored]
    if all(map(groups.known, scored)):
        # Similar sources make figures optimistic: whole groups of them are left out.
        folds = [groups.fold_of(one) for one in scored]
    if len(set(folds)) == 1:
        # A single source can only be split by person.
        folds = [one.person for one in scored]
    people = table_of(scored, folds)
    missing = [id for id in models if id not in people]
    return fit_people(people.assign(**dict.fromkeys(missing, np.nan)), by_question(models), data)


def by_question(
    models: Iterable[str], questions: Mapping[str, Question] | None = None
) -> dict[Question, list[str]]:
    """Return the ids of models by question, without models of none. `questions` by model id
    override the catalog's, for models that are not in it."""
    found: dict[Question, list[str]] = {}
    for id in models:
        question = (questions or {}).get(id) or QUESTION_OF.get(registry.get_spec(id).task)
        if question is not None:
            found.setdefault(question, []).append(id)
    return found


def fit_people(
    people: pd.DataFrame, models: Mapping[Question, Sequence[str]], data: str
) -> Calibrated:
    """Calibrate on a table of people (`ensemble_fit`), with model ids by question; `data` describes
    the files in words. Raise InputError where a question has too few scored originals or fakes."""
    fits = {question: _fit_question(people, question, ids) for question, ids in models.items()}
    return _assemble(people, fits, data)


def _fit_question(people: pd.DataFrame, question: Question, ids: Sequence[str]) -> _QuestionFit:
    files = files_of(people)
    known = _known(files, question, ids)
    held = held_out_logits(people, question, ids)
    # A fit is overconfident on unseen files: the left-out ones give the shrinkage factor (van
    # Houwelingen & le Cessie 1990).
    left, labels = held[known], files["label"].to_numpy(int)[known]
    seen = np.isfinite(left)
    scale, offset = fitting.platt(left[seen], labels[seen])
    figures: Figures = {"originals": int((labels == 0).sum()), "fakes": int((labels == 1).sum())}
    figures |= _quality(scale * left + offset, labels)
    for id in ids:
        x = files[id].to_numpy()[known]
        figures[f"{ALONE}{id}"] = Interval(metrics.auc(x[np.isfinite(x)], labels[np.isfinite(x)]))
    row = FigureRow(table="answer", name=question, title=question.spec.task, figures=figures)
    whole = EnsembleFit.of(files[known], ids).moved(scale, offset)
    return _QuestionFit(whole, scale * held + offset, row)


def judged(files: pd.DataFrame, ids: Sequence[str]) -> np.ndarray:
    """Return a mask of the files that any of the models scored: bool [files]."""
    return files[list(ids)].notna().any(axis=1).to_numpy()


def asked(files: pd.DataFrame, question: Question, ids: Sequence[str]) -> np.ndarray:
    """Return a mask of the files for the fit of a question, bool [files]: originals and fakes that
    it covers, scored by any of its models."""
    return judged(files, ids) & covered(files, question)


def _known(files: pd.DataFrame, question: Question, ids: Sequence[str]) -> np.ndarray:
    """Return `asked`; raise InputError unless each model scored originals and fakes of these."""
    known = asked(files, question, ids)
    if any(files["label"][known & files[id].notna()].nunique() < 2 for id in ids):
        raise InputError(
            _(
                "Calibrating {models} needs originals and fakes of its question "
                "({value}) that each of them has scored."
            ).format(models=", ".join(ids), value=question.value),
            hint=_("Leave these models out, or add such clips to the labels."),
        )
    return known


def held_out_logits(people: pd.DataFrame, question: Question, ids: Sequence[str]) -> np.ndarray:
    """Return cross-fitted logits of models together, by maps and weights fitted without a file's
    fold: float [files], NaN where no model scored it or the other folds lack a label."""
    files = files_of(people)
    known, held = _known(files, question, ids), pd.Series(np.nan, files.index)
    for fold in files["fold"].unique():
        rest = files[known & (files["fold"] != fold)]
        if rest["label"].nunique() == 2:
            logits = EnsembleFit.of(rest, ids).logits(people[people["fold"] == fold])
            held[logits.index] = logits
    return held.to_numpy()


def _quality(held: np.ndarray, labels: np.ndarray) -> Figures:
    """Return the figures of all answers."""
    seen = np.isfinite(held)
    p, y = expit(held[seen]), labels[seen]
    return {"AUC": Interval(metrics.auc(p, y)), **calibration_figures(p, y)}


def _assemble(people: pd.DataFrame, fits: Mapping[Question, _QuestionFit], data: str) -> Calibrated:
    """Return the bands of all questions, the combined answer, and its figures."""
    files = files_of(people)
    labels, origins = files["label"].to_numpy(int), files["source"].to_numpy(str)
    alone = people.groupby(level=0).size().to_numpy() == 1
    held = files[["label", "source", "about"]].assign(**{q: fit.held for q, fit in fits.items()})
    fitted = [bands.fit(held, questions) for questions in bands.by_subject(fits)]
    of = {q: (edges, one.rates) for one in fitted for q, edges in one.limits.items()}
    ensembles, maps, weights = {}, {}, {}
    for q, fit in fits.items():
        own = covered(files, q)
        x, y, origin = fit.held[own], labels[own], origins[own]
        seen = np.isfinite(x)
        auc = metrics.auc_interval(x[seen], y[seen], origin[seen])
        value, low, high = (round(figure, 3) for figure in (auc.value, auc.low, auc.high))
        ensembles[q] = _ensemble(
            fit.ensemble, x, data,
            thresholds=bands.thresholds(*of[q], x, y, data),
            people_correction=bands.tail_slope(fit.held[(labels == 0) & alone]),
            auc=ConfidenceInterval(value=value, low=low, high=high),
            odds=fitting.odds_table(x, y, origin),
        )  # fmt: skip
        for id, weight in zip(fit.ensemble.models, fit.ensemble.weights, strict=True):
            scale, offset = fit.ensemble.maps[id]
            count = int(np.isfinite(x).sum())
            maps[id] = Calibration(scale=scale, offset=offset, data=data, clips=count)
            weights[id] = round(float(weight), 3)
    # The question about any kind of fake, if it was calibrated.
    together = fits.get(Question.MANIPULATION, next(iter(fits.values()))).held
    figures: Figures = {"files": len(files), "sources": len(set(origins.tolist()))}
    figures |= _quality(together, labels) | risk(together, labels)
    combined = FigureRow(table="answer", name="combined", title="Combined", figures=figures)
    return Calibrated(
        models=maps, weights=weights, ensembles=ensembles,
        rows=[combined, *(fit.row for fit in fits.values())], bands=[one.rates for one in fitted],
    )  # fmt: skip


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
