"""A batch on a Ray cluster of this computer beside the same batch in this process.

    python -m bench.cluster [--clips 48] [--seconds 2] [--rounds 3] [--workers 2] [--database URL]

In turns, on clips that differ, so that whatever else the machine does meets both. Then what the
figures of docs/scale.md stand on: what a call costs that does nothing, a file that has to be sent,
a line of the journal, a file that is read for its hash, and a record from its beginning to its end
in SQLite or in the PostgreSQL of --database, which gets a hundred more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.batch import different
from bench.clips import face_clip
from detector.batch import BatchOptions, BatchRun, read_source
from detector.batch.journal import Journal
from detector.cluster import ClusterAnalyzer, ClusterOptions, transfer
from detector.errors import MediaError
from detector.media.files import open_file, sha256
from detector.schema.analysis import Analysis, Settings
from service.records.model import Record
from service.records.rules import new_id
from service.records.sql import open_store


def compare(args: argparse.Namespace, cluster: ClusterAnalyzer, folder: Path) -> dict[str, Any]:
    """Seconds a clip in each round, in this process and on the cluster; a line of the journal."""
    clip = face_clip(args.seconds, 640, 360, 25)
    settings = Settings(frames=args.frames)
    each = max(1, args.clips // args.rounds // 2)
    here = BatchOptions(settings=settings, device="cpu")
    there = BatchOptions(settings=settings, device="cpu", parallel=cluster.slots)
    times: dict[str, Any] = {"process": [], "ray": []}
    with (
        BatchRun(folder / "process", here) as process,
        BatchRun(folder / "ray", there, cluster) as ray,
    ):
        process.analyzer.warm_up()  # type: ignore[attr-defined]
        cluster.warm_up()
        batches = {"process": process, "ray": ray}
        for n in range(-1, args.rounds):  # the first is to warm up
            for m, (name, batch) in enumerate(batches.items()):
                source = folder / f"{name}{n}"
                different(clip, source, (2 * (n + 1) + m) * each, each if n >= 0 else cluster.slots)
                entries = read_source(source).entries
                begun = time.perf_counter()
                tally = batch.run(entries)
                seconds = time.perf_counter() - begun
                assert tally.analyzed == len(entries), tally
                if n >= 0:
                    times[name].append(seconds / each)
        times["line"] = next(ray.journal.lines())
    return times


def calls(cluster: ClusterAnalyzer, folder: Path, count: int = 400) -> tuple[float, float]:
    """Seconds of a call that ends at once: one after the other, and many side by side."""
    path = folder / "text.mp4"
    path.write_text("no video")

    def call(_: int) -> None:
        try:
            cluster.analyze(path)
        except MediaError:
            return
        raise AssertionError

    call(0)
    begun = time.perf_counter()
    for n in range(count // 4):
        call(n)
    alone = (time.perf_counter() - begun) / (count // 4)
    with ThreadPoolExecutor(32) as pool:
        begun = time.perf_counter()
        list(pool.map(call, range(count)))
    return alone, (time.perf_counter() - begun) / count


def sent(folder: Path, megabytes: int = 100) -> tuple[float, float]:
    """MB/s of a file through the object store of one machine, and of reading it for its hash."""
    path = folder / "large"
    path.write_bytes(os.urandom(megabytes * 10**6))
    with open_file(path) as file:
        digest = sha256(file)
        begun = time.perf_counter()
        sha256(file)
        hashed = time.perf_counter() - begun
    begun = time.perf_counter()
    with transfer.received(path, digest, transfer.put(path)) as there:
        assert there is not None and there.stat().st_size == path.stat().st_size
    return megabytes / (time.perf_counter() - begun), megabytes / hashed


def lines(folder: Path, line: dict[str, Any], count: int = 500) -> tuple[float, int]:
    """Seconds of a line of the journal, and its bytes."""
    journal = Journal(folder / "lines.jsonl")
    begun = time.perf_counter()
    for n in range(count):
        journal.add({**line, "file": f"{n}.mp4", "id": str(n)})
    seconds = (time.perf_counter() - begun) / count
    journal.close()
    return seconds, journal.path.stat().st_size // count


def records(place: Path | str, analysis: Analysis, count: int = 100) -> float:
    """Seconds of a record: put in line, and finished with its result. One writer."""
    store, now = open_store(place), datetime.now(UTC)
    begun = time.perf_counter()
    for n in range(count):
        run = f"bench:{n}"
        record = Record(
            id=new_id(), owner="bench", created=now, touched=now, name=f"{n}.mp4",
            sha256=analysis.media.sha256, size=analysis.media.size, run=run,
        )  # fmt: skip
        store.add(record)
        store.finish("bench", record.id, run, analysis, thumbnail=None, cache_key="")
    seconds = (time.perf_counter() - begun) / count
    store.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", default="", help="postgresql://...")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    folder = Path(tempfile.mkdtemp(prefix="unmask-cluster-"))
    options = ClusterOptions("local", workers=args.workers, cpus=cores / args.workers)
    begun = time.perf_counter()
    try:
        with ClusterAnalyzer(options, device="cpu") as cluster:
            cluster.warm_up()
            started = time.perf_counter() - begun
            times = compare(args, cluster, folder)
            alone, beside = calls(cluster, folder)
            store, hashed = sent(folder)
            written, size = lines(folder, times["line"])
            analysis = Analysis.model_validate(times["line"]["analysis"])
            record = records(args.database or folder / "records.db", analysis)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    here, there = (median(times[name]) for name in ("process", "ray"))
    ratios = sorted(b / a for a, b in zip(times["process"], times["ray"], strict=True))
    print(
        f"{args.clips} clips of {args.seconds:g} s, 640x360, {args.frames} frames, {cores} cores, "
        f"{args.workers} workers, load {os.getloadavg()[0]:.1f}\n"
        f"in this process {here:.3f} s a clip, on the cluster {there:.3f} s: "
        f"{median(ratios):.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})\n"
        f"until the first worker is ready {started:.1f} s\n"
        f"a call that does nothing {alone * 1e3:.1f} ms, side by side {1 / beside:.0f} a second\n"
        f"through the object store {store:.0f} MB/s, hashed {hashed:.0f} MB/s\n"
        f"a line of the journal {size / 1e3:.1f} kB, {written * 1e3:.2f} ms, "
        f"{1 / written:.0f} a second\n"
        f"a record in {'PostgreSQL' if args.database else 'SQLite'} {record * 1e3:.1f} ms, "
        f"{1 / record:.0f} a second of one writer"
    )


if __name__ == "__main__":
    main()
