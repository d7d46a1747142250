"""How well the signal "Lips and voice" knows sound that was moved or exchanged, on made clips.

    python -m bench.lips --faces FOLDER --voices FOLDER --clips FOLDER [--count 9]

Still faces are made to talk by recordings (`tests.support.talking`), with their own sound, with it
moved by up to 0.4 s, and with another's; and silent clips of people are given somebody's speech,
which shows what chance gives on lips that really move. One face of each folder within `--faces` is
taken, frontal and at least 110 px wide. No talking video with its own sound takes part.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from detector import media, vision
from detector.audio import sound
from detector.signals import lips
from detector.vision.types import Detection
from tests.conftest import write_clip
from tests.support import talking

SIZE = (640, 360)
SECONDS = (10, 14, 20)
SHORTEST_CLIP = 3.0
"""s of a silent clip"""
LATE = 0.4
"""s by which sound is moved at most"""

_rng = np.random.default_rng(5)
_detector = vision.load_detector("mtcnn")


def find(rgb: np.ndarray) -> Detection | None:
    return vision.widest(_detector.detect(rgb, lips.SIDE // 2))


def talk(voices: list[np.ndarray], seconds: float) -> np.ndarray:
    """Speech of several recordings one after another, with pauses: float32 [n]."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * sound.SAMPLE_RATE:
        pause = np.zeros(int(_rng.uniform(0.1, 0.5) * sound.SAMPLE_RATE), np.float32)
        parts += [voices[_rng.integers(len(voices))], pause]
    return np.concatenate(parts)[: int(seconds * sound.SAMPLE_RATE)]


def looks(clip: lips.TalkingClip, seconds: float) -> list[tuple[float, np.ndarray]]:
    """What an analysis of 32 frames knows of the face."""
    times = np.linspace(0, seconds - 0.1, 32).tolist()
    frames = media.decode(clip.path, clip.media, times, notes=[])
    found = [(frame.time, find(frame.rgb)) for frame in frames]
    return [(time, np.array(face.landmarks)) for time, face in found if face is not None]


def stills(folder: Path, count: int) -> Iterator[tuple[np.ndarray, talking.Points]]:
    """Frontal faces, one of each folder."""
    for source in sorted(p for p in folder.iterdir() if p.is_dir()):
        for path in sorted(source.glob("*.jpg")):
            bgr = cv2.imread(str(path))
            rgb = None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            face = None if rgb is None else find(rgb)
            if rgb is None or face is None or face.box[2] - face.box[0] < 110:
                continue
            eyes = np.subtract(face.landmarks[1], face.landmarks[0])
            place = (face.landmarks[2][0] - face.landmarks[0][0]) / eyes[0]
            if abs(eyes[1]) > 0.2 * abs(eyes[0]) or not 0.3 < place < 0.7:
                continue
            yield rgb, face.landmarks
            break
        count -= 1
        if not count:
            return


def made(
    face: np.ndarray, points: talking.Points, voices: list[np.ndarray], late: float, other: bool
) -> lips.Sync | None:
    """What is measured of one made clip."""
    seconds = float(_rng.choice(SECONDS))
    said = talk(voices, seconds + 1)
    open_ = talking.opening(said, round(seconds * lips.RATE), late=late)
    heard = talk(voices, seconds) if other else said[: int(seconds * sound.SAMPLE_RATE)]
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(
            Path(folder) / "made.mp4", seconds=seconds, size=SIZE, audio=heard,
            picture=talking.talking(face, points, open_, SIZE),
            options={"preset": "veryfast", "crf": str(_rng.choice((23, 30)))},
        )  # fmt: skip
        clip = lips.TalkingClip(path, media.probe(path), [(0.0, seconds)], find)
        return lips.measure(clip, looks(clip, seconds))


def silent(folder: Path, voices: list[np.ndarray], count: int) -> Iterator[lips.Sync]:
    """What is measured of real lips with somebody's speech; clips are too short alone, so that
    the movements of several follow on one another."""
    paths = sorted(folder.glob("*/*.mp4"))
    rows: list[np.ndarray] = []
    for index in _rng.permutation(len(paths)):
        info = media.probe(paths[index])
        seconds = info.duration or 0.0
        if len(rows) == count or seconds < SHORTEST_CLIP:
            continue
        clip = lips.TalkingClip(paths[index], info, [(0.0, seconds)], find)
        times = np.arange(0, seconds, 1 / lips.RATE)
        if (places := lips._places(clip, looks(clip, seconds), times)) is not None:
            rows.append(lips.movement(clip, places, times))
    for _ in range(4 * count):
        moved = np.concatenate([rows[i] for i in _rng.permutation(len(rows))])
        moved = moved[: round(float(_rng.choice(SECONDS)) * lips.RATE)]
        loud = lips.envelope(talk(voices, len(moved) / lips.RATE), len(moved))
        if (found := lips.sync(moved, loud)) is not None:
            yield found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("faces", "voices", "clips"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--count", type=int, default=9, help="faces, and clips")
    args = parser.parse_args()
    files = sorted(args.voices.rglob("*.mp3"))
    chosen = [files[i] for i in _rng.permutation(len(files))[:60]]
    voices = [
        np.concatenate([b.samples for b in sound.read(f, [(0.0, 30.0)], notes=[])]) for f in chosen
    ]
    own: list[tuple[float, lips.Sync]] = []
    others: list[lips.Sync] = []
    for face, points in stills(args.faces, args.count):
        for late in (0.0, float(_rng.uniform(-LATE, LATE))):
            if (found := made(face, points, voices, late, False)) is not None:
                own.append((late, found))
        if (found := made(face, points, voices, 0.0, True)) is not None:
            others.append(found)
    sure = [(late, s) for late, s in own if s.strength >= lips.SURE]
    errors = [abs(s.lag - late) for late, s in sure]
    print(f"own sound: {len(sure)} of {len(own)} told, strengths", *_quartiles(s for _, s in own))
    if errors:
        print(f"lag off by {np.median(errors):.3f} s in the middle, {max(errors):.3f} at most")
    print(f"another's: {_told(others)} told, strengths", *_quartiles(others))
    chance = list(silent(args.clips, voices, args.count))
    print(f"real lips, somebody's speech: {_told(chance)} told, strengths", *_quartiles(chance))


def _told(found: list[lips.Sync]) -> str:
    return f"{sum(s.strength >= lips.SURE for s in found)} of {len(found)}"


def _quartiles(found: Iterator[lips.Sync] | list[lips.Sync]) -> list[str]:
    strengths = [s.strength for s in found]
    if not strengths:
        return ["–"]
    return [f"{value:.1f}" for value in np.percentile(strengths, [0, 25, 50, 75, 100])]


if __name__ == "__main__":
    main()
