"""What judging a sound takes, by stage, and whether its memory stays flat with length.

    python -m bench.sound [--runs 5]
    python -m bench.sound --memory

60 s of made speech, as WAV and as MP3 of 64 kbit/s: reading (decoding in the confined reader and
resampling), finding speech, rating it, and the model on its windows, one after another; then the
whole analysis, in which reading and scoring overlap. Stages are processor seconds of one thread,
since other programs may be running; the reader is another process, so it is told by the clock. The
clock of the analysis means something on an idle machine only. The memory is the largest resident
size of `unmask analyze` in a process of its own, on 1, 10 and 60 minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from bench.memory import peak
from detector.audio.recording import Recording
from detector.audio.sound import read, stretches
from detector.audio.speech import SpeechDetector
from detector.models import registry
from detector.models.base import repeated
from detector.pipeline import Analyzer
from detector.schema.analysis import Settings
from tests.support import speech

SECONDS = 60.0
LIMIT = 1.5
"""s that 60 s may take on two cores"""
LONG = (1, 10, 60)
"""minutes"""


def stages(path: Path) -> dict[str, float]:
    """Return seconds by stage, each alone."""
    took: dict[str, float] = {}

    def lap(name: str, begun: float) -> float:
        now = time.process_time()
        took[name] = now - begun
        return now

    clock = time.perf_counter()
    blocks = list(read(path, stretches(0.0, SECONDS), notes=[]))
    took["read and resample"] = time.perf_counter() - clock
    at = time.process_time()
    detector = SpeechDetector()
    for _ in detector.feed(iter(blocks)):
        pass
    spans = detector.segments()
    at = lap("find speech", at)
    samples = (np.concatenate([b.samples for b in blocks]) * 32_768).astype(np.int16)
    recording = Recording([(0.0, samples)], spans)
    assert recording.quality is not None
    _ = recording.tonal
    at = lap("rate it", at)
    model = registry.load_model("timbre")
    recipe = model.spec.sound
    assert recipe
    windows = recording.windows(recipe.seconds, Settings().frames)
    batch = np.stack([repeated(recording.samples(span), recipe.samples) for span in windows])
    at = time.process_time()
    for start in range(0, len(batch), 8):
        model.score(batch[start : start + 8])
    lap(f"model, {len(windows)} windows", at)
    return took


def speed(runs: int) -> None:
    registry.load_model("timbre")
    analyzer = Analyzer(device="cpu")
    sound = speech.speech(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        for name, rate in (("wav", None), ("mp3", 64_000)):
            path = speech.write(Path(folder) / f"made.{name}", sound, bit_rate=rate)
            times: dict[str, list[float]] = defaultdict(list)
            whole: list[float] = []
            used: list[float] = []
            for run in range(runs + 1):
                alone = stages(path)
                begun, before = time.perf_counter(), time.process_time()
                analyzer.analyze(path)
                ended, after = time.perf_counter(), time.process_time()
                if not run:
                    continue  # networks are warmed
                whole.append(ended - begun)
                used.append(after - before)
                for stage, seconds in alone.items():
                    times[stage].append(seconds)
            medians = {stage: statistics.median(values) for stage, values in times.items()}
            total = sum(medians.values())
            print(f"{SECONDS:.0f} s of speech, {name}")
            for stage, seconds in medians.items():
                print(f"  {stage:22} {seconds:6.2f} s  {seconds / total:5.0%}")
            print(f"  {'one after another':22} {total:6.2f} s")
            took, processor = statistics.median(whole), statistics.median(used)
            print(f"  {'the analysis':22} {processor:6.2f} s  {took:.2f} s on the clock")
            print(f"  {'limit, two cores':22} {LIMIT:6.2f} s")


def memory() -> None:
    """Print the peak of sounds of several lengths, and of the shortest as a share."""
    minute = speech.speech(SECONDS)
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for minutes in LONG:
            path = Path(folder) / f"made-{minutes}.mp3"
            speech.write(path, np.tile(minute, minutes), bit_rate=64_000)
            size = peak(path)
            first = first or size
            print(f"{minutes:3} min: {size:.0f} MiB, {size / first:.3f} of the first")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    memory() if args.memory else speed(args.runs)


if __name__ == "__main__":
    main()
