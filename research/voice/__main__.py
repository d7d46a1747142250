"""Train the voice model, leave repositories out, print the card's figures and its calibration."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from detector import paths
from detector.decision.material import Material
from detector.evaluation import manifest, metrics, subjects
from detector.evaluation.calibration import fit_clips
from detector.evaluation.operating_points import Promises
from detector.schema.analysis import Question
from research.voice import measure
from research.voice.clips import FOLDS, Clip, read_clips, split
from research.voice.corrupt import CONDITIONS
from research.voice.head import HeadRecipe, fit_both
from research.voice.measure import Scores
from research.voice.statistics import statistics, trunk
from research.voice.store import write

PLAN = HeadRecipe()
ID = "timbre"


def gather(args: argparse.Namespace) -> tuple[list[Clip], dict[str, np.ndarray]]:
    """Return the clips and the statistics of each version that is asked for."""
    clips = read_clips(args.labels)[:: args.every]
    network = trunk(args.trunk)
    names = list(dict.fromkeys([*PLAN.wide, *PLAN.narrow, *(CONDITIONS if args.all else ())]))

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


def left_out(clips: list[Clip], kept: Path, version: str) -> Scores:
    """Return what `folds` kept of a version."""
    parts = json.loads(kept.read_text())["folds"]
    rows = [i for part in parts for i in part["clips"]]
    number = [fold for fold, part in enumerate(parts) for _ in part["clips"]]
    logits = [logit for part in parts for logit in part["logits"][version]]
    return Scores(tuple(clips[i] for i in rows), np.array(number), np.array(logits))


def report(args: argparse.Namespace) -> None:
    """Print the tables of the card."""
    clips = read_clips(args.labels)[:: args.every]
    kept = args.out / "folds.json"
    plain = left_out(clips, kept, "0")
    print("|  | fakes / real | AUC | EER | pairs won (groups) | fakes found at 5 % alarms |")
    print("|---|---|---|---|---|---|")
    print(measure.line("all", plain))
    for fold in range(len(FOLDS)):
        print(measure.line(f"fold {fold}", plain.of(plain.folds == fold)))
    for language, own in languages(plain).items():
        print(measure.line(language, plain.of(own)))
    for name in json.loads(kept.read_text())["folds"][0]["logits"]:
        if name in CONDITIONS:
            print(measure.line(name, left_out(clips, kept, name)))
    for name, values in measure.trivial(plain.clips).items():
        auc = metrics.auc(values, plain.fake)
        print(
            measure.line(
                f"{name} alone", Scores(plain.clips, plain.folds, values * np.sign(auc - 0.5))
            )
        )
    print("\n".join(["", "| system | fakes | AUC |", "|---|---|---|", *measure.by_system(plain)]))


def calibrate(args: argparse.Namespace) -> None:
    """Print the manifest's tables: thresholds and odds of what was left out, as recorded and as
    MP3 of 32 kbit/s, each fold by what the others chose."""
    clips = read_clips(args.labels)[:: args.every]
    rows: list[subjects.Clip] = []
    for version in PLAN.wide:
        scores = left_out(clips, args.out / "folds.json", version)
        for clip, fold, logit in zip(scores.clips, scores.folds, scores.logits, strict=True):
            question = Question.VOICE if clip.fake else None
            person = subjects.ScoredPerson({ID: float(logit)}, Material(None, None, None, 16))
            source = f"fold {fold}"
            rows.append(
                subjects.Clip(int(clip.fake), source, question, (person,), (), clip.repository)
            )
    data = (
        f"{len(rows) // len(PLAN.wide)} clips of speech that were left out of the training, twice"
    )
    found = fit_clips(rows, {Question.VOICE: [ID]}, data, Promises(rate=args.rate))
    print(manifest.to_toml(found))
    print(f"weight = {found.weights[ID]}\n\n[models.calibration]")
    print("\n".join(f"{k} = {v!r}" for k, v in found.models[ID].model_dump().items()))
    print(found.summary.model_dump_json(indent=1), file=sys.stderr)


def languages(scores: Scores) -> dict[str, np.ndarray]:
    """Return which clips are of each language that has enough of both labels."""
    spoken = np.array([clip.language or "unknown" for clip in scores.clips])
    chosen = {str(name): spoken == name for name in np.unique(spoken)}
    return {
        name: own
        for name, own in chosen.items()
        if min(scores.fake[own].sum(), (~scores.fake[own]).sum()) >= measure.FEWEST
    }


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m research.voice", description=__doc__)
    parser.add_argument("command", choices=["train", "folds", "report", "calibrate"])
    parser.add_argument("labels", type=Path, metavar="voice.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--trunk", type=Path, default=paths.bundled() / "timbre.safetensors")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth clip")
    parser.add_argument("--rate", type=float, default=0.05, help="of false alarms (calibrate)")
    parser.add_argument("--all", action="store_true", help="under the card's conditions as well")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    commands = {"train": train, "folds": folds, "report": report, "calibrate": calibrate}
    commands[args.command](args)


if __name__ == "__main__":
    main()
