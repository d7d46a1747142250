"""`unmask evaluate`: how good the models are on labelled files."""

from __future__ import annotations

import argparse
from pathlib import Path

from cli.common import Commands, ProgressBar, ids, tell, write_text
from detector.errors import UsageError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    evaluate = commands.add_parser("evaluate", help="measure the models on labelled files")
    evaluate.add_argument("labels", type=Path, metavar="LABELS.csv")
    evaluate.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    evaluate.add_argument("--kind", choices=["all", "video", "image", "audio"], default="all")
    evaluate.add_argument(
        "--match", default="", metavar="WORD", help="files whose name, source or method holds it"
    )
    evaluate.add_argument("--frames", type=int, default=32, metavar="N")
    evaluate.add_argument(
        "--conditions",
        nargs="?",
        const="few",
        default="none",
        metavar="few|all|crf-32,…",
        help="again with the files re-encoded, shrunk, blurred, noisy (few: one level of each)",
    )
    evaluate.add_argument(
        "--baselines",
        nargs="?",
        const="all",
        metavar="ID,ID",
        help="beside published models (all whose weights are on this computer)",
    )
    evaluate.add_argument("--limit", type=int, metavar="N", help="about N files, in whole groups")
    evaluate.add_argument(
        "--apart-from",
        type=Path,
        metavar="TRAIN.csv",
        help="leave out people who also occur there, as far as their faces tell",
    )
    evaluate.add_argument("--recipe", help="what it kept out of training counts as new")
    out = "write report, figures, plots; go on from its scores"
    evaluate.add_argument("-o", "--out", type=Path, metavar="DIR", help=out)
    evaluate.add_argument("--store", type=Path, metavar="FILE", help="keep scores; go on from them")
    evaluate.add_argument("--json", metavar="FILE", help="write the figures; - is stdout")
    evaluate.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    evaluate.set_defaults(run=_evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from detector.evaluation import tables
    from detector.evaluation.evaluate import FileSelection, evaluate
    from detector.evaluation.scores import Scoring
    from detector.perturbation import conditions
    from detector.training.recipe import read_recipe

    if args.limit is not None and args.limit < 1:
        raise UsageError("--limit takes a number of files.")
    if args.out:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{args.out} can't be made: {error.strerror}.") from None
    report = evaluate(
        args.labels,
        models=ids(args.models),
        selection=FileSelection(
            kind=args.kind,
            match=args.match,
            limit=args.limit,
            apart_from=args.apart_from,
            recipe=read_recipe(args.recipe) if args.recipe else None,
        ),
        conditions=conditions.parse(args.conditions),
        against=args.baselines,
        scoring=Scoring(
            frames=args.frames,
            device=args.device,
            store=args.store or (args.out / "scores.jsonl" if args.out else None),
            on_progress=ProgressBar("scored"),
        ),
        on_compared=ProgressBar("faces compared"),
    )
    if args.out:
        for path in tables.write(report, args.out):
            print(path)
    if args.json:
        write_text(args.json, report.model_dump_json(indent=2))
    if args.json != "-" and not args.out:
        tell(tables.to_markdown(report))
    return 0
