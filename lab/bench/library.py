"""Measure the speed, the recall and the false matches of the library of known footage.

    python -m lab.bench.library speed [--hours 10000]
    python -m lab.bench.library folder ../shared/data/clips/real
    python -m lab.bench.library recall ../shared/data [--clips 40]
    python -m lab.bench.library fakes ../shared/data

`speed` fills an index with random hashes, of a frame and a face in two seconds, and searches it for
a clip of 10 s.
`folder` measures the speed of adding a folder.
`recall` adds one real clip a group, and searches for perturbed copies of it;
`fakes` adds the originals of collected fakes, and searches for these.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import faiss
import numpy as np

from detector import media
from detector.comparison.fingerprint import Fingerprints, Hashes, fingerprint
from lab.bench import command, timed
from service.context import LOCAL
from service.library.catalog import AT_ONCE, Library
from service.library.index import PrintIndex
from service.records.database import Database
from service.records.footage import FootageStore, Prints
from service.records.tables import Footage
from tests.support.clips import face_clip
from tests.support.copies import CopyOptions, clips_of, fakes_of, write_copy

WAYS = {
    "crf 32": CopyOptions(crf=32),
    "crf 38": CopyOptions(crf=38),
    "half size": CopyOptions(crf=28, scale=0.5),
    "double size": CopyOptions(scale=2.0),
    "mirrored": CopyOptions(mirror=True),
    "15 fps": CopyOptions(fps=15),
    "60 fps": CopyOptions(fps=60),
    "graded": CopyOptions(grade=(0.8, 1.1, 0.9)),
    "5 % off each side": CopyOptions(crop=(0.05, 0.05, 0.05, 0.05)),
    "10 % off one side": CopyOptions(crop=(0.1, 0.0, 0.0, 0.0)),
    "10 % off each way": CopyOptions(crop=(0.07, 0.03, 0.03, 0.07)),
    "20 % off each way": CopyOptions(crop=(0.1, 0.1, 0.1, 0.1)),
    "20 % off one corner": CopyOptions(crop=(0.2, 0.2, 0.0, 0.0)),
    "20 % off each side": CopyOptions(crop=(0.2, 0.2, 0.2, 0.2)),
}
CROPPED = CopyOptions(crop=(0.1, 0.1, 0.1, 0.1))


def _footage(name: str) -> Footage:
    return Footage(
        id=name, owner="", name=name, sha256=name, source="", added=datetime.now(UTC), size=0,
        duration=None, frames=0, prints=b"",
    )  # fmt: skip


def speed(hours: float = 10_000) -> None:
    faiss.omp_set_num_threads(2)
    rng = np.random.default_rng(0)
    count = int(hours * 1800)

    def made(rows: int) -> np.ndarray:
        return rng.integers(0, 256, (rows, 32), dtype=np.uint8)

    def entries() -> Iterator[tuple[Footage, Prints]]:
        times = np.arange(1800, dtype=np.float32) * 2
        for at in range(0, count, 1800):
            yield _footage(str(at)), Prints(times, made(1800), times, made(1800))

    begin = time.perf_counter()
    index = PrintIndex(entries())
    taken = time.perf_counter() - begin
    print(f"{len(index):,} hashes of {hours:,.0f} h, and as many of faces: filled in {taken:.1f} s")
    frames, faces = made(20), made(10)
    query = Fingerprints(
        np.arange(20, dtype=np.float32) / 2, frames, frames[:, ::-1].copy(),
        Hashes(np.arange(10, dtype=np.float32), faces, faces[:, ::-1].copy()),
    )  # fmt: skip
    took = [timed(lambda: index.search(query))[0] for _ in range(5)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"a clip of 10 s: {np.median(took):.2f} s (median of 5), peak {peak:.1f} GiB")


def added(path: Path, at_once: int) -> float:
    """Return the speed of adding a folder to a new library, in multiples of real time."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "library.db")
        library = Library(FootageStore(database))
        taken, _ = timed(lambda: library.add_folder(LOCAL.id, path, at_once=at_once))
        length = sum(footage.duration or 0.0 for footage in library.store.list(LOCAL.id))
        database.close()
    return length / taken


def recall(data: Path, clips: int = 40) -> None:
    first: dict[str, Path] = {}
    for row in clips_of(data):
        if row["label"] == "real":
            first.setdefault(row["group"] or row["source"], data / row["file"])
    names = sorted(first)[:: max(1, len(first) // clips)][:clips]
    paths = {name: first[name] for name in names}
    asked = {name: fingerprint(path) for name, path in paths.items()}
    index = PrintIndex((_footage(name), _kept(path)) for name, path in paths.items())
    alarms = pairs = 0
    for name in names:
        pairs += len(names) - 1
        others = {m.footage.name for m in index.search(asked[name])} - {name}
        alarms += len(others)
        for other in sorted(others):
            print(f"  also: {paths[name]} ~ {paths[other]}")
    print(f"{len(names)} clips of as many groups; untouched: {alarms} of {pairs} pairs alarm")
    with tempfile.TemporaryDirectory() as folder:
        for title, way in WAYS.items():
            found = np.sum([
                _found(index, _copy(path, Path(folder), way), name) for name, path in paths.items()
            ], 0)  # fmt: skip
            hits, by_faces, others = found.tolist()
            print(f"{title:20} found {hits}/{len(names)}, {by_faces} by faces alone, others "
                  f"{others}", flush=True)  # fmt: skip


def fakes(data: Path) -> None:
    """Print the number of collected fakes whose original is found among all originals."""
    trials = [(a["file"], b["file"], whole) for a, b, whole in fakes_of(clips_of(data))]
    originals = sorted({original for _, original, _ in trials})
    index = PrintIndex((_footage(file), _kept(data / file)) for file in originals)
    print(f"{len(trials)} fakes, {len(originals)} originals")
    with tempfile.TemporaryDirectory() as folder:
        for title, way in {"as found": None, "10 % off each side": CROPPED}.items():
            for whole in (False, True):
                some = [(data / fake, original) for fake, original, of in trials if of == whole]
                hits, by_faces, _ = np.sum([
                    _found(index, _copy(fake, Path(folder), way) if way else fake, original)
                    for fake, original in some
                ], 0)  # fmt: skip
                kind = "made whole" if whole else "pasted"
                print(f"{kind}, {title}: {hits} of {len(some)} found, {by_faces} by faces alone")


def _found(index: PrintIndex, path: Path, name: str) -> tuple[bool, bool, int]:
    """Return whether footage is found for a file, whether by faces alone, and the other count."""
    matches = index.search(fingerprint(path))
    mine = [match for match in matches if match.footage.name == name]
    others = {match.footage.name for match in matches} - {name}
    return bool(mine), any(match.by_faces for match in mine), len(others)


def _kept(path: Path) -> Prints:
    """Return the fingerprints of a file as a library stores them."""
    prints = fingerprint(path, to_keep=True)
    return Prints(prints.times, prints.hashes, prints.faces.times, prints.faces.hashes)


def _copy(path: Path, folder: Path, way: CopyOptions) -> Path:
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or 25)
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][:150]
    return write_copy(folder / "copy.mp4", frames, rate, way)


def folder(path: Path) -> None:
    """Print the speed of adding a folder to new libraries, with one file at a time and several.

    Files are read in separate processes, as by the commands."""
    media.isolate()
    fingerprint(face_clip(1.0, 320, 180), to_keep=True)
    for at_once in (1, AT_ONCE):
        print(f"{at_once} at a time: {added(path, at_once):.0f} x", flush=True)


if __name__ == "__main__":
    command(speed, folder, recall, fakes)
