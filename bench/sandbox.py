"""What it costs to read media in processes of their own, next to reading here.

    python -m bench.sandbox [--runs 5]

Both ways in turn on the same clips: from a cold start and from a warm one to the first frame, every
frame decoded, and a whole analysis. Medians of the runs, and of the ratios within each run.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image

from bench.clips import face_clip
from detector import isolation, media
from detector.isolation import Sandbox
from detector.media.facts import probe_video
from detector.media.limits import MAX_PIXELS, WORKER, WORKER_PRELOAD
from detector.pipeline import Analyzer
from detector.schema.analysis import Media, Settings


@contextmanager
def _apart() -> Iterator[None]:
    """With a fork server that is ready, as it is on a server."""
    media.isolate()
    media.probe(face_clip(20, 640, 360))
    try:
        yield
    finally:
        isolation.stop_isolating()


def _first(path: Path) -> float:
    """Seconds from nothing known of a file to its first frame."""
    begun = time.perf_counter()
    about = media.probe(path)
    next(iter(media.decode(path, about, [0.0, about.duration or 0.0], notes=[])))
    return time.perf_counter() - begun


def _every(path: Path) -> float:
    """Seconds to decode every frame of a clip of 30 frames a second."""
    about = media.probe(path)
    times = [n / 30 for n in range(round((about.duration or 0) * 30))]
    begun = time.perf_counter()
    count = sum(1 for _ in media.decode(path, about, times, notes=[]))
    return (time.perf_counter() - begun) / count


def _cold() -> float:
    """Seconds from no fork server at all to the first answer."""
    begun = time.perf_counter()
    with Sandbox(WORKER, WORKER_PRELOAD) as box:
        box.call(probe_video, path := face_clip(20, 640, 360), returns=Media, reads=(path,))
    return time.perf_counter() - begun


def peak(path: str) -> tuple[int, int]:
    """In a worker: read a file as an analysis does. Bytes of address space, and of memory used."""
    about = media.probe(path)
    times = [0.0, (about.duration or 0.0) * 0.5, about.duration or 0.0]
    for _ in media.decode(path, about, times, notes=[]):
        pass
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    space, memory = (int(said[key].split()[0]) * 1024 for key in ("VmPeak", "VmHWM"))
    return space, memory


def _large_clip(path: Path, width: int, height: int) -> Path:
    """Gray, since only the size matters; four reference frames."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "refs": "4", "bf": "2"}
        for level in range(0, 240, 20):
            gray = np.full((height, width, 3), level, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(gray, "rgb24")))
        out.mux(stream.encode())
    return path


def _memory() -> None:
    """The largest of each kind, each in a worker without a bound."""
    from bench import sandbox as importable  # a worker knows nothing of this program's own name

    side = math.isqrt(MAX_PIXELS)
    unbounded = replace(WORKER, memory=64 * 1024**3)
    with tempfile.TemporaryDirectory() as folder, Sandbox(unbounded, WORKER_PRELOAD) as box:
        place = Path(folder)
        files = [
            _large_clip(place / f"{width}x{height}.mp4", width, height)
            for width, height in ((3840, 2160), (7680, 4320))
        ]
        for mode, name in (("L", "a.jpg"), ("RGB", "b.png"), ("RGBA", "c.png"), ("I;16", "d.png")):
            Image.new(mode, (side, side)).save(place / name)
            files.append(place / name)
        for file in files:
            used: tuple[int, int] = box.call(
                importable.peak,
                str(file),
                returns=tuple[int, int],
                reads=(str(file), "/proc/self/status"),
            )
            space, memory = used
            print(f"{file.name:28} {space / 1024**3:6.2f} GB of address space, "
                  f"{memory / 1024**3:5.2f} GB used")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    if parser.parse_args().memory:
        _memory()
        return
    runs = parser.parse_args().runs
    clips = {size: face_clip(20, *size) for size in ((640, 360), (1280, 720), (1920, 1080))}
    analyzer = Analyzer(device="cpu")
    analyzer.warm_up()
    settings = Settings()
    works: dict[str, Callable[[], float]] = {}
    for (width, height), clip in clips.items():
        name = f"{width} x {height}"
        works[f"{name}: first frame"] = lambda clip=clip: _first(clip)  # type: ignore[misc]
        works[f"{name}: a frame"] = lambda clip=clip: _every(clip)  # type: ignore[misc]

    def analysis() -> float:
        begun = time.perf_counter()
        analyzer.analyze(clips[1280, 720], settings)
        return time.perf_counter() - begun

    works["1280 x 720: analysis of 20 s"] = analysis
    analysis()
    cold = [_cold() for _ in range(runs)]
    print(f"start of the fork server, to its first answer: {statistics.median(cold):.2f} s")
    print(f"{'ms, median':32} {'here':>9} {'apart':>9} {'more':>8}")
    for name, work in works.items():
        here, there = [], []
        for _ in range(runs):
            here.append(work())
            with _apart():
                there.append(work())
        more = statistics.median(b / a - 1 for a, b in zip(here, there, strict=True))
        medians = (statistics.median(values) * 1e3 for values in (here, there))
        print(f"{name:32} {next(medians):9.1f} {next(medians):9.1f} {more:+8.0%}")


if __name__ == "__main__":
    main()
