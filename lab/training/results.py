"""Write what a recipe's left-out scores say: their table, figures, and a calibration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from detector.evaluation import metrics
from detector.schema.analysis import Likelihood, Question
from lab.evaluation import left_out, manifest
from lab.evaluation.calibration import Calibrated, to_markdown
from lab.evaluation.left_out import ABOUT, COLUMNS, PICTURES
from lab.evaluation.tables import markdown, tally

TYPES = {question: name for name, question in ABOUT.items()}


def write_scores(scores: pd.DataFrame, folder: Path, id: str, question: Question) -> pd.DataFrame:
    """Write `left_out.csv`, the scores of one model as `left_out` reads them, and return it: of a
    file that several folds left out the last score."""
    once = scores.drop_duplicates(["file", "version"], keep="last")
    kinds = np.where(once["label"] == 1, TYPES[question], "")
    table = once.assign(type=kinds, set="", model=id, logit=once["logit"].round(4))[COLUMNS]
    words = table["label"].map({0: "real", 1: "fake"})
    table.assign(label=words).to_csv(folder / "left_out.csv", index=False)
    return table


def write(
    scores: pd.DataFrame,
    folder: Path,
    id: str,
    question: Question,
    beside: pd.DataFrame | None = None,
) -> Calibrated:
    """Write the table of scores of one model; `left_out.md` with figures; and `calibration.toml`
    with its ensemble. Scores `beside` it are in the table of figures alone."""
    table = write_scores(scores, folder, id, question)
    if (table["kind"] != "image").any():  # Pictures are judged by the fold of all of them
        table = table[(table["kind"] != "image") | (table["fold"] == PICTURES)]
    found = left_out.calibrate(table, questions={id: question})
    own = found.models[id].model_dump().items()
    lines = [manifest.to_toml(found), f"weight = {found.weights[id]}", "", "[models.calibration]"]
    text = "\n".join([*lines, *(f"{key} = {value!r}" for key, value in own)])
    (folder / "calibration.toml").write_text(f"{text}\n")
    ranked = ranking(scores if beside is None else pd.concat([scores, beside]))
    (folder / "left_out.md").write_text(f"{ranked}\n\n{to_markdown(found)}")
    return found


def ranking(scores: pd.DataFrame) -> str:
    """Return AUC, with an interval from resampling sources, and equal error rate by version."""
    lines = []
    for version, some in scores.groupby("version", sort=False):
        fakes, logits = some["label"].sum(), some["logit"].to_numpy()
        auc = metrics.auc_interval(logits, some["label"], some["source"])
        error = metrics.equal_error(logits, some["label"])
        lines.append((version, f"{fakes} / {len(some) - fakes}", auc, f"{error:.0%}"))
    return markdown(("version", "fakes / real", "AUC", "equal error rate"), lines)


def by_name(scores: pd.DataFrame, found: Calibrated, id: str, titles: tuple[str, str]) -> str:
    """Return the detection rate of fakes and the false alarm rate of genuine files by the column
    `name`, at the limits of a calibration: Markdown tables with `titles` of genuine and fake."""
    (question,) = found.ensembles
    limits = next(iter(found.likelihoods.values()), Likelihood()).thresholds
    likely = expit(left_out.logits(pd.DataFrame({id: scores["logit"]}), found, question))
    sure = likely > limits.high
    probable = (likely > limits.suspect) & ~sure
    rows: tuple[list[Sequence[str]], ...] = ([], [])
    for (name, label), some in scores.assign(sure=sure, probable=probable).groupby(
        ["name", "label"]
    ):
        count = f"{some['file'].nunique()} of {some['source'].nunique()}"
        shares = metrics.share(some["sure"]), metrics.share(some["probable"])
        rows[label].append((name, count, *map(tally, shares)))
    heads = "files of sources", "FAKE", "PROBABLY_FAKE"
    return "\n\n".join(markdown((titles[n], *heads), rows[n]) for n in (1, 0)) + "\n"
