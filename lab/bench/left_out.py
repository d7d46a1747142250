"""Measure the ranking of clips by left-out scores, by set, kind of fake, length and pair.

    python -m lab.bench.left_out [--scores datasets/left_out.csv --sheet datasets/faces.csv]

The first table of docs/accuracy.md: AUC of each question about faces, of the higher of both and of
the one likelihood, with its paired distance from the higher of both; intervals are from resampling
sources. Maps, weights and the formula are cross-fitted by fold.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from detector.evaluation import metrics
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, Question
from lab.bench import command
from lab.evaluation import left_out
from lab.evaluation.calibration import held_out_logits
from lab.evaluation.ensemble_fit import covered
from lab.evaluation.likelihood_fit import Formula
from lab.evaluation.tables import markdown

MODELS = ("clip", "texture", "clip-generated")
SHORT = 1.1  # s
FALSE_ALARMS = (0.01, 0.05)
ASKED = {"is the face fake?": Question.MANIPULATION, "was the head generated?": Question.SYNTHESIS}
HIGHER, TOGETHER = "the higher of both", "one likelihood"
PAIRED = "one likelihood less the higher"
KINDS = {"region": "altered faces alone", "whole": "generated heads alone"}
AS_IS, COPY = "as it is", "copy"


def judged(scores: Path, sheet: Path) -> pd.DataFrame:
    """Return the versions of clips that any of `MODELS` scored, with facts of the data sheet and a
    column of logits for each of `ASKED`, the higher of both and the likelihood; NaN without a
    score, or for fakes that the question does not cover."""
    table = left_out.read(scores)
    every = left_out.files(table[(table["kind"] == "video") & table["model"].isin(MODELS)])
    facts = pd.read_csv(sheet, dtype={"list": str, "clip": str, "group": str})
    facts["file"] = "data/" + facts["list"] + "/" + facts["clip"]
    every = every.merge(facts[["file", "seconds", "group"]], how="left", on="file")
    found = []
    for title, question in ASKED.items():
        ids = [id for id in MODELS if QUESTION_OF[registry.get_spec(id).task] is question]
        found.append(held_out_logits(every, question, ids))
        every[title] = np.where(covered(every, question), found[-1], np.nan)
    odds = every.assign(**dict(zip(ASKED.values(), found, strict=True)))
    both, likelihood = odds[list(ASKED.values())].notna().all(axis=1), np.full(len(every), np.nan)
    for fold in odds["fold"].unique():
        own = both & (odds["fold"] == fold)
        rest = odds[both & (odds["fold"] != fold)]
        if own.any() and rest["label"].nunique() == 2:
            likelihood[own] = Formula.of(rest, list(ASKED.values())).logits(odds[own])
    return every.assign(**{HIGHER: np.max(found, axis=0), TOGETHER: likelihood})


def auc(clips: pd.DataFrame, title: str) -> str:
    """Return the AUC of some clips with its interval and counts."""
    own = clips[clips[title].notna()]
    if own["label"].nunique() < 2:
        return ""
    found = metrics.auc_interval(own[title], own["label"], own["source"])
    return f"{found} ({own['label'].sum()} / {(own['label'] == 0).sum()})"


def paired(clips: pd.DataFrame) -> str:
    """Return the AUC of the likelihood less that of the higher of both, with its interval."""
    own = clips[clips[HIGHER].notna() & clips[TOGETHER].notna()]
    if own["label"].nunique() < 2:
        return ""
    return str(metrics.auc_interval(own[TOGETHER], own["label"], own["source"], less=own[HIGHER]))


def found_at(clips: pd.DataFrame, title: str) -> str:
    """Return the detection rates at `FALSE_ALARMS`."""
    own = clips[clips[title].notna()]
    real, fake = (own[title][own["label"] == label] for label in (0, 1))
    shares = [(fake > np.quantile(real, 1 - share)).mean() for share in FALSE_ALARMS]
    return ", ".join(f"{100 * share:.0f} %" for share in shares)


def pairs(clips: pd.DataFrame, title: str) -> str:
    """Return the share of pairs of the same footage in which the fake has the higher logit."""
    scores = clips.assign(logit=clips[title])
    found, footage, sources = left_out.ordered(scores, ["source", "group"])
    return f"{found} ({footage} of {sources} sources)"


def table(scores: Path, sheet: Path) -> str:
    """Return the table as Markdown."""
    every, titles = judged(scores, sheet), [*ASKED, HIGHER, TOGETHER]
    plain = every[every["version"] == AS_IS]
    parts = {"all fakes": plain}
    parts |= {f"`{name}`": some for name, some in plain.groupby("set")}
    parts["smaller JPEG copies"] = every[every["version"] == COPY]
    for kind, title in KINDS.items():
        parts[title] = plain[(plain["label"] == 0) | (plain["type"] == kind)]
    parts[f"under {SHORT} s"] = plain[plain["seconds"] < SHORT]
    cells = {
        name: [*(auc(some, title) for title in titles), paired(some)]
        for name, some in parts.items()
    }
    lines = [[name, *row] for name, row in cells.items() if any(row)]
    lines.append(["found at 1, 5 % false alarms", *(found_at(plain, t) for t in titles), ""])
    fakes = "fake above a genuine clip of its footage"
    lines.append([fakes, *(pairs(plain, t) for t in titles), ""])
    return markdown(("fakes / genuine", *titles, PAIRED), lines)


def main(
    scores: Path = Path("datasets/left_out.csv"), sheet: Path = Path("datasets/faces.csv")
) -> None:
    print(table(scores, sheet))


if __name__ == "__main__":
    command(main)
