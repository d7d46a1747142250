"""Fit calibrated probabilities, ensemble weights and thresholds to raw logits.

All fits use files that no model was trained on, and all figures are cross-fitted: each source is
evaluated by a fit on the others. Questions are calibrated separately, each with its fakes against
all originals; `lab.evaluation.likelihood_fit` makes one likelihood of them for each kind of file,
`lab.evaluation.bands` fits the limits of the answers and `lab.evaluation.manifest` stores the
result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    FileKind,
    Likelihood,
    Question,
)
from detector.schema.base import StrictModel
from detector.schema.verdict import BandRate
from detector.sentences import _
from lab.evaluation import bands, fitting, groups, likelihood_fit
from lab.evaluation.ensemble_fit import EnsembleFit, covered, files_of, table_of
from lab.evaluation.groups import HoldOut, held_out_people
from lab.evaluation.likelihood_fit import FittedKind
from lab.evaluation.tables import markdown

COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)
ALONE, WRONG = "AUC, ", "wrong, "
"""Prefixes of the AUC of a model alone, and of the error rate at a coverage."""


class Calibrated(StrictModel):
    """Result of a calibration. All its figures but the AUC of a model alone are cross-fitted."""

    models: dict[str, Calibration]
    weights: dict[str, float]
    ensembles: dict[Question, Ensemble]
    likelihoods: dict[FileKind, Likelihood] = {}
    rows: list[FigureRow]
    """Figures of each question."""
    kinds: dict[FileKind, FigureRow] = {}
    """Figures of the likelihood of each kind of file. "wrong, 20%" is the error rate of the most
    confident 20 % of the files, "area of risk" that under the curve."""
    bands: dict[FileKind, list[BandRate]] = {}
    """Rates of the answers by kind of file; limits are cross-fitted by source."""
    sets: dict[FileKind, dict[str, list[BandRate]]] = {}
    """The same in each set, by maps, weights and a formula fitted without it."""

    def __getitem__(self, question: Question) -> FigureRow:
        """Return the figures of a question."""
        return next(row for row in self.rows if row.name == question)

    def add(self, fitted: Mapping[FileKind, FittedKind]) -> None:
        """Add the likelihoods of kinds of files."""
        for kind, own in fitted.items():
            labels = own.rows["label"].to_numpy(int)
            figures: Figures = {"files": len(labels), "sources": own.rows["source"].nunique()}
            figures |= _quality(own.logits, labels) | risk(own.logits, labels)
            self.kinds[kind] = FigureRow(
                table="answer", name=kind, title=kind.value, figures=figures
            )
            self.likelihoods[kind], self.bands[kind] = own.likelihood, own.rates
            self.sets[kind] = own.sets


class Parts(NamedTuple):
    """Calibrated questions without likelihoods, and the left-out log odds of each file."""

    result: Calibrated
    held: pd.DataFrame  # a column a question, float [files]; without a file's fold
    apart: pd.DataFrame  # without its set


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
    rows = [
        (
            row.name, row.count("originals"), row.count("fakes"),
            ", ".join(f"{id} {auc:.2f}" for id, auc in of_models(row).items()),
            f"{row['AUC'].value:.3f}",
            f"{row['ECE'].value:.3f} ({row['ECE by chance'].high:.3f})",
            f"{row['Brier'].value:.3f}",
        )
        for row in result.rows
    ]  # fmt: skip
    lines = [markdown(heads, rows)]
    for kind, row in result.kinds.items():
        lines += _of_kind(result, row, kind)
    return "\n\n".join(lines) + "\n"


def _of_kind(result: Calibrated, row: FigureRow, kind: FileKind) -> list[str]:
    """Return the lines on the likelihood of one kind of file."""
    wrong = {f.removeprefix(WRONG): row[f] for f in row.figures if f.startswith(WRONG)}
    wrong["area"] = row["area of risk"]
    sets = [
        (name, b.label, f"{b.right:.0%}", f"{b.share:.0%}", f"{b.wrong.count} of {b.wrong.files}")
        for name, given in result.sets[kind].items() for b in given
    ]  # fmt: skip
    heads = "left out as a whole", "answer", "right", "of those it is right about", "of the others"
    return [
        f"## {kind.value}",
        f"One likelihood, {row.count('files')} files of {row.count('sources')} sources: AUC "
        f"{row['AUC'].value:.3f}, ECE {row['ECE'].value:.3f} (by chance "
        f"{row['ECE by chance'].high:.3f}), Brier {row['Brier'].value:.3f}.",
        "The answers, each source judged by a formula and limits that were fitted without it:",
        bands.table(result.bands[kind]),
        markdown(("answered", *wrong), [("wrong", *(f"{v.value:.1%}" for v in wrong.values()))]),
        "By the limits that ship, on likelihoods by maps, weights and a formula without the set:",
        markdown(heads, sets),
    ]


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
    result, held, apart = fit_parts(people, models, data)
    files = files_of(people)
    facts = {"set": "", "version": "", "kind": "video"}
    files = files.assign(**{name: value for name, value in facts.items() if name not in files})
    rows = files[["label", "source", "about", *facts]].join(held)
    result.add(likelihood_fit.fit(rows, apart, dict.fromkeys(FileKind, data)))
    return result


def fit_parts(people: pd.DataFrame, models: Mapping[Question, Sequence[str]], data: str) -> Parts:
    """Calibrate the questions; arguments and errors as of `fit_people`."""
    fits = {question: _fit_question(people, question, ids) for question, ids in models.items()}
    files = files_of(people)
    held = pd.DataFrame({q: fit.held for q, fit in fits.items()}, index=files.index)
    apart = held.copy()
    if "set" in people and people["set"].nunique() > 1:
        by_set = people.assign(fold=people["set"])
        for q, ids in models.items():
            apart[q] = _calibrated(by_set, q, ids)
    return Parts(_assemble(people, fits, data), held, apart)


def _fit_question(people: pd.DataFrame, question: Question, ids: Sequence[str]) -> _QuestionFit:
    files = files_of(people)
    known = _known(files, question, ids)
    held = held_out_logits(people, question, ids)
    left, labels = held[known], files["label"].to_numpy(int)[known]
    scale, offset = _shrunk(left, labels)
    figures: Figures = {"originals": int((labels == 0).sum()), "fakes": int((labels == 1).sum())}
    figures |= _quality(scale * left + offset, labels)
    for id in ids:
        x = files[id].to_numpy()[known]
        figures[f"{ALONE}{id}"] = Interval(metrics.auc(x[np.isfinite(x)], labels[np.isfinite(x)]))
    row = FigureRow(table="answer", name=question, title=question.spec.task, figures=figures)
    whole = EnsembleFit.of(files[known], ids).moved(scale, offset)
    return _QuestionFit(whole, scale * held + offset, row)


def _shrunk(left: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return scale and offset of left-out logits: a fit is overconfident on unseen files (van
    Houwelingen & le Cessie 1990)."""
    seen = np.isfinite(left)
    return fitting.platt(left[seen], labels[seen])


def _calibrated(people: pd.DataFrame, question: Question, ids: Sequence[str]) -> np.ndarray:
    """Return the calibrated cross-fitted logits of a question: float [files]."""
    files = files_of(people)
    held, known = held_out_logits(people, question, ids), _known(files, question, ids)
    labels = files["label"].to_numpy(int)
    if len(set(labels[known & np.isfinite(held)].tolist())) < 2:  # all of it is one set
        return np.full(len(files), np.nan)
    scale, offset = _shrunk(held[known], labels[known])
    return np.asarray(scale * held + offset)


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
    """Return maps, weights and figures of all questions."""
    files = files_of(people)
    labels, origins = files["label"].to_numpy(int), files["source"].to_numpy(str)
    ensembles, maps, weights = {}, {}, {}
    for q, fit in fits.items():
        own = covered(files, q)
        x, y, origin = fit.held[own], labels[own], origins[own]
        seen = np.isfinite(x)
        auc = metrics.auc_interval(x[seen], y[seen], origin[seen])
        value, low, high = (round(figure, 3) for figure in (auc.value, auc.low, auc.high))
        interval = ConfidenceInterval(value=value, low=low, high=high)
        ensembles[q] = _ensemble(fit.ensemble, x, data, interval)
        for id, weight in zip(fit.ensemble.models, fit.ensemble.weights, strict=True):
            scale, offset = fit.ensemble.maps[id]
            count = int(np.isfinite(x).sum())
            maps[id] = Calibration(scale=scale, offset=offset, data=data, clips=count)
            weights[id] = round(float(weight), 3)
    rows = [fit.row for fit in fits.values()]
    return Calibrated(models=maps, weights=weights, ensembles=ensembles, rows=rows)


def _ensemble(fit: EnsembleFit, held: np.ndarray, data: str, auc: ConfidenceInterval) -> Ensemble:
    """Return one question as the manifest states it."""
    counted = [id for id, w in zip(fit.models, fit.weights, strict=True) if w > 0]
    clips = int(np.isfinite(held).sum())
    return Ensemble(
        models=counted,
        calibration=Calibration(scale=1.0, offset=fit.start, data=data, clips=clips),
        # Thresholds hold for all of them: of three or more, one may be missing.
        min_models=max(min(2, len(counted)), len(counted) - 1),
        auc=auc,
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
