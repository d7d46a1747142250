"""From raw logits to honest probabilities, ensemble weights and thresholds.

Everything is fitted on files that no model was trained on, and everything that is stated of it is
held out: each source is judged by what was fitted on the others. Two questions are calibrated
apart, each with the fakes it is about against all originals, and one threshold choice for both,
since a file that either calls manipulated is called so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.decision import material as material_of
from detector.decision.numbers import CAUSES, pooled
from detector.errors import InputError
from detector.evaluation import fitting, groups, metrics, odds, operating_points, scores
from detector.evaluation.calibration_report import (
    LEAST_GAIN,
    Calibrated,
    QuestionReport,
    Summary,
    risk,
)
from detector.evaluation.fitting import Final
from detector.evaluation.labels import Item, filled, read_labels
from detector.evaluation.operating_points import Held
from detector.evaluation.scores import Scored
from detector.evaluation.splits import HoldOut, held_out_people
from detector.evaluation.subjects import Clip, ScoredPerson, clip_of
from detector.models import registry
from detector.perturbation.corruptions import NONE, Condition
from detector.schema.analysis import (
    QUESTION_OF,
    Calibration,
    ConfidenceInterval,
    Ensemble,
    Question,
    Tally,
    Thresholds,
    UncertaintyRates,
)


@dataclass(frozen=True)
class _Fitted:
    """One question's maps, weights and starting point, fitted on some clips."""

    models: tuple[str, ...]
    maps: dict[str, tuple[float, float]]
    weights: np.ndarray
    start: float
    doubt: tuple[float, ...]

    def moved(self, scale: float, offset: float) -> _Fitted:
        """The same with all evidence times a factor, and another starting point."""
        return replace(self, weights=self.weights * scale, start=self.start * scale + offset)

    def of(self, people: Sequence[ScoredPerson]) -> np.ndarray:
        """Honest logit of each person, as `decision` computes it."""
        fused, amounts = _fused(people, self.models, self.maps, self.weights)
        return Final(1.0, self.start, self.doubt).apply(fused, amounts)

    def clip(self, clip: Clip) -> float:
        """Honest logit of a clip; NaN where nobody was judged."""
        judged = [p for p in clip.people if any(id in p.logits for id in self.models)]
        return pooled(self.of(judged).tolist()) if judged else float("nan")


def fit_scores(
    scored: Sequence[Scored],
    models: Sequence[str],
    data: str,
    *,
    worse: Sequence[Sequence[Scored]] = (),
    rate: float = operating_points.RATE,
    right: float = operating_points.RIGHT,
) -> Calibrated:
    """Calibrate from scores of files that no model was trained on, with their analyses.

    Parameters
    ----------
    models : sequence of str
        Of which the ensembles are made; a question without any is not asked.
    worse : sequence of sequences of Scored
        The same files in the same order under worse conditions: what doubt is learned from.

    Others as in `fit_clips`.
    """
    asked: dict[Question, list[str]] = {}
    for id in models:
        question = QUESTION_OF.get(registry.get_spec(id).task)
        if question:
            asked.setdefault(question, []).append(id)
    versions = list(zip(*worse, strict=True)) or [()] * len(scored)
    clips = [clip_of(s, others) for s, others in zip(scored, versions, strict=True)]
    if all(groups.known(clip) for clip in clips):
        # Sources of one kind flatter each other: whole groups of them are left out.
        clips = [replace(c, source=groups.fold_of(c)) for c in clips]
    if len({clip.source for clip in clips}) == 1:
        # Of one camera only people can be left out in turn.
        clips = [replace(c, source=s.person) for c, s in zip(clips, scored, strict=True)]
    return fit_clips(clips, asked, data, rate=rate, right=right)


def fit_clips(
    clips: Sequence[Clip],
    asked: Mapping[Question, Sequence[str]],
    data: str,
    *,
    rate: float = operating_points.RATE,
    right: float = operating_points.RIGHT,
) -> Calibrated:
    """Calibrate from clips.

    Parameters
    ----------
    asked : mapping
        Model ids by question.
    data : str
        What the clips are, in words.
    rate, right : float
        The promises: of untouched clips at most `rate` called manipulated; of the decided clips at
        least `right` decided rightly.

    Raises
    ------
    InputError
        A question has too few scored originals or fakes.
    """
    fits: dict[Question, _Fitted] = {}
    held: dict[Question, np.ndarray] = {}
    plain: dict[Question, np.ndarray] = {}
    reports = []
    for question, ids in asked.items():
        known = _known(clips, question, ids)
        parts = _folds(clips, known, ids)
        sure, doubting = (
            {name: part.finish(doubting=d) if part else None for name, part in parts.items()}
            for d in (False, True)
        )
        gains = _surprise(clips, known, sure) - _surprise(clips, known, doubting)
        plain[question] = held[question] = _held_out(clips, sure)
        if gains >= LEAST_GAIN:
            held[question] = _held_out(clips, doubting)
        whole = _Parts.fit([clips[i] for i in known], ids)
        # What was fitted is surer of its own clips than it may be of others: by how much, those
        # that were left out tell (a shrinkage factor, van Houwelingen & le Cessie 1990).
        left, labels = held[question][known], np.array([clips[i].label for i in known])
        seen = np.isfinite(left)
        scale, offset = fitting.platt(left[seen], labels[seen])
        held[question] = scale * held[question] + offset
        plain[question] = scale * plain[question] + offset
        fits[question] = whole.finish(doubting=gains >= LEAST_GAIN).moved(scale, offset)
        reports.append(
            _report(question, [clips[i] for i in known], ids, held[question][known], gains)
        )
    return _put_together(clips, fits, held, plain, reports, data, rate, right)


def held_out_logits(clips: Sequence[Clip], question: Question, models: Sequence[str]) -> np.ndarray:
    """What a question's ensemble says of each clip, by what the other sources fit and without
    doubt: float [clips], NaN where nobody is judged."""
    folds = _folds(clips, _known(clips, question, models), models)
    fitted = {name: part.finish(doubting=False) if part else None for name, part in folds.items()}
    return _held_out(clips, fitted)


def _known(clips: Sequence[Clip], question: Question, models: Sequence[str]) -> list[int]:
    """Clips that a question is fitted on: originals and its own fakes, scored by every model."""
    known = [
        i
        for i, clip in enumerate(clips)
        if clip.question in (None, question)
        and clip.people
        and any(id in clip.people[0].logits for id in models)
    ]
    if any(
        len({clips[i].label for i in known if id in clips[i].people[0].logits}) < 2 for id in models
    ):
        raise InputError(
            f"Calibrating {', '.join(models)} needs originals and fakes of its question "
            f"({question.value}) that each of them has scored.",
            hint="Leave these models out, or add such clips to the labels.",
        )
    return known


def _fused(
    people: Sequence[ScoredPerson],
    models: Sequence[str],
    maps: Mapping[str, tuple[float, float]],
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Summed evidence of people without the starting point, and how much there is of each cause of
    doubt."""
    share = dict(zip(models, weights.tolist(), strict=True))
    fused, amounts = [], []
    for person in people:
        mapped = {
            id: maps[id][0] * person.logits[id] + maps[id][1]
            for id in models
            if id in person.logits
        }
        fused.append(sum(share[id] * x for id, x in mapped.items()))
        found = material_of.shortfalls(person.material)
        found["disagreement"] = material_of.disagreement(mapped, share)
        amounts.append([found[cause] for cause in CAUSES])
    return np.array(fused), np.array(amounts).reshape(len(fused), len(CAUSES))


@dataclass(frozen=True)
class _Parts:
    """What is fitted before doubt is: maps of the models, their weights, the starting point."""

    models: tuple[str, ...]
    maps: dict[str, tuple[float, float]]
    weights: np.ndarray
    start: float
    clips: tuple[Clip, ...]

    @classmethod
    def fit(cls, clips: Sequence[Clip], models: Sequence[str]) -> _Parts:
        """On the main person of each clip; a model that could not look adds nothing there."""
        labels = np.array([c.label for c in clips])
        raw = np.array([[c.people[0].logits.get(id, np.nan) for id in models] for c in clips])
        maps = {}
        for id, x in zip(models, raw.T, strict=True):
            seen = np.isfinite(x)
            # Of a model that these clips say too little of nothing is made.
            both = len(set(labels[seen].tolist())) == 2
            maps[id] = fitting.platt(x[seen], labels[seen]) if both else (1e-6, 0.0)
        scales, offsets = (np.array(x) for x in zip(*maps.values(), strict=True))
        calibrated = np.nan_to_num(raw * scales + offsets)
        weights, start = fitting.fit_evidence(calibrated, labels)
        return cls(tuple(models), maps, weights, start, tuple(clips))

    def finish(self, *, doubting: bool) -> _Fitted:
        """Fit, if `doubting`, what poor material takes away: on worse versions of the clips too."""
        if not doubting:
            none = (0.0,) * len(CAUSES)
            return _Fitted(self.models, self.maps, self.weights, self.start, none)
        rows, labels, weights = _rows(self.clips, self.models, worse=True)
        fused, amounts = _fused(rows, self.models, self.maps, self.weights)
        final = fitting.fit_final(fused, labels, amounts, weights)
        if not any(final.doubt):
            # Nothing to doubt: worse versions of the clips are no reason for another map.
            return self.finish(doubting=False)
        scaled = self.weights * final.scale
        return _Fitted(self.models, self.maps, scaled, final.offset, final.doubt)


def _rows(
    clips: Sequence[Clip], models: Sequence[str], *, worse: bool
) -> tuple[list[ScoredPerson], np.ndarray, np.ndarray]:
    """Main people with labels and weights; their worse versions together weigh as much as they."""
    rows: list[tuple[ScoredPerson, int, float]] = []
    for clip in clips:
        rows.append((clip.people[0], clip.label, 1.0))
        others = [p for p in clip.worse if any(id in p.logits for id in models)] if worse else []
        rows += [(person, clip.label, 1.0 / len(others)) for person in others]
    people, labels, weights = zip(*rows, strict=True)
    return list(people), np.array(labels), np.array(weights)


def _folds(
    clips: Sequence[Clip], known: Sequence[int], models: Sequence[str]
) -> dict[str, _Parts | None]:
    """By source: what the other sources fit; None where they lack a label."""
    folds: dict[str, _Parts | None] = {}
    for name in sorted({clip.source for clip in clips}):
        rest = [clips[i] for i in known if clips[i].source != name]
        both = len({clip.label for clip in rest}) == 2
        folds[name] = _Parts.fit(rest, models) if both else None
    return folds


def _held_out(clips: Sequence[Clip], folds: Mapping[str, _Fitted | None]) -> np.ndarray:
    """Logit of each clip by what the other sources fit; NaN where that can't be."""
    out = np.full(len(clips), np.nan)
    for i, clip in enumerate(clips):
        fitted = folds[clip.source]
        if fitted:
            out[i] = fitted.clip(clip)
    return out


def _surprise(
    clips: Sequence[Clip], known: Sequence[int], folds: Mapping[str, _Fitted | None]
) -> float:
    """Cross-entropy of clips and their worse versions by what the other sources fit."""
    logits, labels, weights = [], [], []
    for name, fitted in folds.items():
        own = [clips[i] for i in known if clips[i].source == name]
        if fitted and own:
            rows, said, share = _rows(own, fitted.models, worse=True)
            logits.append(fitted.of(rows))
            labels.append(said)
            weights.append(share)
    return fitting.cross_entropy(*(np.concatenate(x) for x in (logits, labels, weights)))


def _report(
    question: Question,
    clips: Sequence[Clip],
    models: Sequence[str],
    held: np.ndarray,
    gains: float,
) -> QuestionReport:
    labels = np.array([clip.label for clip in clips])
    seen = np.isfinite(held)
    p, y = metrics.sigmoid(held[seen]), labels[seen]
    return QuestionReport(
        question=question,
        originals=int((labels == 0).sum()),
        fakes=int((labels == 1).sum()),
        models={id: _auc_of(clips, labels, id) for id in models},
        auc=metrics.auc(p, y),
        calibration_error=metrics.calibration_error(p, y),
        by_chance=metrics.calibration_error_by_chance(p).high,
        brier=metrics.brier(p, y),
        doubt_gains=gains,
    )


def _auc_of(clips: Sequence[Clip], labels: np.ndarray, id: str) -> float:
    """AUC of one model's raw logit, where it could look."""
    x = np.array([c.people[0].logits.get(id, np.nan) for c in clips])
    seen = np.isfinite(x)
    return metrics.auc(x[seen], labels[seen])


def _put_together(  # noqa: PLR0913
    clips: Sequence[Clip],
    fits: Mapping[Question, _Fitted],
    held: dict[Question, np.ndarray],
    plain: dict[Question, np.ndarray],
    reports: list[QuestionReport],
    data: str,
    rate: float,
    right: float,
) -> Calibrated:
    """Thresholds for all questions together, the combined answer, and what to expect."""
    labels = np.array([clip.label for clip in clips])
    sources = np.array([clip.source for clip in clips])
    origins = np.array([clip.origin or clip.source for clip in clips])
    about = {q: np.array([clip.question is q for clip in clips]) for q in fits}
    chosen = operating_points.operate(Held(held, labels, about, sources), rate=rate, right=right)
    several = np.log([max(1, len(clip.people)) for clip in clips])
    cautions = {}
    for question in fits:
        alone = held[question][(labels == 0) & (several == 0)]
        cautions[question] = fitting.fit_caution(alone, chosen.limits[question][1])
        for of in (held, plain):
            of[question] = of[question] - cautions[question] * several
    chosen = operating_points.operate(Held(held, labels, about, sources), rate=rate, right=right)
    together = _combined(held, labels, sources)
    ensembles, maps, weights = {}, {}, {}
    for question, fitted in fits.items():
        own = (labels == 0) | about[question]
        ensembles[question] = _ensemble(
            fitted, chosen.limits[question], held[question], labels, about[question], data
        ).model_copy(
            update={
                "caution": cautions[question],
                "auc": _strength(held[question][own], labels[own], origins[own]),
                "odds": odds.table(held[question][own], labels[own], origins[own]),
            }
        )
        clipped = len([c for c in clips if c.question in (None, question) and c.people])
        for id, weight in zip(fitted.models, fitted.weights, strict=True):
            scale, offset = fitted.maps[id]
            maps[id] = Calibration(scale=scale, offset=offset, data=data, clips=clipped)
            weights[id] = round(float(weight), 3)
    seen = np.isfinite(together)
    p, y = metrics.sigmoid(together[seen]), labels[seen]
    bare = _combined(plain, labels, sources)
    found = chosen.elsewhere
    summary = Summary(
        clips=len(clips),
        sources=len(set(sources.tolist())),
        auc=metrics.auc(p, y),
        calibration_error=metrics.calibration_error(p, y),
        by_chance=metrics.calibration_error_by_chance(p).high,
        brier=metrics.brier(p, y),
        alarms=found.alarms,
        missed=found.missed,
        decided=found.decided,
        right=found.right,
        kept=chosen.kept,
        alarms_by_source=operating_points.by_source(chosen.said, labels, sources),
        risk=risk(together, labels),
        risk_without_doubt=risk(bare, labels),
    )
    return Calibrated(
        models=maps, weights=weights, ensembles=ensembles, reports=reports,
        summary=summary,
    )  # fmt: skip


def _combined(
    held: Mapping[Question, np.ndarray], labels: np.ndarray, sources: np.ndarray
) -> np.ndarray:
    """All asked questions as one logit for each clip, held out: for ranking, in the summary."""
    stacked = np.stack(list(held.values()), 1)
    together = np.array([pooled(row) if np.isfinite(row).all() else np.nan for row in stacked])
    if len(held) == 1:
        return together
    seen = np.isfinite(together)
    out = np.full(len(together), np.nan)
    for name in np.unique(sources):
        rest = seen & (sources != name)
        if len(set(labels[rest].tolist())) == 2:
            scale, offset = fitting.platt(together[rest], labels[rest])
            own = seen & (sources == name)
            out[own] = scale * together[own] + offset
    return out


def _strength(held: np.ndarray, labels: np.ndarray, origins: np.ndarray) -> ConfidenceInterval:
    """AUC per clip on sources left out, with its interval from resampling sources."""
    seen = np.isfinite(held)
    found = metrics.bootstrap(metrics.auc, held[seen], labels[seen], origins[seen].tolist())
    return ConfidenceInterval(
        value=round(found.value, 3), low=round(found.low, 3), high=round(found.high, 3)
    )


def _ensemble(
    fitted: _Fitted,
    limits: tuple[float, float],
    held: np.ndarray,
    labels: np.ndarray,
    about: np.ndarray,
    data: str,
) -> Ensemble:
    """One question as the manifest states it. Thresholds are rounded outwards, and their rates are
    those of the held-out scores."""
    no_sign = bool(np.isfinite(limits[0]))
    low, high = (float(metrics.sigmoid(np.array(limit))) for limit in limits)
    low, high = np.floor(low * 1000) / 1000, np.ceil(high * 1000) / 1000
    p = metrics.sigmoid(held)
    real, fake = np.isfinite(p) & (labels == 0), np.isfinite(p) & about
    alarms = Tally(count=int((p[real] > high).sum()), clips=int(real.sum()))
    missed = Tally(count=int((p[fake] < low).sum()), clips=int(fake.sum()))
    counted = [id for id, w in zip(fitted.models, fitted.weights, strict=True) if w > 0]
    clips = alarms.clips + missed.clips
    doubt = dict(zip(CAUSES, fitted.doubt, strict=True))
    return Ensemble(
        models=counted,
        calibration=Calibration(scale=1.0, offset=fitted.start, data=data, clips=clips),
        doubt=UncertaintyRates(**doubt, data=data if any(fitted.doubt) else ""),
        thresholds=Thresholds(
            low=float(low),
            high=float(high),
            false_positive_rate=round(alarms.count / alarms.clips, 4),
            false_negative_rate=round(missed.count / missed.clips, 4),
            false_positives=alarms,
            false_negatives=missed,
            data=f"{data}, each group of sources scored without it",
            no_sign=no_sign,
        ),
        # Thresholds were made with all of them: of three or more one may be missing.
        min_models=max(min(2, len(counted)), len(counted) - 1),
    )


def held_out_items(items: Sequence[Item], recipe: HoldOut) -> list[Item]:
    """The clips of a training CSV that the recipe keeps out of training."""
    kept = held_out_people(items, recipe)
    return [item for item in items if item.kind == "video" and item.person in kept]


def calibrate(  # noqa: PLR0913
    labels: Path,
    *,
    models: Sequence[str] = (),
    recipe: HoldOut | None = None,
    where: str = "",
    data: str = "",
    frames: int = 32,
    conditions: Sequence[Condition] = (),
    rate: float = operating_points.RATE,
    right: float = operating_points.RIGHT,
    device: str = "auto",
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Calibrate models and the ensembles of both questions on the clips of a labelled CSV.

    Parameters
    ----------
    models : sequence of str
        Of which the ensembles are made. Default: the default ones.
    recipe : HoldOut, optional
        Take only what this recipe kept out of training. Default: all clips; then the CSV must hold
        none that was trained on.
    where : str, optional
        A column of the CSV: take the clips that have something in it, beside those of `recipe`.
        For a collection of which a part came after training.
    data : str
        What the clips are, in words. Default: counted.
    conditions : sequence of Condition
        The clips are also scored under these, to learn what poor material takes away.
    rate, right : float
        See `fit_scores`.
    store : Path, optional
        Where to keep the scores, and to go on from.
    """
    models = list(models) or [spec.id for spec in registry.choose()]
    items = [item for item in read_labels(labels) if item.kind == "video"]
    if recipe is not None or where:
        kept = {item.name for item in held_out_items(items, recipe)} if recipe else set()
        kept |= filled(labels, where) if where else set()
        items = [item for item in items if item.name in kept]
    scored, *worse = (
        scores.score_files(
            items, models=models, frames=frames, device=device, condition=condition,
            store=store, progress=progress,
        )
        for condition in (NONE, *conditions)
    )  # fmt: skip
    words = data or _in_words(items, conditions)
    return fit_scores(scored, models, words, worse=worse, rate=rate, right=right)


def _in_words(items: Sequence[Item], conditions: Sequence[Condition]) -> str:
    real, fake = ([i for i in items if i.label == label] for label in (0, 1))
    copies = ", ".join(condition.name for condition in conditions)
    return (
        f"{len(items)} clips that training never saw ({len(real)} untouched of "
        f"{len({i.source for i in real})} sources, {len(fake)} manipulated of "
        f"{len({i.source for i in fake})} sources)" + (f", and {copies} copies" if copies else "")
    )
