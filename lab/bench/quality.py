"""Evaluate the bundled detectors: the figures of the cards and of the manifest.

    python -m lab.bench.quality LABELS.csv --out DIR [--write] [--conditions few] [--limit N]

    python -m lab.bench.quality --scores datasets/left_out.csv [--hold SET]

The labelled files are evaluated beside published detectors and simple features; none was trained
on them. DIR stores the scores and the report, so that a stopped run is resumed. --write puts the
figures between the markers of the models' cards, and into weights/manifest.toml.

With --scores: the precision of each answer by kind of file, from a table of left-out scores, with
cross-fitted limits and with each set left out as a whole; with --hold, that on one set by a
calibration whose limits are fitted without it too."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from cli.common import ProgressBar
from detector.evaluation import tables
from detector.evaluation.evaluate import FileSelection, evaluate
from detector.evaluation.metrics import Interval
from detector.evaluation.report import FigureRow, KindReport
from detector.evaluation.scores import Scoring
from detector.models import registry
from detector.perturbation import conditions
from detector.presentation import Grid, markdown
from detector.presentation.evaluation import text_of
from lab.bench import command
from lab.evaluation import bands, left_out
from lab.evaluation.calibration import to_markdown

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m lab.bench.quality"
"""Source of its figures in the manifest."""
FAMILY = "AUC, "
"""Prefix of the AUC on one family of fakes, or of one model under a condition."""


def main(
    labels: Path | None = None,
    out: Path | None = None,
    scores: Annotated[Path | None, Option(help="a table of left-out scores")] = None,
    hold: Annotated[str | None, Option(help="a set of it that is judged by the others")] = None,
    data: Annotated[str, Option(help="what to call these files")] = "development",
    kind: Literal["all", "video", "image", "audio"] = "all",
    worse: Annotated[str, Option("--conditions")] = "few",
    limit: int | None = None,
    write: bool = False,
    into: Annotated[Path, Option(help="checkout to write to")] = ROOT,
) -> None:
    if scores is not None:
        table = left_out.read(scores)
        if not hold:
            print(to_markdown(left_out.calibrate(table)))
            return
        for part, found in left_out.held_out(table, hold).items():
            print(f"{part.value}\n\n{bands.table(found)}\n")
        return
    if labels is None or out is None:
        sys.exit("Name a LABELS.csv and --out, or --scores.")
    out.mkdir(parents=True, exist_ok=True)
    report = evaluate(
        labels,
        models=[spec.id for spec in registry.list_models() if spec.bundled and spec.votes],
        conditions=conditions.parse(worse),
        against="all",
        selection=FileSelection(kind=kind, limit=limit),
        scoring=Scoring(store=out / "scores.jsonl", on_progress=ProgressBar("scored")),
    )
    tables.write(report, out)
    if not write:
        print(tables.to_markdown(report))
        return
    clips = next((some for some in report.kinds if some.kind == "video"), None)
    if clips is None:
        sys.exit("Cards and manifest hold figures of clips, and there were none.")
    manifest = into / "weights" / "manifest.toml"
    for model in clips.alone:
        if card := registry.get_spec(model.name).card:
            fill(into / "weights" / card, "measured", measured(model, clips, data))
        text = with_measured(manifest.read_text(encoding="utf-8"), model, clips, data)
        manifest.write_text(text, encoding="utf-8")


def fill(path: Path, name: str, text: str) -> None:
    """Put text between the two markers of a file. Ends the run where they are missing."""
    old = path.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    if old.count(first) != 1 or old.count(last) != 1:
        sys.exit(f"{path} needs the lines {first} and {last} once each.")
    before, rest = old.split(first)
    after = rest.split(last)[1]
    path.write_text(f"{before}{first}\n{text.strip()}\n{last}{after}", encoding="utf-8")


def measured(model: FigureRow, kind: KindReport, data: str) -> str:
    """Return the figures of a card."""
    whole = kind.table("model")[0]
    shown = {"AUC": "all"}
    for figure in model.figures:
        if figure.startswith(FAMILY):
            shown[figure] = f"{figure.removeprefix(FAMILY)} ({model[figure].of} fakes)"
    shown["pairs won"] = "originals below the fakes made of them"
    rows = [(title, model[figure], whole[figure]) for figure, title in shown.items()]
    rows += [
        (row.title, row[f"{FAMILY}{model.name}"], row["AUC"]) for row in kind.table("condition")[1:]
    ]
    cells = [tuple(map(text_of, row)) for row in rows]
    return "\n\n".join(
        [
            f"{kind.files} {data} clips ({kind.real} originals, {kind.fake} fakes) that nothing "
            "was trained on; AUC per clip with a 95 % interval from resampling groups. A clip that "
            "could not be judged counts against the model.",
            markdown.of_block(Grid(("", "this model", "all together"), cells)),
            "What needs no detector reaches, on the same clips and in its better direction: "
            + "; ".join(f"{row.title} {text_of(row['AUC'])}" for row in kind.table("feature"))
            + ".",
        ]
    )


def with_measured(manifest: str, model: FigureRow, kind: KindReport, data: str) -> str:
    """Return the manifest with a model's `[[models.measured]]` of this command replaced; ends the
    run without the model."""
    blocks = re.split(r"(?m)^(?=\[\[models\]\]$)", manifest)
    for index, block in enumerate(blocks):
        if re.search(rf'(?m)^id = "{re.escape(model.name)}"$', block):
            # A block ends where the comments above the next part begin.
            body, rule, rest = block.partition("\n# ---")
            parts = re.split(r"(?m)^(?=\[)", body)
            kept = [part for part in parts if f'\ncommand = "{COMMAND}"\n' not in part]
            text = "".join(kept).rstrip() + "\n\n" + "\n".join(_entries(model, kind, data))
            blocks[index] = text + ("\n" + rule.lstrip("\n") + rest if rule else "\n")
            return "".join(blocks)
    sys.exit(f"The manifest has no model {model.name}.")


def _entries(model: FigureRow, kind: KindReport, data: str) -> Iterator[str]:
    for name, figure in model.figures.items():
        if not isinstance(figure, Interval) or not (name == "AUC" or name.startswith(FAMILY)):
            continue
        family, clips = "all", kind.files
        if name != "AUC":
            family = f"{name.removeprefix(FAMILY)} against all originals"
            clips = kind.real + (figure.of or 0)
        yield (
            f'[[models.measured]]\ndata = "{data} clips, {family}"\nmetric = "video AUC"\n'
            f"value = {figure.value:.3f}\nlow = {figure.low:.3f}\nhigh = {figure.high:.3f}\n"
            f'clips = {clips}\ncommand = "{COMMAND}"\n'
        )


if __name__ == "__main__":
    command(main)
