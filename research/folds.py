"""What a recipe reaches on sources that were left out, by whole groups of them.

    python -m research train surround --data LABELS.csv --leave-out FOLD --out RUNS/FOLD
    …  (of each fold)
    python -m research.folds LABELS.csv --runs RUNS --out HELD.jsonl [--against STORE.jsonl …]

Every clip goes through the pipeline with the model that never saw its fold
(`detector.evaluation.groups`); the analyses are kept in RUNS, so a stopped call goes on. HELD.jsonl
gets one line a clip: name, label, method, group, person, source, fold, and raw logits of the person
who was seen most, by model: the left-out model's, and those of any other models that the stores of
`--against` hold (`detector.evaluation.scores`; what these were trained on is not asked).

The table: AUC over all clips (by the raw logits of several models, as they are), over each question
and each fold, with 95 % intervals from resampling sources; the same within sources, where a camera
or a codec tells nothing (of all couples of an original and a fake of one source the share that is
in order); originals below the fakes made of them; and how much more AUC that is than each other
model has on the same clips, resampled together.
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
from detector.models.base import ModelSpec, WeightFile
from research import register


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="a folder with the runs")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--against", type=Path, nargs="*", default=[])
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
        for scored in _score(held, run, recipe):
            lines.append(_line(scored, ours))
            lines[-1]["logits"] |= others.get(scored.name, {})
    args.out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    table(lines, ours)


def _score(items: Sequence[Item], run: Path, recipe: dict[str, Any]) -> list[Scored]:
    """The files through the pipeline, by the model of a run."""
    # A data folder of its own, in which the run's model is a person's own.
    data = run / "as-own"
    (data / "weights").mkdir(parents=True, exist_ok=True)
    weights = (run / "model.safetensors").read_bytes()
    (data / "weights" / "model.safetensors").write_bytes(weights)
    file = WeightFile(
        path="model.safetensors", sha256=hashlib.sha256(weights).hexdigest(), size=len(weights)
    )
    half = (0.5, 0.5, 0.5)
    spec = ModelSpec(
        id="left-out", title="Left out", family=recipe["family"], kind="frame", summary="",
        files=[file], fake_output="One logit, trained with fake = 1.", crop=recipe["crop"],
        normalization={"mean": half, "std": half}, options=recipe["options"],
        license_code="", license_weights="", source="",
    )  # fmt: skip
    entry = spec.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (data / "models.toml").write_text(_toml(entry), encoding="utf-8")
    before = os.environ.get("UNMASK_DATA")
    os.environ["UNMASK_DATA"] = str(data)
    try:
        assert paths.data() == data.resolve()
        return scores.score_files(
            items, models=["left-out"], store=run / "held.jsonl",
            progress=ProgressBar(f"clips of {run.name}"),
        )  # fmt: skip
    finally:
        os.environ.pop("UNMASK_DATA")
        if before is not None:
            os.environ["UNMASK_DATA"] = before


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


def _line(scored: Scored, ours: str) -> dict[str, Any]:
    keys = ("name", "label", "method", "group", "person", "source")
    logits = {ours if id == "left-out" else id: round(v, 4) for id, v in _logits(scored).items()}
    found = {key: getattr(scored, key) for key in keys}
    return found | {"fold": groups.fold_of(scored), "frames": _frames(scored), "logits": logits}


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
        _row(name, some, ours, None)
    for other in others:
        print(f"\non the clips that {other} has scored: {ours}, {other}, the difference")
        for name, some in rows:
            _row(name, [x for x in some if other in x["logits"]], ours, other)


def _question(line: dict[str, Any]) -> str:
    return str(methods.question(line["method"]).value)


def _row(name: str, lines: Sequence[dict[str, Any]], ours: str, other: str | None) -> None:
    y = np.array([line["label"] for line in lines])
    if len(set(y.tolist())) < 2:
        return
    x = np.array([line["logits"][ours] for line in lines])
    sources = [line["source"] for line in lines]
    items = [
        Item(Path(), x["name"], x["label"], "video", "", x["group"], x["source"]) for x in lines
    ]
    couples = pairs(items)
    text = f"{name:38} {int((1 - y).sum()):4} real {int(y.sum()):4} fake  "
    text += f"{metrics.bootstrap(metrics.auc, x, y, sources)}"
    text += _matched(x, y, sources, couples)
    if other is not None:
        z = np.array([line["logits"][other] for line in lines])
        text += f" | {metrics.bootstrap(metrics.auc, z, y, sources)}"
        text += _matched(z, y, sources, couples)
        difference = metrics.bootstrap_difference(metrics.auc, x, z, y, sources)
        text += f" | {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    print(text)


def _matched(
    x: np.ndarray, y: np.ndarray, sources: Sequence[str], couples: list[tuple[int, int]]
) -> str:
    same = np.asarray(sources)
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
