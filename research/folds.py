"""What a recipe reaches on sources that were left out, by whole groups of them.

    python -m research train surround --data LABELS.csv --leave-out FOLD --out RUNS/FOLD
    …  (of each fold)
    python -m research.folds LABELS.csv --runs RUNS --out HELD.jsonl [--against STORE.jsonl …]
        [--cache FACES]

Every clip goes through the pipeline with the model that never saw its fold
(`detector.evaluation.groups`); the analyses are kept in RUNS, so a stopped call goes on. HELD.jsonl
gets one line a clip: name, label, method, group, person, source, fold, and raw logits of the person
who was seen most, by model: the left-out model's, and those of any other models that the stores of
`--against` hold (`detector.evaluation.scores`; what these were trained on is not asked).

With `--cache` nothing goes through the pipeline: three frames of each clip come from the faces that
training cut, without any change, and their mean counts. That takes a fiftieth of the time, and is
for choosing among recipes; what ships is judged by the pipeline.

The table: AUC over all clips (by the raw logits of several models, as they are), over each question
and each fold, with 95 % intervals from resampling sources; the same within sources, where a camera
or a codec tells nothing (of all couples of an original and a fake of one source the share that is
in order); originals below the fakes made of them; and, on the clips that each other model has
scored, the same figures of that model, the difference in AUC, resampled together, and the figures
of the mean of both (each less its mean and divided by its deviation over these clips).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector import paths
from detector.cli.common import ProgressBar
from detector.evaluation import groups, methods, metrics, scores
from detector.evaluation.labels import Item, pairs, read_labels
from detector.evaluation.scores import Scored
from detector.evaluation.subjects import clip_of
from detector.models import registry
from detector.models.base import ModelSpec, Normalization
from detector.training.check import FRAMES
from detector.training.input_transform import OwnInput
from detector.training.recipe import Recipe
from detector.training.run import faces
from detector.weights.entry import WeightFile
from research import register

LEFT_OUT = "left-out"
"""Id of a run's model while its fold is judged."""
MEAN = "mean of both"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="a folder with the runs")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    parser.add_argument("--cache", type=Path, help="judge the faces that training cut")
    args = parser.parse_args()
    clips = [item for item in read_labels(args.labels) if item.kind == "video"]
    lines: list[dict[str, Any]] = []
    others = dict(_stored(args.against))
    ours = ""
    for config in sorted(args.runs.glob("*/config.json")):
        run, recipe = config.parent, json.loads(config.read_text())["recipe"]
        if not recipe["leave_out"] or not (run / "model.safetensors").is_file():
            print(f"{run} left nothing out, or has not ended")
            continue
        ours = recipe["name"]
        _, held = groups.leave_out(clips, recipe["leave_out"])
        if twice := {item.name for item in held} & {line["name"] for line in lines}:
            parser.error(f"{run} leaves out what an earlier run does: {min(twice)}.")
        if args.cache:
            found = [_line(*one) for one in _cached(held, run, recipe, args.cache)]
        else:
            found = [_line(one, _logits(one), _frames(one)) for one in score(held, run, recipe)]
        for line in found:
            if LEFT_OUT in line["logits"]:
                line["logits"][ours] = line["logits"].pop(LEFT_OUT)
            line["logits"] |= others.get(line["name"], {})
        lines += found
    args.out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    table(lines, ours)


def score(items: Sequence[Item], run: Path, recipe: dict[str, Any]) -> list[Scored]:
    """Return the files through the pipeline, by the model of a run."""
    # A data folder of its own, in which the run's model is a person's own.
    data = run / "as-own"
    (data / "weights").mkdir(parents=True, exist_ok=True)
    weights = (run / "model.safetensors").read_bytes()
    (data / "weights" / "model.safetensors").write_bytes(weights)
    spec = _spec(weights, recipe)
    entry = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (data / "models.toml").write_text(_toml(entry), encoding="utf-8")
    before = os.environ.get("UNMASK_DATA")
    os.environ["UNMASK_DATA"] = str(data)
    try:
        assert paths.data() == data.resolve()
        return scores.score_files(
            items,
            models=[LEFT_OUT],
            scoring=scores.Scoring(
                store=run / "held.jsonl", on_progress=ProgressBar(f"clips of {run.name}")
            ),
        )
    finally:
        os.environ.pop("UNMASK_DATA")
        if before is not None:
            os.environ["UNMASK_DATA"] = before


def _spec(weights: bytes, recipe: dict[str, Any]) -> ModelSpec:
    """Return the entry of a run's model."""
    file = WeightFile(
        path="model.safetensors", sha256=hashlib.sha256(weights).hexdigest(), size=len(weights)
    )
    half = (0.5, 0.5, 0.5)
    return ModelSpec(
        id=LEFT_OUT, title="Left out", family=recipe["family"], kind="frame", summary="",
        files=[file], fake_output="One logit, trained with fake = 1.", crop=recipe["crop"],
        normalization=Normalization(mean=half, std=half), options=recipe["options"],
        license_code="", license_weights="", source="",
    )  # fmt: skip


def _toml(entry: dict[str, Any]) -> str:
    def value(of: Any) -> str:
        if isinstance(of, dict):
            return "{ " + ", ".join(f"{k} = {value(v)}" for k, v in of.items()) + " }"
        if isinstance(of, list):
            return "[" + ", ".join(map(value, of)) + "]"
        return json.dumps(of)

    return "[[models]]\n" + "".join(f"{k} = {value(v)}\n" for k, v in entry.items())


def _stored(stores: Sequence[Path]) -> Iterator[tuple[str, dict[str, float]]]:
    """Raw logits of the most suspicious person by file, from stores of scores."""
    for store in stores:
        for text in store.read_text(encoding="utf-8").splitlines():
            line = scores._Stored.model_validate_json(text)
            if line.analysis is not None and line.condition == "none":
                item = Item(Path(), line.name, 0, "video", "", "", "")
                yield line.name, _logits(scores._scored(item, line, []))


def _logits(scored: Scored) -> dict[str, float]:
    """Raw logits of the person who was seen most: what a calibration is fitted on."""
    people = clip_of(scored).people
    return people[0].logits if people else {}


def _frames(scored: Scored) -> int:
    people = clip_of(scored).people
    return people[0].material.frames if people else 0


def _cached(
    items: Sequence[Item], run: Path, recipe: dict[str, Any], folder: Path
) -> Iterator[tuple[Item, dict[str, float], int]]:
    """Yield the files with a cached face, what the model of a run says, and of how many frames."""
    plan = Recipe.model_validate(recipe)
    weights = run / "model.safetensors"
    spec = _spec(weights.read_bytes(), recipe)
    model = registry.load_family(spec, [weights], "cpu")
    transform = OwnInput(plan.crop)
    caches = faces(plan, items, folder, lambda *_: None)
    entries = {e.name: (e, cache) for cache in caches.values() for e in cache.entries}
    for item in items:
        if item.name not in entries:
            continue
        entry, cache = entries[item.name]
        crops = cache.frames(entry)
        which = np.linspace(0, len(crops) - 1, FRAMES).round().astype(int)
        shown = [transform.plain(crops[i], entry, int(i)) for i in which]
        yield item, {LEFT_OUT: float(model.score(np.stack(shown)).mean())}, len(which)


def _line(of: Item | Scored, logits: dict[str, float], frames: int) -> dict[str, Any]:
    keys = ("name", "label", "method", "group", "person", "source")
    said = {id: round(value, 4) for id, value in logits.items()}
    found = {key: getattr(of, key) for key in keys}
    return found | {"fold": groups.fold_of(of), "frames": frames, "logits": said}


def table(lines: Sequence[dict[str, Any]], ours: str) -> None:
    """Print the figures of `ours`, and of the other models on the same clips."""
    judged = [line for line in lines if ours in line["logits"]]
    print(f"\n{len(judged)} of {len(lines)} clips judged")
    others = sorted({id for line in judged for id in line["logits"]} - {ours})
    rows: list[tuple[str, list[dict[str, Any]]]] = [("all", list(judged))]
    for question in ("manipulation", "synthesis"):
        of = [x for x in judged if not x["label"] or _question(x) == question]
        rows.append((f"{question}, all originals", of))
    rows += [(fold, [x for x in judged if x["fold"] == fold]) for fold in groups.names()]
    kinds = sorted({methods.family(x["method"]) for x in judged if x["label"]})
    for kind in kinds:
        of = [x for x in judged if not x["label"] or methods.family(x["method"]) == kind]
        rows.append((f"{kind}, all originals", of))
    for name, some in rows:
        _row(name, some, ours)
    for other in others:
        both = [line["name"] for line in judged if other in line["logits"]]
        print(f"\non the {len(both)} clips that {other} has scored")
        means = _mean_of([line for line in judged if line["name"] in set(both)], ours, other)
        for name, some in rows:
            here = [
                x | {"logits": x["logits"] | means[x["name"]]} for x in some if x["name"] in means
            ]
            for which in (ours, other, MEAN):
                _row(f"{name}: {which}", here, which, less=None if which == other else other)


def _mean_of(lines: Sequence[dict[str, Any]], ours: str, other: str) -> dict[str, dict[str, float]]:
    """Return the mean of two models' standardized logits, by file."""
    x = np.array([[line["logits"][id] for id in (ours, other)] for line in lines])
    if len(x) < 2:
        return {}
    x = ((x - x.mean(0)) / (x.std(0) + 1e-9)).mean(1)
    return {line["name"]: {MEAN: float(v)} for line, v in zip(lines, x, strict=True)}


def _question(line: dict[str, Any]) -> str:
    return str(methods.question(line["method"]).value)


def _row(name: str, lines: Sequence[dict[str, Any]], id: str, less: str | None = None) -> None:
    """Print a model's figures on these clips, and how much more AUC it has than another."""
    y = np.array([line["label"] for line in lines])
    if len(set(y.tolist())) < 2:
        return
    x = np.array([line["logits"][id] for line in lines])
    sources = [line["source"] for line in lines]
    text = f"{name:48} {int((1 - y).sum()):4} real {int(y.sum()):4} fake  "
    text += f"{metrics.bootstrap(metrics.auc, x, y, sources)}"
    text += _matched(lines, x, y)
    if less is not None:
        z = np.array([line["logits"][less] for line in lines])
        difference = metrics.bootstrap(metrics.auc, x, y, sources, less=z)
        text += f"  {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    print(text)


def _matched(lines: Sequence[dict[str, Any]], x: np.ndarray, y: np.ndarray) -> str:
    items = [
        Item(Path(), line["name"], line["label"], "video", "", line["group"], line["source"])
        for line in lines
    ]
    same = np.array([line["source"] for line in lines])
    couples = pairs(items)
    every = [
        (int(i), int(j))
        for i in np.flatnonzero(y == 0)
        for j in np.flatnonzero((y == 1) & (same == same[i]))
    ]
    won = metrics.paired_ranking_accuracy(x, couples) * len(couples)
    within = metrics.paired_ranking_accuracy(x, every)
    return f"  within sources {within:.3f}  pairs {won:g}/{len(couples)}"


if __name__ == "__main__":
    register()
    main()
