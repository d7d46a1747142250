"""`unmask analyze`: videos and pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli import report
from detector.cli.common import ProgressBar, ids, say, write_text
from detector.errors import InputError, UsageError
from detector.messages import states
from detector.messages.coverage import covered
from detector.messages.format import percent, signed
from detector.schema.analysis import (
    Analysis,
    Answer,
    CustomEnsemble,
    ErrorDetail,
    Failure,
    Question,
    Settings,
    Thresholds,
)

if TYPE_CHECKING:
    from detector.cli.common import Commands
    from detector.pipeline import Progress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    analyze = commands.add_parser("analyze", help="analyze videos and pictures")
    analyze.add_argument("paths", nargs="+", metavar="PATH")
    analyze.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    analyze.add_argument(
        "--weights",
        metavar="ID=W,ID=W",
        help="how many times its usual evidence a model counts (1 where nothing is said; 0: not)",
    )
    analyze.add_argument(
        "--min-models", type=int, metavar="N", help="with fewer models: inconclusive"
    )
    analyze.add_argument(
        "--threshold",
        metavar="P or LOW,HIGH",
        help="likelihood above which a file counts as manipulated, 0 to 1; with two, no sign below "
        "the first",
    )
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
    from detector.decision import decide
    from detector.pipeline import Analyzer

    settings, limits = _settings(args), _thresholds(args.threshold)
    if args.report:
        report.ending(args.report)
        if len(args.paths) > 1:
            raise UsageError("A report is about one file.", hint="--json takes several.")
    analyzer = Analyzer(device=args.device)
    results: list[Analysis | Failure] = []
    for path in args.paths:
        bar = ProgressBar(Path(path).name, "share")
        try:
            found = analyzer.analyze(path, settings, observe=_shown_by(bar))
            results.append(decide(found, thresholds=limits) if limits else found)
        except InputError as error:
            if isinstance(error, UsageError):
                raise
            bar.close()
            say(error, Path(path).name)
            results.append(
                Failure(
                    name=Path(path).name,
                    error=ErrorDetail(code=error.code, message=error.message, hint=error.hint),
                )
            )
        finally:
            bar.close()
    if args.json:
        _write(args.json, results)
    if args.report and isinstance(results[0], Analysis):
        report.write_report(args.report, results[0], Path(args.paths[0]), args)
    if args.json != "-":
        for result in results:
            if isinstance(result, Analysis):
                print(summary(result))
    return 2 if any(isinstance(r, Failure) for r in results) else 0


def _shown_by(bar: ProgressBar) -> Callable[[Progress], None]:
    return lambda progress: bar(progress.fraction, 1)


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
            mix=_mix(args),
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise UsageError(f"--{option}: {first['msg'].lower()}.") from None


def _write(target: str, results: Sequence[Analysis | Failure]) -> None:
    """One input: its object. Several: a list in the order given."""
    data = [r.exported() if isinstance(r, Analysis) else r.model_dump(mode="json") for r in results]
    write_text(
        target, json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False)
    )


def summary(analysis: Analysis) -> str:
    """The verdict in a few lines for a terminal."""
    verdict = analysis.verdict
    lines = [
        f"{analysis.media.name}: {states.headline(verdict.label, verdict.question, verdict.lean)}"
    ]
    lead = verdict.answers.get(verdict.question) if verdict.question else None
    front = sorted(verdict.answers.items(), key=lambda pair: pair[0] is not verdict.question)
    lines += [line for question, answer in front if (line := _answered(question, answer))]
    if lead is not None and lead.odds is not None:
        lines.append(f"  {states.odds(lead.odds.share, lead.odds.low, lead.odds.high)}")
    for reason in verdict.reasons:
        lines.append(f"  - {reason.text}" + (f" ({reason.detail})" if reason.detail else ""))
    plain = {m.id: m.plain or m.title for m in analysis.models}
    for part in lead.contributions if lead else ():
        name = states.contribution(part.kind, part.id, plain.get(part.id, ""))
        lines.append(f"  {signed(part.logit):>5}  {name}")
    for model in analysis.models:
        if not model.counted:
            score = "" if model.probability is None else f" {percent(model.probability)},"
            lines.append(f"  {model.title}:{score} not counted: {model.not_counted_because}")
    if looked := covered(analysis.coverage):
        lines.append(f"  Looked at: {looked}")
    lines += [f"  Note: {note}" for note in analysis.media.notes]
    lines.append(f"  Can't tell: {' '.join(verdict.limits)}")
    return "\n".join(lines)


def _answered(question: Question, answer: Answer) -> str:
    """One question in a line; "" where it was not asked or not judged."""
    if answer.probability is None:
        return ""
    limits = answer.thresholds
    low = f"no sign under {percent(limits.low)}, " if limits.no_sign and limits.low > 0 else ""
    by = states.basis(answer.basis)
    by = f", {by}" if by else ""
    if limits.own:
        by = f", by {limits.data}"
    likely = f"{percent(answer.probability)} combined likelihood"
    if answer.stays_open:
        likely = f"stays open, {percent(answer.probability)} not counted"
    over = f"{states.says(question)} over {percent(limits.high)}"
    return f"  {states.question(question)} {likely} ({low}{over}{by})"


def _mix(args: argparse.Namespace) -> CustomEnsemble | None:
    """An ensemble of one's own, as Compare puts one together; None where nothing was changed."""
    from detector.models import registry

    if args.weights is None and args.min_models is None:
        return None
    weights = _weights(args.weights) if args.weights else {}
    if args.min_models is not None and args.min_models < 1:
        raise UsageError("--min-models is a number of models, 1 or more.")
    chosen = [spec.id for spec in registry.choose(ids(args.models))]
    if unknown := sorted(set(weights) - set(chosen)):
        raise UsageError(
            f"--weights names {', '.join(unknown)}, which is not among the models.",
            hint=f"They are {', '.join(chosen)}; --models names others.",
        )
    counted = [id for id in chosen if weights.get(id, 1.0) > 0]
    if not counted:
        raise UsageError("--weights leaves no model.", hint="Give at least one more than 0.")
    least = args.min_models
    if least is None:
        ensembles = registry.manifest().ensembles.values()
        least = max((e.min_models for e in ensembles if set(e.models) <= set(counted)), default=1)
    return CustomEnsemble(
        models=counted,
        weights={id: w for id, w in weights.items() if id in counted},
        min_models=least,
    )


def _weights(text: str) -> dict[str, float]:
    """ "pairs=2,detail=0.5" -> {"pairs": 2.0, "detail": 0.5}."""
    found = {}
    for part in text.split(","):
        id, equals, value = part.partition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = float("nan")
        if not equals or not id.strip() or not 0 <= weight < 1e6:
            raise UsageError(
                f"--weights: {part.strip()!r} is not a model and a number of 0 or more.",
                hint="For example --weights pairs=1,detail=0.5.",
            )
        found[id.strip()] = weight
    return found


def _thresholds(text: str | None) -> Thresholds | None:
    """ "0.9" or "0.2,0.9" as thresholds for this one call."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    low, high = (0.0, *values) if len(values) == 1 else (*values, 0.0, 0.0)[:2]
    if len(values) not in (1, 2) or not 0 <= low <= high <= 1:
        raise UsageError(
            f"--threshold: {text!r} is not one or two likelihoods between 0 and 1.",
            hint="For example --threshold 0.9, or --threshold 0.2,0.9.",
        )
    return Thresholds(low=low, high=high, custom=True, no_sign=len(values) == 2)
