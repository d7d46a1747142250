"""Measure the share of heatmaps inside the face of fakes, beside random maps.

    python -m lab.bench.heatmaps labels.csv [--clips 50] [--models clip,texture]

Heatmaps are those of the largest face in the middle frame of each fake video, of at most two clips
a method of forgery. Figures are the mean share of the heat inside the face's box over clips, that
of random maps of the same crop, the number of clips that exceed these, and the mean difference with
its 95 % interval over clips.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from detector import explain, media, vision
from detector.errors import UnmaskError
from detector.evaluation.labels import read_labels
from detector.evaluation.metrics import mean_interval
from detector.explain import ways
from detector.models import registry
from lab.bench import command
from lab.evaluation.tables import markdown

RANDOM = 20
"""maps of random numbers that a heatmap is compared with"""
EACH = 2
"""clips of one method of forgery at most"""


def fakes(lists: Sequence[Path], count: int) -> Iterator[Path]:
    """Yield the first fake videos of the lists, in an order that the seed decides."""
    items = [
        item for file in lists for item in read_labels(file) if item.label and item.kind == "video"
    ]
    taken: Counter[str] = Counter()
    for place in np.random.default_rng(0).permutation(len(items)):
        item = items[place]
        if taken[item.method] < EACH and taken.total() < count:
            taken[item.method] += 1
            yield item.file


def shares(path: Path, models: Sequence[str]) -> Iterator[tuple[str, str, float, float]]:
    """Yield (model, method, share of the heat in the face, mean of random maps) of a clip."""
    facts = media.probe(path)
    frame = media.frame_at(path, facts, (facts.duration or 0.0) / 2)
    face = vision.widest(vision.load_detector("mtcnn", "cpu").detect(frame.rgb, 40))
    if face is None:
        return
    for id in models:
        model = registry.load_model(id)
        recipe = model.spec.crop
        box = vision.box_for(recipe, face.box)
        crop = vision.cut(frame.rgb, box, recipe, face.landmarks)
        place = explain.place_of(frame.rgb.shape, box, recipe, face.landmarks)
        rng = np.random.default_rng(0)
        random = [
            explain.share_in(explain.fit(rng.random((8, 8)), crop), place, face.box)
            for _ in range(RANDOM)
        ]
        for method in ways.methods(model):
            if method == "occlusion":  # fifty runs of the network
                continue
            maps = ways.draw(method, model, crop[None])
            if maps is None:
                continue
            share = explain.share_in(explain.fit(maps[0], crop), place, face.box)
            if share is not None:
                yield id, method, share, float(np.mean([one for one in random if one is not None]))


def main(labels: list[Path], clips: int = 50, models: str = "clip,clip-generated,texture") -> None:
    """Print a row a model and method."""
    rows = []
    for path in fakes(labels, clips):
        try:
            for row in shares(path, models.split(",")):
                rows.append(row)
                print(path.name, *row[:2], f"{row[2]:.3f} {row[3]:.3f}", flush=True)
        except UnmaskError as error:
            print(path.name, error.message)
    table = pd.DataFrame(rows, columns=["model", "method", "face", "random"])
    lines = []
    for name, some in table.groupby(["model", "method"], sort=False):
        face, random = some["face"], some["random"]
        counts = f"{(face > random).sum()} of {len(some)}"
        gain = mean_interval((face - random).to_numpy(), np.arange(len(some)))
        lines.append((*name, f"{face.mean():.2f}", f"{random.mean():.2f}", counts, gain))
    heads = "model", "method", "in the face", "random", "more than random", "difference"
    print(markdown(heads, lines))


if __name__ == "__main__":
    command(main)
