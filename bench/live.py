"""The live engine fed with a recorded face at real time: does it hold its speed?

    python -m bench.live                          # 30 s, one viewer, the bundled sample
    python -m bench.live CLIP --viewers 2
    python -m bench.live --minutes 10             # memory over time
    python -m bench.live --words LABELS.csv       # what is said of labelled clips, and how often it
                                                  # changes (no clock: every frame in its turn)
    python -m bench.live --recapture LABELS.csv   # stripes of clips that no screen was filmed in

Frames are 640 x 480 and pushed at 25 a second, each then drawn upon as the page does. Reported:
frames displayed a second; frames scored a second; from push to the state with that frame's box
("delay") and with its score; how old the box on a displayed frame is ("glass to overlay": from the
push of the frame that the box was measured in to the end of drawing the frame it is shown on);
share of the CPU that the process took, of one core; resident memory. The load of the machine stands
beside them.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path

import cv2
import numpy as np

from detector import live, media, samples
from detector.live import recapture
from detector.schema.analysis import Label

SIZE = (640, 480)
FPS = 25.0
LONGEST = 60.0
"""s of a labelled clip that are watched"""


def recording(path: Path | None, seconds: float = 8.0) -> list[np.ndarray]:
    """Frames of a clip at 640 x 480 and 25 a second; default: the bundled manipulated sample."""
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            made = samples.make_samples(Path(folder))
            path = next(s.path for s in made if s.id == "manipulated")
        info = media.probe(path)
        times = [n / FPS for n in range(int(min(info.duration or 0.0, seconds) * FPS))]
        frames = media.decode(path, info, times, notes=[])
        return [cv2.resize(_middle(f.rgb), SIZE, interpolation=cv2.INTER_AREA) for f in frames]


def _middle(rgb: np.ndarray) -> np.ndarray:
    """The largest part of 4:3."""
    height, width = rgb.shape[:2]
    w, h = min(width, height * 4 // 3), min(height, width * 3 // 4)
    left, top = (width - w) // 2, (height - h) // 2
    return rgb[top : top + h, left : left + w]


def resident() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class LoadViewer(threading.Thread):
    """Pushes frames and draws on them, as the page's callback does."""

    def __init__(self, session: live.LiveSession, frames: list[np.ndarray], seconds: float) -> None:
        super().__init__(daemon=True)
        self.session, self.frames, self.seconds = session, frames, seconds
        self.shown = 0
        self.ages: list[float] = []
        self.push_ms: list[float] = []
        self.draw_ms: list[float] = []

    def run(self) -> None:
        begun = time.perf_counter()
        pushed: deque[tuple[float, float]] = deque(maxlen=200)
        # There and back, so that the picture never jumps.
        cycle = self.frames + self.frames[::-1]
        number = 0
        while (now := time.perf_counter() - begun) < self.seconds:
            t = number / FPS
            if now < t:
                time.sleep(t - now)
            elif now > t + 1 / FPS:  # a camera does not wait either
                number += 1
                continue
            frame = cycle[number % len(cycle)]
            start = time.perf_counter()
            pushed.append((t, start))
            self.session.push(frame, t)
            between = time.perf_counter()
            state = self.session.state
            live.draw(frame, state, time=t)
            end = time.perf_counter()
            self.push_ms.append((between - start) * 1e3)
            self.draw_ms.append((end - between) * 1e3)
            if state.faces:
                at = dict(pushed)
                if (came := at.get(state.faces[0].time)) is not None:
                    self.ages.append((end - came) * 1e3)
            self.shown += 1
            number += 1


def figures(values: list[float]) -> str:
    """Median and 95th percentile."""
    if not values:
        return "none"
    return f"p50 {np.percentile(values, 50):.0f}, p95 {np.percentile(values, 95):.0f} ms"


def real_time(path: Path | None, viewers: int, seconds: float, models: list[str] | None) -> None:
    """Feed, and print what was held."""
    frames = recording(path)
    engine = live.LiveEngine(models)
    sessions = [engine.open() for _ in range(viewers)]
    begun = time.perf_counter()
    while not all(s.state.ready for s in sessions):
        time.sleep(0.05)
    print(f"models loaded in {time.perf_counter() - begun:.1f} s; load {os.getloadavg()[0]:.1f}")
    people = [LoadViewer(session, frames, seconds) for session in sessions]
    cpu, begun = time.process_time(), time.perf_counter()
    for viewer in people:
        viewer.start()
    memory: list[float] = []
    delays: list[float] = []
    score_delays: list[float] = []
    step = max(1.0, seconds / 20)
    while any(viewer.is_alive() for viewer in people):
        time.sleep(min(1.0, step))
        rates = [s.state.rates for s in sessions]
        delays += [r.delay_p95 * 1e3 for r in rates if r.delay_p95 is not None]
        score_delays += [r.score_delay * 1e3 for r in rates if r.score_delay is not None]
        passed = time.perf_counter() - begun
        if passed >= step * (len(memory) + 1):
            memory.append(resident())
            if seconds >= 60:
                print(f"  {passed:5.0f} s: {memory[-1]:6.0f} MiB, load {os.getloadavg()[0]:.1f}")
    passed = time.perf_counter() - begun
    share = (time.process_time() - cpu) / passed
    for number, (viewer, session) in enumerate(zip(people, sessions, strict=True), 1):
        reached = session.state.rates
        print(f"viewer {number}:")
        print(f"  displayed       {viewer.shown / passed:5.1f} frames/s of {FPS:.0f}")
        print(f"  looked at       {reached.looked / passed:5.1f} frames/s")
        print(f"  scored          {reached.scored / passed:5.1f} frames/s")
        print(f"  glass to overlay  {figures(viewer.ages)}")
        print(
            f"  push            p50 {statistics.median(viewer.push_ms):.2f}, "
            f"max {max(viewer.push_ms):.1f} ms"
        )
        print(f"  state and draw  {figures(viewer.draw_ms)}")
    print(
        f"delay to the box: p95 of each 3 s, median {statistics.median(delays or [0]):.0f} ms; "
        f"to the score, median {statistics.median(score_delays or [0]):.0f} ms"
    )
    print(f"CPU {share:.2f} of one core ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    if memory:
        third = max(1, len(memory) // 3)
        first, last = statistics.mean(memory[:third]), statistics.mean(memory[-third:])
        print(
            f"memory: first third {first:.0f} MiB, last third {last:.0f} MiB, peak "
            f"{max(memory):.0f} MiB"
        )
    engine.close()


def labelled(labels: Path) -> list[tuple[Path, str]]:
    """Videos of a list with columns file, label and kind."""
    with labels.open(encoding="utf-8") as file:
        return [
            (labels.parent / row["file"], row["label"])
            for row in csv.DictReader(file)
            if row.get("kind", "video") == "video"
        ]


def words(labels: Path) -> None:
    """What a viewer would have read of labelled clips."""
    engine = live.LiveEngine(workers=0)
    ends: dict[str, Counter[str]] = {"real": Counter(), "fake": Counter()}
    ever: dict[str, int] = {"real": 0, "fake": 0}
    changes: dict[str, list[int]] = {"real": [], "fake": []}
    for path, label in labelled(labels):
        info = media.probe(path)
        rate = min(info.fps or 25.0, 30.0)
        length = min(info.duration or 0.0, LONGEST)
        session = engine.open(live.LiveSettings(name=path.name))
        engine.drain()
        said: list[Label] = []
        for frame in media.decode(
            path, info, [n / rate for n in range(int(length * rate))], notes=[]
        ):
            session.push(frame.rgb, frame.time)
            engine.drain()
            now = session.state.reading.label
            if now is not Label.NOT_APPLICABLE and (not said or said[-1] is not now):
                said.append(now)
        session.close()
        ends[label][said[-1] if said else "none"] += 1
        ever[label] += Label.FAKE in said
        changes[label].append(max(0, len(said) - 1))
        print(f"{label:5}{length:6.1f} s  {' > '.join(said):40} {path.name}", flush=True)
    for label in ends:
        total = sum(ends[label].values())
        print(
            f"{label}: {total} clips; at the end {dict(ends[label])}; ever likely manipulated "
            f"{ever[label]}; changes of the word a clip {np.mean(changes[label]):.2f}, most "
            f"{max(changes[label], default=0)}"
        )


def screens(labels: Path) -> None:
    """How high the measure of stripes goes where no screen was filmed."""
    found = []
    for path, _ in labelled(labels):
        info = media.probe(path)
        times = [(info.duration or 0.0) * share for share in (0.2, 0.5, 0.8)]
        found += [recapture.stripes(f.rgb) for f in media.decode(path, info, times, notes=[])]
    large = [value for value in found if value > 0]
    print(
        f"{len(large)} frames of at least {recapture.SIDE} px ({len(found) - len(large)} smaller): "
        f"median {np.median(large):.2f}, 99 % {np.percentile(large, 99):.2f}, "
        f"highest {max(large):.2f}; a screen from {recapture.PEAK}"
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--models", help="ids, separated by commas")
    parser.add_argument("--words", type=Path, metavar="LABELS.csv")
    parser.add_argument("--recapture", type=Path, metavar="LABELS.csv")
    args = parser.parse_args()
    if args.words:
        words(args.words)
    elif args.recapture:
        screens(args.recapture)
    else:
        seconds = args.minutes * 60 if args.minutes else args.seconds
        models = args.models.split(",") if args.models else None
        real_time(args.clip, args.viewers, seconds, models)


if __name__ == "__main__":
    main()
