"""What the whole pipeline says of labelled files: the ground for evaluation and calibration.

Scores are kept one JSON line a file, so that a stopped run goes on where it was, and every figure
can be computed again without a network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detector.errors import UnmaskError
from detector.pipeline import Analyzer
from detector.results import Analysis, Record, Settings
from detector.training.data import Item


class Scored(Record):
    """One labelled file and what was said of it.

    `logits`, `probability` and the features are of the most suspicious person; empty and None where
    the file could not be judged, and `problem` says why.
    """

    name: str
    label: int
    kind: str
    method: str
    group: str
    source: str
    person: str
    logits: dict[str, float] = {}
    probability: float | None = None
    verdict: str = "NOT_APPLICABLE"
    features: dict[str, float] = {}
    problem: str = ""


FEATURES = ("sharpness", "brightness", "face width", "face confidence")
"""What needs no detector of fakes: figures that do not beat these prove little."""


def score_files(
    items: Sequence[Item],
    *,
    models: Sequence[str] | None = None,
    frames: int = 32,
    device: str = "auto",
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Scored]:
    """Run the pipeline over labelled files.

    Parameters
    ----------
    models : sequence of str, optional
        Model ids; default the default ensemble.
    frames : int
        Moments to look at in a clip.
    store : Path, optional
        JSON lines to keep, and to go on from. Use another file for other models or frames.
    progress : callable
        Called with (files done, files in all).
    """
    settings = Settings(models=list(models) if models else None, frames=frames)
    known = {scored.name: scored for scored in _read(store)} if store else {}
    analyzer = Analyzer(device=device)
    out = []
    for done, item in enumerate(items):
        scored = known.get(item.name)
        if scored is None:
            scored = _score(item, analyzer, settings)
            if store:
                with store.open("a", encoding="utf-8") as stream:
                    stream.write(scored.model_dump_json() + "\n")
        out.append(scored)
        if progress:
            progress(done + 1, len(items))
    return out


def _read(store: Path) -> list[Scored]:
    if not store.is_file():
        return []
    return [Scored.model_validate(json.loads(line)) for line in store.read_text().splitlines()]


def _score(item: Item, analyzer: Analyzer, settings: Settings) -> Scored:
    scored = Scored(
        name=item.name, label=item.label, kind=item.kind, method=item.method,
        group=item.group, source=item.source, person=item.person,
    )  # fmt: skip
    try:
        analysis = analyzer.analyze(item.file, settings)
    except UnmaskError as error:
        scored.problem = error.code
        return scored
    scored.verdict = str(analysis.verdict.label)
    scored.probability = analysis.verdict.probability
    scored.logits = {m.id: m.logit for m in analysis.models if m.logit is not None}
    scored.features = _features(analysis)
    if not scored.logits and analysis.verdict.reasons:
        scored.problem = str(analysis.verdict.reasons[0].code)
    return scored


def _features(analysis: Analysis) -> dict[str, float]:
    if not analysis.tracks or not analysis.tracks[0].faces:
        return {}
    seen = [face.quality for face in analysis.tracks[0].faces]
    columns = zip(*((q.sharpness, q.brightness, q.width, q.confidence) for q in seen), strict=True)
    return {name: float(np.mean(column)) for name, column in zip(FEATURES, columns, strict=True)}
