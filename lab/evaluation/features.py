"""What is computed of each labelled file once: named arrays, in a folder that runs share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from detector.evaluation.labels import Item, hash_of

Arrays = Mapping[str, np.ndarray]
OnProgress = Callable[[int, int], None]  # done, of how many
T = TypeVar("T")


def cached(
    items: Sequence[Item],
    folder: Path,
    name: str,
    reader: Callable[[], Callable[[Item], Arrays]],
    on_progress: OnProgress,
) -> list[Arrays]:
    """Return the arrays of each file, stored as `name` in a folder. `reader` loads what computes
    them, where any are missing; `on_progress` gets (computed, missing)."""
    files = [folder / f"{hash_of(str(item.file))[:24]}.{name}.npz" for item in items]
    return stored(items, files, reader, on_progress)


def stored(
    items: Sequence[T],
    files: Sequence[Path],
    reader: Callable[[], Callable[[T], Arrays]],
    on_progress: OnProgress,
) -> list[Arrays]:
    """Return the arrays of each item from its file, as `cached`."""
    missing = [(item, file) for item, file in zip(items, files, strict=True) if not file.is_file()]
    if missing:
        read = reader()
        for done, (item, file) in enumerate(missing, start=1):
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npz")
            np.savez(part, **read(item))  # type: ignore[arg-type]  # its stub knows no names
            part.replace(file)
            on_progress(done, len(missing))
    found: list[Arrays] = []
    for file in files:
        with np.load(file) as arrays:
            found.append(dict(arrays))
    return found
