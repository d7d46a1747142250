"""`unmask calibrate`: from labelled clips, or thresholds by one's own untouched ones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common import Commands, ProgressBar, ids, tell, write_text
from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.evaluation.calibration_report import Calibrated


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    calibrate = commands.add_parser(
        "calibrate",
        help="fit calibration and thresholds, or set them by your own untouched clips",
        description="With LABELS.csv: fit both questions' ensembles on labelled clips that no "
        "model was trained on. With --real: set thresholds by your own untouched clips, for "
        "this computer's data folder.",
    )
    calibrate.add_argument("labels", type=Path, nargs="?", metavar="LABELS.csv")
    calibrate.add_argument("--models", metavar="ID,ID", help="instead of the default ones")
    calibrate.add_argument(
        "--rate", type=float, default=0.05, help="untouched clips called manipulated, at most"
    )
    calibrate.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")

    labelled = calibrate.add_argument_group("from labelled clips")
    labelled.add_argument("--recipe", help="take only what this recipe kept out of training")
    where = "clips with something in this column count too: what was collected after training"
    labelled.add_argument("--where", default="", metavar="COLUMN", help=where)
    labelled.add_argument("--right", type=float, default=0.95, help="of decided clips, at least")
    conditions = "learn uncertainty from worse copies too: crf-35,resize-0.5"
    labelled.add_argument("--conditions", default="", metavar="NAMES", help=conditions)
    labelled.add_argument("--store", type=Path, metavar="FILE", help="keep scores; go on from them")
    labelled.add_argument("--write", action="store_true", help="write it into the manifest")
    labelled.add_argument("--json", metavar="FILE", help="write what was found; - is stdout")

    own = calibrate.add_argument_group("from your own untouched clips")
    own.add_argument(
        "--real", type=Path, metavar="FOLDER", help="videos nobody has altered, or real voices"
    )
    own.add_argument("--domain", default="", metavar="WORDS", help="what they are, in a few words")
    own.add_argument(
        "--sources",
        type=int,
        metavar="N",
        help="different recordings that the clips are of; without it, each folder is one",
    )
    own.add_argument("--list", action="store_true", help="show the thresholds of your own")
    own.add_argument("--delete", metavar="ID", help="delete one of them; `all` deletes every one")
    own.add_argument("--switch", choices=["on", "off"], help="use them, or ours")
    calibrate.set_defaults(run=_calibrate)


def _calibrate(args: argparse.Namespace) -> int:
    for name in ("rate", "right"):
        if not 0 < getattr(args, name) < 1:
            raise UsageError(f"--{name} is a share between 0 and 1, such as 0.05.")
    if args.sources is not None and args.sources < 1:
        raise UsageError("--sources is a number of recordings, 1 or more.")
    if args.labels is not None and args.real is not None:
        raise UsageError("Give either labelled clips or --real with a folder of untouched ones.")
    if args.labels is not None:
        return _labelled(args)
    if args.real is not None:
        return _own(args)
    if args.list or args.delete or args.switch:
        return _manage(args)
    raise UsageError(
        "There is nothing to calibrate on.",
        hint="Name a LABELS.csv, or --real with a folder of untouched videos or voices.",
    )


def _labelled(args: argparse.Namespace) -> int:
    from detector.evaluation import manifest
    from detector.evaluation.calibration import calibrate
    from detector.evaluation.calibration_report import to_markdown
    from detector.evaluation.operating_points import Promises
    from detector.evaluation.scores import Scoring
    from detector.perturbation import conditions
    from detector.training.recipe import read_recipe

    fitted = calibrate(
        args.labels,
        models=ids(args.models) or [],
        recipe=read_recipe(args.recipe) if args.recipe else None,
        where=args.where,
        conditions=conditions.parse(args.conditions) if args.conditions else (),
        promises=Promises(args.rate, args.right),
        scoring=Scoring(device=args.device, store=args.store, on_progress=ProgressBar("scored")),
    )
    if args.json:
        write_text(args.json, fitted.model_dump_json(indent=2))
    if args.json != "-":
        tell(to_markdown(fitted))
        if not args.write:
            print(manifest.to_toml(fitted))
    if args.write:
        print(_write(fitted), file=sys.stderr)
    return 0


def _write(fitted: Calibrated) -> str:
    """Write a calibration, and return where: of a person's own models in the data folder, which
    leaves the ensembles that ship as they are; else in the manifest."""
    from detector.evaluation import manifest
    from detector.models import user_models

    mine = {spec.id for spec in user_models.own_models()} & set(fitted.models)
    if not mine:
        return f"written to {manifest.write(fitted)}"
    for id in sorted(mine):
        user_models.keep_calibration(id, fitted.models[id])
    return f"kept with {', '.join(sorted(mine))}; our own ensembles stay as they are"


def _own(args: argparse.Namespace) -> int:
    from detector.decision import conformal
    from detector.evaluation.own_calibration import OwnClips, calibrate_own
    from detector.pipeline import Analyzer

    result = calibrate_own(
        OwnClips(args.real, args.domain, args.sources),
        models=ids(args.models),
        rate=args.rate,
        analyzer=Analyzer(device=args.device),
        progress=ProgressBar("scored"),
    )
    conformal.keep(result.calibration)
    print(conformal.in_words(result.calibration))
    print(conformal.guarantee(len(result.calibration.clips), args.rate))
    if warning := conformal.alike(result.calibration):
        print(f"Warning: {warning}")
    for name, why in result.left_out.items():
        tell(f"  left out: {name} ({why})")
    return 0


def _manage(args: argparse.Namespace) -> int:
    from detector.decision import conformal
    from detector.evaluation.own_calibration import holds

    if args.delete:
        conformal.delete(None if args.delete == "all" else args.delete)
    if args.switch:
        conformal.switch(args.switch == "on")
    store = conformal.load()
    for calibration in store.calibrations:
        state = "in use" if store.on else "switched off"
        if not holds(calibration):
            state = "not in use, its models have changed"
        print(f"{calibration.id}  {state}  {conformal.in_words(calibration)}")
    if not store.calibrations:
        print("There are no thresholds of your own.")
    return 0
