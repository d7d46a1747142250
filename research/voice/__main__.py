"""Train the voice model, leave repositories out, print its calibration."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from detector import paths
from detector.decision.material import Material
from detector.evaluation import manifest, subjects
from detector.evaluation.calibration import fit_clips
from detector.evaluation.operating_points import Promises
from detector.schema.analysis import Question
from research.voice.clips import FOLDS, Clip, read_clips, split
from research.voice.head import HeadRecipe, fit_both
from research.voice.statistics import statistics, trunk
from research.voice.store import write

PLAN = HeadRecipe()
ID = "timbre"


def gather(args: argparse.Namespace) -> tuple[list[Clip], dict[str, np.ndarray]]:
    """Return the clips and the statistics of each version that is asked for."""
    clips = read_clips(args.labels)[:: args.every]
    network = trunk(args.trunk)
    names = list(dict.fromkeys([*PLAN.wide, *PLAN.narrow]))

    def report(name: str, done: int, total: int) -> None:
        if done == total or not done % 100:
            print(f"{name}: {done} of {total}", file=sys.stderr, flush=True)

    folder = args.out / "statistics"
    return clips, {name: statistics(clips, name, network, folder, report) for name in names}


def train(args: argparse.Namespace) -> None:
    """Learn from all clips, and write the file that ships."""
    clips, versions = gather(args)
    write(fit_both(clips, versions, PLAN), args.trunk, args.out / "timbre.safetensors")
    print(args.out / "timbre.safetensors")


def folds(args: argparse.Namespace) -> None:
    """Learn without each fold, and keep what is said of it."""
    clips, versions = gather(args)
    kept: list[dict[str, object]] = []
    for fold in range(len(FOLDS)):
        learned, out = split(clips, fold)
        taught = {name: values[learned] for name, values in versions.items()}
        heads = fit_both([clips[i] for i in learned], taught, PLAN)
        logits = {name: heads(values[out]).tolist() for name, values in versions.items()}
        kept.append({"clips": out, "logits": logits})
    target = args.out / "folds.json"
    target.write_text(json.dumps({"plan": asdict(PLAN), "folds": kept}))
    print(target)


def calibrate(args: argparse.Namespace) -> None:
    """Print the manifest's tables: thresholds and odds of what was left out, as recorded and as
    MP3 of 32 kbit/s, each fold by what the others chose."""
    clips = read_clips(args.labels)[:: args.every]
    parts = json.loads((args.out / "folds.json").read_text())["folds"]
    rows: list[subjects.Clip] = []
    for version in PLAN.wide:
        for fold, part in enumerate(parts):
            for number, logit in zip(part["clips"], part["logits"][version], strict=True):
                clip = clips[number]
                question = Question.VOICE if clip.fake else None
                person = subjects.ScoredPerson({ID: logit}, Material(None, None, None, 16))
                rows.append(
                    subjects.Clip(
                        int(clip.fake), f"fold {fold}", question, (person,), (), clip.repository
                    )
                )
    data = (
        f"{len(rows) // len(PLAN.wide)} clips of speech that were left out of the training, twice"
    )
    found = fit_clips(rows, {Question.VOICE: [ID]}, data, Promises(rate=args.rate))
    print(manifest.to_toml(found))
    print(f"weight = {found.weights[ID]}\n\n[models.calibration]")
    print("\n".join(f"{k} = {v!r}" for k, v in found.models[ID].model_dump().items()))
    print(found.summary.model_dump_json(indent=1), file=sys.stderr)


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m research.voice", description=__doc__)
    parser.add_argument("command", choices=["train", "folds", "calibrate"])
    parser.add_argument("labels", type=Path, metavar="voice.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--trunk", type=Path, default=paths.bundled() / "timbre.safetensors")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth clip")
    parser.add_argument("--rate", type=float, default=0.05, help="of false alarms (calibrate)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    commands = {"train": train, "folds": folds, "calibrate": calibrate}
    commands[args.command](args)


if __name__ == "__main__":
    main()
