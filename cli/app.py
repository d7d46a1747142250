"""`unmask app`: the dashboard."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cli.common import Commands
from detector.errors import UsageError

ROOT = Path(__file__).parents[1]


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    app = commands.add_parser("app", help="open the dashboard")
    app.add_argument("--port", type=int, default=8501)
    app.add_argument(
        "--address", help="where to listen; 0.0.0.0: for other computers too (default: only this)"
    )
    app.set_defaults(run=_app)


def _app(args: argparse.Namespace) -> int:
    command = ["streamlit", "run", str(ROOT / "app.py"), "--server.port", str(args.port)]
    if args.address:
        command += ["--server.address", args.address]
    return run_module("The dashboard", "streamlit", *command)


def add_handed_on(
    commands: Commands, name: str, help: str, run: Callable[[argparse.Namespace], int]
) -> None:
    """Add a command whose arguments, `--help` too, are read by the module that it runs: they are
    `rest`."""
    # No argument begins with this letter, so that none is taken for an option here.
    command = commands.add_parser(name, help=help, add_help=False, prefix_chars="\0")
    command.add_argument("rest", nargs=argparse.REMAINDER)
    command.set_defaults(run=run)


def process_of(module: str, *args: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs a module of the checkout, and its environment."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # -P: a folder called `service` where the person stands is not ours.
    return [sys.executable, "-P", "-m", module, *args], {**os.environ, "PYTHONPATH": path}


def run_module(what: str, needs: str, module: str, *args: str) -> int:
    """Run a module of the checkout in this process's place, in the folder it was called from: paths
    that a person gives are meant from there.

    Parameters
    ----------
    what : str
        What it is, for a person.
    needs : str
        A package without which it does not run.
    module : str
    args : str

    Raises
    ------
    UsageError
        This is no checkout, or the package is missing.
    """
    if not (ROOT / "app.py").is_file() or importlib.util.find_spec(needs) is None:
        raise UsageError(
            f"{what} runs from a checkout of the project.", hint="There, type: make run"
        )
    sys.stdout.flush()
    command, environment = process_of(module, *args)
    os.execve(sys.executable, command, environment)
