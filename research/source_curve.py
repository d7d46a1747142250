"""What more sources would be worth to Texture, and what each generator gets where it is left out.

    unmask train texture --data LABELS.csv --cache FACES --begin lite0.safetensors \
        --leave-out sources-1 --out runs/texture/1
    … (sources-2 as well: between them every clip is described once, four minutes of one core)
    python -m research.source_curve LABELS.csv --cache FACES --begin lite0.safetensors \
        --where face_px

The layer is fitted on the descriptions that training keeps beside the faces. Asked is one fold
after the other (`detector.evaluation.groups`, by source alone and by kind); a fit knows so many
sources of the other folds, drawn several times.

The first table: AUC and pairs won over the number of sources, their mean over draws, the least and
the most; with all sources a 95 % interval from resampling sources. The second: of each generator,
left out in either way, how its clips stand to all originals.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from detector.evaluation import groups, methods, metrics
from detector.evaluation.labels import Item, filled, hash_of, pairs, read_labels
from detector.models.families.texture import TextureNet
from detector.training.cache import Faces
from detector.training.layer import _begin, description_file, fitted
from detector.training.recipe import Recipe, read_recipe
from detector.training.run import faces

Array = np.ndarray
COUNTS = (10, 20, 40, 60)
"""Sources that a fit knows; after them all."""
FEWEST = 3
"""clips of a generator that stands in the table by itself"""
WAYS: dict[str, Callable[[Faces], str]] = {
    "sources": groups.source_fold_of, "kinds": groups.fold_of
}  # fmt: skip
"""of leaving out"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--begin", type=Path, required=True, help="the trunk of EfficientNet-Lite0")
    parser.add_argument("--where", default="", help="ask only files with this column filled")
    parser.add_argument("--recipe", default="texture", help="one of family `texture`")
    parser.add_argument("--draws", type=int, default=8)
    args = parser.parse_args()
    items = [item for item in read_labels(args.labels) if item.kind == "video"]
    asked = filled(args.labels, args.where) if args.where else {item.name for item in items}
    recipe = read_recipe(args.recipe)
    bench = SourceBench(*described(items, recipe, args.cache, args.begin), recipe, asked)
    for way in WAYS:
        curve(bench, way, args.draws)
    generators(bench)


def described(
    items: Sequence[Item], recipe: Recipe, cache: Path, trunk: Path
) -> tuple[list[Faces], Array]:
    """Return the clips that training has described, and how: float [copies, clips, features]."""
    network = TextureNet(recipe.crop.size)
    _begin(network, trunk)
    name = description_file(network, recipe.crop)
    known: dict[str, Array] = {}
    clips: list[Faces] = []
    for cached in faces(recipe, items, cache, lambda *_: None).values():
        with np.load(cached.folder / name) as file:
            known |= {entry: file[entry] for entry in file.files}
        clips += [entry for entry in cached.entries if entry.name in known]
    return clips, np.stack([known[clip.name] for clip in clips], 1)


class SourceBench:
    """Described clips, and fits that know some of their sources.

    Parameters
    ----------
    described : float [copies, clips, features]
    asked : set of str
        Names of the clips that count; all teach.
    """

    def __init__(
        self, clips: Sequence[Faces], described: Array, recipe: Recipe, asked: set[str]
    ) -> None:
        self.clips, self.described, self.recipe = clips, described, recipe
        self.asked = np.array([clip.name in asked for clip in clips])
        self.shown = [clip for clip in clips if clip.name in asked]
        self.labels = np.array([clip.label for clip in self.shown])
        self.couples = pairs(self.shown)

    def left_out(self, way: str, count: int | None = None, draw: int = 0) -> Array:
        """Return the logit of each asked clip, by a fit that knows nothing of its fold.

        Parameters
        ----------
        way : str
            One of `WAYS`.
        count : int, optional
            Sources that it knows, drawn by `draw`; default: all.
        """
        logits = np.full(len(self.clips), np.nan)
        folds = np.array([WAYS[way](clip) for clip in self.clips])
        for fold in sorted(set(folds[self.asked])):
            rest, _ = groups.leave_out(self.clips, fold)
            taught = rest if count is None else drawn(rest, count, draw)
            names = {clip.name for clip in taught}
            known = self.described[:, [clip.name in names for clip in self.clips]]
            layer = fitted(known, taught, self.recipe)
            held = (folds == fold) & self.asked
            logits[held] = layer.judge(torch.from_numpy(self.described[0][held]))
        asked: Array = logits[self.asked]
        return asked


def drawn(clips: Sequence[Faces], count: int, draw: int) -> list[Faces]:
    """Return the clips of some sources, both labels and a pair among them; fewer sources are part
    of more."""
    of: dict[str, list[Faces]] = defaultdict(list)
    for clip in clips:
        of[clip.source].append(clip)
    # The first one has an original beside its fake, so that no draw is without.
    paired = {clips[fake].source for _, fake in pairs(clips)}
    order = sorted(of, key=lambda source: hash_of(f"{draw} {source}"))
    first = next(source for source in order if source in paired)
    chosen = [first, *(source for source in order if source != first)][:count]
    return [clip for clip in clips if clip.source in set(chosen)]


def curve(bench: SourceBench, way: str, draws: int) -> None:
    """Print what a fit is worth over the sources that it knows."""
    y, sources = bench.labels, [clip.source for clip in bench.shown]
    print(f"\n{len(y)} clips ({int((1 - y).sum())} untouched), left out by {way}")
    for count in COUNTS:
        logits = [bench.left_out(way, count, draw) for draw in range(draws)]
        reached = [metrics.auc(x, y) for x in logits]
        won = [metrics.paired_ranking_accuracy(x, bench.couples) for x in logits]
        print(f"{count:4} sources  AUC {np.mean(reached):.3f} ({min(reached):.3f} to "
              f"{max(reached):.3f})  pairs {np.mean(won):.2f}")  # fmt: skip
    x = bench.left_out(way)
    found = metrics.bootstrap(metrics.auc, x, y, sources)
    won_all = metrics.paired_ranking_accuracy(x, bench.couples)
    print(f" all sources  AUC {found}  pairs {won_all:.2f}")


def generators(bench: SourceBench) -> None:
    """Print each generator's clips against all originals, where it was left out."""
    y = bench.labels
    logits = {way: bench.left_out(way) for way in WAYS}
    of: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, clip in enumerate(bench.shown):
        if clip.label:
            of[methods.family(clip.method), clip.method].append(place)
    rest: dict[str, list[int]] = defaultdict(list)
    print("\nkind; generator; clips; AUC by " + ", by ".join(WAYS))
    for (kind, method), places in sorted(of.items()):
        if len(places) < FEWEST:
            rest[kind] += places
        else:
            _generator(kind, method, places, y, logits)
    for kind, places in sorted(rest.items()):
        _generator(kind, f"others, fewer than {FEWEST} clips each", places, y, logits)


def _generator(
    kind: str, method: str, places: Sequence[int], y: Array, logits: dict[str, Array]
) -> None:
    here = y == 0
    here[places] = True
    reached = "  ".join(f"{metrics.auc(x[here], y[here]):.2f}" for x in logits.values())
    print(f"{kind:14} {method:52} {len(places):3}  {reached}")


if __name__ == "__main__":
    main()
