"""`unmask robustness`: does the verdict hold when the file is compressed, scaled, blurred again?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.common import ProgressBar, ids, write_text
from detector.messages.format import percent
from detector.schema.analysis import Analysis, Robustness, Settings

if TYPE_CHECKING:
    from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    robustness = commands.add_parser(
        "robustness",
        help="how the verdict moves when the file is changed",
        description="Analyze a part of a file again, compressed, scaled, blurred, cropped …",
    )
    robustness.add_argument("path", type=Path, metavar="PATH")
    robustness.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    robustness.add_argument(
        "--conditions", metavar="NAME,NAME", help="instead of the usual: crf-32,resize-0.5,mirror"
    )
    robustness.add_argument(
        "--json", metavar="FILE", help="write the Analysis with its trials; - is stdout"
    )
    robustness.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    robustness.set_defaults(run=_robustness)


def _robustness(args: argparse.Namespace) -> int:
    from detector.decision import decide
    from detector.perturbation import corruptions
    from detector.perturbation.robustness import USUAL, try_out
    from detector.pipeline import Analyzer

    tried = (
        [c for c in corruptions.parse(args.conditions) if c != corruptions.NONE]
        if args.conditions
        else USUAL
    )
    analyzer = Analyzer(device=args.device)
    analysis = analyzer.analyze(args.path, Settings(models=ids(args.models)))
    bar = ProgressBar("changes tried")
    found = try_out(
        args.path, analysis, analyzer, tried=tried, observe=lambda done, total, _: bar(done, total)
    )
    analysis = decide(analysis.model_copy(update={"robustness": found}))
    if args.json:
        write_text(args.json, json.dumps(analysis.exported(), indent=2, ensure_ascii=False))
    if args.json != "-":
        print("\n".join(_lines(analysis, analysis.robustness or found)))
    return 0


def _lines(analysis: Analysis, found: Robustness) -> list[str]:
    """A line a trial, then what it means."""
    question = analysis.verdict.question
    from detector.report.words import GLYPHS, state  # brings the reports' fonts and PDFs

    lines = [f"{analysis.media.name}: {state(analysis.verdict.label, question)}"]
    for trial in (found.unchanged, *found.trials):
        score = "–" if trial.probability is None else percent(trial.probability)
        said = trial.error or f"{GLYPHS[trial.label]} {state(trial.label, question)}"
        lines.append(f"  {trial.title:24} {score:>5}  {said}")
    if found.fragile:
        lines.append(f"  Fragile: the verdict changes under {len(found.flipped)} of them.")
    else:
        lines.append(f"  The verdict is the same under all {len(found.trials)}.")
    return lines
