"""Does the person blink, and how often? Read on demand: it takes more frames than an analysis.

The lids come from MediaPipe's face landmarker (`auxiliary.MESH`); openness is the eye aspect ratio
of Soukupova and Cech (2016), the height of the eye over its width, relative to the person's own
usual opening. Early deepfakes hardly blinked (Li et al. 2018, arXiv:1806.02877); today's do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from detector import media, weights
from detector.models.mesh import Mesh
from detector.schema.analysis import Analysis, FrameSegment, Signal, Subject
from detector.sentences import _
from detector.signals import auxiliary
from detector.signals.reference import Range, SignalSpec, blink_rate

RATE = 15.0  # frames a second: a blink lasts 0.1 to 0.4 s (Schiffman 2001), so two frames or more
LONGEST = 60.0  # s of a clip that are read
SHORTEST = 5.0
"""s of open or closed eyes that have to be seen, below which even no blink is ordinary."""
SHUT, OPEN = 0.65, 0.8
"""of the opening around: below the first the eyes are shut, above the second open again."""
DIP, AROUND = 0.25, 1.2
"""s to either side of the lowest point: where the dip ends, and how far the opening is taken."""
SEEN = 3  # frames on either side, so that the eyes were seen to close and to open
ROOM = 1.5  # Side of what the network sees, in longer sides of the face box
# Corners, then two pairs of points on the upper and lower lid, of the 478.
RIGHT, LEFT = (33, 133, 160, 144, 158, 153), (362, 263, 385, 380, 387, 373)

OnProgress = Callable[[float], object]  # Told what share of the work is done, 0..1


@dataclass(frozen=True)
class Lids:
    """How open a person's eyes are over time."""

    times: np.ndarray  # float [N], s; only moments at which the eyes were seen
    openness: np.ndarray  # float [N], height over width of the eyes, mean of both
    blinks: tuple[float, ...]  # s
    seconds: float  # during which the eyes were seen

    @property
    def rate(self) -> float:
        """Blinks a minute."""
        return 60 * len(self.blinks) / max(self.seconds, 1e-9)


mesh = auxiliary.LoadedOnce(auxiliary.MESH, lambda: Mesh(*weights.resolve(auxiliary.MESH)))


ready = partial(weights.available, auxiliary.MESH)  # Whether the landmarker is on this computer


def openness(points: np.ndarray) -> float:
    """Return height over width of the eyes, mean of both, from 478 points."""
    ratios = []
    for outer, inner, *lids in (RIGHT, LEFT):
        width = np.linalg.norm(points[outer] - points[inner])
        heights = [np.linalg.norm(points[a] - points[b]) for a, b in (lids[:2], lids[2:])]
        ratios.append(float(np.mean(heights) / max(float(width), 1e-6)))
    return float(np.mean(ratios))


def find(
    times: Sequence[float] | np.ndarray, open_: Sequence[float] | np.ndarray
) -> tuple[float, ...]:
    """Return when eyes close and open again, s, from their openness (in any unit) at ascending
    times, about `RATE` a second.

    A blink is a short dip below `SHUT` of the opening both before and after it: eyes that look down
    half close too, but stay so."""
    at, line = np.asarray(times, float), np.asarray(open_, float)
    blinks: list[int] = []
    for i, time in enumerate(at):
        sides = [
            line[(at >= time + a) & (at <= time + b)] for a, b in ((-AROUND, -DIP), (DIP, AROUND))
        ]
        if min(len(side) for side in sides) < SEEN:
            continue
        near = line[np.abs(at - time) <= DIP]
        level = min(float(np.percentile(side, 60)) for side in sides)
        if line[i] > near.min() or line[i] >= SHUT * level:
            continue
        if blinks and line[blinks[-1] : i + 1].max() < OPEN * level:
            continue  # still the same closing
        blinks.append(i)
    return tuple(float(at[i]) for i in blinks)


def watch(
    path: str | Path, analysis: Analysis, track: Subject, on_progress: OnProgress | None = None
) -> Lids:
    """Watch eyes `RATE` times a second for at most `LONGEST` s; raise WeightsError or
    MediaError."""
    network = mesh() or Mesh(*weights.resolve(auxiliary.MESH))  # which says what is missing
    end = min(track.end, track.start + LONGEST)
    times = np.arange(track.start, end, 1 / RATE).tolist() or [track.start]
    at, line = [], []
    for frame in media.decode(path, analysis.media, times, notes=[]):
        points = network.find(frame.rgb, *_square(track.frames, frame.time))
        if points is not None:
            at.append(frame.time)
            line.append(openness(points))
        if on_progress:
            on_progress((frame.index + 1) / len(times))
    gaps = np.diff(at)
    return Lids(np.array(at), np.array(line), find(at, line), float(gaps[gaps < 3 / RATE].sum()))


def _square(faces: Sequence[FrameSegment], time: float) -> tuple[np.ndarray, float, float]:
    """Interpolate where the face is: middle and side of a square, px, and the eyes' turn."""
    times = [face.time for face in faces]

    def at(values: Sequence[Sequence[float]]) -> list[float]:
        return [float(np.interp(time, times, column)) for column in zip(*values, strict=True)]

    x0, y0, x1, y1 = at([face.box for face in faces])
    eyes = [face.landmarks[:2] for face in faces]
    tilt = 0.0
    if all(len(pair) == 2 for pair in eyes):
        (lx, ly), (rx, ry) = at([pair[0] for pair in eyes]), at([pair[1] for pair in eyes])
        tilt = float(np.arctan2(ry - ly, rx - lx))
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    return middle, ROOM * max(x1 - x0, y1 - y0), tilt


def signal(lids: Lids, track: str) -> Signal:
    """Return the rate of blinking as a `Signal`."""
    if lids.seconds < SHORTEST:
        return BLINKS.absent(
            _("The eyes were seen for {seconds} s; a rate needs {shortest} s.").format(
                seconds=f"{lids.seconds:.0f}", shortest=f"{SHORTEST:.0f}"
            ),
            track,
        )
    known = expected(lids.seconds)
    return BLINKS.signal(lids.rate, track, times=lids.blinks, known=known)


def expected(seconds: float) -> Range | None:
    """Return how many blinks a minute are usual in so many seconds.

    People's rates are taken as gamma distributed, blinks of one person as chance at that rate: the
    counts are then negative binomial, and wide where little was seen."""
    from scipy.stats import nbinom  # half a second, and most that import this ask for no rate

    people = blink_rate()
    if people is None:
        return None
    shape = (people["rate"] / people["spread"]) ** 2
    minutes = max(seconds, 1e-3) / 60
    counts = nbinom(shape, 1 / (1 + minutes * people["rate"] / shape))
    p1, p5, p50, p95, p99 = (counts.ppf((0.01, 0.05, 0.5, 0.95, 0.99)) / minutes).tolist()
    return Range(p1, p5, p50, p95, p99, files=int(people["files"]), sources=int(people["sources"]))


BLINKS = SignalSpec(
    id="blinking",
    title="Blinking",
    unit="a minute",
    side="both",
    say="{value:.0f} a minute",
    means="How often the person blinks. People differ, and reading or staring slows it down.",
    low="The person hardly blinks: early face swaps did not, and people who read or concentrate "
    "blink little.",
    high="The person blinks very often: lids that flutter from frame to frame look like this, and "
    "so does nervousness.",
    purpose="Points to eyes that hardly close, as in early face swaps.",
)
NOT_YET = _("Takes a closer look at the eyes, frame by frame.")
ABSENT = auxiliary.absent(auxiliary.MESH, _("the face landmarker"))
