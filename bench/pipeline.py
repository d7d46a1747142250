"""Wall time of an analysis beside its two limits: decoding alone, and the networks alone.

    python -m bench.pipeline [--runs 5]

The limits are measured in the same run, in turn with the analysis: every frame decoded by PyAV with
its own threads and thrown away; the face detector and the models on the very frames and crops of
the analysis, ready in memory, one thread. Beside it an analysis without signals and provenance.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import av
import numpy as np

from bench.clips import face_clip, face_picture
from detector import media, vision
from detector.models import registry
from detector.models.base import Model
from detector.pipeline import Analyzer, Progress
from detector.schema.analysis import Settings


def decode_alone(path: str) -> float:
    begun = time.perf_counter()
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass
    return time.perf_counter() - begun


class Networks:
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
        """Seconds of face detection and of the models."""
        import torch

        torch.set_num_threads(1)
        begun = time.perf_counter()
        for search in self.searches:
            search()
        middle = time.perf_counter()
        for model, batch in self.batches:
            model.score(batch)
        return middle - begun, time.perf_counter() - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    path = str(face_clip(20, 1280, 720))
    analyzer = Analyzer(device="cpu")
    analyzer.warm_up()
    seen: list[Progress] = []
    analyzer.analyze(path, observe=seen.append)
    networks = Networks(analyzer, path)
    picture = str(face_picture(1280, 720))
    analyzer.analyze(picture)
    decodes, detects, models, walls, plain, pictures = [], [], [], [], [], []
    for _ in range(args.runs):
        decodes.append(decode_alone(path))
        detect, model = networks.run()
        detects.append(detect)
        models.append(model)
        begun = time.perf_counter()
        analyzer.analyze(path)
        walls.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        analyzer.analyze(path, scores_only=True)
        plain.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        analyzer.analyze(picture)
        pictures.append(time.perf_counter() - begun)
    info = media.probe(path)
    print(
        f"{info.duration:.0f} s of {info.width}x{info.height} {info.codec} at {info.fps:g} fps, "
        f"{len(networks.searches)} frames searched for faces, {networks.followed} of them "
        "only where faces were, "
        f"{sum(len(b) for _, b in networks.batches)} crops or windows scored, median of {args.runs}"
    )
    rows = {
        "decode alone": decodes,
        "faces alone": detects,
        "models alone": models,
        "networks alone": [a + b for a, b in zip(detects, models, strict=True)],
        "analysis": walls,
        "scores only": plain,
        "one picture": pictures,
    }
    for name, values in rows.items():
        print(f"{name:16} {statistics.median(values):6.2f} s  (min {min(values):.2f})")
    ratios = [w / max(d, n) for w, d, n in zip(walls, decodes, rows["networks alone"], strict=True)]
    print(f"analysis / slower of decode and networks: {statistics.median(ratios):.2f}")
    more = [w / p - 1 for w, p in zip(walls, plain, strict=True)]
    print(
        f"signals and provenance add {statistics.median(more):.0%}; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
