"""A leaderboard of the models on this computer, as data from which anyone can recompute it.

Each model scores the files of its kind in a process of its own, so that seconds and peak memory are
its alone. A submission holds every score by the sha256 of its file; all figures follow from these.
"""

import json
import multiprocessing
import os
import platform
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import file_digest
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError
from scipy.special import expit

from detector.errors import InputError, ModelError, UsageError
from detector.evaluation import metrics, pixel_free
from detector.evaluation.evaluate import KINDS, FileSelection, ranking
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.methods import question
from detector.evaluation.metrics import Number
from detector.evaluation.report import Ranking
from detector.evaluation.scores import FEATURES, Scored, Scoring, score_files
from detector.evaluation.tallies import Column, couples_of
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline.analyzer import pick_device
from detector.pipeline.initial_results import result
from detector.pipeline.software import software
from detector.report import NoSeal, Seal, verify
from detector.report.table import sealed
from detector.schema.analysis import QUESTION_OF, Modality, Question, Software
from detector.schema.base import StrictModel
from detector.seals import fingerprint

MAX_NAMED = 3  # rows of a check that differ; more are counted


class BenchmarkModel(StrictModel):
    """A model, and what it took on this computer."""

    id: str
    title: str
    question: Question | None
    weights_sha256: str
    kinds: list[str]
    seconds: dict[str, float]  # per file with this model alone, the median, by kind of file
    peak_memory: int | None  # bytes


class BenchmarkRow(StrictModel):
    """The figures of one model or baseline; files without a score count against it."""

    id: str
    ranking: Ranking
    calibration_error: Number


class BenchmarkTable(StrictModel):
    """One question on one kind of file, the best AUC first."""

    kind: str
    question: Question
    real: int
    fake: int
    resampled: Literal["sources", "groups"]  # groups where all files are of one source
    units: int
    rows: list[BenchmarkRow]


class Submission(StrictModel):
    """Scores, figures, and what they were measured with."""

    unmask_benchmark: Literal[1] = 1
    created: datetime
    labels: str
    labels_sha256: str
    frames: int
    software: Software
    processor: str
    models: list[BenchmarkModel]
    files: list[Scored]  # named by their sha256
    tables: list[BenchmarkTable]


def run(
    labels: Path, folder: Path, *, models: Sequence[str] | None, scoring: Scoring
) -> Submission:
    """Benchmark models on a labelled CSV, by default all that are usable here, and go on from the
    scores in `folder`. Raise InputError, UsageError, or ModelError for a process that died."""
    items, _ = FileSelection().of(labels, None, None)
    digests = {item.name: _sha256(item.file) for item in items}
    once = {digests[item.name]: item for item in reversed(items)}
    if any(once[digests[item.name]].label != item.label for item in items):
        raise InputError(f"{labels} lists the same content as real and as fake.")
    specs = registry.choose(models) if models else filter(registry.usable, registry.list_models())
    plans = [(s, [i for i in reversed(once.values()) if i.kind in _kinds(s)]) for s in specs]
    total, before = sum(len(chosen) for _, chosen in plans), 0
    if not total:
        raise UsageError("No model scores files of these kinds.", hint="`unmask models` lists all.")
    scoring = replace(scoring, device=pick_device(scoring.device), tolerant=True)
    files: dict[str, Scored] = {}
    measured = []
    for spec, chosen in plans:

        def on_progress(done: int, _: int, before: int = before) -> None:
            if scoring.on_progress:
                scoring.on_progress(before + done, total)

        store = folder / f"scores-{spec.id}.jsonl"
        scored = _score_apart(
            spec.id, chosen, replace(scoring, store=store, on_progress=on_progress)
        )
        measured.append(_measured(spec, scored))
        for one in scored:
            _add(files, digests[one.name], one)
        before += len(chosen)
    if not (tables := figures(list(files.values()), measured)):
        raise InputError(
            f"{labels} needs both originals and fakes of one kind, image, video or audio."
        )
    return Submission(
        created=datetime.now(UTC),
        labels=labels.name,
        labels_sha256=_sha256(labels),
        frames=scoring.frames,
        software=software(scoring.device),
        processor=_processor(),
        models=measured,
        files=list(files.values()),
        tables=tables,
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.") from None


def _kinds(spec: ModelSpec) -> list[str]:
    """Return the kinds of files that a model was made for."""
    if spec.modality is not Modality.FACE:
        return ["audio" if spec.modality is Modality.VOICE else "image"]
    return ["video"] if spec.kind == "clip" else ["video", "image"]


def _score_apart(id: str, items: Sequence[Item], scoring: Scoring) -> list[Scored]:
    """Score files in a new process that ends with this call; finished files are stored."""
    context = multiprocessing.get_context("spawn")
    answers, child = context.Pipe(duplex=False)
    task = (child, id, items, replace(scoring, on_progress=None))
    process = context.Process(target=_score, args=task, daemon=True)
    process.start()
    child.close()
    try:
        while not isinstance(answer := answers.recv(), list):
            if isinstance(answer, Exception):
                raise answer
            if scoring.on_progress:
                scoring.on_progress(answer, len(items))
        return answer
    except EOFError:
        raise ModelError(f"The process that scored with {id} ended early.") from None
    finally:
        process.terminate()
        process.join()


def _score(parent: Connection, id: str, items: Sequence[Item], scoring: Scoring) -> None:
    """Send the number of finished files after each, at last the scores or the error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl+C: the parent ends this process
    scoring = replace(scoring, on_progress=lambda done, _: parent.send(done))
    try:
        parent.send(score_files(items, models=[id], scoring=scoring))
    except Exception as error:
        parent.send(error)


def _measured(spec: ModelSpec, scored: Sequence[Scored]) -> BenchmarkModel:
    seconds = {
        kind: [s.analysis.timings["total"] for s in scored if s.kind == kind and s.analysis]
        for kind in _kinds(spec)
    }
    return BenchmarkModel(
        id=spec.id,
        title=spec.title,
        question=QUESTION_OF.get(spec.task),
        weights_sha256=str(result(spec).weights_sha256),
        kinds=_kinds(spec),
        seconds={kind: float(np.median(values)) for kind, values in seconds.items() if values},
        peak_memory=max((s.peak_memory for s in scored if s.peak_memory), default=None),
    )


def _add(files: dict[str, Scored], sha256: str, one: Scored) -> None:
    """Add a model's score of a file to those of the others, and what the baselines read."""
    new = Scored(
        name=sha256, label=one.label, kind=one.kind, method=one.method, group=one.group,
        source=one.source, person=one.source,
    )  # fmt: skip
    file = files.setdefault(sha256, new)
    file.highest |= one.highest
    file.probabilities |= one.probabilities
    file.features |= one.features
    if one.analysis:
        file.features |= pixel_free.facts(one.analysis.media)


def _processor() -> str:
    """Return the processor's name, and how many cores this process may use."""
    name, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    for line in cpuinfo.read_text("ascii", "replace").splitlines() if cpuinfo.is_file() else ():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", cores)
    return f"{name}, {cores} cores, {threads} threads"


def figures(files: Sequence[Scored], models: Sequence[BenchmarkModel]) -> list[BenchmarkTable]:
    """Return a table for each kind of file and question with both labels, from scores alone."""
    tables = []
    for kind in KINDS:
        ids = [model.id for model in models if kind in model.kinds]
        for asked in Question:
            chosen = [f for f in files if f.kind == kind and (not f.label or _question(f) is asked)]
            if ids and len({file.label for file in chosen}) == 2:
                tables.append(_table(kind, asked, chosen, ids))
    return tables


def _question(file: Scored) -> Question:
    return Question.VOICE if file.kind == "audio" else question(file.method)


def _table(kind: str, asked: Question, files: list[Scored], ids: list[str]) -> BenchmarkTable:
    several = len({file.source for file in files}) > 1
    if not several:
        files = [file.model_copy(update={"person": file.group}) for file in files]
    labels, units = np.array([f.label for f in files]), [f.person for f in files]
    couples = couples_of(files)

    def row(
        id: str, values: Sequence[float | None], probabilities: Sequence[float | None]
    ) -> BenchmarkRow:
        p = np.array(probabilities, float)
        said = np.isfinite(p)
        return BenchmarkRow(
            id=id,
            ranking=ranking(Column.of(values, files), couples),
            calibration_error=metrics.calibration_error(p[said], labels[said]),
        )

    rows = [
        row(id, [f.highest.get(id) for f in files], [f.probabilities.get(id) for f in files])
        for id in ids
    ]
    facts = [{k: v for k, v in f.features.items() if k not in FEATURES} for f in files]
    odds = pixel_free.scores(facts, labels.tolist(), units)
    rows.append(row("pixel-free", odds, [None if z is None else float(expit(z)) for z in odds]))
    sharp = Column.of([f.features.get("sharpness") for f in files], files)
    sign = -1.0 if metrics.auc(sharp.values[sharp.judged], labels[sharp.judged]) < 0.5 else 1.0
    if sharp.judged.any():
        values = [
            sign * v if judged else None
            for v, judged in zip(sharp.values, sharp.judged, strict=True)
        ]
        rows.append(row("sharpness", values, [None] * len(files)))
    return BenchmarkTable(
        kind=kind,
        question=asked,
        real=int((labels == 0).sum()),
        fake=int(labels.sum()),
        resampled="sources" if several else "groups",
        units=len(set(units)),
        rows=sorted(rows, key=lambda row: (-row.ranking.auc.value, row.id)),
    )


def to_json(submission: Submission, key: Ed25519PrivateKey | None) -> bytes:
    """Return a submission with the seal of a report, signed where there is a key."""

    def seal(sha256: str, parts: dict[str, str]) -> Seal:
        when, about = submission.created.isoformat(), submission.labels_sha256
        return Seal(sha256=sha256, parts=parts, analysis="benchmark", media=about, exported=when)

    return sealed(json.loads(submission.model_dump_json()), seal, key)


@dataclass(frozen=True)
class BenchmarkCheck:
    """What agrees in a submission, and what does not."""

    agrees: list[str]
    differs: list[str]

    def __str__(self) -> str:
        """Return both in one sentence."""
        parts = [("These agree", self.agrees), ("these do NOT", self.differs)]
        return "; ".join(f"{head}: {', '.join(names)}" for head, names in parts if names) + "."


def check(path: Path, labels: Path | None, key: Ed25519PublicKey | None) -> BenchmarkCheck:
    """Verify seal and signature of a submission, recompute its figures from its scores, and compare
    it with a labelled CSV and its files. Raise NoSeal or InputError where it is none."""
    seal = verify(path, key)
    try:
        tree = json.loads(path.read_bytes())
        submission = Submission.model_validate({k: v for k, v in tree.items() if k != "seal"})
        now = _rows(figures(submission.files, submission.models))
    except (ValidationError, ValueError, AttributeError) as error:
        raise NoSeal(f"{path.name} is not a submission of `unmask benchmark`.") from error
    signature = {
        "none": "no signature (anyone can change and seal it again)",
        "valid": f"signature (key {fingerprint(seal.seal.key or '')})",
        "expected": "signature (the given key)",
        "other": "signature (of another key than the given one)",
        "wrong": "signature",
    }[seal.signature]
    stated = _rows(submission.tables)
    wrong = [name for name in {**stated, **now} if stated.get(name) != now.get(name)]
    if len(wrong) > MAX_NAMED:
        wrong[MAX_NAMED:] = [f"{len(wrong) - MAX_NAMED} more rows"]
    parts = {
        f"seal (changed: {', '.join(seal.changed)})" if seal.changed else "seal": not seal.changed,
        signature: seal.signature not in ("other", "wrong"),
        **dict.fromkeys(wrong or [f"{len(now)} rows of figures"], not wrong),
        **(_compared(submission, labels) if labels else {}),
    }
    return BenchmarkCheck([k for k, holds in parts.items() if holds],
                          [k for k, holds in parts.items() if not holds])  # fmt: skip


def _rows(tables: Sequence[BenchmarkTable]) -> Mapping[str, Any]:
    """Return every row and its table's counts, rounded, by names for a person."""
    out = {}
    for table in tables:
        counts = (table.real, table.fake, table.resampled, table.units)
        for row in table.rows:
            tree = json.loads(row.model_dump_json(), parse_float=lambda t: round(float(t), 6))
            out[f"figures of {row.id} ({table.kind}, {table.question})"] = (*counts, tree)
    return out


def _compared(submission: Submission, labels: Path) -> dict[str, bool]:
    """Return whether a label file, and the files beside it that exist, are those submitted."""
    known = {file.name: file for file in submission.files}
    items = [item for item in read_labels(labels) if item.file.is_file()]
    told = ("label", "kind", "method", "group", "source")
    same = {
        (sha256 := _sha256(item.file)): (file := known.get(sha256)) is not None
        and all(getattr(file, name) == getattr(item, name) for name in told)
        for item in reversed(items)  # of copies the first counts
    }
    words = f"{sum(same.values())} of {len(known)} files and their labels"
    agrees = {labels.name: _sha256(labels) == submission.labels_sha256}
    return agrees | ({words: all(same.values())} if same else {})
