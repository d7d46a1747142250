"""Measure how long analyses take on 1, 2 … n cores, and how near that is to the limits.

    python -m lab.bench.pipeline [ROW ...] [--cores 1 --cores 2] [--runs 3] [--json FILE]

Each row is measured in processes of its own that are bound to so many cores; without names, all
rows (`--list`). The table: seconds to the first reading and to the verdict (median and least of the
runs, models loaded), cores used meanwhile, and peak memory of the process. Some rows are a rate:
photos a minute through `unmask batch` (without its start), scored frames a second in Live.

The limit of a row is the slower of decoding alone (PyAV with its own threads) and the networks
alone on all cores: the calls of the face detector and of the models in the analysis, from memory,
spread over as many threads as there are cores. `UNMASK_PRECISION=f32` gives the times of processors
without bf16.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import av
import numpy as np
import pandas as pd
from typer import Argument, Option

from detector.cores import usable_cores
from lab.bench import command, timed
from tests.support import clips

Files = Callable[[], Sequence[Path]]
PHOTOS = 8, 40
"""Photos of the two batches whose difference is the rate"""


ROWS: dict[str, Files] = {
    "photo": lambda: [clips.photo()],
    "photo with a face": lambda: [clips.face_picture(1280, 720)],
    "1 s": lambda: [clips.face_clip(1, 1280, 720)],
    "20 s": lambda: [clips.face_clip(20, 1280, 720)],
    "3 minutes": lambda: [clips.film(3)],
    "27 minutes": lambda: [clips.long_film(9)],
    "voice of 30 s": lambda: [clips.voice(30)],
    "call of 12": lambda: [clips.call(3, 12)],
    "four at once": lambda: [clips.face_clip(20, 1280, 720)] * 4,
}
RATES = ("photos a minute", "Live, frames a second")


def decode_alone(path: Path) -> None:
    """Decode every frame of a file, or its sound."""
    with av.open(str(path)) as container:
        for stream in (*container.streams.video, *container.streams.audio)[:1]:
            stream.codec_context.thread_type = "AUTO"
            for _frame in container.decode(stream):
                pass


class NetworkRuns:
    """The calls of networks in one analysis, without anything else."""

    def __init__(self, analyze: Callable[[], object]) -> None:
        self.calls: list[Callable[[], object]] = []
        from detector import vision
        from detector.models import registry

        detectors = {type(vision.load_detector("mtcnn", "cpu"))}
        models = [registry.load_model(spec.id, device="cpu") for spec in registry.choose(None)]
        with self._recorded(detectors, ("detect", "follow")), self._recorded(models, ("read",)):
            analyze()

    @contextmanager
    def _recorded(self, owners: Any, names: Sequence[str]) -> Iterator[None]:
        before = [(owner, name, getattr(owner, name)) for owner in owners for name in names]
        for owner, name, call in before:
            setattr(owner, name, self._recorder(call))
        try:
            yield
        finally:
            for owner, name, call in before:
                setattr(owner, name, call)

    def _recorder(self, call: Callable[..., object]) -> Callable[..., object]:
        def record(*given: Any) -> object:
            kept = [g.copy() if isinstance(g, np.ndarray) else g for g in given]
            self.calls.append(partial(call, *kept))
            return call(*given)

        return record

    def seconds(self, cores: int) -> float:
        """Return the seconds of all calls, spread over so many threads or one after another, which
        is faster."""

        def spread() -> None:
            with ThreadPoolExecutor(cores) as pool:
                for done in [pool.submit(call) for call in self.calls]:
                    done.result()

        one_by_one, _ = timed(lambda: [call() for call in self.calls])
        return min(one_by_one, timed(spread)[0])


def peak_gb() -> float:
    """Return the peak memory of this process, GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6


def measured(name: str, runs: int) -> dict[str, float | None]:
    """Return the figures of a row in this process."""
    from detector.pipeline import Analyzer

    files, analyzer = ROWS[name](), Analyzer(device="cpu")
    analyzer.warm_up()

    def one(path: Path) -> float | None:
        begun, first = time.perf_counter(), list[float]()

        def observe(progress: Any) -> None:
            if not first and getattr(progress, "reading", None) is not None:
                first.append(time.perf_counter() - begun)

        analyzer.analyze(path, observe=observe)
        return first[0] if first else None

    def all_of_them() -> list[float | None]:
        if len(files) == 1:
            return [one(files[0])]
        with ThreadPoolExecutor(len(files)) as pool:
            return list(pool.map(one, files))

    all_of_them()  # what is made or loaded once
    peak = peak_gb()
    networks = NetworkRuns(lambda: analyzer.analyze(files[0]))
    walls, used, readings, limits = (list[float]() for _figure in range(4))
    for _run in range(runs):
        first = list[float | None]()
        wall, cpu = timed(lambda: first.extend(all_of_them()))  # noqa: B023 -- called at once
        walls.append(wall)
        used.append(cpu / wall)
        readings += [seconds for seconds in first if seconds is not None]
        networks_alone = networks.seconds(usable_cores()) * len(files)
        limits.append(max(timed(partial(decode_alone, files[0]))[0], networks_alone))
    return {
        "first reading, s": median(readings) if readings else None,
        "verdict, s": median(walls),
        "least, s": min(walls),
        "cores used": median(used),
        "limit, s": median(limits),
        "peak GB": peak,
    }


def photos_a_minute(runs: int) -> dict[str, float | None]:
    """Return the rate of `unmask batch`, without its start."""
    rates = []
    for _run in range(runs):
        seconds = []
        for count in PHOTOS:
            with tempfile.TemporaryDirectory() as folder:
                photos = clips.face_pictures(Path(folder, "photos"), count)
                words = [sys.executable, "-m", "cli", "batch", photos, "--out", f"{folder}/out"]
                run = partial(subprocess.run, words, check=True, capture_output=True)
                seconds.append(timed(run)[0])
        rates.append(60 * (PHOTOS[1] - PHOTOS[0]) / (seconds[1] - seconds[0]))
    return {"a minute": median(rates)}


def live_rate(_runs: int) -> dict[str, float | None]:
    """Return scored frames a second in Live."""
    from lab.bench.live import real_time

    return {"a second": real_time(None, 1, 20.0, None)}


def one_row(name: str, cores: int, runs: int) -> dict[str, Any]:
    """Return the figures of a row from a process that is bound to so many cores."""
    words = [sys.executable, "-m", __spec__.name, name, "--here", "--runs", str(runs)]
    if sys.platform == "linux":
        words = ["taskset", "-c", f"0-{cores - 1}", *words]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return {"row": name, "cores": cores, "failed": done.stderr.strip().splitlines()[-1:]}
    return {"row": name, "cores": cores} | json.loads(done.stdout.splitlines()[-1])


def processor() -> str:
    """Return the processor and the instruction sets that matter."""
    from detector import runtime

    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd")
    sets = [name for name in known if name in runtime._processor_flags()]
    return f"{platform.machine()}, {usable_cores()} cores, {' '.join(sets) or 'unknown sets'}"


def main(
    rows: Annotated[list[str] | None, Argument(help="names; none: all")] = None,
    cores: Annotated[list[int] | None, Option(help="default: 1 to all")] = None,
    runs: int = 3,
    file: Annotated[Path | None, Option("--json", help="append the rows to a file")] = None,
    here: Annotated[bool, Option(help="measure one row in this process, as JSON")] = False,
    names: Annotated[bool, Option("--list", help="print the names of the rows")] = False,
) -> None:
    if names:
        print(*ROWS, *RATES, sep="\n")
        return
    if here:
        measure = dict(zip(RATES, (photos_a_minute, live_rate), strict=True))
        name = (rows or [""])[0]
        figures = measure[name](runs) if name in measure else measured(name, runs)
        print(json.dumps(figures | {"load": os.getloadavg()[0]}))
        return
    for make in ROWS.values():
        make()  # before the clock runs
    print(processor(), flush=True)
    found = []
    for name in rows or [*ROWS, *RATES]:
        for count in cores or range(1, usable_cores() + 1):
            found.append(one_row(name, count, runs))
            print(json.dumps(found[-1]), flush=True)
            if file:
                with file.open("a") as out:
                    print(json.dumps(found[-1]), file=out)
    print(pd.DataFrame(found).round(2).to_string(index=False))


if __name__ == "__main__":
    command(main)
