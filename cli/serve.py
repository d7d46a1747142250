"""`unmask serve`: the REST API alone."""

from __future__ import annotations

import argparse

from cli.app import run_module
from cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    serve = commands.add_parser("serve", help="serve the REST API without the dashboard")
    serve.add_argument("--port", type=int, default=8502)
    serve.add_argument(
        "--address", help="where to listen; 0.0.0.0: for other computers too (default: only this)"
    )
    serve.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    command = ["service.api", "--port", str(args.port)]
    if args.address:
        command += ["--host", args.address]
    return run_module("The API", "fastapi", *command)
