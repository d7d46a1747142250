"""The one way into an analysis."""

import heapq
import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np

from detector import media, runtime, vision
from detector.errors import ModelError, UsageError
from detector.memory import return_freed
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import result_cache
from detector.pipeline.options import Observer, ProgressReporter, RunOptions
from detector.pipeline.planning import CLOSEST
from detector.pipeline.result_cache import ResultCache
from detector.pipeline.run import RunRequest, run_analysis
from detector.pipeline.scoring import DynamicBatcher
from detector.schema.analysis import Analysis, Settings
from detector.sentences import _

BASE = 0.1  # What a gap without any score is worth beside one across which a score goes from 0 to 1


def look_closer(request: RunRequest, path: Path, name: str | None) -> Analysis:
    """Go through a file twice, with more timestamps where a person's score moves or is high.
    Parameters as of `run_analysis`.

    The first pass is even, with a timestamp for every shot; the second keeps its results and fills
    the most promising gaps. A frame counts for the time it stands for
    (`detector.decision.people`), so that more frames at one place do not weigh more."""
    settings = request.settings
    reporter = ProgressReporter(request.observe, time.perf_counter(), settings.frames)
    quick = replace(request, scores_only=True)
    first, run = run_analysis(quick, path, name, RunOptions(frames_only=True), reporter)
    info = first.media
    if info.kind == "audio":  # there are no frames to look at closer
        return first
    timestamps = tuple(first.timestamps)
    if info.duration and info.kind != "image":
        part = media.part(info.duration, settings)
        curves = [
            {face.time: face.score for face in track.frames if face.score is not None}
            for track in first.judged
        ]
        timestamps = refine(run.timestamps, curves, part, settings.frames)
    reporter.again(len(timestamps))
    again = replace(run.known(), timestamps=timestamps)
    out, _ = run_analysis(request, path, name, again, reporter)
    for stage, seconds in first.timings.items():
        if stage != "total":  # which is of both times
            out.timings[stage] = round(out.timings.get(stage, 0.0) + seconds, 3)
    for model, before in zip(out.models, first.models, strict=True):
        if before.seconds:
            model.seconds = (model.seconds or 0.0) + before.seconds
    return out


Gap = tuple[float, float, float, tuple[tuple[float, float], ...]]
"""To sort by, start and end in s, each person's scores at both."""


def refine(
    timestamps: Sequence[float],
    curves: Sequence[Mapping[float, float]],
    part: tuple[float, float],
    most: int,
) -> tuple[float, ...]:
    """Return the timestamps of sampled frames, ascending, s, and more of them where scores move or
    are high: `most` in all, within `part`. `curves`, one for each person: time, rounded to 0.1 ms
    -> score, 0..1."""
    times = [part[0], *timestamps, part[1]]
    lines = []
    for curve in curves:
        known = [curve.get(round(t, 4), np.nan) for t in timestamps]
        lines.append([known[0], *known, known[-1]] if known else [])
    gaps: list[Gap] = []
    for n, (a, b) in enumerate(pairwise(times)):
        heapq.heappush(gaps, _gap(a, b, tuple((line[n], line[n + 1]) for line in lines)))
    chosen = list(timestamps)
    while len(chosen) < most and gaps:
        _, a, b, ends = heapq.heappop(gaps)
        if b - a < 2 * CLOSEST:
            continue
        middle = (a + b) / 2
        chosen.append(middle)
        between = [float(np.nanmean(pair)) if not np.isnan(pair).all() else np.nan for pair in ends]
        left = tuple((x, m) for (x, _), m in zip(ends, between, strict=True))
        right = tuple((m, y) for (_, y), m in zip(ends, between, strict=True))
        heapq.heappush(gaps, _gap(a, middle, left))
        heapq.heappush(gaps, _gap(middle, b, right))
    return tuple(sorted(chosen))


def _gap(a: float, b: float, ends: tuple[tuple[float, float], ...]) -> Gap:
    """Return a gap with the scores at its ends, to sort: the most promising first."""
    promise = 0.0
    for pair in ends:
        known = [x for x in pair if not np.isnan(x)]
        if known:
            promise = max(promise, max(known) + (abs(known[0] - known[1]) if known[1:] else 0.0))
    return -(BASE + promise) * (b - a), a, b, ends


FacesByTime = dict[float, list[vision.Detection]]
"""Time of a frame in s -> its faces; empty where none was found."""

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""One of these is there where a Linux machine has a GPU that torch can use: of NVIDIA (a Jetson's
is the second), of AMD, or that of Windows around it."""

log = logging.getLogger(__name__)


class Analyzer:
    """Analyzes files with shared, cached models. One instance serves all threads.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Where networks run. "auto": a GPU when there is one.
    max_concurrent_batches : int
        Let analyses that go on at the same time share their models' batches, with so many passes of
        one model side by side; 0: each feeds the models by itself.
    cache : path, optional
        A folder of results: the same content with the same settings, models and thresholds is
        answered from it, unless something failed. Default: every call is computed.

    Raises
    ------
    UsageError
        There is no such device.
    """

    slots = 0  # as many at a time as the cores of this computer allow

    def __init__(
        self,
        *,
        device: str = "auto",
        max_concurrent_batches: int = 0,
        cache: str | Path | None = None,
    ) -> None:
        self._wanted = device if device == "auto" else pick_device(device)
        self._cache = None if cache is None else ResultCache(Path(cache))
        self._detectors: dict[str, vision.FaceDetector] = {}
        self._batcher = DynamicBatcher(max_concurrent_batches) if max_concurrent_batches else None
        self._lock = threading.Lock()

    @cached_property
    def device(self) -> str:
        """Return where networks run: "cpu" or "cuda"; the first look may import torch."""
        return pick_device(self._wanted)

    def detector(self, name: str = "mtcnn") -> vision.FaceDetector:
        """Return a face detector by its name, loaded once."""
        with self._lock:
            if name not in self._detectors:
                with runtime.beside_others():
                    self._detectors[name] = vision.load_detector(name, self.device)
            return self._detectors[name]

    def close(self) -> None:
        """Do nothing: models stay cached in the process."""

    def warm_up(self, models: Sequence[str] | None = None, *, voices: bool | None = None) -> None:
        """Load the face detector and the models, so that the first analysis doesn't wait; those
        of voices last: most files are pictures.

        Parameters
        ----------
        voices : bool, optional
            Of all models those of voices alone, or all others; else all.
        """
        self.detector()

        def hears(spec: ModelSpec) -> bool:
            return spec.modality.of_sound

        voices_last = sorted(registry.choose(models), key=hears)
        chosen = [spec for spec in voices_last if voices in (None, hears(spec))]
        for spec in chosen:
            try:
                registry.load_model(spec.id, device=self.device)
            except ModelError as error:
                log.warning("%s", error.message)

    def analyze(
        self,
        path: str | Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
        scores_only: bool = False,
    ) -> Analysis:
        """Analyze one video, animation or picture.

        Parameters
        ----------
        path : path
            A file on this machine. Treated as hostile.
        name : str, optional
            What to call the file; default its own name.
        observe : callable, optional
            Called from this thread with a `Progress` a few times a second.
        cancel : threading.Event, optional
            Set it from elsewhere to stop.
        scores_only : bool
            Leave out signals and provenance, which don't change a verdict.

        Returns
        -------
        Analysis
            The same for the same input on the same machine, but for times.

        Raises
        ------
        MediaError
            The file cannot be read, or must not be.
        UsageError
            A model id is unknown, or the settings don't fit the file.
        Canceled
            `cancel` was set.
        """
        settings = settings or Settings()
        if self._cache is not None and not scores_only:
            return self._cached(self._cache, Path(path), settings, name, observe, cancel)
        return self._analyze(Path(path), settings, name, observe, cancel, scores_only)

    def _cached(
        self,
        cache: ResultCache,
        path: Path,
        settings: Settings,
        name: str | None,
        observe: Observer | None,
        cancel: threading.Event | None,
    ) -> Analysis:
        """Answer from the cache, or analyze and store."""
        file = media.identify(path, name=name)
        key = result_cache.key(file.sha256, settings)
        if key and (known := cache.get(key)):
            return known.model_copy(update={"media": file.of(known.media)})
        analysis = self._analyze(path, settings, name, observe, cancel, False)
        if key and analysis.media.sha256 == file.sha256 and result_cache.reusable(analysis):
            cache.put(key, analysis)
        return analysis

    def _analyze(
        self,
        path: Path,
        settings: Settings,
        name: str | None,
        observe: Observer | None,
        cancel: threading.Event | None,
        scores_only: bool,
    ) -> Analysis:
        if self._batcher is not None:
            runtime.without_helpers()  # busy-waiting OpenMP threads starve concurrent runs
        request = RunRequest(
            detector=self.detector(settings.faces),
            device=self.device,
            settings=settings,
            cancel=cancel or threading.Event(),
            observe=observe,
            scores_only=scores_only,
            batcher=self._batcher,
        )
        try:
            if request.settings.sampling == "closer":
                return look_closer(request, path, name)
            return run_analysis(request, path, name)[0]
        finally:
            return_freed()  # or each run leaves about 5 MB with glibc, for its threads end

    def rerun(
        self,
        path: str | Path,
        settings: Settings,
        options: RunOptions,
        *,
        cancel: threading.Event | None = None,
    ) -> tuple[Analysis, FacesByTime]:
        """Analyze a file, scores only, with what is known of it already; return its faces too, of
        a sound none.

        Parameters
        ----------
        options : RunOptions
            What need not be found out, and how its pictures are changed.

        Raises
        ------
        MediaError, UsageError, Canceled
            As `analyze`.
        """
        stop = cancel or threading.Event()
        detector = self.detector(settings.faces)
        request = RunRequest(detector, self.device, settings, stop, scores_only=True)
        analysis, run = run_analysis(request, Path(path), options=options)
        return analysis, {} if analysis.media.kind == "audio" else run.faces.by_time


def analyze(
    path: str | Path, settings: Settings | None = None, *, device: str = "auto"
) -> Analysis:
    """Analyze one file with a new `Analyzer`; models stay cached in the process."""
    return Analyzer(device=device).analyze(path, settings)


def pick_device(device: str) -> str:
    """ "cpu" or "cuda" for "auto" or either of them. UsageError when there is no such device."""
    if device == "cpu":
        return "cpu"
    if device == "auto":  # whether there could be a GPU: to import torch takes seconds
        linux = sys.platform == "linux"
        if metadata.version("torch").endswith("+cpu") or (
            linux and not any(Path(device).exists() for device in _GPU_DEVICES)
        ):
            return "cpu"
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(_("No GPU was found."), hint=_("Leave --device out to use the processor."))
    return device
