"""`unmask keys`: who may use the REST API from elsewhere. What its actions are, `service.api.keys`
says."""

from __future__ import annotations

import argparse

from detector.cli.app import run_module
from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    keys = commands.add_parser(
        "keys", help="make, list and revoke keys of the REST API", add_help=False
    )
    keys.add_argument("rest", nargs=argparse.REMAINDER)
    keys.set_defaults(run=_keys)


def _keys(args: argparse.Namespace) -> int:
    return run_module("The API", "sqlalchemy", "service.api.keys", *args.rest)
