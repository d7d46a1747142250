"""`unmask selfcheck`: does every model here do what it should?"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from cli.common import Commands, write_json

if TYPE_CHECKING:
    from detector.selfcheck import CheckProgress


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    check = commands.add_parser(
        "selfcheck",
        help="verify the models that are here",
        description="Verify files, compare with known answers, and see whether a model's label "
        "order looks inverted. Known pictures are fetched from their authors unless UNMASK_OFFLINE "
        "is set.",
    )
    check.add_argument("ids", nargs="*", metavar="ID", help="default: every model that is here")
    check.add_argument("--json", metavar="FILE", help="write the outcomes; - is stdout")
    check.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    check.set_defaults(run=_selfcheck)


def _selfcheck(args: argparse.Namespace) -> int:
    from detector.selfcheck import selfcheck, table

    outcomes = selfcheck(args.ids or None, device=args.device, progress=_tell)
    if args.json:
        write_json(args.json, [outcome.model_dump(mode="json") for outcome in outcomes])
    if args.json != "-":
        print(table(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _tell(progress: CheckProgress) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress.number} of {progress.of}: {progress.id:40}", end="", file=sys.stderr)
        if progress.number == progress.of:
            print(file=sys.stderr)
