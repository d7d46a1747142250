"""Measure the wall time of an analysis beside its limits: decoding alone, and the networks alone.

    python -m lab.bench.pipeline [--runs 5]

The limits are measured in the same run, alternating with the analysis: PyAV decodes every frame
with its own threads; the face detector and the models run on the frames and crops of the analysis,
from memory, with one thread. The other rows are an analysis without signals and provenance, and
those of a picture with a face and of a photo without one, as it is and of 12 megapixels, with CPU
seconds. `UNMASK_PRECISION=f32` gives the times of processors without bf16.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import pandas as pd
from PIL import Image

from detector import media, vision
from detector.models import registry
from detector.models.base import Model
from detector.pipeline import Analyzer, Progress
from detector.samples import make_samples
from detector.schema.analysis import Settings
from lab.bench import command, timed
from tests.support.clips import face_clip, face_picture


def decode_alone(path: str) -> None:
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass


class NetworkRuns:
    """The same calls of the same networks as in one analysis, without anything else."""

    def __init__(self, analyzer: Analyzer, path: str, settings: Settings | None = None) -> None:
        self.detector = detector = analyzer.detector()
        self.searches: list[Callable[[], object]] = []
        self.followed = 0
        self.batches: list[tuple[Model, np.ndarray]] = []
        models = [registry.load_model(s.id, device=analyzer.device) for s in registry.choose(None)]
        detect, follow = detector.detect, detector.follow
        scores = [model.score for model in models]

        def detected(rgb: np.ndarray, min_face: int) -> list[vision.Detection]:
            self.searches.append(partial(detect, rgb.copy(), min_face))
            return detect(rgb, min_face)

        def follows(
            rgb: np.ndarray, min_face: int, faces: Sequence[vision.Detection]
        ) -> list[vision.Detection]:
            self.searches.append(partial(follow, rgb.copy(), min_face, list(faces)))
            self.followed += 1
            return follow(rgb, min_face, faces)

        def record(
            model: Model, run: Callable[[np.ndarray], np.ndarray], batch: np.ndarray
        ) -> np.ndarray:
            self.batches.append((model, batch.copy()))
            return run(batch)

        detector.detect, detector.follow = detected, follows  # type: ignore[method-assign]
        for model, run in zip(models, scores, strict=True):
            model.score = partial(record, model, run)  # type: ignore[method-assign]
        try:
            analyzer.analyze(path, settings)
        finally:
            detector.detect, detector.follow = detect, follow  # type: ignore[method-assign]
            for model, run in zip(models, scores, strict=True):
                model.score = run  # type: ignore[method-assign]

    def run(self) -> tuple[float, float]:
        """Return seconds of face detection and of the models."""
        import torch

        torch.set_num_threads(1)
        faces, _ = timed(lambda: [search() for search in self.searches])
        models, _ = timed(lambda: [model.score(batch) for model, batch in self.batches])
        return faces, models


def photos(folder: Path) -> dict[str, Path]:
    """Return a sample's photo, without a person, in two sizes."""
    photo = Image.open(next(one.path for one in make_samples(folder) if one.id == "photo"))
    found = {}
    for width in (1600, 4000):
        size = (width, round(photo.height * width / photo.width))
        file = folder / f"photo-{width}.jpg"
        photo.resize(size, Image.Resampling.LANCZOS).save(file, quality=90)
        found[f"a photo, {size[0]}x{size[1]}"] = file
    return found


def main(runs: int = 5) -> None:
    folder = Path(tempfile.mkdtemp())
    path = str(face_clip(20, 1280, 720))
    analyzer = Analyzer(device="cpu")
    analyzer.warm_up()
    seen: list[Progress] = []
    analyzer.analyze(path, observe=seen.append)
    networks = NetworkRuns(analyzer, path)
    pictures = {"a face, 1280x720": face_picture(1280, 720), **photos(folder)}
    for picture in pictures.values():
        analyzer.analyze(str(picture))
    rows, cores = list[dict[str, float]](), list[dict[str, float]]()
    for _ in range(runs):
        row = {"decode alone": timed(partial(decode_alone, path))[0]}
        row["faces alone"], row["models alone"] = networks.run()
        row["networks alone"] = row["faces alone"] + row["models alone"]
        row["analysis"], _ = timed(lambda: analyzer.analyze(path))
        row["scores only"], _ = timed(lambda: analyzer.analyze(path, scores_only=True))
        spent = {name: timed(partial(analyzer.analyze, str(p))) for name, p in pictures.items()}
        rows.append(row | {name: wall for name, (wall, _) in spent.items()})
        cores.append({name: cpu for name, (_, cpu) in spent.items()})
    shutil.rmtree(folder)
    info = media.probe(path)
    print(
        f"{info.duration:.0f} s of {info.width}x{info.height} {info.codec} at {info.fps:g} fps, "
        f"{len(networks.searches)} frames searched for faces, {networks.followed} of them "
        "only where faces were, "
        f"{sum(len(b) for _, b in networks.batches)} crops or windows scored, median of {runs}"
    )
    seconds = pd.DataFrame(rows)
    figures = {"median, s": seconds.median(), "min, s": seconds.min()}
    figures["of a core, s"] = pd.DataFrame(cores).median()
    print(pd.DataFrame(figures, index=seconds.columns).round(2))
    limit = seconds[["decode alone", "networks alone"]].max(axis=1)
    ratio = (seconds["analysis"] / limit).median()
    more = (seconds["analysis"] / seconds["scores only"] - 1).median()
    print(f"analysis / slower of decode and networks: {ratio:.2f}")
    print(f"signals and provenance add {more:.0%}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    command(main)
