"""Measure speed and quality, by hand in a checkout."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from detector.errors import UnmaskError

# Started servers and commands may cache bytecode, as those of `make` do: without it, each start
# would compile all imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

Row = dict[str, Any]


def command(*actions: Callable[..., object]) -> None:
    """Run the main module as a command: parameters of actions are its options, its docstring is the
    help."""
    # Keep line breaks, so that examples are separate lines.
    text = (sys.modules["__main__"].__doc__ or "").strip().replace("\n\n", "\n\n\b\n")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, help=f"\b\n{text}")
    for action in actions:
        app.command(help=f"\b\n{text}" if len(actions) == 1 else None)(action)
    app()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of some work by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def read_rows(*files: Path) -> dict[str, Row]:
    """Return the measurements of JSON lines by name, the first field of each."""
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return {next(iter(row.values())): row for row in map(json.loads, lines)}


def resume(file: Path, field: str, work: Iterable[tuple[str, Callable[[], Row]]]) -> dict[str, Row]:
    """Append the missing measurements to a file of JSON lines; return all rows by name. `work` are
    names and functions; an `UnmaskError` of a function is stored as `error`."""
    rows = read_rows(file)
    with file.open("a") as out:
        for name, measure in work:
            if name not in rows:
                try:
                    row = measure()
                except UnmaskError as error:
                    row = {"error": error.message}
                rows[name] = {field: name, **row}
                print(json.dumps(rows[name]), file=out, flush=True)
    return rows
