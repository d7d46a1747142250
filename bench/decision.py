"""How long deciding takes: what a slider waits for.

    python -m bench.decision [--runs 200]

Decides a result of 32 moments of one person, with the models that ship and a published one beside
them, again and again; prints the median and the 95th percentile in ms (bar: 5). The longest part is
making records, not arithmetic. With people and moments multiplied it says how it grows.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime

import numpy as np

from detector.decision import decide
from detector.models import registry
from detector.pipeline import initial_results
from detector.schema.analysis import (
    Analysis,
    Ensemble,
    FrameSegment,
    Label,
    Media,
    Quality,
    Question,
    Settings,
    Software,
    SpanSegment,
    Subject,
    Thresholds,
    Verdict,
)


def made(people: int, moments: int, *, seed: int = 0) -> Analysis:
    """A result with made logits of the default models and the short list's first."""
    rng = np.random.default_rng(seed)
    manifest = registry.manifest()
    ids = [s.id for s in manifest.models if s.default]
    ids += [entry.id for entry in manifest.recommended][:1]
    results = [
        initial_results.result(registry.get_spec(id)).model_copy(update={"scored": moments})
        for id in ids
    ]
    frames = [r.id for r in results if r.kind != "clip"]
    clips = [r.id for r in results if r.kind == "clip"]
    quality = Quality(width=200, sharpness=90, brightness=120, yaw=0.0, confidence=0.99)
    tracks = []
    for person in range(people):
        logits = rng.normal(0, 1, (moments, len(frames)))
        faces = [
            FrameSegment(
                index=n, time=n * 0.5, box=(100.0, 100.0, 300.0, 300.0), quality=quality,
                logits=dict(zip(frames, row.tolist(), strict=True)),
            )
            for n, row in enumerate(logits)
        ]  # fmt: skip
        windows = [
            SpanSegment(
                start=k * 2.0,
                end=k * 2.0 + 1.2,
                logits={id: float(rng.normal()) for id in clips},
            )
            for k in range(4)
        ]
        tracks.append(
            Subject(
                id=chr(65 + person), start=0.0, end=moments * 0.5, thumbnail_time=0.0, frames=faces,
                spans=windows,
            )
        )  # fmt: skip
    return Analysis(
        id="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        media=Media(
            name="made.mp4", sha256="0" * 64, kind="video", size=2_000_000, width=1280, height=720,
            duration=moments * 0.5, fps=25.0, container="mp4", codec="h264",
        ),
        settings=Settings(),
        verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=Thresholds(low=0.0, high=1.0)),
        ensembles={q: manifest.ensembles.get(q, Ensemble()) for q in Question},
        models=results,
        subjects=tracks,
        timestamps=[n * 0.5 for n in range(moments)],
        software=Software(version="0", python="3", torch="2", device="cpu", backend="torch"),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("| people | moments | median, ms | 95th percentile, ms |\n|---|---|---|---|")
    for people, moments in ((1, 32), (4, 32), (1, 480)):
        analysis = made(people, moments)
        times = []
        for _ in range(runs + 5):
            begun = time.perf_counter()
            decide(analysis)
            times.append((time.perf_counter() - begun) * 1000)
        middle, late = np.percentile(times[5:], [50, 95])
        print(f"| {people} | {moments} | {middle:.2f} | {late:.2f} |")


if __name__ == "__main__":
    main()
