"""The `unmask` command. Exit status: 0 analyzed, 2 bad input or usage, 1 our own failure.

Results go to standard output or to files, everything else to standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detector.errors import InputError, UnmaskError, UsageError
from detector.evidence import percent
from detector.results import Analysis, Failure, Label, Problem, Settings

WORDS = {
    Label.FAKE: "Likely manipulated",
    Label.REAL: "No sign of manipulation found",
    Label.INCONCLUSIVE: "Inconclusive",
    Label.NOT_APPLICABLE: "Could not be judged",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.ERROR, format="unmask: %(message)s"
    )
    try:
        return args.run(args)
    except InputError as error:
        _say(error)
        return 2
    except UnmaskError as error:
        _say(error)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
        return 1
    except Exception as error:  # one line for a person; the traceback on request
        if args.verbose:
            raise
        print(
            f"unmask: this is our failure, not yours: {type(error).__name__}: {error} "
            "(-v shows where)",
            file=sys.stderr,
        )
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unmask", description="Was a face in this video or picture altered by a machine?"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser("analyze", help="analyze videos and pictures")
    analyze.add_argument("paths", nargs="+", metavar="PATH")
    analyze.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    analyze.add_argument(
        "--frames", type=int, metavar="N", help="moments to look at, at most (32; with fps 2000)"
    )
    analyze.add_argument("--sampling", choices=["uniform", "keyframes", "fps"], default="uniform")
    analyze.add_argument("--fps", type=float, default=5.0, help="with --sampling fps (3 to 10)")
    analyze.add_argument("--min-face", type=int, default=40, metavar="PX")
    analyze.add_argument("--start", type=float, default=0.0, metavar="S")
    analyze.add_argument("--end", type=float, default=None, metavar="S")
    analyze.add_argument("--json", metavar="FILE", help="write the Analysis as JSON; - is stdout")
    analyze.add_argument("--report", metavar="FILE.json", help="write a report")
    analyze.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    analyze.set_defaults(run=_analyze)

    models = commands.add_parser("models", help="list the models")
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=_models)

    fetch = commands.add_parser("fetch", help="download published weights")
    fetch.add_argument("ids", nargs="+", metavar="ID")
    fetch.set_defaults(run=_fetch)

    evaluate = commands.add_parser("evaluate", help="measure the models on labelled files")
    evaluate.add_argument("labels", type=Path, metavar="LABELS.csv")
    evaluate.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    evaluate.add_argument("--kind", choices=["video", "image", "all"], default="video")
    evaluate.add_argument("--frames", type=int, default=32, metavar="N")
    evaluate.add_argument("--store", type=Path, metavar="FILE", help="keep scores; go on from them")
    evaluate.add_argument("--json", metavar="FILE", help="write the figures; - is stdout")
    evaluate.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    evaluate.set_defaults(run=_evaluate)

    train = commands.add_parser("train", help="train a model by a recipe")
    train.add_argument("recipe", metavar="RECIPE", help="pairs, blend, motion, or a TOML file")
    train.add_argument("--data", type=Path, required=True, metavar="LABELS.csv")
    train.add_argument("--out", type=Path, required=True, metavar="DIR")
    train.add_argument("--begin", type=Path, metavar="WEIGHTS", help="start from these weights")
    train.add_argument("--cache", type=Path, metavar="DIR", help="keep cut faces between runs")
    train.add_argument("--images", type=int, metavar="N", help="instead of the recipe's")
    train.add_argument("--resume", action="store_true", help="go on where a stopped run left off")
    train.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    train.set_defaults(run=_train)

    calibrate = commands.add_parser("calibrate", help="fit calibration, weights and thresholds")
    calibrate.add_argument("labels", type=Path, metavar="LABELS.csv")
    calibrate.add_argument("--models", required=True, metavar="ID,ID")
    calibrate.add_argument("--recipe", help="take only what this recipe kept out of training")
    calibrate.add_argument("--store", type=Path, metavar="FILE", help="keep scores")
    calibrate.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    calibrate.set_defaults(run=_calibrate)

    app = commands.add_parser("app", help="open the dashboard")
    app.add_argument("--port", type=int, default=8501)
    app.set_defaults(run=_app)
    return parser


# --- analyze -------------------------------------------------------------------------------------


def _analyze(args: argparse.Namespace) -> int:
    from detector.pipeline import Analyzer

    settings = _settings(args)
    if args.report and not args.report.endswith(".json"):
        raise UsageError("A report can be written as JSON for now.", hint="--report result.json")
    analyzer = Analyzer(device=args.device)
    results: list[Analysis | Failure] = []
    for path in args.paths:
        try:
            results.append(analyzer.analyze(path, settings, observe=_Meter(path)))
        except InputError as error:
            if isinstance(error, UsageError):
                raise
            _say(error, Path(path).name)
            results.append(
                Failure(
                    name=Path(path).name,
                    error=Problem(code=error.code, message=error.message, hint=error.hint),
                )
            )
    for target in (args.json, args.report):
        if target:
            _write(target, results)
    if args.json != "-":
        for result in results:
            if isinstance(result, Analysis):
                print(summary(result))
    return 2 if any(isinstance(r, Failure) for r in results) else 0


def _settings(args: argparse.Namespace) -> Settings:
    from pydantic import ValidationError

    # So many a second is what was asked for: the usual bound would make it fewer.
    most = 2000 if args.sampling == "fps" else 32
    try:
        return Settings(
            models=_ids(args.models),
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
    _write_text(
        target, json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False)
    )


def _ids(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _write_text(target: str, text: str) -> None:
    if target == "-":
        print(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} could not be written: {error.strerror}.") from None


def summary(analysis: Analysis) -> str:
    """The verdict in a few lines for a terminal."""
    verdict = analysis.verdict
    head = f"{analysis.media.name}: {WORDS[verdict.label]}"
    if verdict.probability is not None:
        low, high = verdict.thresholds.low, verdict.thresholds.high
        head += (
            f", {percent(verdict.probability)} likelihood "
            f"(no sign under {percent(low)}, manipulated over {percent(high)})"
        )
    lines = [head]
    for reason in verdict.reasons:
        lines.append(f"  - {reason.text}" + (f" ({reason.detail})" if reason.detail else ""))
    for model in analysis.models:
        score = "–" if model.probability is None else percent(model.probability)
        why = f", not counted: {model.not_counted_because}" if not model.counted else ""
        lines.append(f"  {model.title}: {score}{why}")
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


# --- models --------------------------------------------------------------------------------------


def _models(args: argparse.Namespace) -> int:
    from detector import weights
    from detector.models import registry

    specs = registry.list_models()
    if args.json:
        rows = [
            s.model_dump(mode="json", exclude_none=True) | {"ready": weights.available(s)}
            for s in specs
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    for spec in specs:
        state = "ready" if weights.available(spec) else "not downloaded"
        auc = next((m for m in spec.measured if m.metric == "AUC"), None)
        figure = f"AUC {auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]" if auc else "not measured"
        print(f"{spec.id:24} {spec.kind:6} {state:15} {figure:24} {spec.summary}")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from detector import weights
    from detector.models import registry

    for spec in [registry.get_spec(id) for id in args.ids]:
        for path in weights.fetch(spec):
            print(path)
    return 0


# --- training ------------------------------------------------------------------------------------


def _evaluate(args: argparse.Namespace) -> int:
    from detector.training.evaluation import evaluate, to_markdown

    report = evaluate(
        args.labels,
        models=_ids(args.models),
        kind=None if args.kind == "all" else args.kind,
        frames=args.frames,
        device=args.device,
        store=args.store,
        progress=_counter("scored"),
    )
    if args.json:
        _write_text(args.json, report.model_dump_json(indent=2))
    if args.json != "-":
        print(to_markdown(report))
    return 0


def _train(args: argparse.Namespace) -> int:
    from detector.pipeline.analyzer import pick_device
    from detector.training import train

    weights = train(
        args.recipe,
        args.data,
        args.out,
        cache=args.cache,
        begin=args.begin,
        images=args.images,
        resume=args.resume,
        device=pick_device(args.device),
        progress=_training_line,
    )
    print(weights)
    return 0


def _calibrate(args: argparse.Namespace) -> int:
    from detector.training.calibration import calibrate, to_toml

    fitted = calibrate(
        args.labels,
        models=_ids(args.models) or [],
        recipe=args.recipe,
        device=args.device,
        store=args.store,
        progress=_counter("scored"),
    )
    for id, text in to_toml(fitted).items():
        print(f"# {id}\n{text}")
    return 0


def _counter(word: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty() or done == total:
            end = "\n" if done == total else ""
            print(f"\r{done} of {total} {word}", end=end, file=sys.stderr, flush=True)

    return tell


def _training_line(stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    if sys.stderr.isatty() or figures or done == total:
        print(f"\r{stage} {done} of {total}  {numbers}", end="", file=sys.stderr, flush=True)
        if figures or done == total:
            print(file=sys.stderr)


def _app(args: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    page = Path(__file__).parent.parent / "app.py"
    if not page.is_file() or importlib.util.find_spec("streamlit") is None:
        raise UsageError(
            "The dashboard runs from a checkout of the project.", hint="There, type: make run"
        )
    command = [sys.executable, "-m", "streamlit", "run", str(page)]
    return subprocess.call([*command, "--server.port", str(args.port)], cwd=page.parent)


def _say(error: UnmaskError, name: str = "") -> None:
    parts = [f"unmask: {name}:" if name else "unmask:", error.message, error.hint]
    print(" ".join(p for p in parts if p), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
