"""Batches of the CLIP recipe: originals beside their fakes with the same augmentation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detector.evaluation.labels import hash_of
from detector.training.clip import augment, pseudo
from detector.training.clip.faces import ALTERED, GENERATED, REAL, SIDE, UNITS, CutCache, Cuts
from detector.training.clip.recipe import ClipRecipe

MOST = 8
"""Files of a source that count for how often it is drawn."""
APART = (3, 10)
"""Frames between an original and the other frame of its clip that is blended into it."""
SAME_SHARE, FRAME_SHARE = 0.6, 0.22
"""Shares of the pseudo-fakes that are self-blended, and blended with another frame."""
TOGETHER = 0.8
"""Share of the fakes with an original that are drawn beside it."""


@dataclass
class Drawn:
    """A batch as rows of the cache, one value a picture."""

    row: list[int]
    cls: list[int]
    pair: list[int]
    tight: list[bool]
    kind: list[int]
    """What a pseudo-fake is made of (`pseudo.SAME` …), -1 of all others."""
    other: list[int]
    """Row of what is blended into a pseudo-fake."""

    def put(
        self, cuts: Cuts, row: int, cls: int, pair: int, made: tuple[int, int] = (-1, 0)
    ) -> None:
        """Add a picture; `made` is kind and row of what is blended into a pseudo-fake."""
        self.row.append(row)
        self.cls.append(cls)
        self.pair.append(pair)
        self.tight.append(cuts.tight)
        self.kind.append(made[0])
        self.other.append(made[1])


class Feed:
    """Draws batches by step, from files of some people. Sources weigh by the square root of their
    files and of how many sources show their kind of fake."""

    def __init__(self, entries: Sequence[Cuts], plan: ClipRecipe) -> None:
        self.plan = plan
        self.sources: dict[int, list[list[Cuts]]] = {}
        self.weights: dict[int, np.ndarray] = {}
        self.originals: dict[tuple[str, str], list[Cuts]] = defaultdict(list)
        for cls in (REAL, ALTERED, GENERATED):
            by_source: dict[tuple[str, int], list[Cuts]] = defaultdict(list)
            for entry in entries:
                if entry.cls == cls:
                    # A collection of stills shows many people, a source of clips few.
                    part = int(hash_of(entry.group), 16) % 6 if entry.kind == "image" else 0
                    by_source[entry.source, part].append(entry)
            sources = list(by_source.values())
            alike = Counter(files[0].method for files in sources)
            each = [(min(len(s), MOST) / alike[s[0].method]) ** 0.5 for s in sources]
            self.sources[cls], self.weights[cls] = sources, np.array(each) / sum(each or [1])
        for entry in entries:
            if entry.cls == REAL:
                self.originals[entry.source, entry.group].append(entry)

    def draw(self, step: int) -> Drawn:
        """Draw the rows of a step."""
        rng = np.random.default_rng([self.plan.seed, step])
        out, pair = Drawn([], [], [], [], [], []), 0
        unit = max(1, self.plan.batch // 16)
        for _ in range(self.plan.pseudo * unit):
            entry, row = self._face(REAL, rng)
            out.put(entry, row, REAL, pair)
            out.put(entry, row, ALTERED, pair, self._blended(entry, row, rng))
            pair += 1
        for cls, share in ((ALTERED, self.plan.altered), (GENERATED, self.plan.generated)):
            for _ in range(share * unit if self.sources[cls] else 0):
                entry, row = self._face(cls, rng)
                out.put(entry, row, cls, pair)
                beside = self.originals.get((entry.source, entry.group))
                if beside and rng.random() < TOGETHER:
                    first = beside[rng.integers(len(beside))]
                    frame = min(row - entry.start, first.count - 1)
                    out.put(first, first.start + frame, REAL, pair)
                pair += 1
        while len(out.row) < self.plan.batch:
            entry, row = self._face(REAL, rng)
            out.put(entry, row, REAL, pair)
            pair += 1
        return out

    def _face(self, cls: int, rng: np.random.Generator) -> tuple[Cuts, int]:
        source = self.sources[cls][rng.choice(len(self.sources[cls]), p=self.weights[cls])]
        entry = source[rng.integers(len(source))]
        return entry, entry.start + int(rng.integers(entry.count))

    def _blended(self, entry: Cuts, row: int, rng: np.random.Generator) -> tuple[int, int]:
        """Draw what is blended into a frame: its kind and row."""
        share = rng.random()
        if share > SAME_SHARE + FRAME_SHARE:
            return pseudo.PERSON, self._face(REAL, rng)[1]
        if share > SAME_SHARE and entry.count > 2 * APART[0]:
            near = row + int(rng.choice([-1, 1]) * rng.integers(*APART))
            return pseudo.FRAME, int(np.clip(near, entry.start, entry.start + entry.count - 1))
        return pseudo.SAME, row


class Views:
    """Turns rows into augmented pictures on a device."""

    def __init__(self, cache: CutCache, plan: ClipRecipe, device: str) -> None:
        self.plan, self.device = plan, torch.device(device)
        self.cuts = torch.from_numpy(cache.cuts)
        if self.device.type == "cuda" and cache.cuts.nbytes < 0.6 * torch.cuda.mem_get_info()[0]:
            self.cuts = self.cuts.to(self.device)
        self.points = torch.from_numpy(cache.points)

    def _cuts(self, rows: Tensor) -> Tensor:
        return self.cuts[rows.to(self.cuts.device)].to(self.device)

    def __call__(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Return pictures, float [N, 3, S, S] in 0..1, and classes, int [N]."""
        device, plan, size = self.device, self.plan, self.plan.size
        row, other = torch.tensor(drawn.row), torch.tensor(drawn.other)
        cls, pair, kind, tight = (
            torch.tensor(v, device=device) for v in (drawn.cls, drawn.pair, drawn.kind, drawn.tight)
        )
        pairs = int(pair.max()) + 1
        wide, close = (
            augment.uniform(pairs, *range_, device)[pair] for range_ in (plan.wide, plan.close)
        )
        side = torch.where(tight, close, wide) * SIDE / UNITS
        shift = (torch.rand(pairs, 2, device=device) - 0.5)[pair] * 0.11 * side[:, None]
        turn = (torch.randn(pairs, device=device) * 0.07)[pair]
        flip = augment.chance(pairs, 0.5, device)[pair]
        views = augment.view(SIDE / 2 + shift, side, turn, flip)
        pictures = augment.sample(self._cuts(row), views, size)
        made = kind >= 0
        if made.any():
            chosen, theirs = made.cpu(), views[made]
            seen, beside = (
                augment.to_view(self.points[rows[chosen]].to(device), theirs, size)
                for rows in (row, other)
            )
            blended = augment.sample(self._cuts(other[chosen]), theirs, size)
            pictures[made] = pseudo.pseudo(pictures[made], seen, blended, beside, kind[made])
        return augment.PairQuality(pairs, size, device)(pictures, pair), cls

    def plain(self, rows: Sequence[int]) -> Tensor:
        """Return pictures as in use, without augmentation."""
        count = len(rows)
        side = torch.full((count,), self.plan.seen * SIDE / UNITS, device=self.device)
        views = augment.view(
            torch.full((count, 2), SIDE / 2, device=self.device), side, torch.zeros_like(side),
            torch.zeros_like(side, dtype=torch.bool),
        )  # fmt: skip
        return augment.sample(self._cuts(torch.tensor(list(rows))), views, self.plan.size)
