"""Nearest-neighbor index of frame fingerprints by Hamming distance, one an owner.

Exact search (FAISS, flat): 18 million hashes, which is 10,000 hours at one in two seconds, take 576
MB, and a search for 24 of them took 0.64 s on two cores (`lab.bench.library`). An approximate index
would be faster, but needs training, and copies differ by more bits than it expects.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detector.comparison.fingerprint import Fingerprints, Hashes
from detector.schema.summary import FoundFootage
from service.records.footage import Prints
from service.records.tables import Footage

BITS = 256
NEAR = 72  # bits by which hashes of one picture differ at most; others by 128 ± 8
SURE = 48  # bits under which a single frame is enough, where there is no second one
DRIFT = 1.5  # s between matched frames of one clip in the sparsely sampled original
MAX_QUERY = 12  # frames of a clip that are looked for, spread over it
MAX_FACE_QUERY = 6  # frames of it whose widest face is looked for
MAX_MATCHES = 20
MAX_TIES = 50  # places in known footage that a still clip fits alike, of which the nearest is told


@dataclass(frozen=True)
class LibraryMatch:
    """Known footage that shares frames with a file."""

    footage: Footage
    matched: int
    asked: int  # Frames of the file that were looked for, of which `matched` are in it
    start: float  # s, in the known footage: where the file's first matched frame is
    time: float  # s, in the file: when that frame is on screen
    mirrored: bool
    bits: int  # of 256 by which matched frames differ, the median
    by_faces: bool = False  # Faces match, not all of the picture: it is cropped or framed anew

    @property
    def share(self) -> float:
        """Return the share of the searched frames, 0..1."""
        return self.matched / self.asked

    @property
    def found(self) -> FoundFootage:
        """Return the match as results state it."""
        return FoundFootage(
            match_sha256=self.footage.sha256, name=self.footage.name, source=self.footage.source,
            start=max(0.0, self.start - self.time), mirrored=self.mirrored,
            matched=self.matched, asked=self.asked, by_faces=self.by_faces,
        )  # fmt: skip


class _HashIndex:
    """Hashes of many files with their times, in memory."""

    def __init__(self) -> None:
        self._index: Any = None
        self._parts: list[np.ndarray] = []
        self._counts = [0]

    def add(self, times: np.ndarray, hashes: np.ndarray) -> None:
        """Add the hashes of one more file."""
        self._parts.append(times)
        self._counts.append(self._counts[-1] + len(times))
        if len(times):
            if self._index is None:
                import faiss  # half a second, and most who ask their library have none yet

                self._index = faiss.IndexBinaryFlat(BITS)
            self._index.add(np.ascontiguousarray(hashes))

    def __len__(self) -> int:
        return self._counts[-1]

    def near(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return all entries near any of the hashes [N, 32]: index of the hash, number of the file,
        time there, and distance in bits."""
        limits, distances, rows = self._index.range_search(np.ascontiguousarray(hashes), NEAR)
        query = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
        owners = np.asarray(np.searchsorted(self._counts, rows, side="right")) - 1
        if len(self._parts) != 1:
            none: list[np.ndarray] = [np.zeros(0, np.float32)]
            self._parts = [np.concatenate(self._parts or none)]
        return query, owners, self._parts[0][rows], distances


class PrintIndex:
    """The fingerprints of one owner, in memory."""

    def __init__(self, entries: Iterable[tuple[Footage, Prints]]) -> None:
        self._frames, self._faces = _HashIndex(), _HashIndex()
        self.footage: list[Footage] = []
        self._lock = threading.Lock()
        for footage, prints in entries:
            self.add(footage, prints)

    def add(self, footage: Footage, prints: Prints) -> None:
        """Add a file."""
        with self._lock:
            self.footage.append(footage)
            self._frames.add(prints.times, prints.hashes)
            self._faces.add(prints.face_times, prints.face_hashes)

    def __len__(self) -> int:
        return len(self._frames)

    def search(self, prints: Fingerprints, *, without: str = "") -> list[LibraryMatch]:
        """Return the files that share frames with a file, the best match first, except that of the
        sha256 `without`: its own entry."""
        # The widest face of each frame: whoever else is in it counts in known footage alone.
        times, first = np.unique(prints.faces.times, return_index=True)
        faces = Hashes(times, prints.faces.hashes[first], prints.faces.mirrored[first])
        found = self._found(self._frames, prints, MAX_QUERY)
        found += [
            replace(match, by_faces=True)
            for match in self._found(self._faces, faces, MAX_FACE_QUERY)
        ]
        return _best(match for match in found if match.footage.sha256 != without)

    def _found(self, index: _HashIndex, asked: Hashes, most: int) -> list[LibraryMatch]:
        """Return the files in which at most so many of the hashes are, upright and mirrored."""
        count = len(asked.times)
        if not count or not len(index):
            return []
        picks = sorted({round(i) for i in np.linspace(0, count - 1, min(most, count))})
        with self._lock:
            query, owners, times, distances = index.near(
                np.concatenate([asked.hashes[picks], asked.mirrored[picks]])
            )
        # One pass over what was found, sorted by file and way round, not one a file.
        keys = owners * 2 + (query >= len(picks))
        order = np.argsort(keys, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(order) else []
        picked = asked.times[picks]
        found: list[LibraryMatch] = []
        for group in groups:
            frames = query[group] % len(picks)
            hit = _agreeing(picked[frames], frames, times[group], distances[group])
            if hit is None:
                continue
            matched, time, start, bits = hit
            if matched >= min(2, len(picks)) or bits < SURE:
                footage = self.footage[int(owners[group[0]])]
                mirrored = bool(query[group[0]] >= len(picks))
                found.append(
                    LibraryMatch(footage, matched, len(picks), start, time, mirrored, bits)
                )
        return found


def _agreeing(
    asked: np.ndarray, frames: np.ndarray, times: np.ndarray, distances: np.ndarray
) -> tuple[int, float, float, int] | None:
    """Return how many frames agree on one offset in the known footage, the first one's times in
    both files, and the median distance. A still frame matches at many places: each frame votes once
    for all offsets it allows, and the offset with the most votes wins, among equals the nearest."""
    shifts = times - asked
    slots = np.floor(shifts / DRIFT).astype(np.int64)
    # A window is two slots wide: what lies on the edge of one is in the middle of another.
    votes = np.unique(
        np.stack([np.concatenate([slots, slots + 1]), np.tile(frames, 2)], axis=1), axis=0
    )
    windows, counts = np.unique(votes[:, 0], return_counts=True)
    best: tuple[int, float, float, int] | None = None
    for window in windows[counts == counts.max()][:MAX_TIES]:
        near = np.flatnonzero((slots == window) | (slots == window - 1))
        kept = near[np.argsort(distances[near], kind="stable")]
        kept = kept[np.unique(frames[kept], return_index=True)[1]]
        bits = int(np.median(distances[kept]))
        if best is None or bits < best[3]:
            at = kept[int(np.argmin(asked[kept]))]
            best = len(kept), float(asked[at]), max(0.0, float(times[at])), bits
    return best


def _best(found: Iterable[LibraryMatch]) -> list[LibraryMatch]:
    """Return each file once, with its best match over both orientations, frames and faces."""
    one: dict[str, LibraryMatch] = {}
    for match in sorted(found, key=lambda m: (-m.share, m.by_faces, m.bits)):
        one.setdefault(match.footage.id, match)
    return list(one.values())[:MAX_MATCHES]
