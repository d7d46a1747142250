"""`unmask robustness`: does the verdict hold when the file is compressed, blurred, made noisy?"""

from __future__ import annotations

import argparse
from pathlib import Path

from cli.common import Commands, ProgressBar, ids, refuse_link, tell, write_json
from detector.messages.format import percent
from detector.schema.analysis import Analysis, Robustness, Settings


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    robustness = commands.add_parser(
        "robustness",
        help="how the verdict moves when the file is changed",
        description="Analyze a part of a file again: pictures and clips compressed, blurred "
        "…, sounds as MP3, over a telephone, in noise …",
    )
    robustness.add_argument("path", type=Path, metavar="PATH")
    robustness.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    robustness.add_argument(
        "--conditions",
        metavar="NAME,NAME",
        help="instead of the usual: crf-32,resize-0.5,mirror or mp3-32,phone,snr-10",
    )
    robustness.add_argument("--json", metavar="FILE", help="Analysis with its trials; - is stdout")
    robustness.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    robustness.set_defaults(run=_robustness)


def _robustness(args: argparse.Namespace) -> int:
    from detector.decision import decide
    from detector.perturbation.conditions import NONE, parse
    from detector.perturbation.robustness import USUAL, try_out
    from detector.pipeline import Analyzer

    refuse_link(args.path)
    conditions = parse(args.conditions) if args.conditions else USUAL
    analyzer = Analyzer(device=args.device)
    analysis = analyzer.analyze(args.path, Settings(models=ids(args.models)))
    bar = ProgressBar("changes tried")
    robustness = try_out(
        args.path,
        analysis,
        analyzer,
        conditions=[condition for condition in conditions if condition != NONE],
        on_progress=lambda done, total, _: bar(done, total),
    )
    analysis = decide(analysis.model_copy(update={"robustness": robustness}))
    if args.json:
        write_json(args.json, analysis.model_dump(mode="json"))
    if args.json != "-":
        tell(*_lines(analysis, analysis.robustness or robustness))
    return 0


def _lines(analysis: Analysis, robustness: Robustness) -> list[str]:
    """Return a line a trial, then what it means."""
    question = analysis.verdict.question
    from detector.messages import robustness as words
    from detector.messages.states import state
    from detector.report.words import GLYPHS  # brings the reports' fonts and PDFs

    lines = [f"{analysis.media.name}: {state(analysis.verdict.label, question)}"]
    for trial in (robustness.unchanged, *robustness.trials):
        score = "–" if trial.probability is None else percent(trial.probability)
        outcome = trial.error or f"{GLYPHS[trial.label]} {state(trial.label, question)}"
        lines.append(f"  {trial.title:24} {score:>5}  {outcome}")
    thresholds, furthest = (
        analysis.verdict.answers[robustness.question].thresholds,
        robustness.furthest,
    )
    said = words.outcome(robustness, thresholds).replace("\u00a0", " ")
    if thresholds.never_decide and furthest is not None:
        moved = abs(robustness.moved(furthest) or 0.0)
        said = f"Moves by up to {100 * moved:.0f} points: {furthest.title}."
    return [*lines, f"  {said}"]
