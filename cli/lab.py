"""Commands of the package `unmask-lab`, loaded by its entry points (`unmask.lab`)."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import typer

from detector.errors import UsageError
from detector.installation import not_installed


def installed(name: str) -> Any | None:
    """Return a command or group of commands of the lab; None without the lab."""
    return next((point.load() for point in entry_points(group="unmask.lab", name=name)), None)


def missing(name: str) -> UsageError:
    """Return the error that explains how to install the lab."""
    return not_installed(f"`unmask {name}`", "unmask-lab")


def stand_in(name: str) -> Callable[[typer.Context], int]:
    """Return a placeholder for a command of the missing lab; it accepts any arguments."""

    def run(context: typer.Context) -> int:
        raise missing(name)

    run.__doc__ = missing(name).advice
    return run
