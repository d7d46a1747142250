"""Where a model fails: the originals that it takes for fakes most, and the fakes that it lets pass.

    python -m bench.failures LABELS.csv --scores DIR/scores.jsonl --out DIR [--count 4]

Reads the scores that `python -m bench.quality` (or `unmask evaluate`) kept, and runs no network.
Prints a table for each bundled model, the clips ranked among all by its raw score, with what is
known of the material; and makes a sheet of faces a model, to be looked at and described in its
card. The sheets show other people's faces: delete them when done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from detector import media
from detector.evaluation.labels import read_labels
from detector.evaluation.scores import Scored, Scoring, score_files
from detector.evaluation.subjects import person_of
from detector.models import registry
from detector.models.base import CropRecipe
from detector.vision import cut

CROP = CropRecipe(scale=1.4, size=240)
SHOWN = 4
"""Faces of a clip on a sheet."""


def worst(scored: list[Scored], model: str, count: int) -> list[tuple[Scored, float]]:
    """The highest originals, then the lowest fakes; each with the share of all clips below it."""
    known = sorted((s for s in scored if model in s.highest), key=lambda s: s.highest[model])
    rank = {s.name: n / max(1, len(known) - 1) for n, s in enumerate(known)}
    originals = [s for s in known if not s.label][::-1][:count]
    fakes = [s for s in known if s.label][:count]
    return [(s, rank[s.name]) for s in originals + fakes]


def described(scored: Scored, rank: float) -> str:
    """A row of the table."""
    assert scored.analysis is not None
    tracks = max(scored.analysis.judged, key=lambda track: len(track.frames))
    person = person_of(scored.analysis, tracks)
    about = "no face to measure"
    if person is not None:
        m = person.material
        about = f"{m.width:.0f} | {m.sharpness:.0f} | {m.compression:.1f}"
    what = scored.method if scored.label else "original"
    return f"| {what} | {scored.source} | {scored.name} | {100 * rank:.0f} % | {about} |"


def sheet(scored: Scored, path: Path) -> np.ndarray:
    """Faces of the clip's longest track, uint8 [240, 240 x SHOWN, 3]."""
    assert scored.analysis is not None
    track = max(scored.analysis.judged, key=lambda track: len(track.frames))
    chosen = np.linspace(0, len(track.frames) - 1, SHOWN).round().astype(int)
    faces = [track.frames[i] for i in chosen]
    times = sorted({face.time for face in faces})
    frames = {
        round(frame.time, 3): frame.rgb
        for frame in media.decode(path, scored.analysis.media, times, notes=[])
    }
    shown = []
    for face in faces:
        rgb = frames[min(frames, key=lambda t, at=face.time: abs(t - at))]  # type: ignore[misc]
        shown.append(cut(rgb, face.box, CROP))
    return np.hstack(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4)
    asked = parser.parse_args()
    ours = [spec for spec in registry.list_models() if spec.bundled and spec.default]
    clips = [item for item in read_labels(asked.labels) if item.kind == "video"]
    scored = score_files(
        clips, models=[spec.id for spec in ours], scoring=Scoring(store=asked.scores)
    )
    files = {item.name: item.file for item in clips}
    asked.out.mkdir(parents=True, exist_ok=True)
    for spec in ours:
        found = worst(scored, spec.id, asked.count)
        print(f"\n{spec.title}: {asked.count} originals, {asked.count} fakes\n")
        print("| what | source | file | scores above | face px | sharpness | compression |")
        print("|---|---|---|---|---|---|---|")
        print("\n".join(described(one, rank) for one, rank in found))
        rows = np.vstack([sheet(one, files[one.name]) for one, _ in found])
        cv2.imwrite(str(asked.out / f"{spec.id}.jpg"), cv2.cvtColor(rows, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
