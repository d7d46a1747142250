"""Measure the live engine on a recorded face in real time.

    python -m lab.bench.live                          # 30 s, one viewer, the bundled sample
    python -m lab.bench.live CLIP --viewers 2
    python -m lab.bench.live --seconds 600            # memory over time
    python -m lab.bench.live LABELS.csv ... --alarms  # alarms of clips through a video link
                                                  # (no clock: every frame in its turn)

Frames are 640 x 480 and pushed at 25 a second, each then drawn upon as the page does. Reported:
frames displayed a second; frames scored a second; from push to the state with that frame's box
("delay") and with its score; how old the box on a displayed frame is ("glass to overlay": from the
push of the frame that the box was measured in to the end of drawing the frame it is shown on);
share of the CPU that the process took, of one core; resident memory; the load of the machine.
"""

import io
import os
import resource
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np
from typer import Argument, Option

from detector import live, media, samples
from detector.evaluation.labels import read_labels
from detector.presentation.live import share
from detector.schema.analysis import Label
from lab.bench import command

SIZE = (640, 480)
FPS = 25.0
BIT_RATES = (500_000, 1_000_000, 1_500_000)
"""bit/s of the video link, clip by clip"""
SCORED = 4.0
"""Frames a second that are scored of labelled clips; CLIP once a second as on the page"""


def recording(path: Path | None, seconds: float = 8.0) -> list[np.ndarray]:
    """Return frames of a clip at 640 x 480 and 25 a second; default: the bundled manipulated
    sample."""
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            made = samples.make_samples(Path(folder))
            path = next(s.path for s in made if s.id == "manipulated")
        info = media.probe(path)
        times = [n / FPS for n in range(int(min(info.duration or 0.0, seconds) * FPS))]
        frames = media.decode(path, info, times, notes=[])
        return [cv2.resize(_middle(f.rgb), SIZE, interpolation=cv2.INTER_AREA) for f in frames]


def _middle(rgb: np.ndarray) -> np.ndarray:
    """Return the largest centered part of 4:3."""
    height, width = rgb.shape[:2]
    w, h = min(width, height * 4 // 3), min(height, width * 3 // 4)
    left, top = (width - w) // 2, (height - h) // 2
    return rgb[top : top + h, left : left + w]


def resident() -> float:
    """Return the resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class LoadViewer(threading.Thread):
    """Pushes frames and draws on them, as the page's callback does."""

    def __init__(self, session: live.LiveSession, frames: list[np.ndarray], seconds: float) -> None:
        super().__init__(daemon=True)
        self.session, self.frames, self.seconds = session, frames, seconds
        self.shown = 0
        self.ages: list[float] = []
        self.work_ms: list[float] = []

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
            state = self.session.state
            live.draw(frame, state, time=t)
            end = time.perf_counter()
            self.work_ms.append((end - start) * 1e3)
            if state.faces and (came := dict(pushed).get(state.faces[0].time)) is not None:
                self.ages.append((end - came) * 1e3)
            self.shown += 1
            number += 1


def figures(values: list[float]) -> str:
    """Return the median and the 95th percentile."""
    if not values:
        return "none"
    return f"p50 {np.percentile(values, 50):.0f}, p95 {np.percentile(values, 95):.0f} ms"


def real_time(path: Path | None, viewers: int, seconds: float, models: list[str] | None) -> float:
    """Feed frames in real time, and print rates, delays, CPU time and memory; return scored frames
    a second of a viewer."""
    frames = recording(path)
    engine = live.LiveEngine()
    settings = live.LiveSettings(models=None if models is None else tuple(models))
    sessions = [engine.open(settings) for _ in range(viewers)]
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
        print(f"  push and draw   {figures(viewer.work_ms)}")
    print(
        f"delay to the box: p95 of each 3 s, median {statistics.median(delays or [0]):.0f} ms; "
        f"to the score, median {statistics.median(score_delays or [0]):.0f} ms"
    )
    print(f"CPU {share:.2f} of one core ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")
    if memory:
        third = max(1, len(memory) // 3)
        first, last = statistics.mean(memory[:third]), statistics.mean(memory[-third:])
        print(f"memory: first third {first:.0f} MiB, last {last:.0f}, peak {max(memory):.0f}")
    scored = statistics.mean(session.state.rates.scored for session in sessions)
    engine.close()
    return scored


def linked(frames: Sequence[np.ndarray], bit_rate: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield frames as a browser's video link delivers them: VP8, encoded in real time."""
    file = io.BytesIO()
    options = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0"}
    with av.open(file, "w", format="webm") as out:
        stream = out.add_stream("libvpx", rate=round(FPS), options=options)
        stream.width, stream.height = SIZE
        stream.bit_rate, stream.gop_size = bit_rate, 3000
        stream.codec_context.thread_count = 1
        for rgb in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as link:
        for frame in link.decode(video=0):
            yield frame.time, frame.to_ndarray(format="rgb24")


def count_alarms(
    lists: Sequence[Path], kinds: Sequence[str], seconds: float, limit: int | None
) -> None:
    """Count alarms of labelled clips, each played forwards and backwards for some seconds."""
    engine = live.LiveEngine(threaded=False)
    for label in kinds:
        items = [item for file in lists for item in read_labels(file) if item.kind == "video"]
        clips = [item.file for item in items if item.label == (label == "fake")]
        clips = clips[:: max(1, len(clips) // limit)][:limit] if limit else clips
        alarmed = named = raised = crowds = 0
        for number, path in enumerate(clips):
            once = recording(path, seconds)
            frames = list(islice(cycle(once + once[::-1]), round(seconds * FPS)))
            session = engine.open(live.LiveSettings(name=path.name))
            engine.drain()
            session._rates.best = SCORED
            labelled_fake = False
            for at, rgb in linked(frames, BIT_RATES[number % len(BIT_RATES)]):
                session.push(rgb, at)
                engine.drain()
                labelled_fake |= session.state.reading.label is Label.FAKE
            session.close()
            count = sum(alarm.kind == "manipulated" for alarm in session.state.alarms)
            record, shown = session.finish(), session.state.reading
            raised, alarmed, named = raised + count, alarmed + bool(count), named + labelled_fake
            crowds += len(record.judged) > 1
            said = f"{shown.label:14} {share(shown.probability):>5}  {len(record.judged)} people"
            print(f"{label} {said}  {count} alarms  {path.name}", flush=True)
        minutes = len(clips) * seconds / 60
        print(
            f"{label}: {len(clips)} clips, {minutes:.1f} minutes: {raised} alarms, "
            f"{10 * raised / max(minutes, 1e-9):.2f} in 10 minutes, in {alarmed} clips; ever "
            f"likely manipulated {named}; several people {crowds}"
        )
    engine.close()


def main(
    files: Annotated[list[Path] | None, Argument(help="a clip, or with --alarms labels")] = None,
    viewers: int = 1,
    seconds: float = 30.0,
    models: Annotated[str | None, Option(help="ids, separated by commas")] = None,
    alarms: bool = False,
    reals: Annotated[bool, Option(help="untouched clips only")] = False,
    limit: Annotated[int | None, Option(help="clips of each label, spread over the list")] = None,
) -> None:
    if alarms:
        count_alarms(files or [], ("real",) if reals else ("real", "fake"), seconds, limit)
    else:
        clip = files[0] if files else None
        real_time(clip, viewers, seconds, models.split(",") if models else None)


if __name__ == "__main__":
    command(main)
