"""Fit the rule by which rounds of scoring end (`detector.pipeline.stopping`).

    python -m lab.bench.moments LABELS.csv … --table datasets/moments.csv
    python -m lab.bench.moments --table datasets/moments.csv

With labelled files: run the product with all moments on them, and add these to the table.
Without: print how often an answer differs from that with all moments, and how many are scored,
for each number of standard errors; the smallest one that keeps the promise; and how many answers
towards fake on the first moments end in another (`detector.decision.provisional`). The log odds of
a file are moved to those of left-out scores, since files that a model has seen are further from
limits; the deviations of its moments stay. Passages: three of eight moments replaced by those of a
fake.

A row of the table is one subject: file, source, label, question, log odds at each moment."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from typer import Argument, Option

from detector.decision.numbers import logit
from detector.errors import UnmaskError
from detector.evaluation.labels import Item, read_labels
from detector.models import registry
from detector.pipeline import Analyzer, RunOptions, rounds, stopping
from detector.schema.analysis import Analysis, FileKind, Question, Settings, Thresholds
from lab.bench import command
from lab.evaluation import left_out
from lab.evaluation.calibration import held_out_logits
from lab.evaluation.tables import markdown

PROMISE = 0.005  # of the answers may differ
ERRORS = (1.0, 1.5, 2.0, 2.5, 3.0)
DRAWS = 60  # left-out log odds for each file
PASSAGE = 3  # moments
MOMENTS = 8
MARGINS = (0.0, 0.25, 0.5, 0.75)  # log odds
COLUMNS = ("file", "source", "label", "question", "moments")
Array = np.ndarray


@dataclass(frozen=True)
class RuleOutcome:
    """What the rule does to a number of files."""

    files: int
    differ: int  # whose answer is not that of all moments
    moments: float  # scored, mean

    @property
    def share(self) -> float:
        """Return the share of files with another answer."""
        return self.differ / max(self.files, 1)


def rows(item: Item, analysis: Analysis) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a file that was scored at all moments."""
    few = {m.id for m in registry.choose(None) if m.moments}
    for question, answer in analysis.verdict.answers.items():
        subject = next((s for s in analysis.subjects if s.id == answer.subject), None)
        if subject is None or not answer.evaluated:
            continue
        at = [look for look in subject.looks if question in look.answers]
        slow = [look for look in at if not few.isdisjoint(look.logits)] or at
        values = [f"{logit(look.answers[question]):.3f}" for look in slow]
        label = "fake" if item.label else "real"
        yield item.name, item.source, label, question.value, " ".join(values)


def collect(lists: Sequence[Path], table: Path) -> None:
    """Add the files of labelled lists that are not in the table."""
    known = set(pd.read_csv(table)["file"]) if table.exists() else set[str]()
    analyzer = Analyzer(device="cpu")
    with table.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if not known:
            writer.writerow(COLUMNS)
        for item in (item for path in lists for item in read_labels(path)):
            if item.name in known:
                continue
            try:
                analysis, _faces = analyzer.rerun(item.file, Settings(), RunOptions())
            except UnmaskError as error:
                print(item.name, error.message)
                continue
            writer.writerows(rows(item, analysis))
            stream.flush()


def scored(moments: Array, bounds: Sequence[float], errors: float) -> int:
    """Return how many of a file's moments, log odds by time, are scored until the rule ends."""
    order, count = rounds.spread(len(moments)), rounds.FIRST
    while count < len(moments):
        seen = moments[order[:count]]
        now = stopping.Reading(float(seen.mean()), tuple(seen.tolist()), len(moments), errors)
        if not stopping.unsettled({"": now}, bounds):
            break
        count *= 2
    return min(count, len(moments))


def outcome(files: Sequence[Array], bounds: Sequence[float], errors: float) -> RuleOutcome:
    """Return what the rule does to files, each its moments by time."""
    differ, total = 0, 0
    for moments in files:
        count = scored(moments, bounds, errors)
        mean = moments[rounds.spread(len(moments))[:count]].mean()
        differ += np.searchsorted(bounds, mean) != np.searchsorted(bounds, moments.mean())
        total += count
    return RuleOutcome(len(files), differ, total / max(len(files), 1))


def moved(files: Sequence[Array], onto: Array, draws: int = DRAWS) -> list[Array]:
    """Return each file with its mean moved onto some of these log odds."""
    chance = np.random.default_rng(0)
    return [one - one.mean() + x for one in files for x in chance.choice(onto, draws)]


def passages(real: Sequence[Array], fake: Sequence[Array], draws: int = DRAWS) -> list[Array]:
    """Return genuine files of which some consecutive moments are those of a fake."""
    chance = np.random.default_rng(0)
    found = []
    for one in real:
        for _ in range(draws):
            other, spliced = fake[int(chance.integers(len(fake)))], one.copy()
            first = chance.integers(len(one) - PASSAGE + 1)
            last = first + PASSAGE
            spliced[first:last] = np.resize(other, PASSAGE)
            found.append(spliced)
    return found


def left_out_logits(scores: Path, question: Question) -> Array:
    """Return the log odds of files by weights that never saw their source; empty without such."""
    table = left_out.read(scores)
    ids = registry.manifest().ensembles[question].models
    every = left_out.files(table[table["model"].isin(ids)])
    every = every[every["version"] == "as it is"]
    found: Array = held_out_logits(every, question, ids)
    return found[~np.isnan(found)]


def limits_of(question: Question) -> Thresholds:
    """Return the limits of the kind of file that a question leads."""
    kinds = {Question.PICTURE: FileKind.PICTURE, Question.VOICE: FileKind.SOUND}
    return registry.manifest().likelihoods[kinds.get(question, FileKind.CLIP)].thresholds


def fit(table: Path, scores: Path) -> str:
    """Return the outcomes by question and number of standard errors, and the one to use."""
    every = pd.read_csv(table)
    lines, keeps = [], dict.fromkeys(ERRORS, True)
    for name, own in every.groupby("question"):
        question = Question(name)
        bounds = stopping.limits(limits_of(question))
        files = [np.array(text.split(), float) for text in own["moments"]]
        labels = [
            label for label, one in zip(own["label"], files, strict=True) if len(one) == MOMENTS
        ]
        files = [one for one in files if len(one) == MOMENTS]
        onto = left_out_logits(scores, question)
        real, fake = ([f for f, one in zip(files, labels, strict=True) if one == label]
                      for label in ("real", "fake"))  # fmt: skip
        for errors in ERRORS:
            whole = outcome(moved(files, onto), bounds, errors)
            parts = outcome(passages(real, fake), bounds, errors) if real and fake else None
            keeps[errors] &= max(whole.share, parts.share if parts else 0.0) <= PROMISE
            lines.append(
                (
                    f"{name}, {len(files)} files",
                    f"{errors:g}",
                    f"{whole.share:.2%}",
                    f"{whole.moments:.1f}",
                    f"{parts.share:.2%}" if parts else "",
                    f"{parts.moments:.1f}" if parts else "",
                )
            )
    heads = ("question", "errors", "differ", "moments", "passages differ", "moments")
    chosen = next((f"{errors:g}" for errors, kept in keeps.items() if kept), "none")
    return f"{markdown(heads, lines)}\n\nThe fewest errors that keep {PROMISE:.1%}: {chosen}"


def early(table: Path, scores: Path) -> str:
    """Return how often an answer towards fake on the first moments ends in another: `FAKE` so far
    above its limit, log odds, and `PROBABLY_FAKE` below it."""
    lines = []
    for name, own in pd.read_csv(table).groupby("question"):
        limits = limits_of(Question(name))
        high, suspect = logit(limits.high), logit(limits.suspect)
        files = [np.array(text.split(), float) for text in own["moments"]]
        files = moved([one for one in files if len(one) == MOMENTS],
                      left_out_logits(scores, Question(name)))  # fmt: skip
        last = np.array([one.mean() for one in files])
        for count in (rounds.FIRST, 2 * rounds.FIRST):
            first = np.array([one[rounds.spread(MOMENTS)[:count]].mean() for one in files])
            cells = [_taken_back(first >= high + margin, last < high) for margin in MARGINS]
            probably = _taken_back((first >= suspect) & (first < high), last < suspect)
            lines.append((f"{name}, {count} of {MOMENTS} moments", *cells, probably))
    heads = ("question", *(f"FAKE + {margin:g}" for margin in MARGINS), "PROBABLY_FAKE")
    return markdown(heads, lines)


def _taken_back(shown: Array, otherwise: Array) -> str:
    """Return the share of the shown answers that end otherwise, and their number."""
    return f"{otherwise[shown].mean():.1%} of {shown.sum()}" if shown.any() else ""


def main(
    lists: Annotated[list[Path] | None, Argument(help="labelled files")] = None,
    table: Path = Path("datasets/moments.csv"),
    scores: Annotated[Path, Option(help="left-out scores")] = Path("datasets/left_out.csv"),
) -> None:
    """Add labelled files to the table, or fit the rule to it."""
    if lists:
        collect(lists, table)
    else:
        print(fit(table, scores), early(table, scores), sep="\n\n")


if __name__ == "__main__":
    command(main)
