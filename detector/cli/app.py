"""`unmask app`: the dashboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    app = commands.add_parser("app", help="open the dashboard")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument(
        "--address", help="where to listen; 0.0.0.0: for other computers too (default: only this)"
    )
    app.set_defaults(run=_app)


def _app(args: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    page = Path(__file__).parents[2] / "app.py"
    if not page.is_file() or importlib.util.find_spec("streamlit") is None:
        raise UsageError(
            "The dashboard runs from a checkout of the project.", hint="There, type: make run"
        )
    command = [sys.executable, "-m", "streamlit", "run", str(page)]
    command += ["--server.port", str(args.port)]
    if args.address:
        command += ["--server.address", args.address]
    return subprocess.call(command, cwd=page.parent)
