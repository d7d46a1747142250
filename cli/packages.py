"""Commands of other packages of this repository, and what these add to `calibrate` and `fetch`:
their entry points `unmask.commands`."""

from importlib.metadata import entry_points
from typing import Any

import typer

from detector.installation import not_installed

LAB, MCP = "unmask-lab", "unmask-mcp-server"
HOMES = {"benchmark": LAB, "train": LAB, "data": LAB, "mcp": MCP}
"""Commands and the packages that bring them."""


def installed(name: str) -> Any | None:
    """Return what the entry point of a command names; None without its package."""
    return next((point.load() for point in entry_points(group="unmask.commands", name=name)), None)


def stand_in(name: str) -> typer.Typer:
    """Return a placeholder for a command of a missing package; it accepts any arguments."""
    error = not_installed(f"`unmask {name}`", HOMES[name])

    def run(context: typer.Context) -> int:
        raise error

    actions = typer.Typer(add_completion=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    actions.command(name, help=error.advice, context_settings=anything)(run)
    return actions
