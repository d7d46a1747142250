"""How well left-out scores rank clips, by set, kind of fake, length and pair.

    python -m lab.bench.left_out [--scores datasets/left_out.csv --sheet datasets/faces.csv]

The first table of docs/accuracy.md: AUC with an interval from drawing sources, of each question
about faces and of the higher of both. Maps and weights are fitted without a clip's fold.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from detector.evaluation import metrics
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, Question
from lab.bench import command
from lab.evaluation import left_out_scores
from lab.evaluation.calibration import held_out_logits
from lab.evaluation.left_out_scores import LeftOutFile
from lab.evaluation.tables import markdown

MODELS = ("clip", "texture", "clip-generated")
SHORT = 1.1  # s
FALSE_ALARMS = (0.01, 0.05)
KINDS = {Question.MANIPULATION: "altered faces alone", Question.SYNTHESIS: "generated heads alone"}
AS_IS, COPY = "as it is", "copy"

Row = Mapping[str, str]
Array = np.ndarray


def facts(path: Path) -> dict[str, Row]:
    """Return the rows of a data sheet by the names that files have in the table of scores."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {f"data/{row['list']}/{row['clip']}": row for row in csv.DictReader(stream)}


def questions(files: Sequence[LeftOutFile]) -> dict[str, Array]:
    """Return the logits of each question about faces, and the higher of both; NaN where a clip was
    not judged, or where it is a fake that the question is not about."""
    clips = [one.clip for one in files]
    of: dict[Question, list[str]] = defaultdict(list)
    for id in MODELS:
        of[QUESTION_OF[registry.get_spec(id).task]].append(id)
    found = {question: held_out_logits(clips, question, ids) for question, ids in of.items()}
    own = {
        question: np.array([not clip.label or clip.is_fake_of(question) for clip in clips])
        for question in found
    }
    shown = {
        "is the face fake?": Question.MANIPULATION,
        "was the head generated?": Question.SYNTHESIS,
    }
    each = {title: np.where(own[q], found[q], np.nan) for title, q in shown.items()}
    return {**each, "the higher of both": np.max(list(found.values()), axis=0)}


def auc(logits: Array, files: Sequence[LeftOutFile], chosen: Array) -> str:
    """Return the AUC of some of the files in words."""
    own = np.flatnonzero(chosen & np.isfinite(logits)).tolist()
    labels = np.array([files[i].clip.label for i in own])
    if len(set(labels.tolist())) < 2:
        return ""
    found = metrics.auc_interval(logits[own], labels, [files[i].clip.origin for i in own])
    return f"{found} ({labels.sum()} / {len(own) - labels.sum()})"


def found_at(logits: Array, labels: Array) -> str:
    """Return the share of fakes above the limits that so many genuine clips pass."""
    seen = np.isfinite(logits)
    real, fake = (logits[seen & (labels == label)] for label in (0, 1))
    shares = [(fake > np.quantile(real, 1 - share)).mean() for share in FALSE_ALARMS]
    return ", ".join(f"{100 * share:.0f} %" for share in shares)


def pairs(logits: Array, files: Sequence[LeftOutFile], rows: Mapping[str, Row]) -> str:
    """Return how often a fake has a higher logit than a genuine clip of its footage, each footage
    alike."""
    footage: dict[tuple[str, str], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for logit, one in zip(logits, files, strict=True):
        group = rows[one.name]["group"] if one.name in rows else ""
        if group and np.isfinite(logit):
            footage[one.clip.origin, group][one.clip.label].append(logit)
    both = {name: pair for name, pair in footage.items() if all(pair)}
    shares = np.array([np.greater.outer(fake, real).mean() for real, fake in both.values()])
    found = metrics.mean_interval(shares, [source for source, _group in both])
    return f"{found} ({len(both)} of {len({source for source, _group in both})} sources)"


def table(scores: Path, sheet: Path) -> str:
    """Return the table as Markdown."""
    rows = facts(sheet)
    every = [
        one
        for one in left_out_scores.read(scores)
        if one.kind == "video" and not one.clip.people[0].logits.keys().isdisjoint(MODELS)
    ]
    logits = questions(every)
    whole = np.array([one.version == AS_IS for one in every])
    kinds = np.array([one.clip.questions[0].value if one.clip.label else "" for one in every])
    seconds = np.array([float(rows.get(one.name, {}).get("seconds") or np.nan) for one in every])
    sets = np.array([one.set for one in every])
    chosen = {"all fakes": whole}
    for name in sorted(set(sets.tolist())):
        chosen[f"`{name}`"] = whole & (sets == name)
    chosen["smaller JPEG copies"] = np.array([one.version == COPY for one in every])
    for question in KINDS:
        chosen[KINDS[question]] = whole & ((kinds == "") | (kinds == question.value))
    chosen[f"under {SHORT} s"] = whole & (seconds < SHORT)
    cells = {name: [auc(x, every, some) for x in logits.values()] for name, some in chosen.items()}
    lines = [[name, *row] for name, row in cells.items() if any(row)]
    plain = [one for one, is_whole in zip(every, whole, strict=True) if is_whole]
    labels = np.array([one.clip.label for one in plain])
    own = [x[whole] for x in logits.values()]
    lines.append(["found at 1, 5 % false alarms", *(found_at(x, labels) for x in own)])
    ordered = (pairs(x, plain, rows) for x in own)
    lines.append(["fake above a genuine clip of its footage", *ordered])
    return markdown(("fakes / genuine", *logits), lines)


def main(
    scores: Path = Path("datasets/left_out.csv"), sheet: Path = Path("datasets/faces.csv")
) -> None:
    print(table(scores, sheet))


if __name__ == "__main__":
    command(main)
