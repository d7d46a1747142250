"""`unmask analyze`: videos and pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli import report
from detector.cli.common import ids, say, write_text
from detector.errors import InputError, UsageError
from detector.evidence import SAYS, covered, percent
from detector.results import Analysis, Failure, Label, Problem, Question, Settings

if TYPE_CHECKING:
    from detector.cli.common import Commands


QUESTIONS = {
    Question.MANIPULATION: "Face manipulated?",
    Question.SYNTHESIS: "Whole picture made by a machine?",
}
WORDS = {
    Label.FAKE: "Likely manipulated",
    Label.REAL: "No sign of manipulation found",
    Label.INCONCLUSIVE: "Inconclusive",
    Label.NOT_APPLICABLE: "Could not be judged",
}


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    analyze = commands.add_parser("analyze", help="analyze videos and pictures")
    analyze.add_argument("paths", nargs="+", metavar="PATH")
    analyze.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    analyze.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="moments to look at, at most (32; with fps 2000, with closer 480)",
    )
    analyze.add_argument(
        "--sampling",
        choices=["uniform", "keyframes", "fps", "closer"],
        default="uniform",
        help="closer: every shot, and more where a score moves",
    )
    analyze.add_argument("--fps", type=float, default=5.0, help="with --sampling fps (3 to 10)")
    analyze.add_argument("--min-face", type=int, default=40, metavar="PX")
    analyze.add_argument("--start", type=float, default=0.0, metavar="S")
    analyze.add_argument("--end", type=float, default=None, metavar="S")
    analyze.add_argument("--json", metavar="FILE", help="write the Analysis as JSON; - is stdout")
    analyze.add_argument(
        "--report", metavar="FILE.pdf", help="write a sealed report: .pdf, .json or .csv"
    )
    report.add_options(analyze)
    analyze.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    analyze.add_argument(
        "--sandbox",
        action="store_true",
        help="read the files in processes that may do nothing else, for files from strangers",
    )
    analyze.set_defaults(run=_analyze)


def _analyze(args: argparse.Namespace) -> int:
    if args.sandbox:
        from detector import media

        media.isolate()  # first: its own imports go on beside those of torch
    from detector.pipeline import Analyzer

    settings = _settings(args)
    if args.report:
        report.ending(args.report)
        if len(args.paths) > 1:
            raise UsageError("A report is about one file.", hint="--json takes several.")
    analyzer = Analyzer(device=args.device)
    results: list[Analysis | Failure] = []
    for path in args.paths:
        try:
            results.append(analyzer.analyze(path, settings, observe=_Meter(path)))
        except InputError as error:
            if isinstance(error, UsageError):
                raise
            say(error, Path(path).name)
            results.append(
                Failure(
                    name=Path(path).name,
                    error=Problem(code=error.code, message=error.message, hint=error.hint),
                )
            )
    if args.json:
        _write(args.json, results)
    if args.report and isinstance(results[0], Analysis):
        report.write_report(args.report, results[0], Path(args.paths[0]), args)
    if args.json != "-":
        for result in results:
            if isinstance(result, Analysis):
                print(summary(result))
    return 2 if any(isinstance(r, Failure) for r in results) else 0


def _settings(args: argparse.Namespace) -> Settings:
    from pydantic import ValidationError

    from detector.pipeline import CLOSER

    # So many a second is what was asked for: the usual bound would make it fewer.
    most = {"fps": 2000, "closer": CLOSER}.get(args.sampling, 32)
    try:
        return Settings(
            models=ids(args.models),
            sampling=args.sampling,
            frames=args.frames if args.frames is not None else most,
            fps=args.fps,
            min_face=args.min_face,
            start=args.start,
            end=args.end,
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option}: {first['msg'].lower()}.") from None


def _write(target: str, results: Sequence[Analysis | Failure]) -> None:
    """One input: its object. Several: a list in the order given."""
    data = [r.model_dump(mode="json") for r in results]
    write_text(
        target, json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False)
    )


def summary(analysis: Analysis) -> str:
    """The verdict in a few lines for a terminal."""
    verdict = analysis.verdict
    said = WORDS[verdict.label]
    if verdict.label is Label.FAKE and verdict.question is Question.SYNTHESIS:
        said = "Likely made by a machine"
    lines = [f"{analysis.media.name}: {said}"]
    for question, answer in verdict.answers.items():
        if answer.probability is not None:
            low, high = percent(answer.thresholds.low), percent(answer.thresholds.high)
            whose = f", by {answer.thresholds.data}" if answer.thresholds.own else ""
            lines.append(
                f"  {QUESTIONS[question]} {percent(answer.probability)} likelihood "
                f"(no sign under {low}, {SAYS[question]} over {high}{whose})"
            )
    for reason in verdict.reasons:
        lines.append(f"  - {reason.text}" + (f" ({reason.detail})" if reason.detail else ""))
    for model in analysis.models:
        score = "–" if model.probability is None else percent(model.probability)
        why = f", not counted: {model.not_counted_because}" if not model.counted else ""
        lines.append(f"  {model.title}: {score}{why}")
    if looked := covered(analysis):
        lines.append(f"  Looked at: {looked}")
    lines += [f"  Note: {note}" for note in analysis.media.notes]
    lines.append(f"  Can't tell: {' '.join(verdict.limits)}")
    return "\n".join(lines)


class _Meter:
    """A line of progress on a terminal; silent elsewhere."""

    def __init__(self, path: str) -> None:
        self.name = Path(path).name
        self.live = sys.stderr.isatty()

    def __call__(self, progress: object) -> None:
        fraction = getattr(progress, "fraction", 0.0)
        if self.live:
            end = "\n" if fraction >= 1 else ""
            print(f"\r{self.name}: {fraction:4.0%}", end=end, file=sys.stderr, flush=True)
