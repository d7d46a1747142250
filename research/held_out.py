"""What ships, on sources that nobody trained on: from labels to the README's table in one command.

    python -m research.held_out LABELS.csv --where face_px --begin lite0.safetensors --work DIR
        [--by kinds,sources] [--rate 0.03] [--write]

Of each fold (`detector.evaluation.groups`) recipes `texture` and `grain` learn from all else, and
what they learned judges the fold's clips through the pipeline; those scores stand in for the models
that ship, which know these clips (`research.left_out`). Detail and Synthesis are asked as they
ship, so `--where` names a column that only clips have which they never saw. On these scores
ensembles and thresholds are fitted as `unmask calibrate … --rate` fits them, each clip by what
other kinds say.

DIR keeps everything, cut faces among it (3 GB of other people's: delete them when you are done), so
that a stopped call goes on: 40 minutes of two cores in all. Grain wants the face landmarker
(`unmask fetch face-landmarker`). With `--write` the ensembles of `kinds` go into the manifest, the
table between the README's markers (`<!-- left out -->`) and each model's figures between those of
its card, so that no number has to be typed.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.quality import ROOT, fill
from detector.cli.common import ProgressBar
from detector.evaluation import calibration, groups, manifest, methods, metrics, scores
from detector.evaluation.calibration_report import Calibrated
from detector.evaluation.labels import Item, filled, pairs, read_labels
from detector.evaluation.operating_points import PROMISES, Promises
from detector.evaluation.tables import between, head, line
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, Question
from detector.training.recipe import read_recipe
from detector.training.run import train
from research import folds, left_out, register
from research.against import by_kind, ours

LEARNED = {"texture": ("texture", "surface"), "grain": ("grain",)}
"""Recipes, and what ships of each."""
AS_THEY_SHIP = ("detail", "synthesis")
MODELS = [id for ids in LEARNED.values() for id in ids] + list(AS_THEY_SHIP)
MARK = "left out"
"""between which the figures stand: `<!-- left out -->`"""
WAYS = {"kinds": groups.names, "sources": groups.source_names}
"""of leaving out"""
ASKED = {
    Question.MANIPULATION: "altered faces",
    Question.SYNTHESIS: "heads and pictures that were made",
}
"""What each question finds, against all originals."""


@dataclass(frozen=True)
class Bench:
    """What is asked, and where it is kept."""

    labels: Path
    items: list[Item]
    begin: Path
    work: Path

    def learn(self, way: str) -> None:
        """Fit the layers of each fold that has none yet."""
        for name in LEARNED:
            for fold in WAYS[way]():
                run = self.runs(way, name) / fold
                if not (run / "model.safetensors").is_file():
                    plan = read_recipe(name).model_copy(update={"leave_out": fold})
                    begin = self.begin if name == "texture" else None
                    train(plan, self.labels, run, cache=self.work / "faces", begin=begin)

    def judge(self, way: str) -> Path:
        """Return a store of scores of which none is of a model that saw the clip."""
        others, store = self.work / "others.jsonl", self.work / f"{way}.jsonl"
        bar = ProgressBar("clips")
        keeping = scores.Scoring(store=others, on_progress=bar)
        scores.score_files(self.items, models=AS_THEY_SHIP, scoring=keeping)
        shutil.copyfile(others, store)
        for name, ids in LEARNED.items():
            for fold in WAYS[way]():
                _, held = groups.leave_out(self.items, fold)
                plan = read_recipe(name).model_dump()
                folds.score(held, self.runs(way, name) / fold, plan)
            for id in ids:
                left_out.put(self.runs(way, name), id, store)
        return store

    def runs(self, way: str, recipe: str) -> Path:
        """Return the folder with a recipe's runs."""
        return self.work / way / recipe


def rows(scored: Sequence[scores.Scored], fitted: Calibrated) -> dict[str, str]:
    """Return the cells of one way of leaving out, by the title of their row."""
    said = ours(by_kind(scored), MODELS)
    labels = np.array([one.label for one in scored])
    sources = np.array([one.source for one in scored])

    def auc(logits: np.ndarray, fakes: np.ndarray) -> str:
        here = np.isfinite(logits) & ((labels == 0) | fakes)
        found = metrics.bootstrap(metrics.auc, logits[here], labels[here], sources[here])
        return between(found.value, found.low, found.high)

    about = np.array([methods.question(one.method) if one.label else None for one in scored])
    kind = np.array([methods.family(one.method) if one.label else "" for one in scored])
    cells = {}
    for question, words in ASKED.items():
        own, logits = about == question, said[question]
        cells[f"**{words}** ({own.sum()} fakes)"] = auc(logits, own)
        for name in sorted(set(kind[own])):
            fakes = kind == name
            cells[f"of these {name} ({fakes.sum()})"] = auc(logits, fakes)
        here = np.flatnonzero(np.isfinite(logits) & ((labels == 0) | own)).tolist()
        couples = pairs([scored[k] for k in here])
        won = metrics.paired_ranking_accuracy(logits[here], couples)
        if couples:
            cells[f"originals below the {words} of them ({len(couples)} pairs)"] = f"{won:.0%}"
    cells[f"**all fakes**, both questions together ({labels.sum()})"] = auc(said[None], labels == 1)
    found = fitted.summary
    return cells | {
        "untouched clips that are called FAKE": f"{found.alarms:.1%}",
        "clips that get a verdict": f"{found.decided:.1%}",
        "right of these": f"{found.right:.0%}",
        "calibration error (of honest probabilities, by chance)": (
            f"{found.calibration_error:.3f} ({found.by_chance:.3f})"
        ),
    }


def table(ways: dict[str, dict[str, str]]) -> str:
    """Return what was found as one table, a way of leaving out a column."""
    titles = list(dict.fromkeys(title for cells in ways.values() for title in cells))
    lines = list(head("", *(f"{way} left out" for way in ways)))
    lines += [line(title, *(cells.get(title, "") for cells in ways.values())) for title in titles]
    return _spaced("\n".join(lines))


def of_card(ids: Sequence[str], fitted: Calibrated) -> str:
    """Return what was found of the models of one card."""
    lines = []
    for id in ids:
        spec = registry.get_spec(id)
        question = QUESTION_OF[spec.task]
        ensemble, of = fitted.ensembles[question], fitted.models[id]
        report = next(one for one in fitted.reports if one.question is question)
        auc, limits = ensemble.auc, ensemble.thresholds
        assert auc is not None and limits.false_positives is not None
        others = [registry.get_spec(other).title for other in ensemble.models if other != id]
        alarms = limits.false_positives
        lines.append(
            f"*{spec.title}*, {ASKED[question]}: AUC {report.models[id]:.2f}; with "
            f"{' and '.join(others)} {between(auc.value, auc.low, auc.high)}. Platt scale "
            f"{of.scale:.3f}, offset {of.offset:.3f}; its calibrated log odds are added "
            f"{fitted.weights[id]:.2f} times. FAKE above {100 * limits.high:.1f} % "
            f"({alarms.count} of {alarms.clips} untouched clips)."
        )
    found = fitted.summary
    told = "" if any(one.thresholds.no_sign for one in fitted.ensembles.values()) else (
        ' No threshold makes 95 % of "no sign" right there, so these models never say it.'
    )  # fmt: skip
    parts = [
        f"**On sources nobody trained on**: {fitted.models[ids[0]].data}, each group of sources of "
        "one kind left out.",
        *lines,
        f"With thresholds that the other groups chose, {found.alarms:.1%} of the untouched clips "
        f"are called FAKE over both questions, {found.decided:.1%} of the clips get a verdict, and "
        f"{found.right:.0%} of those are right (`python -m research.held_out`).{told}",
    ]
    return _spaced("\n\n".join(parts))


def _spaced(text: str) -> str:
    return re.sub(r"(\d)%", r"\1 %", text)


def write(root: Path, ways: dict[str, dict[str, str]], fitted: Calibrated) -> None:
    """Put what was found into the manifest, the cards and the README of a checkout."""
    manifest.write(fitted, root / "weights" / "manifest.toml")
    cards: dict[str, list[str]] = {}
    for id in MODELS:
        cards.setdefault(registry.get_spec(id).card or "", []).append(id)
    for card, ids in cards.items():
        fill(root / "weights" / card, MARK, of_card(ids, fitted))
    fill(root / "README.md", MARK, table(ways))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--where", required=True, help="ask only files with this column filled")
    parser.add_argument("--begin", type=Path, required=True, help="the trunk of EfficientNet-Lite0")
    parser.add_argument("--work", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--by", default=",".join(WAYS), help="what is left out in turn")
    parser.add_argument("--rate", type=float, default=0.03, help="of untouched clips called FAKE")
    parser.add_argument("--write", action="store_true", help="into manifest and README")
    asked = parser.parse_args()
    named = filled(asked.labels, asked.where)
    items = [one for one in read_labels(asked.labels) if one.kind == "video" and one.name in named]
    bench = Bench(asked.labels, items, asked.begin, asked.work)
    ways, ships = {}, {}
    for way in asked.by.split(","):
        bench.learn(way)
        keeping = scores.Scoring(store=bench.judge(way))
        fitted = calibration.calibrate(
            asked.labels, models=MODELS, where=asked.where, scoring=keeping,
            promises=Promises(asked.rate, PROMISES.right),
        )  # fmt: skip
        scored = scores.score_files(items, models=MODELS, scoring=keeping)
        ways[way], ships[way] = rows(scored, fitted), fitted
    print(table(ways))
    if asked.write:
        write(ROOT, ways, ships["kinds"])


if __name__ == "__main__":
    register()
    main()
