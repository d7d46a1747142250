"""The cache of what is computed of each labelled file once: named arrays, in a folder that runs
share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from detector import media, vision
from detector.evaluation.labels import Item, hash_of
from detector.vision import Detection

Arrays = Mapping[str, np.ndarray]
OnProgress = Callable[[int, int], None]  # done, of how many
Labelled = TypeVar("Labelled", bound=Item)


def cached(
    items: Sequence[Labelled],
    folder: Path,
    name: str,
    reader: Callable[[], Callable[[Labelled], Arrays]],
    on_progress: OnProgress,
) -> list[Arrays]:
    """Return the arrays of each file, stored as `name` in a folder. `reader` loads what computes
    them, where any are missing; `on_progress` gets (computed, missing)."""
    files = [folder / f"{hash_of(str(item.file))[:24]}.{name}.npz" for item in items]
    missing = [(item, file) for item, file in zip(items, files, strict=True) if not file.is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        read = reader()
        for done, (item, file) in enumerate(missing, start=1):
            part = file.with_suffix(".part.npz")
            np.savez(part, **read(item))  # type: ignore[arg-type]  # its stub knows no names
            part.replace(file)
            on_progress(done, len(missing))
    found: list[Arrays] = []
    for file in files:
        with np.load(file) as arrays:
            found.append(dict(arrays))
    return found


def widest_faces(
    file: Path, places: Sequence[float], smallest: int = 40
) -> Iterator[tuple[media.Frame, Detection]]:
    """Yield frames at places of a file, in shares of its length, with the widest face of each that
    shows one at least `smallest` px wide; raise MediaError."""
    info, detector = media.probe(file), vision.load_detector()
    times = [place * (info.duration or 0.0) for place in places]
    for frame in media.decode(file, info, times, notes=[]):
        if (face := vision.widest(detector.detect(frame.rgb, smallest))) is not None:
            yield frame, face
