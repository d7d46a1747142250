"""`unmask library`: known footage. What its actions are, `service.library` says."""

from __future__ import annotations

import argparse

from detector.cli.app import run_module
from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    library = commands.add_parser(
        "library", help="known footage: add, search, share its fingerprints", add_help=False
    )
    library.add_argument("rest", nargs=argparse.REMAINDER)
    library.set_defaults(run=_library)


def _library(args: argparse.Namespace) -> int:
    return run_module("The library", "sqlalchemy", "service.library", *args.rest)
