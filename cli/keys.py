"""`unmask keys`: who may use the REST API from elsewhere. What its actions are, `service.api.keys`
says."""

from __future__ import annotations

import argparse

from cli.app import add_handed_on, run_module
from cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    add_handed_on(commands, "keys", "make, list and revoke keys of the REST API", _keys)


def _keys(args: argparse.Namespace) -> int:
    return run_module("The API", "sqlalchemy", "service.api.keys", *args.rest)
