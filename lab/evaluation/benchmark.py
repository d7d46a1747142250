"""Rank the models on this computer in a leaderboard that others can recompute.

Each model scores the files of its kind in a separate process, which isolates its run time and peak
memory. A submission stores every score by the sha256 of its file; all figures follow from these.

One baseline reads no pixel: a logistic regression on container, codec, size and rates. A high rank
of it reveals that the set can be separated by how its files were stored.
"""

import json
import os
import platform
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from html import escape
from itertools import groupby
from multiprocessing import get_context, parent_process
from pathlib import Path
from string import Template
from typing import Any, Literal

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from detector import paths
from detector.errors import InputError, ModelError, UsageError
from detector.evaluation import metrics
from detector.evaluation.evaluate import KINDS, FileSelection
from detector.evaluation.labels import hash_of, questions, read_labels
from detector.evaluation.metrics import Interval, Number
from detector.evaluation.report import Column, FigureRow, couples_of, ranking
from detector.evaluation.scores import FEATURES, Scored, Scoring, score_files
from detector.media.files import disk_name
from detector.messages.format import capital
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline.analyzer import pick_device
from detector.pipeline.initial_results import result, software
from detector.presentation import Grid, Section, Text, evaluation, markdown
from detector.presentation.evaluation import number, text_of
from detector.report import NoSeal, Seal, Verification, verify
from detector.report.seal import seal_json
from detector.schema.analysis import QUESTION_OF, Media, Modality, Question, Software
from detector.schema.base import StrictModel
from detector.seals import fingerprint
from detector.sentences import _

MAX_NAMED = 3  # rows of a check that differ; more are counted
UNSIGNED = " (not signed: anyone can change and seal it again)"
SIGNATURES = {
    "valid": "signature (key {key})",
    "expected": "signature (the given key)",
    "other": "signature (not by the given key)",
    "wrong": "signature",
}


class BenchmarkModel(StrictModel):
    """A model, and its run time and memory on this computer."""

    id: str
    title: str
    question: Question | None
    weights_sha256: str
    seconds: dict[str, Number]  # per file with this model alone, the median, by kind of file
    peak_memory: int | None  # bytes


class BenchmarkRow(FigureRow):
    """One model or baseline on one question and kind of file; files without a score count against
    it."""

    kind: str
    question: Question
    sources: int


class Submission(StrictModel):
    """Scores, figures, and the software and processor that measured them."""

    unmask_benchmark: Literal[1] = 1
    created: datetime
    labels: str
    labels_sha256: str
    frames: int
    software: Software
    processor: str
    models: list[BenchmarkModel]
    files: list[Scored]  # named by their sha256
    rows: list[BenchmarkRow]  # by kind and question, the best AUC first


def run(
    labels: Path, folder: Path, *, models: Sequence[str] | None, scoring: Scoring
) -> Submission:
    """Benchmark models on a labelled CSV, by default all that are usable here, and go on from the
    scores in `folder`. Raise InputError, UsageError, or ModelError for a process that died."""
    items = FileSelection().of(labels)
    digests = {item.name: paths.sha256(item.file) for item in items}
    first = {digests[item.name]: item for item in reversed(items)}
    items = [item for item in items if first[digests[item.name]] is item]  # copies count once
    specs = registry.choose(models) if models else filter(registry.usable, registry.list_models())
    plans = [(spec, [item for item in items if item.kind in _kinds(spec)]) for spec in specs]
    total, done = sum(len(chosen) for _, chosen in plans), 0
    if not total:
        raise UsageError(
            _("No model scores files of these kinds."), hint=_("`unmask models` lists all.")
        )
    scoring = replace(scoring, device=pick_device(scoring.device), tolerant=True)
    files: dict[str, Scored] = {}
    measured = []
    for spec, chosen in plans:
        (stores := folder / "scores" / disk_name(spec.id)).mkdir(parents=True, exist_ok=True)
        scored = []
        with ProcessPoolExecutor(1, get_context("spawn"), _begin) as process:
            for item in chosen:
                store = stores / f"{digests[item.name]}.jsonl"
                own = replace(scoring, store=store, on_progress=None)
                task = process.submit(score_files, [item], models=[spec.id], scoring=own)
                try:
                    scored += task.result()
                except BrokenProcessPool:
                    raise ModelError(
                        _("{title} ended the process on {name}.").format(
                            title=spec.title, name=item.name
                        )
                    ) from None
                _add(files, digests[item.name], scored[-1])
                done += 1
                if scoring.on_progress:
                    scoring.on_progress(done, total)
        measured.append(_measured(spec, scored))
    if not (rows := figures(list(files.values()), measured)):
        raise InputError(
            _("{labels} needs both originals and fakes of one kind, image, video or audio.").format(
                labels=labels
            )
        )
    return Submission(
        created=datetime.now(UTC),
        labels=labels.name,
        labels_sha256=paths.sha256(labels),
        frames=scoring.frames,
        software=software(scoring.device),
        processor=_processor(),
        models=measured,
        files=list(files.values()),
        rows=rows,
    )


def _begin() -> None:
    """Ignore Ctrl+C, so that a file is finished, and exit when the parent does."""

    def end() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end, daemon=True).start()


def _kinds(spec: ModelSpec) -> list[str]:
    """Return the kinds of files that a model accepts."""
    if spec.modality is not Modality.FACE:
        return ["audio" if spec.modality is Modality.VOICE else "image"]
    return ["video"] if spec.kind == "video" else ["video", "image"]


def _measured(spec: ModelSpec, scored: Sequence[Scored]) -> BenchmarkModel:
    seconds: dict[str, list[float]] = {kind: [] for kind in _kinds(spec)}
    for one in scored:
        if one.analysis:
            seconds[one.kind].append(one.analysis.timings["total"])
    return BenchmarkModel(
        id=spec.id,
        title=spec.title,
        question=QUESTION_OF.get(spec.task),
        weights_sha256=str(result(spec).weights_sha256),
        seconds={kind: float(np.median(s)) if s else np.nan for kind, s in seconds.items()},
        peak_memory=max((one.peak_memory or 0 for one in scored), default=0) or None,
    )


def _add(files: dict[str, Scored], sha256: str, one: Scored) -> None:
    """Add a model's score of a file, and the features of the baselines."""
    told = one.model_dump(include={"label", "kind", "method", "group", "source"})
    file = files.setdefault(sha256, Scored(name=sha256, person=one.source, **told))
    file.highest |= one.highest
    file.probabilities |= one.probabilities
    facts = pixel_free_facts(one.analysis.media) if one.analysis else {}
    file.features = facts | one.features | file.features  # by the first model that read it


def _processor() -> str:
    """Return the processor's name, and how many cores and threads this process may use."""
    import torch

    name, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    for fact in cpuinfo.read_text("ascii", "replace").splitlines() if cpuinfo.is_file() else ():
        if fact.startswith("model name"):
            name = fact.partition(":")[2].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, cores: {cores}, threads: {torch.get_num_threads()}"


def figures(files: Sequence[Scored], models: Sequence[BenchmarkModel]) -> list[BenchmarkRow]:
    """Return all rows of each kind of file and question with both labels, from scores alone."""
    rows = []
    for kind in KINDS:
        ids = [model.id for model in models if kind in model.seconds]
        for asked in Question:
            chosen = [
                f for f in files if f.kind == kind and (not f.label or asked in _questions(f))
            ]
            if ids and len({file.label for file in chosen}) == 2:
                ranked = _table(kind, asked, chosen, ids)
                rows += sorted(ranked, key=lambda row: (-row["AUC"].value, row.name))
    return rows


def _questions(file: Scored) -> tuple[Question, ...]:
    return (Question.VOICE,) if file.kind == "audio" else questions(file.method)


def _table(kind: str, asked: Question, files: list[Scored], ids: list[str]) -> list[BenchmarkRow]:
    sources = {file.source for file in files}
    unit = "source" if len(sources) > 1 else "group"  # what the intervals resample
    files = [file.model_copy(update={"person": getattr(file, unit)}) for file in files]
    labels, couples = np.array([file.label for file in files]), couples_of(files)
    scores = {id: Column.of([f.highest.get(id) for f in files], files) for id in ids}
    probabilities = {id: [f.probabilities.get(id) for f in files] for id in ids}
    facts = [{k: v for k, v in f.features.items() if k not in FEATURES} for f in files]
    odds = pixel_free_scores(facts, labels.tolist(), [file.person for file in files])
    scores["pixel-free"] = Column.of(odds, files)
    probabilities["pixel-free"] = [None if z is None else float(expit(z)) for z in odds]
    sharp = Column.of([f.features.get("sharpness") for f in files], files)
    scores["sharpness"] = sharp.negated() if sharp.inverted else sharp
    rows = []
    for id, column in scores.items():
        if id not in ids and not column.judged.any():
            continue
        p = np.array(probabilities.get(id, []), float)
        given = np.flatnonzero(np.isfinite(p))
        error = metrics.calibration_error(p[given], labels[given])
        figures = ranking(column, couples) | {"ECE": Interval(error)}
        rows.append(
            BenchmarkRow(
                table="model" if id in ids else "feature", name=id, title=BASELINES.get(id, id),
                figures=figures, kind=kind, question=asked, sources=len(sources),
            )
        )  # fmt: skip
    return rows


def to_json(submission: Submission, key: Ed25519PrivateKey | None) -> bytes:
    """Return a submission with the seal of a report, signed where there is a key."""
    when, about = submission.created.isoformat(), submission.labels_sha256
    seal = partial(Seal, analysis="benchmark", media=about, exported=when)
    return seal_json(json.loads(submission.model_dump_json()), seal, key)


def check(path: Path, labels: Path | None, key: Ed25519PublicKey | None) -> dict[str, bool]:
    """Verify the seal, signature and figures (recomputed from the scores) of a submission, and the
    labels and files of a CSV. Return the results by readable name; raise NoSeal or InputError."""
    seal = verify(path, key)
    try:
        tree = json.loads(path.read_bytes())
        submission = Submission.model_validate({k: v for k, v in tree.items() if k != "seal"})
        now = _rounded(figures(submission.files, submission.models))
    except (ValueError, AttributeError) as error:
        raise NoSeal(
            _("{name} is not a submission of `unmask benchmark`.").format(name=path.name)
        ) from error
    stated = _rounded(submission.rows)
    pairs = [pair for pair in stated + now if (pair in stated) != (pair in now)]
    wrong = list(dict.fromkeys(name for name, _ in pairs))
    if len(wrong) > MAX_NAMED:
        wrong[MAX_NAMED:] = [f"{len(wrong) - MAX_NAMED} more rows"]
    return {
        **_sealed(seal),
        **dict.fromkeys(wrong or [f"{len(now)} rows of figures"], not wrong),
        "each file once": len({file.name for file in submission.files}) == len(submission.files),
        **(_compared(submission, labels) if labels else {}),
    }


def _sealed(seal: Verification) -> dict[str, bool]:
    """Verify the seal and the signature."""
    changed = f" (changed: {', '.join(seal.changed)})" if seal.changed else ""
    if seal.signature == "none":
        return {f"seal{changed or UNSIGNED}": not changed}
    by = fingerprint(seal.seal.key or "") if seal.signature == "valid" else ""
    holds = seal.signature in ("valid", "expected")
    return {f"seal{changed}": not changed, SIGNATURES[seal.signature].format(key=by): holds}


def _rounded(rows: Sequence[BenchmarkRow]) -> list[tuple[str, Any]]:
    """Return every row with rounded figures, and a readable name of it."""
    return [
        (
            f"figures of {row.name} ({row.kind}, {row.question})",
            json.loads(row.model_dump_json(), parse_float=lambda text: round(float(text), 6)),
        )
        for row in rows
    ]


def _compared(submission: Submission, labels: Path) -> dict[str, bool]:
    """Compare a label file, and those of its files that exist, with a submission."""
    known = {file.name: file for file in submission.files}
    there = [item for item in read_labels(labels) if item.file.is_file()]
    items = {paths.sha256(item.file): item for item in reversed(there)}  # copies count once
    told = ("label", "kind", "method", "group", "source")
    agree = [
        (file := known.get(sha256)) is not None
        and all(getattr(file, name) == getattr(item, name) for name in told)
        for sha256, item in items.items()
    ]
    words = f"{sum(agree)} of {len(known)} files and their labels"
    out = {labels.name: paths.sha256(labels) == submission.labels_sha256}
    return out | ({words: all(agree)} if agree else {})


BASELINES = {
    "pixel-free": "Baseline: no pixels (size, codec, rates)",
    "sharpness": "Baseline: sharpness",
}
COLUMNS = (
    "Model", "AUC [95 %]", "Fakes missed at 1 % false alarms", "at 5 %", "Pairs won", "ECE",
    "Seconds per file", "Peak memory", "Files scored",
)  # fmt: skip
WEIGHTS = ("Model", "Id", "SHA-256")


def to_markdown(submission: Submission) -> str:
    """Return all tables, and the software and processor that measured them, as Markdown."""
    title = f"# Benchmark on {submission.labels}"
    sections = markdown.of_sections(list(_sections(submission)))
    return "\n\n".join([title, _about(submission), *sections]) + "\n"


def to_html(submission: Submission) -> str:
    """Return the same as a self-contained HTML page."""
    parts = []
    for section in _sections(submission):
        parts.append(f"<h2>{escape(section.title)}</h2>")
        for block in section.blocks:
            if isinstance(block, Grid):
                parts.append(_html_table(block))
            elif isinstance(block, Text):
                parts.append(f"<p>{escape(block.text)}</p>")
    page = Template(Path(__file__).with_name("leaderboard.html").read_text("utf-8"))
    title, about = escape(submission.labels), escape(_about(submission))
    return page.substitute(title=title, about=about, tables="\n".join(parts))


def _html_table(table: Grid) -> str:
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.heads)
    body = ""
    for cells in table.printed:  # each names its column, for narrow screens
        named = zip(map(escape, table.heads), map(escape, cells), strict=True)
        fields = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in named)
        body += f"<tr>{fields}</tr>\n"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _about(s: Submission) -> str:
    return (
        f"{s.created:%Y-%m-%d}, {s.frames} frames per clip at most. Unmask {s.software.version} "
        f"({s.software.commit or 'installed'}), Python {s.software.python}, torch "
        f"{s.software.torch}, {s.software.backend}, on {s.software.device}: {s.processor}. SHA-256 "
        f"of the labels: {s.labels_sha256}. Files without a score count against the model. One "
        "baseline is fitted to other sources and reads no pixel; one is sharpness alone, in its "
        "better direction."
    )


def _sections(s: Submission) -> Iterator[Section]:
    for (kind, asked), group in groupby(s.rows, lambda row: (row.kind, row.question)):
        rows = list(group)
        originals, fakes = map(rows[0].count, ("originals", "fakes"))
        sources = rows[0].sources
        sentence = f"{originals} originals and {fakes} fakes of {sources} sources. Intervals"
        unit = "sources" if sources > 1 else "groups, since there is one source"
        heading = f"{evaluation.KINDS[kind]}: {capital(asked.spec.task)}"
        table = Grid(COLUMNS, [_cells(row, s) for row in rows])
        yield Section(f"{kind}-{asked}", heading, (Text(f"{sentence} resample {unit}."), table))
    weights = [(model.title, model.id, model.weights_sha256) for model in s.models]
    sentence = "Of several files: the SHA-256 of their hashes."
    yield Section("weights", "Weights", (Text(sentence), Grid(WEIGHTS, weights)))


def _cells(row: BenchmarkRow, submission: Submission) -> Sequence[str]:
    title, seconds, memory = row.title, "", ""
    for model in submission.models:
        if model.id == row.name:
            other = "" if model.question is row.question else " (made for another question)"
            title, seconds = f"{model.title}{other}", number(model.seconds[row.kind], 1)
            memory = f"{(model.peak_memory or 0) / 2**30:.1f} GiB"
    return (
        title, text_of(row["AUC"]), number(1 - row["TPR at 1 % FPR"].value),
        number(1 - row["TPR at 5 % FPR"].value), text_of(row["pairs won"]),
        number(row["ECE"].value), seconds, memory,
        f"{row.count('judged')} of {row.count('originals') + row.count('fakes')}",
    )  # fmt: skip


FOLDS = 10
PENALTY = 1.0  # of each squared weight, on standardized facts


def pixel_free_facts(media: Media) -> dict[str, float]:
    """Return the container's facts about a file; bits per pixel approximate its quality."""
    pixels = media.width * media.height * (media.frame_count or 1)
    amounts = {
        "size": media.size, "width": media.width, "height": media.height,
        "duration": media.duration or 0, "bit rate": media.bit_rate or 0,
        "bits per pixel": 8 * media.size / pixels if pixels else 0,
    }  # fmt: skip
    logs = {name: round(float(np.log(max(n, 1e-6))), 6) for name, n in amounts.items()}
    words = (
        f"container {media.container}",
        f"codec {media.codec}",
        f"sound {media.audio is not None}",
    )
    return logs | {"frame rate": round(media.fps or 0.0, 3)} | dict.fromkeys(words, 1.0)


def pixel_free_scores(
    facts: Sequence[Mapping[str, float]], labels: Sequence[int], sources: Sequence[str]
) -> list[float | None]:
    """Return the log odds of each file by a regression on other sources; None without facts, or
    where those sources are all of one label."""
    names = sorted({name for entry in facts for name in entry})
    x = np.array([[entry.get(name, 0.0) for name in names] for entry in facts])
    y, readable = np.array(labels), np.array([bool(entry) for entry in facts])
    order = {name: place for place, name in enumerate(sorted(set(sources), key=hash_of))}
    fold = np.array([order[name] % FOLDS for name in sources])
    # To so small a gradient that another computer that checks a submission finds the same digits.
    regression = LogisticRegression(
        C=1 / PENALTY, class_weight="balanced", solver="newton-cholesky", tol=1e-10
    )
    model = make_pipeline(StandardScaler(), regression)
    out: list[float | None] = [None] * len(y)
    for left_out in np.unique(fold[readable]):
        train, held = readable & (fold != left_out), readable & (fold == left_out)
        if len(set(y[train])) == 2:
            odds = model.fit(x[train], y[train]).decision_function(x[held])
            # Rounded, so that files with the same facts tie.
            for index, value in zip(np.flatnonzero(held), odds.round(6).tolist(), strict=True):
                out[index] = value
    return out
