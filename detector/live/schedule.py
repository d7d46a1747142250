"""How often what is done, so that a viewer stays within their share of the machine.

What a piece of work costs is measured while it is done, so a slow computer, a busy one and a second
viewer all show in the same figure. From the costs follow the intervals; nothing is configured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

LEAVE = 0.3
"""Share of each worker's time that is left to the video itself, the page and other programs."""
BEST_SCORED = 50 / 3
"""scored frames a second: two of three of 25. Neighbors say nearly the same, more only cost."""
WORST_SCORED = 0.5
BEST_CLIPS = 2.5  # windows a second, all video models and people together
CLIPS_SHARE = 0.3  # of a viewer's time, at most, for video models
EASY_DETECTION = 0.3
"""share of a scored frame's cost that finding faces may take before it is done more coarsely"""
ENOUGH = 8.0  # scored frames a second at which faces are searched as finely and as often as can be
COARSER = (1.0, 1.5, 2.0, 3.0)
"""times the smallest face that is searched for: the picture is shrunk by as much"""
SLOW_MODEL = 2.0
"""times the median cost of the frame models: slower ones score fewer frames, where all of them in
all frames would take more than there is"""
SELDOM = 16
"""A model that is made for few moments of a clip (`ModelSpec.moments`) scores every 16th scored
frame, about once a second at the best rate; another slow one at least that often."""
LIVELY = 4.0  # scored frames a second below which faces are searched most seldom
MEMORY = 0.2  # weight of the newest cost in the average


@dataclass(frozen=True)
class Schedule:
    """What the costs allow."""

    score_every: float = 1 / BEST_SCORED
    clip_every: float = 1 / BEST_CLIPS
    follow_every: float = 0.0
    """s between scored frames, windows, and frames in which faces are followed."""
    detect_every: int = 1  # Faces are searched in every n-th scored frame, and followed in between
    coarser: float = 1.0  # Times the smallest face searched for
    model_every: Mapping[str, int] = field(default_factory=dict)
    """A frame model scores every n-th scored frame."""


class Costs:
    """Averages of how long pieces of work take, s. Not locked: each kind has one writer."""

    def __init__(self) -> None:
        self._mean: dict[str, float] = {}

    def add(self, kind: str, seconds: float) -> None:
        """One more measurement. The first ones weigh more: loading is over soon."""
        old = self._mean.get(kind)
        self._mean[kind] = seconds if old is None else old + MEMORY * (seconds - old)

    def __getitem__(self, kind: str) -> float:
        return self._mean.get(kind, 0.0)


def plan(
    costs: Costs,
    usual: Mapping[str, int],
    share: float,
    fps: float,
    coarser: float = 1.0,
    coarsest: float = COARSER[-1],
) -> Schedule:
    """Return intervals that fit into a share of the machine: `share` seconds of work a second.

    `costs` are of "follow", "detect", "cut" and "judge" (a frame), "clip" (a window of all clip
    models), and "model:ID" (a frame's faces, by a frame model). `usual`: by id, in every
    n-th scored frame a frame model scores where there is time. `fps`: of the frames that are
    pushed. `coarser`: what `costs["detect"]` was measured with, one of `COARSER`; `coarsest`: the
    last of those that may be chosen.
    """
    share = max(share, 0.05)
    follow = costs["follow"]
    # Following keeps the boxes alive and comes first, up to a third of the time.
    follow_every = 0.0 if follow * fps <= share / 3 else 3 * follow / share
    left = share - min(follow * fps, share / 3)
    clip = costs["clip"]
    clips = min(BEST_CLIPS, CLIPS_SHARE * share / clip) if clip else BEST_CLIPS
    left -= clips * clip

    models = {id: costs[f"model:{id}"] for id in usual}
    known = sorted(one for one in models.values() if one > 0)
    median = known[len(known) // 2] if known else 0.0
    fixed = costs["cut"] + costs["judge"]
    detect = costs["detect"]  # as measured at `coarser`

    every = dict(usual)

    def taken(detect: float) -> float:
        """Return seconds of a scored frame, where finding its faces takes so long."""
        return fixed + detect + sum(cost / every[id] for id, cost in models.items())

    def rate(detect: float) -> float:
        """Scored frames a second."""
        frame = taken(detect)
        return BEST_SCORED if frame <= 0 else min(BEST_SCORED, left / frame)

    step, detect_every = coarser, 1
    mostly = detect > EASY_DETECTION * taken(detect)
    if mostly and rate(detect) < ENOUGH:
        step = next((c for c in COARSER if coarser < c <= coarsest), coarser)
        detect *= (coarser / step) ** 2
    elif coarser > 1 and rate(detect) >= BEST_SCORED:
        finer = max(c for c in COARSER if c < coarser)
        dearer = detect * (coarser / finer) ** 2
        if rate(dearer) >= BEST_SCORED:
            step, detect = finer, dearer
    for id, cost in sorted(models.items(), key=lambda pair: -pair[1]):
        slow = median and cost > SLOW_MODEL * median
        most = max(SELDOM, math.ceil(cost / (SLOW_MODEL * median))) if slow else 1
        while every[id] < most and left <= BEST_SCORED * taken(detect):
            every[id] += 1
    for id, often in usual.items():
        if often > 1 and models[id] <= left / 2:  # once a second at a lower rate too
            every[id] = max(1, min(every[id], round(rate(detect))))
    for most, wanted in ((2, ENOUGH), (4, LIVELY)):
        while detect_every < most and rate(detect / detect_every) < wanted and mostly:
            detect_every += 1
    scored = max(WORST_SCORED, rate(detect / detect_every))
    return Schedule(
        score_every=1 / scored,
        clip_every=1 / max(clips, 0.1),
        follow_every=follow_every,
        detect_every=detect_every,
        coarser=step,
        model_every=every,
    )
