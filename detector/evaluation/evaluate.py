"""Evaluation of the detectors on labelled files, through the product's own pipeline.

Every figure is over whole files. A file that could not be judged counts against us: an original
as the most suspicious of all, a fake as the least. Intervals are 95 % and come from resampling
groups, all takes of a person together (`detector.evaluation.metrics`).

Baselines that the ensemble has to beat, on the same files in the same run: published detectors
whose weights are on this computer, each on the person most suspicious to it, in its authors'
direction; and features that need no detector, each in the better of its two directions, which
flatters them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detector import weights
from detector.errors import InputError, UsageError
from detector.evaluation import metrics, scores
from detector.evaluation.labels import Item, family, hash_of, questions, read_labels
from detector.evaluation.metrics import Interval
from detector.evaluation.report import (
    ENSEMBLE,
    Column,
    Curves,
    FigureRow,
    Figures,
    KindReport,
    Report,
    Table,
    calibration_figures,
    couples_of,
    ranking,
    reliability,
)
from detector.evaluation.scores import Scored, Scoring
from detector.messages.format import capital
from detector.models import registry
from detector.perturbation.conditions import NONE, Condition
from detector.pipeline.initial_results import result, software
from detector.schema.analysis import Label, Question, Side
from detector.schema.codes import ANSWERED
from detector.schema.ensemble import shown_name
from detector.sentences import _

KINDS = ("video", "image", "audio")


@dataclass(frozen=True)
class FileSelection:
    """Selection of labelled files."""

    kind: str = "all"  # "all", "video", "image" or "audio"
    match: str = ""  # only files whose name, source or method contains this
    limit: int | None = None  # about so many of each kind, in whole groups, deterministic

    def of(self, labels: Path) -> list[Item]:
        """Return the selected files of a labelled CSV; raise InputError if one is missing."""

        def check(item: Item) -> None:
            if self._wants(item) and not item.file.is_file():
                text = _("{labels} lists {name}, which is not there.")
                hint = _("Names are relative to the folder of the CSV.")
                raise InputError(
                    text.format(labels=labels, name=item.name), code="not_found", hint=hint
                )

        return [item for item in read_labels(labels, check) if self._wants(item)]

    def _wants(self, item: Item) -> bool:
        return (
            self.kind in ("all", item.kind)
            and self.match in f"{item.name} {item.source} {item.method}"
        )


def evaluate(
    labels: Path,
    *,
    models: Sequence[str] | None = None,
    selection: FileSelection | None = None,
    conditions: Sequence[Condition] = (NONE,),
    against: str | None = None,
    scoring: Scoring | None = None,
) -> Report:
    """Evaluate on a labelled CSV, by default the default ensemble.

    `conditions` are applied one after another, first `NONE`; `against` names published models to
    compare with ("all", or ids with commas). `scoring.on_progress` counts each condition. Raise
    InputError where no kind has originals and fakes, or a chosen file is missing."""
    selection, scoring = selection or FileSelection(), scoring or Scoring()
    ours = [spec.id for spec in registry.choose(models)]
    here, missing = published(against, ours) if against else ([], [])
    items, notes = selection.of(labels), list[str]()
    by_kind: dict[str, list[Item]] = {}
    for name in KINDS:
        files = [item for item in items if item.kind == name]
        files = limited(files, selection.limit) if selection.limit else files
        if len({item.label for item in files}) == 2:
            by_kind[name] = files
        elif files:
            text = _("The {files} files of the kind {name} are all of one label.")
            notes.append(text.format(files=len(files), name=name))
    if not by_kind:
        text = _("{labels} needs both originals and fakes of one kind, image, video or audio.")
        raise InputError(text.format(labels=labels))
    passes = [(name, c) for name in by_kind for c in conditions if c.fits(name)]
    total, before = sum(len(by_kind[name]) for name, _ in passes), 0
    scored: dict[str, dict[Condition, list[Scored]]] = {name: {} for name in by_kind}
    for name, condition in passes:

        def on_progress(done: int, _: int, before: int = before) -> None:
            if scoring.on_progress:
                scoring.on_progress(before + done, total)

        scored[name][condition] = scores.score_files(
            by_kind[name],
            models=ours,
            also=here if condition == NONE else (),
            condition=condition,
            scoring=replace(scoring, on_progress=on_progress),
        )
        before += len(by_kind[name])
    kinds = [report(files, ours, here) for files in scored.values()]
    for kind in kinds:
        if silent := set(here) - {row.name for row in kind.table("published")}:
            models = ", ".join(sorted(silent))
            notes.append(
                _("Gave no score on any {kind}: {models}.").format(kind=kind.kind, models=models)
            )
    return Report(
        labels=str(labels),
        created=datetime.now(UTC),
        software=software(scoring.device),
        frames=scoring.frames,
        thresholds={k: fit.thresholds for k, fit in registry.manifest().likelihoods.items()},
        weights={id: str(result(registry.get_spec(id)).weights_sha256) for id in [*ours, *here]},
        kinds=kinds,
        missing_baselines=missing,
        notes=notes,
    )


def limited(items: Sequence[Item], limit: int) -> list[Item]:
    """Return about so many files, in whole groups, drawn by a hash of the groups' names."""
    sizes = Counter(f"{item.source}/{item.group}" for item in items)
    order = sorted(sizes, key=hash_of)
    enough = int(np.searchsorted(np.cumsum([sizes[name] for name in order]), limit)) + 1
    chosen = set(order[:enough])
    return [item for item in items if f"{item.source}/{item.group}" in chosen]


def report(
    scored: Mapping[Condition, Sequence[Scored]], ours: Sequence[str], others: Sequence[str] = ()
) -> KindReport:
    """Compute every figure of one kind of file from the scores of the same files under each
    condition, `NONE` among them. `others` are published models to compare with."""
    plain = list(scored[NONE])
    ours = [id for id in ours if any(id in s.highest for s in plain)]  # not video models on stills
    columns = _columns(plain, ours)
    whole, couples = columns[ENSEMBLE], couples_of(plain)
    answers = list(_answers(plain))
    families = [family(s.method) if s.label else "" for s in plain]
    return KindReport(
        kind=plain[0].kind,
        files=len(plain),
        real=sum(1 for s in plain if s.label == 0),
        fake=sum(1 for s in plain if s.label == 1),
        groups=len({(s.source, s.group) for s in plain}),
        people=len(set(whole.groups)),
        rows=[
            *(row for row, _ in answers),
            *_models(plain, columns, couples, families),
            *compare(plain, others, whole, couples),
            *_conditions(scored, columns),
            *_rows("method", whole, plain, [s.method if s.label else "" for s in plain], True),
            *_rows("source", whole, plain, [s.source for s in plain], False),
        ],
        curves={row.name: curves for row, curves in answers},
        not_judged={s.name: s.problem for s in plain if s.probability is None},
    )


def _answers(scored: Sequence[Scored]) -> Iterator[tuple[FigureRow, Curves]]:
    yield _answer(scored, "combined", "Combined", None)
    for asked in Question:
        own = [s for s in scored if s.label == 0 or asked in questions(s.method)]
        if any(asked in s.answers for s in own) and any(s.label for s in own):
            yield _answer(own, str(asked), capital(asked.spec.task), asked)


def _answer(
    scored: Sequence[Scored], name: str, title: str, asked: Question | None
) -> tuple[FigureRow, Curves]:
    values = [s.answers.get(asked) if asked else s.probability for s in scored]
    given = [s.answer_labels.get(asked, "") if asked else s.verdict for s in scored]
    column = Column.of(values, scored)
    p, truth = column.values[column.judged], column.labels[column.judged]
    # Rank abstentions below every answered file.
    sure = np.where(column.judged, np.abs(column.values - 0.5), -1.0)
    wrong = ~column.judged | ((column.values > 0.5) != (column.labels == 1))
    coverage, risk = metrics.risk_coverage(sure, wrong)
    figures = ranking(column, couples_of(scored)) | _decisions(given, column.labels)
    figures |= {
        "AUC of the combined answer": Column.of([s.probability for s in scored], scored).auc(),
        **calibration_figures(p, truth),
        "area of risk": Interval(float(risk.mean())),
    }
    bars = reliability(p, truth)
    curves = Curves(bars=bars, coverage=coverage.tolist(), risk=risk.tolist())
    return FigureRow(table="answer", name=name, title=title, figures=figures), curves


def _columns(scored: Sequence[Scored], ours: Sequence[str]) -> dict[str, Column]:
    values = {ENSEMBLE: [s.probability for s in scored]}
    values |= {id: [s.highest.get(id) for s in scored] for id in ours}
    return {id: Column.of(column, scored) for id, column in values.items()}


def _models(
    scored: Sequence[Scored],
    columns: Mapping[str, Column],
    couples: Sequence[tuple[int, int]],
    families: Sequence[str],
) -> Iterator[FigureRow]:
    """Yield all models together and each alone, also on one family of fakes at a time."""
    titles = _plain_names()
    for id, column in columns.items():
        figures = ranking(column, couples)
        for row in _rows("method", column, scored, families, True):
            if "AUC" in row.figures:
                figures[f"AUC, {row.name}"] = replace(row["AUC"], of=row.count("fakes"))
        title = titles.get(id, "All together" if id == ENSEMBLE else id)
        yield FigureRow(table="model", name=id, title=title, figures=figures)


def _conditions(
    scored: Mapping[Condition, Sequence[Scored]], plain: Mapping[str, Column]
) -> Iterator[FigureRow]:
    """Yield the figures under each condition, unchanged files first; none without conditions."""
    for condition, files in scored.items() if len(scored) > 1 else ():
        ours = [id for id in plain if id != ENSEMBLE]
        columns = plain if condition == NONE else _columns(files, ours)
        together = columns[ENSEMBLE]
        figures = ranking(together, couples_of(files))
        figures |= _decisions([s.verdict for s in files], together.labels)
        if condition != NONE:
            figures["AUC lost"] = plain[ENSEMBLE].auc(less=together)
        figures |= {f"AUC, {id}": columns[id].auc() for id in ours}
        title = "as they are" if condition == NONE else condition.title
        yield FigureRow(table="condition", name=condition.name, title=title, figures=figures)


def _decisions(answers: Sequence[str], labels: np.ndarray) -> Figures:
    given = [Label(answer or Label.NOT_APPLICABLE) for answer in answers]
    truth = [Side.FAKE if label else Side.REAL for label in labels]
    decided = np.array([label.side is not None for label in given])
    right = np.array([label.side is side for label, side in zip(given, truth, strict=True)])
    figures: Figures = {"decided": metrics.share(decided)}
    figures["right of the decided"] = metrics.share(right[decided])
    for label in ANSWERED:
        called = np.array([answer is label for answer in given])
        figures[f"originals called {label}"] = metrics.share(called[labels == 0])
        figures[f"fakes called {label}"] = metrics.share(called[labels == 1])
    return figures


def _rows(
    table: Table, column: Column, scored: Sequence[Scored], names: Sequence[str], every_real: bool
) -> Iterator[FigureRow]:
    """Yield a row for each name except ""; with `every_real` each against all originals."""
    by_name, real = np.array(names), column.labels == 0
    called_fake = np.array([s.verdict == Label.FAKE for s in scored])
    for name in sorted(set(names) - {""}):
        chosen = (by_name == name) | (real & every_real)
        originals, fakes = chosen & real, chosen & ~real
        figures: Figures = {"originals": int(originals.sum()), "fakes": int(fakes.sum())}
        if originals.any() and fakes.any():
            figures["AUC"] = column.only(chosen).auc()
        if originals.any() and not every_real:
            figures["originals called FAKE"] = metrics.share(called_fake[originals])
        if fakes.any():
            figures["fakes called FAKE"] = metrics.share(called_fake[fakes])
        yield FigureRow(table=table, name=name, title=name, figures=figures)


def published(text: str, besides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the installed and the missing baselines of "all" or ids with commas, except
    `besides`; raise UsageError."""
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
            _("The weights of {missing} are not on this computer.").format(
                missing=", ".join(missing)
            ),
            hint=_("To download them, type: unmask fetch {missing}").format(
                missing=" ".join(missing)
            ),
        )
    return [spec.id for spec in specs if spec.id not in missing], missing


def _plain_names() -> dict[str, str]:
    return {spec.id: shown_name(spec) for spec in registry.list_models()}


def compare(
    scored: Sequence[Scored], ids: Sequence[str], ours: Column, couples: Sequence[tuple[int, int]]
) -> Iterator[FigureRow]:
    """Yield the figures of every baseline with a score, published first, against `ours`."""
    titles = _plain_names()
    columns = [(id, titles[id], [s.highest.get(id) for s in scored]) for id in ids]
    columns += [(name, name, [s.features.get(name) for s in scored]) for name in scores.FEATURES]
    for place, (id, title, values) in enumerate(columns):
        if all(value is None for value in values):
            continue
        column, feature = Column.of(values, scored), place >= len(ids)
        if feature and column.inverted:
            title, column = f"low {title}", column.negated()
        won = metrics.paired_ranking_accuracy(column.values, couples)
        yield FigureRow(
            table="feature" if feature else "published",
            name=id,
            title=title,
            figures={
                "judged": int(column.judged.sum()),
                "AUC": column.auc(),
                "pairs won": Interval(won, of=len(couples)),
                "AUC of ours less this": ours.auc(less=column),
            },
        )
