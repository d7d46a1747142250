"""Commands of the package `unmask-lab`, found by its entry points (`unmask.lab`)."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import typer

from detector.errors import UsageError
from detector.installation import install_lab
from detector.sentences import _


def installed(name: str) -> Any | None:
    """Return the lab's command, or group of commands, of this name; None without the lab."""
    return next((point.load() for point in entry_points(group="unmask.lab", name=name)), None)


def missing(name: str) -> UsageError:
    """Return the error that says how to install the lab."""
    text = _("`unmask {name}` needs unmask-lab, which is not installed.")
    return UsageError(text.format(name=name), hint=_("Type: {extra}").format(extra=install_lab()))


def stand_in(name: str) -> Callable[[typer.Context], int]:
    """Return a command in place of one of the absent lab; it takes any arguments."""

    def run(context: typer.Context) -> int:
        raise missing(name)

    run.__doc__ = missing(name).advice
    return run
