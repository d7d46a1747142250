"""`unmask export-labels`: what was confirmed in History, as a labelled set. What it takes,
`service.feedback` says."""

from __future__ import annotations

import argparse

from detector.cli.app import run_module
from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    export = commands.add_parser(
        "export-labels", help="write files confirmed in History as a labelled set", add_help=False
    )
    export.add_argument("rest", nargs=argparse.REMAINDER)
    export.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    return run_module("History", "sqlalchemy", "service.feedback", *args.rest)
