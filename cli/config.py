"""`unmask config`: what the environment may set, and what it sets now."""

from __future__ import annotations

import argparse

from cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    config = commands.add_parser(
        "config",
        help="list the environment variables that are read",
        description="List the environment variables that are read, and what they are set to. "
        "Those of the dashboard's server too: python -m service.config",
    )
    config.set_defaults(run=_config)


def _config(args: argparse.Namespace) -> int:
    from detector.config import as_text, get_config

    print(as_text(get_config()))
    return 0
