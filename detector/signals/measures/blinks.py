"""Signal: blink rate of a person, on request: it takes more frames than an analysis.

The eyelids are points of `detector.models.mesh`; openness is the eye aspect ratio of Soukupova and
Cech (2016), the height of the eye over its width, relative to the person's own usual opening. Early
deepfakes hardly blinked (Li et al. 2018, arXiv:1806.02877); today's do."""

from collections.abc import Sequence

import numpy as np

from detector.schema.analysis import Signal
from detector.sentences import _
from detector.signals.measure import on_request
from detector.signals.reference import Range, SignalSpec, blink_rate

SHORTEST = 5.0
"""s of open or closed eyes that have to be seen, below which even no blink is ordinary."""
SHUT, OPEN = 0.65, 0.8
"""of the opening around: below the first the eyes are shut, above the second open again."""
DIP, AROUND = 0.25, 1.2
"""s to either side of the minimum: end of the dip, and window of the usual opening."""
AMONG = 5.0  # s to either side whose blinks are a rate over time
GAP = 0.2  # s without the eyes, from which on they were not seen
SEEN = 3  # frames on either side, so that the eyes were seen to close and to open
# Corners, then two pairs of points on the upper and lower lid, of the 478.
RIGHT, LEFT = (33, 133, 160, 144, 158, 153), (362, 263, 385, 380, 387, 373)


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


def signal(times: np.ndarray, eyes: np.ndarray, person: str) -> Signal:
    """Return the rate of blinking as a `Signal`, of the openness of eyes at ascending times, s."""
    seen = seconds(times)
    if seen < SHORTEST:
        text = _("The eyes were seen for {seconds} s; a rate needs {shortest} s.")
        return BLINKS.absent(text.format(seconds=f"{seen:.0f}", shortest=f"{SHORTEST:.0f}"), person)
    blinks = find(times, eyes)
    shown = BLINKS.signal(60 * len(blinks) / seen, person, times=blinks, known=expected(seen))
    return shown.model_copy(update={"series": _rates(times, np.array(blinks))})


def seconds(times: np.ndarray) -> float:
    """Return for how long the eyes were seen, of the times at which they were, s."""
    gaps = np.diff(times)
    return float(gaps[gaps < GAP].sum())


def _rates(times: np.ndarray, blinks: np.ndarray) -> list[tuple[float, float]]:
    """Return blinks a minute each second, of those within `AMONG` s to either side."""
    middles = np.arange(times[0], times[-1], 1.0)
    rates = []
    for middle in middles:
        seen = np.minimum(middle + AMONG, times[-1]) - np.maximum(middle - AMONG, times[0])
        rates.append(60 * float((np.abs(blinks - middle) <= AMONG).sum()) / seen)
    return [(round(float(t), 3), round(r, 4)) for t, r in zip(middles, rates, strict=True)]


def expected(seconds: float) -> Range | None:
    """Return the usual range of blinks a minute for this duration, s. Rates of people are gamma
    distributed, blinks of one person Poisson: counts are negative binomial, and the range is wide
    for short footage."""
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
SIGNAL = on_request(BLINKS, rank=90)
