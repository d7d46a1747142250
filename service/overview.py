"""What whoever runs a server sees of it: what is at work, how fast, on how much disk, and what came
of it. Counts only; no name of a file is in any of it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import Metric

from detector.models import registry
from detector.models.memory import total
from service import metrics
from service.context import PrincipalKind
from service.records.model import GUEST, KEY, LOCAL
from service.storage.uploads import Uploads
from service.tasks.manager import TaskManager
from service.tasks.task import SYSTEM, Task


@dataclass(frozen=True)
class Speed:
    """How long a stage of an analysis takes, since this server started."""

    stage: str
    number: int
    median: float
    """s, as is `high`; found between the bounds in which times are counted"""
    high: float
    """95 of 100 take less."""


@dataclass(frozen=True)
class Disk:
    """Bytes."""

    files: int
    free: int
    total: int


@dataclass(frozen=True)
class MemoryUse:
    """Bytes."""

    process: int
    models: int
    total: int
    """Of the machine, or its container."""


def memory() -> MemoryUse:
    """Return the memory of this process, of the models in it, and of the machine."""
    found = (sample for metric in metrics.REGISTRY.collect() for sample in metric.samples)
    process = sum(one.value for one in found if one.name == "process_resident_memory_bytes")
    models = sum(size for _id, _device, size in registry.loaded())
    return MemoryUse(round(process), models, total("cpu"))


def load() -> tuple[float, int]:
    """Return how many processes the machine was busy with in the last minute, and its cores."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return busy, os.cpu_count() or 1


def active(tasks: TaskManager) -> list[Task]:
    """Return all that waits or runs, what is longest at work first."""
    found = [task for kind in tasks.kinds() for task in tasks.visible(kind, SYSTEM) if task.active]
    return sorted(found, key=lambda task: (task.started is None, task.started or task.created))


def owner_kind(owner: str) -> tuple[PrincipalKind, str]:
    """Return who an owner is, with the few letters that tell two of a kind apart."""
    if owner == LOCAL:
        return PrincipalKind.LOCAL, ""
    for prefix, kind in ((GUEST, PrincipalKind.GUEST), (KEY, PrincipalKind.KEY)):
        if owner.startswith(prefix):
            return kind, owner.removeprefix(prefix)[:4]
    return PrincipalKind.USER, owner[:4]


def since(task: Task) -> datetime:
    """Return from when on a task runs, or waits."""
    return task.started or task.created


def speeds() -> list[Speed]:
    """Return how long each stage takes, the slowest first."""
    found = []
    for stage, bounds in _histograms(metrics.STAGE_SECONDS.collect()).items():
        if number := round(bounds[-1][1]):
            median, high = (_quantile(bounds, share) for share in (0.5, 0.95))
            found.append(Speed(stage, number, median, high))
    return sorted(found, key=lambda one: -one.median)


def errors() -> dict[str, int]:
    """Return how many analyses ended without a result since this server started, by code."""
    return _counts(metrics.ERRORS.collect(), "code")


def ended() -> dict[str, int]:
    """Return how many analyses ended since this server started, by state."""
    return _counts(metrics.ANALYSES.collect(), "state")


def cache_hits() -> int:
    """Return how many files were given an earlier answer since this server started."""
    return sum(_counts(metrics.CACHE_HITS.collect(), "").values())


def disk(uploads: Uploads) -> Disk:
    """Return what the kept files take, and what is left."""
    usage = shutil.disk_usage(uploads.root)
    files = uploads.size(folder.name for folder in uploads.root.iterdir())
    return Disk(files, usage.free, usage.total)


def _counts(collected: Iterable[Metric], label: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for metric in collected:
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                name = sample.labels.get(label, "")
                counts[name] = counts.get(name, 0) + round(sample.value)
    return counts


def _histograms(collected: Iterable[Metric]) -> dict[str, list[tuple[float, float]]]:
    """Return the bounds and counts below them, by stage."""
    out: dict[str, list[tuple[float, float]]] = {}
    for metric in collected:
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                bound = float(sample.labels["le"])
                out.setdefault(sample.labels["stage"], []).append((bound, sample.value))
    return {stage: sorted(bounds) for stage, bounds in out.items()}


def _quantile(bounds: list[tuple[float, float]], share: float) -> float:
    """Return a quantile as Prometheus' histogram_quantile does: evenly within its bound; the last
    finite bound where it lies beyond."""
    rank, low, below = share * bounds[-1][1], 0.0, 0.0
    for bound, count in bounds:
        if count >= rank:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / max(1e-9, count - below)
        low, below = bound, count
    return low
