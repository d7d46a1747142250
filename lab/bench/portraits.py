"""Measure the bundled models on pictures of people, and on photographs without people, of sources
that none was trained on.

    python -m lab.bench.portraits [--scores datasets/left_out.csv --sheet datasets/portraits.csv]

AUC and the share of generated portraits that is found at 5 % false alarms, by model and delivery;
by generator; and how often each group of genuine portraits lies above the limit that 5 % of all
exceed. Intervals come from resampling sources. The delivery "web" is at most 768 px wide and high
and JPEG 60, "hard" at most 512 px and JPEG 40.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from detector.evaluation import metrics
from lab.bench import command
from lab.evaluation import left_out
from lab.evaluation.tables import markdown

PEOPLE, SCENES = "portraits1", "photos1"
DELIVERIES = ("as it is", "web", "hard")
MODELS = {
    "picture": "whole picture", "clip-generated": "head", "clip": "face, CLIP",
    "texture": "face, Texture",
}  # fmt: skip
FALSE_ALARMS = 0.05
SMALL = 400  # px of the longer side


def read(scores: Path, sheet: Path) -> pd.DataFrame:
    """Return a row for each version of a file, with the logits of each model in a column and the
    facts of the data sheet."""
    table = left_out.read(scores)
    rows = left_out.files(table[table["set"].isin((PEOPLE, SCENES))])
    facts = pd.read_csv(sheet, dtype=str, keep_default_na=False)
    facts["file"] = f"{PEOPLE}/" + facts["file"]
    return rows.merge(facts[["file", "method", "width", "height", "note"]], on="file")


def groups(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the portraits of each group, as masks; a file can be in several."""
    notes = rows["note"].str.split("; ")
    side = rows[["width", "height"]].astype(int).max(axis=1)
    found = {name: notes.map(lambda of, n=name: n in of) for name in sorted(set(notes.explode()))}
    found |= {f"at most {SMALL} px": side <= SMALL, f"over {SMALL} px": side > SMALL}
    return {name: mask for name, mask in found.items() if name not in ("", "portrait", "photo")}


def limit(rows: pd.DataFrame, model: str) -> float:
    """Return the logit that `FALSE_ALARMS` of genuine portraits exceed; sources weigh alike."""
    own = rows[(rows["label"] == 0) & (rows["set"] == PEOPLE)].dropna(subset=model)
    weights = (1 / own.groupby("source")["file"].transform("size")).to_numpy()
    order = np.argsort(own[model].to_numpy())[::-1]
    above = np.cumsum(weights[order]) / weights.sum()
    return float(own[model].to_numpy()[order][np.searchsorted(above, FALSE_ALARMS)])


def ranking(rows: pd.DataFrame) -> str:
    """Return AUC and detection rates by delivery and model as Markdown."""
    people, lines = rows[rows["set"] == PEOPLE], []
    for version in DELIVERIES:
        for model, title in MODELS.items():
            own = people[people["version"] == version].dropna(subset=model)
            if own["label"].nunique() < 2:
                continue
            auc = metrics.auc_interval(own[model], own["label"], own["source"])
            fake = own[own["label"] == 1]
            found = metrics.mean_interval(fake[model] > limit(own, model), fake["source"])
            counts = f"{len(fake)} / {(own['label'] == 0).sum()}"
            lines.append([version, title, str(auc), f"{100 * found.value:.0f} %", counts])
    return markdown(
        ("delivery", "model", "AUC", "found at 5 % false alarms", "generated / genuine"), lines
    )


def by_group(rows: pd.DataFrame, model: str = "picture") -> str:
    """Return, by delivery, the share of each generator, group and of scenes above the limit."""
    lines = []
    for version in DELIVERIES:
        own = rows[rows["version"] == version].dropna(subset=model)
        if own.empty:
            continue
        above = own[model] > limit(own, model)
        people, fake = own["set"] == PEOPLE, own["label"] == 1
        stylegan = own["method"].str.contains("StyleGAN")
        parts = {"generated, StyleGAN": fake & stylegan, "generated, others": fake & ~stylegan}
        parts["genuine portraits"] = people & ~fake
        parts |= {f"genuine, {k}": mask & people & ~fake for k, mask in groups(own).items()}
        parts["photographs without people"] = own["set"] == SCENES
        for name, mask in parts.items():
            if mask.any():
                share = metrics.mean_interval(above[mask], own["source"][mask])
                sources = own["source"][mask].nunique()
                lines.append([version, name, str(share), f"{mask.sum()} of {sources} sources"])
    return markdown(("delivery", "group", "above the limit", "files"), lines)


def main(
    scores: Path = Path("datasets/left_out.csv"), sheet: Path = Path("datasets/portraits.csv")
) -> None:
    rows = read(scores, sheet)
    print(ranking(rows), by_group(rows), sep="\n\n")


if __name__ == "__main__":
    command(main)
