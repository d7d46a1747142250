"""Scores of labelled files by the whole pipeline, for evaluation and calibration.

Analyses are stored as a JSON line for each file, so that a stopped run resumes. They hold raw
logits: with another calibration, thresholds or ensemble weights they are decided again without
running a network.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from detector import paths
from detector.decision import decide
from detector.errors import InputError, ModelError
from detector.evaluation.labels import Item, hash_of
from detector.models import registry
from detector.models.base import ModelSpec
from detector.perturbation import corruptions
from detector.perturbation.conditions import NONE, Condition
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Ensemble, Question, Settings
from detector.schema.base import StrictModel
from detector.sentences import _


class Scored(StrictModel):
    """Scores of one labelled file, empty or None if it could not be judged (`problem`)."""

    name: str
    label: int
    kind: str
    method: str
    group: str
    source: str
    person: str
    condition: str = "none"
    highest: dict[str, float] = Field(
        default_factory=dict,
        description="raw logits, of the person most suspicious to that model alone, by model id",
    )
    probabilities: dict[str, float] = Field(
        default_factory=dict, description="of `highest`, by each model's own calibration"
    )
    answers: dict[Question, float] = Field(
        default_factory=dict, description="probability, by question that was asked"
    )
    answer_labels: dict[Question, str] = {}
    probability: float | None = None
    verdict: str = "NOT_APPLICABLE"
    features: dict[str, float] = {}
    problem: str = ""
    peak_memory: int | None = Field(
        default=None, description="bytes that the scoring process had used at most by then"
    )
    analysis: Analysis | None = Field(default=None, exclude=True, repr=False)


FEATURES = ("sharpness", "brightness", "face width", "face confidence")
"""Trivial baselines without a detector, which a useful model has to beat."""

_LEFT_OUT = {"subjects": {"__all__": {"frames": {"__all__": {"landmarks", "scores", "answers"}}}}}
"""Fields that are not stored: most of an analysis' size, recomputed or unused here."""


class _Stored(StrictModel):
    name: str
    condition: str = "none"
    problem: str = ""
    made_by: dict[str, str] = {}  # by model id: a hash of everything that determines its logits
    peak_memory: int | None = None
    analysis: Analysis | None = None


@dataclass(frozen=True)
class Scoring:
    """Options of scoring files."""

    frames: int = 32  # sampled of a clip
    device: str = "auto"
    store: Path | None = None
    """JSON lines to store and to resume from. A line is reused for the same models (weights, crop),
    frames and file size."""
    on_progress: Callable[[int, int], None] | None = None  # (files done, files in all)
    tolerant: bool = False
    """whether a failing model leaves the file without a score instead of ending the run"""


def score_files(
    items: Sequence[Item],
    *,
    models: Sequence[str] | None = None,
    also: Sequence[str] = (),
    condition: Condition = NONE,
    scoring: Scoring | None = None,
) -> list[Scored]:
    """Score labelled files under a condition; `models` decide (default: the default ensemble),
    `also` are scored beside them. Raise InputError for an invalid store, UsageError for an unknown
    model, ModelError if a deciding model fails; earlier scores stay stored."""
    scoring = scoring or Scoring()
    deciding = registry.choose(models)
    specs = registry.choose([*(spec.id for spec in deciding), *also])
    settings = Settings(models=[spec.id for spec in specs], frames=scoring.frames)
    store = scoring.store
    known = _read(store) if store else {}
    analyzer = _analyzer(scoring.device)
    ids = [spec.id for spec in deciding]
    out = []
    for done, item in enumerate(items):
        line = known.get((item.name, condition.name))
        if line is None or _failed(line, ids) or not _holds(line, item, specs, settings, condition):
            line = _analyze(item, analyzer, settings, condition)
            if (why := _failed(line, ids)) and not scoring.tolerant:
                raise ModelError(why)
            line.peak_memory = _peak_memory()
            line.made_by = {spec.id: _made_by(spec) for spec in specs}
            if store:
                with store.open("a", encoding="utf-8") as stream:
                    stream.write(line.model_dump_json(exclude={"analysis": _LEFT_OUT}) + "\n")
        out.append(_scored(item, line, ids))
        if scoring.on_progress:
            scoring.on_progress(done + 1, len(items))
    return out


@lru_cache(maxsize=1)
def _analyzer(device: str) -> Analyzer:
    return Analyzer(device=device)


def _read(store: Path) -> dict[tuple[str, str], _Stored]:
    if not store.is_file():
        return {}
    try:
        text = store.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):  # a run was killed while writing
            text = text[: text.rfind("\n") + 1]
            paths.write(store, text)
        lines = [_Stored.model_validate(json.loads(line)) for line in text.splitlines()]
    except (OSError, UnicodeDecodeError, ValueError) as error:
        what = "an older kind" if isinstance(error, ValidationError) else "no store of scores"
        raise InputError(
            _("{store} is {what}, so no run can go on from it.").format(store=store, what=what),
            hint=_("Name another file."),
        ) from error
    return {(line.name, line.condition): line for line in lines}


def stored_scores(store: Path, items: Mapping[str, Item]) -> list[Scored]:
    """Return the stored scores of these labelled files, by name; raise InputError for an invalid
    store."""
    return [
        _scored(items[name], line, [model.id for model in line.analysis.models])
        for (name, condition), line in _read(store).items()
        if name in items and condition == NONE.name and line.analysis is not None
    ]


def _holds(
    line: _Stored, item: Item, specs: Sequence[ModelSpec], settings: Settings, condition: Condition
) -> bool:
    there = item.file.is_file()
    if line.analysis is None:
        return there == (line.problem != "not_found")
    return (
        there
        and (condition != NONE or line.analysis.media.size == item.file.stat().st_size)
        and line.analysis.settings.frames == settings.frames
        and all(line.made_by.get(spec.id) == _made_by(spec) for spec in specs)
    )


def _made_by(spec: ModelSpec) -> str:
    """Return a hash of a model's weights, crop and input, which determine its logits."""
    recipe = spec.model_dump_json(
        include={
            "files": {"__all__": {"path", "sha256"}},
            "crop": True, "normalization": True, "options": True, "fake_index": True,
            "clip_frames": True, "clip_step": True, "clip_stride": True,
        }
    )  # fmt: skip
    return hash_of(recipe)


def _analyze(item: Item, analyzer: Analyzer, settings: Settings, condition: Condition) -> _Stored:
    line = _Stored(name=item.name, condition=condition.name)
    try:
        if condition == NONE:
            line.analysis = analyzer.analyze(item.file, settings, scores_only=True)
        else:
            with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
                changed = corruptions.apply(item.file, condition, Path(folder))
                line.analysis = analyzer.analyze(
                    changed, settings, name=item.file.name, scores_only=True
                )
    except InputError as error:  # the file's fault; other errors end the run
        line.problem = error.code
    return line


def _peak_memory() -> int | None:
    """Return the peak resident memory of this process in bytes; None on systems without /proc."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(peak[1]) * 1024 if peak else None


def _failed(line: _Stored, deciding: Sequence[str]) -> str:
    for model in line.analysis.models if line.analysis else ():
        if model.error and model.id in deciding:
            return _("{title} failed on {name}: {error}").format(
                title=model.title, name=line.name, error=model.error
            )
    return ""


def _scored(item: Item, line: _Stored, deciding: Sequence[str]) -> Scored:
    """Decide with the manifest's current calibration, weights and thresholds."""
    scored = Scored(
        name=item.name, label=item.label, kind=item.kind, method=item.method, group=item.group,
        source=item.source, person=item.person, condition=line.condition, problem=line.problem,
        peak_memory=line.peak_memory,
    )  # fmt: skip
    if line.analysis is None:
        return scored
    analysis = decide(refreshed(line.analysis), models=deciding)
    scored.analysis = analysis
    scored.verdict = str(analysis.verdict.label)
    scored.probability = analysis.verdict.probability
    for question, answer in analysis.verdict.answers.items():
        if answer.probability is not None:
            scored.answers[question] = answer.probability
            scored.answer_labels[question] = str(answer.label)
    for track in analysis.judged:
        for id, score in track.models.items():
            if score.logit > scored.highest.get(id, -np.inf):
                scored.highest[id], scored.probabilities[id] = score.logit, score.probability
    scored.features = _features(analysis)
    if scored.probability is None and analysis.verdict.reasons:
        scored.problem = str(analysis.verdict.reasons[0].code)
    return scored


def refreshed(analysis: Analysis) -> Analysis:
    """Return an analysis with the manifest's current calibration and ensembles, without own
    thresholds."""
    manifest = registry.manifest()
    specs = {spec.id: spec for spec in manifest.models}
    fresh = analysis.model_copy(deep=True)
    fresh.ensembles = {q: manifest.ensembles.get(q, Ensemble()) for q in Question}
    fresh.likelihoods, fresh.own = dict(manifest.likelihoods), None
    for model in fresh.models:
        if model.id in specs:
            model.calibration = specs[model.id].calibration
            model.weight = specs[model.id].weight
    return fresh


def _features(analysis: Analysis) -> dict[str, float]:
    if not analysis.judged or not analysis.judged[0].frames:
        return {}
    qualities = [face.quality for face in analysis.judged[0].frames]
    rows = [(q.sharpness, q.brightness, q.width, q.confidence or 0.0) for q in qualities]
    return dict(zip(FEATURES, np.mean(rows, axis=0).tolist(), strict=True))
