"""How good the detectors are on labelled files, through the very pipeline that people use.

Every figure is of whole files. A file that could not be judged is counted against us: an original
as the most suspicious of all, a fake as the least. Intervals hold 95 % and come from resampling
groups, all takes of a person together (`detector.evaluation.metrics`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detector.errors import InputError
from detector.evaluation import baselines, identity, metrics, scores
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.methods import family, question
from detector.evaluation.report import (
    ENSEMBLE,
    AnswerReport,
    Bar,
    CalibrationQuality,
    ConditionReport,
    Decisions,
    KindReport,
    ModelReport,
    Ranking,
    Report,
    ReportRow,
    Risk,
)
from detector.evaluation.scores import Scored
from detector.evaluation.splits import HoldOut, held_out_people
from detector.evaluation.tallies import (
    Column,
    Estimate,
    Share,
    couples_of,
    figure_of,
    paired_ranking,
)
from detector.models import registry
from detector.perturbation.corruptions import NONE, Condition
from detector.pipeline.software import software
from detector.schema.analysis import Label, Question

KINDS = ("video", "image")
TITLES = {
    Question.MANIPULATION: "Face manipulation",
    Question.SYNTHESIS: "Whole-image synthesis",
}


def evaluate(  # noqa: PLR0913
    labels: Path,
    *,
    models: Sequence[str] | None = None,
    kind: str = "all",
    match: str = "",
    frames: int = 32,
    device: str = "auto",
    conditions: Sequence[Condition] = (NONE,),
    against: str | None = None,
    limit: int | None = None,
    apart_from: Path | None = None,
    recipe: HoldOut | None = None,
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    comparing: Callable[[int, int], None] | None = None,
) -> Report:
    """Evaluate on a labelled CSV.

    Parameters
    ----------
    labels : Path
        See `detector.evaluation.labels`.
    models : sequence of str, optional
        Default: the default ensemble.
    kind : {"all", "video", "image"}
        Which files to take. Clips and pictures get figures of their own.
    match : str
        Only files whose name, source or method holds this.
    conditions : sequence of Condition
        What to do to the files, one after another; the first is `NONE`.
    against : str, optional
        Published models to compare with: "all" whose weights are here, or ids with commas.
    limit : int, optional
        About so many files of each kind, in whole groups, always the same.
    apart_from : Path, optional
        The CSV that was trained on: files are left out whose people also occur there, as far as a
        face recognition network tells (`detector.evaluation.identity`).
    recipe : HoldOut, optional
        What this recipe kept out of training counts as not trained on; of `labels`, if that is the
        CSV that was trained on, only this is evaluated.
    store : Path, optional
        Where to keep the scores (see `score_files`).
    progress : callable, optional
        Called with (files done, files in all), each condition counted.
    comparing : callable, optional
        The same for the faces that `apart_from` compares.
    """
    ours = [spec.id for spec in registry.choose(models)]
    here, missing = baselines.published(against, ours) if against else ([], [])
    items, notes = read_labels(labels), []
    if recipe is not None and (apart_from is None or apart_from.samefile(labels)):
        kept = held_out_people(items, recipe)
        items = [item for item in items if item.person in kept]
    items = [
        item
        for item in items
        if kind in ("all", item.kind) and match in f"{item.name} {item.source} {item.method}"
    ]
    if apart_from is not None:
        trained = read_labels(apart_from)
        if recipe is not None:
            kept = held_out_people(trained, recipe)
            trained = [item for item in trained if item.person not in kept]
        cache = store.with_suffix(".faces.npz") if store else None
        items, note = identity.apart(items, trained, cache=cache, progress=comparing)
        notes.append(note)
    by_kind: dict[str, list[Item]] = {}
    for name in KINDS:
        found = [item for item in items if item.kind == name]
        found = limited(found, limit) if limit else found
        if len({item.label for item in found}) == 2:
            by_kind[name] = found
        elif found:
            notes.append(f"The {len(found)} files of the kind {name} are all of one label.")
    if not by_kind:
        raise InputError(f"{labels} needs both originals and fakes of one kind, image or video.")
    fitting = {name: [c for c in conditions if c.fits(name)] for name in by_kind}
    total = sum(len(by_kind[name]) * len(fitting[name]) for name in by_kind)
    done, kinds = 0, []
    for name, found in by_kind.items():
        scored: dict[Condition, list[Scored]] = {}
        for condition in fitting[name]:

            def count(so_far: int, _: int, before: int = done) -> None:
                if progress:
                    progress(before + so_far, total)

            scored[condition] = scores.score_files(
                found,
                models=ours,
                also=here if condition == NONE else (),
                frames=frames,
                device=device,
                condition=condition,
                store=store,
                progress=count,
            )
            done += len(found)
        kinds.append(report(scored, ours, here))
        silent = set(here) - {baseline.id for baseline in kinds[-1].baselines}
        if silent:
            notes.append(f"Gave no score on any {name}: {', '.join(sorted(silent))}.")
    manifest = registry.manifest()
    return Report(
        labels=str(labels),
        created=datetime.now(UTC),
        software=software(device),
        frames=frames,
        thresholds={q: ensemble.thresholds for q, ensemble in manifest.ensembles.items()},
        weights={id: str(registry.get_spec(id).files[0].sha256) for id in [*ours, *here]},
        kinds=kinds,
        missing_baselines=missing,
        notes=notes,
    )


def limited(items: Sequence[Item], limit: int) -> list[Item]:
    """About so many files, in whole groups, drawn by a hash of the groups' names."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(f"{item.source}/{item.group}", []).append(item)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    kept: set[str] = set()
    count = 0
    for name in order:
        if count >= limit:
            break
        kept.add(name)
        count += len(groups[name])
    return [item for item in items if f"{item.source}/{item.group}" in kept]


def report(
    scored: Mapping[Condition, Sequence[Scored]],
    ours: Sequence[str],
    others: Sequence[str] = (),
) -> KindReport:
    """Every figure of one kind of file, from scores alone.

    Parameters
    ----------
    scored : mapping of Condition to sequence of Scored
        The same files under each condition, `NONE` among them.
    ours, others : sequences of str
        Model ids: those that decide, and the published ones to compare with.
    """
    plain = list(scored[NONE])
    ours = [id for id in ours if any(id in s.highest for s in plain)]  # a clip model: no stills
    couples = couples_of(plain)
    whole = Column.of([s.probability for s in plain], plain)
    titles = {spec.id: spec.title for spec in registry.list_models()} | {ENSEMBLE: "All together"}
    columns = {ENSEMBLE: whole}
    columns |= {id: Column.of([s.highest.get(id) for s in plain], plain) for id in ours}
    return KindReport(
        kind=plain[0].kind,
        files=len(plain),
        real=sum(1 for s in plain if s.label == 0),
        fake=sum(1 for s in plain if s.label == 1),
        groups=len({(s.source, s.group) for s in plain}),
        people=len(set(whole.groups)),
        answers=_answers(plain),
        models=[
            ModelReport(
                id=id,
                title=titles.get(id, id),
                ranking=_ranking(column, couples),
                families=_families(column, plain),
            )
            for id, column in columns.items()
        ],
        baselines=baselines.compare(plain, others, whole, couples),
        methods=_methods(whole, plain),
        sources=_sources(whole, plain),
        conditions=[
            _condition(condition, under, whole, ours)
            for condition, under in scored.items()
            if condition != NONE
        ],
        not_judged={s.name: s.problem for s in plain if s.probability is None},
    )


def _answers(scored: Sequence[Scored]) -> list[AnswerReport]:
    """The combined answer first, then each question's that was asked."""
    found = [_answer(scored, "combined", "Combined", None)]
    for asked in Question:
        own = [s for s in scored if s.label == 0 or question(s.method) is asked]
        if any(asked in s.answers for s in own) and any(s.label for s in own):
            found.append(_answer(own, str(asked), TITLES[asked], asked))
    return found


def _answer(
    scored: Sequence[Scored], name: str, title: str, asked: Question | None
) -> AnswerReport:
    values = [s.answers.get(asked) if asked else s.probability for s in scored]
    labels = [s.answer_labels.get(asked, "") if asked else s.verdict for s in scored]
    column = Column.of(values, scored)
    p, truth = column.values[column.judged], column.labels[column.judged]
    chance = metrics.calibration_error_by_chance(p)
    # Sure of nothing, and wrong: below every answer that was given.
    sure = np.where(column.judged, np.abs(column.values - 0.5), -1.0)
    wrong = ~column.judged | ((column.values > 0.5) != (column.labels == 1))
    curve = metrics.risk_coverage(sure, wrong)
    return AnswerReport(
        name=name,
        title=title,
        ranking=_ranking(column, couples_of(scored)),
        combined=figure_of(Column.of([s.probability for s in scored], scored)),
        decisions=_decisions(labels, column.labels),
        calibration=CalibrationQuality(
            error=metrics.calibration_error(p, truth),
            error_by_chance=chance.value,
            error_by_chance_high=chance.high,
            brier=metrics.brier(p, truth) if len(p) else float("nan"),
            bars=[
                Bar(low=b.low, high=b.high, said=b.said, seen=Share.of_interval(b.seen, b.count))
                for b in metrics.reliability(p, truth)
            ],
        ),
        risk=Risk(area=curve.area, coverage=curve.coverage.tolist(), risk=curve.risk.tolist()),
    )


def _ranking(column: Column, couples: Sequence[tuple[int, int]]) -> Ranking:
    auc, won = figure_of(column), paired_ranking(column, couples)
    return Ranking(
        auc=auc,
        auc_judged=auc if column.judged.all() else figure_of(column.only(column.judged)),
        judged=int(column.judged.sum()),
        pairs=len(couples),
        pairs_won=won.value,
        pairs_low=won.low,
        pairs_high=won.high,
        tpr_at_1=metrics.tpr_at(column.values, column.labels, 0.01),
        tpr_at_5=metrics.tpr_at(column.values, column.labels, 0.05),
        equal_error=metrics.equal_error(column.values, column.labels),
    )


def _decisions(said: Sequence[str], labels: np.ndarray) -> Decisions:
    verdicts = np.array(said)
    decided = np.isin(verdicts, [Label.FAKE, Label.REAL])
    right = np.where(labels == 1, verdicts == Label.FAKE, verdicts == Label.REAL)
    return Decisions(
        false_positives=Share.of_all(verdicts[labels == 0] == Label.FAKE),
        true_positives=Share.of_all(verdicts[labels == 1] == Label.FAKE),
        decided=Share.of_all(decided),
        right=Share.of_all(right[decided]),
    )


def _families(column: Column, scored: Sequence[Scored]) -> dict[str, Estimate]:
    kinds = np.array([family(s.method) if s.label else "" for s in scored])
    return {
        name: figure_of(column.only((kinds == name) | (column.labels == 0)))
        for name in sorted(set(kinds.tolist()) - {""})
    }


def _methods(column: Column, scored: Sequence[Scored]) -> list[ReportRow]:
    """Each method of fakes against all originals."""
    methods = np.array([s.method if s.label else "" for s in scored])
    found = np.array([s.verdict == Label.FAKE for s in scored])
    rows = []
    for name in sorted(set(methods.tolist()) - {""}):
        own = methods == name
        rows.append(
            ReportRow(
                name=name,
                real=int((column.labels == 0).sum()),
                fake=int(own.sum()),
                auc=figure_of(column.only(own | (column.labels == 0))),
                false_positives=None,
                true_positives=Share.of_all(found[own]),
            )
        )
    return rows


def _sources(column: Column, scored: Sequence[Scored]) -> list[ReportRow]:
    """Each source by itself: AUC only where it has both labels."""
    names = np.array([s.source for s in scored])
    found = np.array([s.verdict == Label.FAKE for s in scored])
    rows = []
    for name in sorted(set(names.tolist())):
        own = names == name
        real, fake = own & (column.labels == 0), own & (column.labels == 1)
        rows.append(
            ReportRow(
                name=name,
                real=int(real.sum()),
                fake=int(fake.sum()),
                auc=figure_of(column.only(own)) if real.any() and fake.any() else None,
                false_positives=Share.of_all(found[real]) if real.any() else None,
                true_positives=Share.of_all(found[fake]) if fake.any() else None,
            )
        )
    return rows


def _condition(
    condition: Condition, scored: Sequence[Scored], plain: Column, ours: Sequence[str]
) -> ConditionReport:
    column = Column.of([s.probability for s in scored], scored)
    fall = metrics.bootstrap_difference(
        metrics.auc, plain.values, column.values, plain.labels, plain.groups
    )
    alone = {id: Column.of([s.highest.get(id) for s in scored], scored) for id in ours}
    return ConditionReport(
        name=condition.name,
        title=condition.title,
        ranking=_ranking(column, couples_of(scored)),
        fall=fall.value,
        fall_low=fall.low,
        fall_high=fall.high,
        decisions=_decisions([s.verdict for s in scored], column.labels),
        models={id: figure_of(c) for id, c in alone.items()},
    )
