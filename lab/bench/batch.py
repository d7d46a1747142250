"""Compare the throughput of a batch with `analyze` in a loop; `lab.bench.pipeline` measures the
limits of both.

    python -m lab.bench.batch [--clips 60] [--seconds 2] [--rounds 3] [--parallel 0]

Loop and batch alternate on different files of one clip. On a busy machine compare CPU times.
"""

import os
import shutil
import tempfile
from pathlib import Path
from statistics import median

from detector.batch import BatchOptions, BatchRun, read_source
from detector.models import registry
from detector.pipeline import Analyzer
from detector.schema.analysis import Settings
from lab.bench import command, timed
from tests.support.clips import face_clip


def different(source: Path, folder: Path, begin: int, count: int) -> list[Path]:
    """Write copies of a clip that differ by a number in a `free` box, which readers skip."""
    folder.mkdir(parents=True)
    whole, paths = source.read_bytes(), []
    for n in range(begin, begin + count):
        path = folder / f"{n:04}.mp4"
        path.write_bytes(whole + (12).to_bytes(4, "big") + b"free" + n.to_bytes(4, "big"))
        paths.append(path)
    return paths


def main(
    clips: int = 60, seconds: float = 2.0, rounds: int = 3, frames: int = 32, parallel: int = 0
) -> None:
    cores = len(os.sched_getaffinity(0))
    settings = Settings(frames=frames)
    clip = face_clip(seconds, 640, 360, 25)
    loop = Analyzer(device="cpu")
    loop.warm_up()
    loop.analyze(clip, settings)
    each = max(1, clips // rounds // 2)
    loops, batches = [], []
    folder = Path(tempfile.mkdtemp(prefix="unmask-batch-"))
    try:
        options = BatchOptions(settings=settings, parallel=parallel, device="cpu")
        with BatchRun(folder / "out", options) as batch:
            assert isinstance(batch.analyzer, Analyzer)
            batch.analyzer.warm_up()
            for n in range(rounds):
                first = different(clip, folder / f"loop{n}", 2 * n * each, each)
                different(clip, folder / f"batch{n}", (2 * n + 1) * each, each)
                entries = read_source(folder / f"batch{n}").entries
                loops.append(timed(lambda: [loop.analyze(p, settings) for p in first]))  # noqa: B023
                batches.append(timed(lambda: batch.run(entries)))  # noqa: B023
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{2 * each * rounds} clips of {seconds:g} s, 640x360, {frames} frames, "
        f"{len(registry.choose(None))} models, {cores} cores, load {os.getloadavg()[0]:.1f}"
    )
    for name, runs in (("loop", loops), ("batch", batches)):
        wall, cpu = (median(values) / each for values in zip(*runs, strict=True))
        print(
            f"{name:5} {wall:.2f} s a clip, {cpu:.2f} s of the processor, "
            f"{cpu / wall / cores:.0%} of the cores"
        )
    ratios = sorted(a[0] / b[0] for a, b in zip(loops, batches, strict=True))
    print(f"batch / loop, throughput: {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    command(main)
