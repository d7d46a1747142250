"""`unmask library`: known footage. What its actions are, `service.library` says."""

from __future__ import annotations

import argparse

from cli.app import add_handed_on, run_module
from cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    add_handed_on(
        commands, "library", "known footage: add, search, share its fingerprints", _library
    )


def _library(args: argparse.Namespace) -> int:
    return run_module("The library", "sqlalchemy", "service.library", *args.rest)
