"""`unmask export-labels`: what was confirmed in History, as a labelled set. What it takes,
`service.feedback` says."""

from __future__ import annotations

import argparse

from cli.app import add_handed_on, run_module
from cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    add_handed_on(
        commands, "export-labels", "write files confirmed in History as a labelled set", _export
    )


def _export(args: argparse.Namespace) -> int:
    return run_module("History", "sqlalchemy", "service.feedback", *args.rest)
