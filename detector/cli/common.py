"""What several commands share: writing, lists of ids, progress, one line for an error."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from detector.errors import UnmaskError, UsageError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

WIDTH = 24
"""Letters of a progress bar."""
OFTEN = 0.1
"""Seconds between two drawings of it."""


def ids(text: str | None) -> list[str] | None:
    """Ids of a comma-separated list; None for none."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def write_text(target: str, text: str) -> None:
    """Write to a file, or to standard output for "-"."""
    if target == "-":
        print(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target} could not be written: {error.strerror}.") from None


def write_bytes(target: str, data: bytes) -> None:
    """Write to a file, which appears whole or not at all."""
    temporary = Path(target).with_name(f".{Path(target).name}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        raise UsageError(f"{target} could not be written: {error.strerror}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def say(error: UnmaskError, name: str = "") -> None:
    """One line on standard error."""
    parts = [f"unmask: {name}:" if name else "unmask:", error.message, error.hint]
    print(" ".join(p for p in parts if p), file=sys.stderr)


def counter(word: str) -> Callable[[int, int], None]:
    """Progress as "[####......] 3 of 9 scored, about 2 min left": a bar on a terminal, one line at
    the end elsewhere."""
    last, drawn, spent, slow = time.monotonic(), 0.0, 0.0, 0

    def tell(done: int, total: int) -> None:
        nonlocal last, drawn, spent, slow
        now = time.monotonic()
        # What a store already holds passes in no time, and says nothing of the rest.
        if now - last > 0.02:
            spent, slow = spent + now - last, slow + 1
        last = now
        live = sys.stderr.isatty()
        if done == total or (live and now - drawn > OFTEN):
            drawn = now
            left = f", about {_duration(spent / slow * (total - done))} left" if slow else ""
            text = f"{done} of {total} {word}{left if done < total else ''}"
            if live:
                full = WIDTH * done // max(1, total)
                text = f"\r[{'#' * full}{'.' * (WIDTH - full)}] {text:<60}"
            print(text, end="\n" if done == total else "", file=sys.stderr, flush=True)

    return tell


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
