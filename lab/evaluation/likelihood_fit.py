"""Fit the likelihood of each kind of file (`detector.decision.likelihood`) to left-out evidence of
its questions, and the limits of its answers.

A table of files has a row each: `label`, `source`, `about` (the questions that a fake concerns),
`set` and `version`, and the left-out log odds of each question in a column, NaN without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from detector.decision.likelihood import GENERATED
from detector.evaluation import metrics
from detector.evaluation.labels import hash_of
from detector.schema.analysis import ConfidenceInterval, FileKind, Likelihood, Question
from detector.schema.verdict import BandRate
from lab.evaluation import bands, fitting

Array = np.ndarray

QUESTIONS = {
    FileKind.CLIP: (Question.MANIPULATION, Question.SYNTHESIS),
    FileKind.STILL: (Question.MANIPULATION, Question.SYNTHESIS, Question.PICTURE),
    FileKind.PICTURE: (Question.PICTURE,),
    FileKind.SOUND: (Question.VOICE,),
}
"""Parts of each kind. The whole picture is none of a clip with a face: on clips of other sources
AUC falls with it."""
OF_FRAMES = "faces"
"""Set of pictures with a face that the model of whole pictures alone has scored: they are of no
kind."""


@dataclass(frozen=True)
class Formula:
    """Weights of the questions, and what maps the log of the summed odds."""

    weights: dict[Question, float]
    scale: float
    offset: float

    @classmethod
    def of(cls, rows: pd.DataFrame, questions: Sequence[Question]) -> Formula:
        """Fit to files that all questions scored. A question alone is calibrated as it is."""
        labels, weights = rows["label"].to_numpy(int), dict.fromkeys(questions, 1.0)
        generated = [q for q in GENERATED if q in questions]
        if len(generated) > 1:
            asked = rows["about"].map(lambda of: not of or not set(generated).isdisjoint(of))
            own = rows[asked.to_numpy(bool)]
            fitted, _start = fitting.fit_evidence(
                own[generated].to_numpy(float), own["label"].to_numpy(int)
            )
            weights |= dict(zip(generated, fitted.tolist(), strict=True))
        formula = cls(weights, 1.0, 0.0)
        if len(questions) < 2:
            return formula
        return cls(weights, *fitting.platt(formula.logits(rows), labels))

    def logits(self, rows: pd.DataFrame) -> Array:
        """Return the log odds of each file, as `decision` computes them for one person."""
        parts = [
            self.weights[q] * rows[q].to_numpy(float) for q in self.weights if q not in GENERATED
        ]
        generated = [q for q in GENERATED if self.weights.get(q, 0.0) > 0]
        if generated:
            parts.append(sum(self.weights[q] * rows[q].to_numpy(float) for q in generated))
        return self.scale * np.asarray(logsumexp(parts, axis=0)) + self.offset


@dataclass(frozen=True)
class FittedKind:
    """The likelihood of one kind of file, and what it was measured on."""

    likelihood: Likelihood
    rows: pd.DataFrame
    logits: Array  # of `rows`, by maps, weights and a formula fitted without their source
    apart: Array  # the same without their set
    rates: list[BandRate]  # by limits fitted without the source
    sets: dict[str, list[BandRate]]  # in each set, by the limits that are fitted to all


def kinds(rows: pd.DataFrame, questions: Sequence[Question]) -> dict[FileKind, pd.DataFrame]:
    """Return the files of each kind."""
    known = rows.reindex(columns=[*rows, *(q for q in Question if q not in rows)])
    scored = {q: known[q].notna().to_numpy() & (q in questions) for q in Question}
    still = known["kind"].to_numpy() == "image"
    faces = scored[Question.MANIPULATION] | scored[Question.SYNTHESIS]
    own_picture = scored[Question.PICTURE] & (known["set"].to_numpy() != OF_FRAMES)
    masks = {
        FileKind.CLIP: faces & ~still,
        FileKind.STILL: faces & still,
        FileKind.PICTURE: own_picture & ~faces,
        FileKind.SOUND: scored[Question.VOICE] & ~faces,
    }
    return {kind: rows[mask] for kind, mask in masks.items() if mask.any()}


def complete(rows: pd.DataFrame, questions: Sequence[Question]) -> pd.DataFrame:
    """Return the files that all of these questions scored."""
    return rows[rows.reindex(columns=list(questions)).notna().all(axis=1)]


def measured(kind: FileKind, rows: pd.DataFrame, asked: Sequence[Question]) -> tuple[Question, ...]:
    """Return the questions of a kind that can be fitted together: files of enough sources of both
    labels were scored by all. The whole picture is left out first; none: it can't be fitted."""
    questions = tuple(q for q in QUESTIONS[kind] if q in asked)
    for some in (questions, tuple(q for q in questions if q is not Question.PICTURE)):
        sources = complete(rows, some).groupby("label")["source"].nunique() if some else ()
        if len(sources) == 2 and min(sources) >= min(bands.FEWEST.values()):
            return some
    return ()


def fit(
    rows: pd.DataFrame, apart: pd.DataFrame, data: Mapping[FileKind, str]
) -> dict[FileKind, FittedKind]:
    """Fit each kind of the files of a table; `apart`: the log odds of each question by maps and
    weights fitted without the file's set, in the same rows."""
    asked = [q for q in Question if q in rows]
    found = {}
    for kind, own in kinds(rows, asked).items():
        if questions := measured(kind, own, asked):
            own = complete(own, questions)
            found[kind] = _fit(kind, own, apart.loc[own.index], questions, data.get(kind, ""))
    return found


def _fit(
    kind: FileKind,
    rows: pd.DataFrame,
    apart: pd.DataFrame,
    questions: Sequence[Question],
    data: str,
) -> FittedKind:
    folds = np.array([hash_of(str(name))[:1] for name in rows["source"]])
    logits = _left_out(rows, rows, questions, folds)
    without = apart[list(questions)].where(apart[list(questions)].notna(), rows[list(questions)])
    far = _left_out(rows, rows.assign(**without), questions, rows["set"].to_numpy(str))
    labels, sources = rows["label"].to_numpy(int), rows["source"].to_numpy(str)
    sets = masks(rows)
    fitted = bands.fit(rows, logits, far, sets)
    formula = Formula.of(rows, questions)
    auc = metrics.auc_interval(logits, labels, sources)
    value, low, high = (round(figure, 3) for figure in (auc.value, auc.low, auc.high))
    likelihood = Likelihood(
        weights=formula.weights | _silent(kind, questions),
        scale=formula.scale,
        offset=formula.offset,
        people=bands.tail_slope(logits[labels == 0]),
        thresholds=bands.thresholds(fitted.limits, fitted.rates, logits, labels, data),
        odds=fitting.odds_table(logits, labels, sources),
        auc=ConfidenceInterval(value=value, low=low, high=high),
    )
    given = bands.answers(far, fitted.limits)
    by_set = {}
    for name, mask in sets.items():
        both = bands.completed(mask, labels)
        by_set[name] = bands.rates(given[both], rows[both], by_file=True)
    return FittedKind(likelihood, rows, logits, far, fitted.rates, by_set)


def _silent(kind: FileKind, questions: Sequence[Question]) -> dict[Question, float]:
    """Return a weight of 0 for a whole picture that is seen in such files and was not fitted."""
    seen = kind in (FileKind.CLIP, FileKind.STILL)
    return {Question.PICTURE: 0.0} if seen and Question.PICTURE not in questions else {}


def _left_out(
    rows: pd.DataFrame, judged: pd.DataFrame, questions: Sequence[Question], folds: Array
) -> Array:
    """Return the log odds of files, each by a formula fitted without its fold: float [files]."""
    out = np.empty(len(rows))
    for fold in np.unique(folds):
        own = folds == fold
        rest = rows[~own] if rows["label"][~own].nunique() == 2 else rows
        out[own] = Formula.of(rest, questions).logits(judged[own])
    return out


def masks(rows: pd.DataFrame) -> dict[str, Array]:
    """Return the files of each set, and of each version where there are several."""
    out = {name: rows["set"].to_numpy(str) == name for name in sorted(rows["set"].unique())}
    versions = rows["version"].to_numpy(str)
    if len(set(versions.tolist())) > 1:
        out |= {name: versions == name for name in sorted(set(versions.tolist()))}
    return out
