"""The cache of what is computed of each labelled file once: named arrays of a file, in a folder
that runs share."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

from detector import media, vision
from detector.evaluation.labels import Item, hash_of
from detector.vision import Detection

Arrays = Mapping[str, np.ndarray]
OnProgress = Callable[[int, int], None]  # done, of how many
Labelled = TypeVar("Labelled", bound=Item)


def path_of(item: Item, folder: Path, name: str) -> Path:
    """Return the file with the arrays of a labelled file."""
    return folder / f"{hash_of(str(item.file))[:24]}.{name}.safetensors"


def compute(
    items: Sequence[Labelled],
    folder: Path,
    name: str,
    reader: Callable[[], Callable[[Labelled], Arrays]],
    on_progress: OnProgress,
) -> list[Path]:
    """Return the files with the arrays of labelled files, stored as `name` in a folder. `reader`
    loads what computes them, where any are missing; `on_progress` gets (computed, missing)."""
    files = [path_of(item, folder, name) for item in items]
    missing = [(item, file) for item, file in zip(items, files, strict=True) if not file.is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        read = reader()
        for done, (item, file) in enumerate(missing, start=1):
            part = file.with_suffix(".part")
            save_file({key: np.ascontiguousarray(x) for key, x in read(item).items()}, part)
            part.replace(file)
            on_progress(done, len(missing))
    return files


def cached(
    items: Sequence[Labelled],
    folder: Path,
    name: str,
    reader: Callable[[], Callable[[Labelled], Arrays]],
    on_progress: OnProgress,
) -> list[Arrays]:
    """Return the arrays of each file (`compute`)."""
    return [load_file(file) for file in compute(items, folder, name, reader, on_progress)]


def widest_track(
    frames: Sequence[media.Frame], every: int, smallest: int
) -> list[tuple[float, Detection]]:
    """Return the times and faces of the widest person of a clip, for `vision.interpolate`. As in an
    analysis, faces at least `smallest` px wide are detected in every `every`-th frame."""
    detector, tracker = vision.load_detector(), vision.Tracker()
    people: dict[int, list[tuple[float, Detection]]] = defaultdict(list)
    for place in sorted({*range(0, len(frames), every), len(frames) - 1} - {-1}):
        frame = frames[place]
        found = detector.detect(frame.rgb, smallest)
        for person, face in zip(tracker.update(frame.time, frame.rgb, found), found, strict=True):
            people[person].append((frame.time, face))
    widths = {
        person: sum(face.box[2] - face.box[0] for _, face in track)
        for person, track in people.items()
    }
    return people[max(widths, key=lambda person: widths[person])] if widths else []


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
