"""Where a frame was seen before: all fingerprints of an owner, searched by Hamming distance.

An exact search (FAISS, flat): 18 million hashes, which is 10,000 hours at one in two seconds, take
576 MB, and to look for 24 among them took 0.64 s on two cores (`bench.library`). An approximate
index would answer faster and has to be trained, and copies lie further off than it looks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from detector.comparison.fingerprints import Fingerprints
from service.records.footage import Footage, Prints

BITS = 256
NEAR = 72
"""bits by which hashes of one picture differ at most; those of others by 128, 8 more or less"""
SURE = 48
"""bits under which a single frame is enough, where there is no second one"""
DRIFT = 1.5
"""s by which matched frames of one clip may lie apart in the original: it is sampled sparsely"""
MAX_QUERY = 12
"""frames of a clip that are looked for, spread over it"""
MAX_MATCHES = 20
MAX_TIES = 50
"""places in known footage that a still clip fits alike, of which the nearest is told"""


@dataclass(frozen=True)
class LibraryMatch:
    """Known footage that a file shares pictures with."""

    footage: Footage
    matched: int
    asked: int
    """Frames of the file that are in it, of those that were looked for."""
    start: float
    """s, in the known footage: where the file's first matched frame is."""
    time: float
    """s, in the file: when that frame is on screen."""
    mirrored: bool
    bits: int
    """of 256 by which matched frames differ, the median"""


class PrintIndex:
    """The fingerprints of one owner, in memory."""

    def __init__(self, entries: Iterable[tuple[Footage, Prints]]) -> None:
        self._index = faiss.IndexBinaryFlat(BITS)
        self.footage: list[Footage] = []
        self._parts: list[np.ndarray] = []
        self._counts = [0]
        self._lock = threading.Lock()
        for footage, prints in entries:
            self.add(footage, prints)

    def add(self, footage: Footage, prints: Prints) -> None:
        """Add a file."""
        with self._lock:
            self.footage.append(footage)
            self._parts.append(prints.times)
            self._counts.append(self._counts[-1] + len(prints.times))
            if len(prints.times):
                self._index.add(np.ascontiguousarray(prints.hashes))

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where each file's frames begin, and the times of all."""
        if len(self._parts) != 1:
            none: list[np.ndarray] = [np.zeros(0, np.float32)]
            self._parts = [np.concatenate(self._parts or none)]
        return np.array(self._counts, np.int64), self._parts[0]

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, prints: Fingerprints, *, without: str = "") -> list[LibraryMatch]:
        """Return what a file shares pictures with, the most alike first.

        Parameters
        ----------
        without : str
            The sha256 of the file itself: its own entry is no match.
        """
        count = len(prints.times)
        if not count or not len(self):
            return []
        picks = sorted({round(i) for i in np.linspace(0, count - 1, min(MAX_QUERY, count))})
        hashes = np.concatenate([prints.hashes[picks], prints.mirrored[picks]])
        with self._lock:
            starts, every = self._joined()
            found_near = self._index.range_search(np.ascontiguousarray(hashes), NEAR)
        limits, distances, rows = found_near
        query = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
        owners = np.asarray(np.searchsorted(starts, rows, side="right")) - 1
        # One pass over what was found, sorted by file and way round, not one a file.
        keys = owners * 2 + (query >= len(picks))
        order = np.argsort(keys, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(order) else []
        times = prints.times[picks]
        found: list[LibraryMatch] = []
        for group in groups:
            footage = self.footage[int(owners[group[0]])]
            if footage.sha256 == without:
                continue
            asked = times[query[group] % len(picks)], query[group] % len(picks)
            hit = _agreeing(*asked, every[rows[group]], distances[group])
            if hit is not None:
                mirrored = bool(query[group[0]] >= len(picks))
                matched, time, start, bits = hit
                if matched >= min(2, len(picks)) or bits < SURE:
                    found.append(
                        LibraryMatch(footage, matched, len(picks), start, time, mirrored, bits)
                    )
        return _best(found)


def _agreeing(
    asked: np.ndarray, frames: np.ndarray, times: np.ndarray, distances: np.ndarray
) -> tuple[int, float, float, int] | None:
    """Return how many frames agree on one place in the known footage, the first one's times in the
    file and there, and the median distance.

    Frames that stand still are alike at many places: each votes for all shifts it allows, once,
    and the shift that most frames allow wins, among equals the one that is nearest.
    """
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


def _best(found: Sequence[LibraryMatch]) -> list[LibraryMatch]:
    """Return each file once, the way round that fits better."""
    one: dict[str, LibraryMatch] = {}
    for match in sorted(found, key=lambda m: (-m.matched, m.bits)):
        one.setdefault(match.footage.id, match)
    return list(one.values())[:MAX_MATCHES]
