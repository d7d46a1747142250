"""Public entry point of an analysis, and the closer look at promising moments."""

import heapq
import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from detector import forked, media, runtime, threads, vision
from detector.errors import Canceled, ModelError, UsageError
from detector.memory import return_freed
from detector.models import registry
from detector.pipeline import planning, result_cache
from detector.pipeline.options import Observer, ProgressReporter, RunOptions, Seen, SeenAt, at
from detector.pipeline.planning import CLOSEST
from detector.pipeline.result_cache import ResultCache
from detector.pipeline.run import RunRequest, run_analysis
from detector.pipeline.scoring import DynamicBatcher
from detector.schema.analysis import Analysis, Modality, Settings
from detector.sentences import _

LATEST = 8  # results in memory from which a closer look goes on
ROUNDED = 1e-4  # s by which stored times may be too early
BASE = 0.1  # Weight of a gap without a score, where one across which a score goes from 0 to 1 has 1


def look_closer(request: RunRequest, earlier: Analysis | None = None) -> Analysis:
    """Analyze a file in two passes, with more timestamps where a person's score changes or is high.

    The first pass is even, with a timestamp for every shot; the second keeps its results and fills
    the most promising gaps. Frames are weighted by the time between them
    (`detector.decision.people`), so that dense sampling adds no weight. An `earlier` analysis of
    the file with the same settings is the first pass."""
    settings = request.settings
    if earlier is not None:
        return _go_on(request, earlier)
    reporter = ProgressReporter(request.observe, time.perf_counter(), settings.frames)
    quick = replace(request, scores_only=True)
    first, run = run_analysis(quick, RunOptions(frames_only=True), reporter)
    info = first.media
    if info.kind == "audio":  # without frames
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
    out, _ = run_analysis(request, replace(run.known(), timestamps=timestamps), reporter)
    for stage, seconds in first.timings.items():
        if stage != "total":  # which includes both passes
            out.timings[stage] = round(out.timings.get(stage, 0.0) + seconds, 3)
    for model, before in zip(out.models, first.models, strict=True):
        if before.seconds:
            model.seconds = (model.seconds or 0.0) + before.seconds
    return out


def _go_on(request: RunRequest, earlier: Analysis) -> Analysis:
    """Look closer from an earlier analysis on."""
    settings, info = request.settings, earlier.media.model_copy(deep=True)
    reporter = ProgressReporter(request.observe, time.perf_counter())
    shots = planning.shots(request.path, info, settings, request.cancel)
    # The stored times are rounded: the frame shown a little later is the one that they mean.
    times = tuple(time + ROUNDED for time in earlier.timestamps)
    most = max(settings.frames, len(times))
    if shots:
        times = media.with_every_shot(times, shots, len(times) + (most - len(times)) // 2)
    curves = [
        {
            round(face.time + ROUNDED, 4): face.score
            for face in track.frames
            if face.score is not None
        }
        for track in earlier.judged
    ]
    times = refine(times, curves, media.part(info.duration or 0.0, settings), most)
    options = RunOptions(media=info, shots=shots, timestamps=times, known=known(earlier))
    return run_analysis(request, options, reporter)[0]


def known(analysis: Analysis) -> dict[Modality, SeenAt]:
    """Return the faces and scores of an analysis, for a further run of the same file."""
    found: dict[Modality, dict[float, list[Seen]]] = {
        modality: {at(time): [] for time in analysis.timestamps}
        if modality is Modality.FACE
        else {}
        for modality in Modality
        if not modality.of_sound
    }
    for subject in analysis.subjects:
        if subject.modality.of_sound:
            continue
        for frame in subject.frames:
            face = None
            if subject.modality is Modality.FACE:
                face = vision.Detection(frame.box, tuple(frame.landmarks), confidence=1.0)
            found[subject.modality].setdefault(at(frame.time), []).append((face, frame))
    for faces in found[Modality.FACE].values():  # in the detector's order
        faces.sort(key=lambda pair: (pair[1].box[0] + pair[1].box[2], pair[1].box[1]))
    return dict(found)


Gap = tuple[float, float, float, tuple[tuple[float, float], ...]]
"""Negative priority, start and end in s, each person's scores at both."""


def refine(
    timestamps: Sequence[float],
    curves: Sequence[Mapping[float, float]],
    part: tuple[float, float],
    most: int,
) -> tuple[float, ...]:
    """Return sampled timestamps, ascending, s, with further ones where scores change or are high:
    `most` in all, within `part`. `curves`, one for each person: time, rounded to 0.1 ms -> score,
    0..1."""
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
    """Return a gap with its priority: the most promising sorts first."""
    promise = 0.0
    for pair in ends:
        known = [x for x in pair if not np.isnan(x)]
        if known:
            promise = max(promise, max(known) + (abs(known[0] - known[1]) if known[1:] else 0.0))
    return -(BASE + promise) * (b - a), a, b, ends


FacesByTime = dict[float, list[vision.Detection]]
"""Time of a frame, s -> its faces; empty where none was detected."""

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""One of these exists where Linux has a GPU for torch: NVIDIA, NVIDIA Jetson, AMD, or WSL."""

log = logging.getLogger(__name__)


class Analyzer:
    """Analyzes files with shared, cached models. Thread-safe.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        Where networks run. "auto": a GPU when there is one.
    max_concurrent_batches : int
        Share batches between concurrent analyses, with so many concurrent passes of one model; 0:
        each analysis feeds the models by itself.
    cache : path, optional
        Folder of results: the same content with the same settings, models and thresholds is served
        from it, unless something failed. Default: no cache.

    Raises
    ------
    UsageError
        There is no such device.
    """

    slots = 0  # concurrent analyses; 0: as many as the cores of this computer allow

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
        self._latest: dict[str, Analysis] = {}
        self._lock = threading.Lock()

    @cached_property
    def device(self) -> str:
        """Return where networks run: "cpu" or "cuda"; the first access may import torch."""
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
        """Load the face detector and the models, so that the first analysis doesn't wait; voice
        models last, since most files are pictures.

        Parameters
        ----------
        voices : bool, optional
            Load voice models alone, or all but these. Default: all.
        """
        with threads.visit("warm_up"):
            self.detector()
            for spec in sorted(registry.choose(models), key=lambda spec: spec.modality.of_sound):
                if threads.exiting.is_set():
                    return
                if voices in (None, spec.modality.of_sound):
                    try:
                        registry.load_model(spec.id, device=self.device)
                    except ModelError as error:
                        log.warning("%s", error.message)
                    except Canceled:  # the process ends
                        return

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
            Name of the file in the result; default its own.
        observe : callable, optional
            Called from this thread with a `Progress` a few times a second.
        cancel : threading.Event, optional
            Set it from another thread to stop.
        scores_only : bool
            Leave out signals and provenance, which don't change a verdict.

        Returns
        -------
        Analysis
            The same for the same input on the same machine, apart from times.

        Raises
        ------
        MediaError
            The file cannot be read, or must not be.
        UsageError
            A model id is unknown, the settings don't fit the file, or the process was forked from
            one that has analyzed before.
        Canceled
            `cancel` was set.
        """
        forked.about_to_run()
        settings = settings or Settings()
        cancel = cancel or threading.Event()
        with threads.visit("analyze", cancel.set):
            return self._cached(path, settings, cancel, name, observe, scores_only=scores_only)

    def _cached(
        self,
        path: str | Path,
        settings: Settings,
        cancel: threading.Event,
        name: str | None,
        observe: Observer | None,
        *,
        scores_only: bool,
    ) -> Analysis:
        run = partial(self._run, path, settings, cancel, name=name, observe=observe)
        if self._cache is None or scores_only:
            return run(scores_only=scores_only)
        file = media.identify(path, name=name)
        key = result_cache.key(file.sha256, settings)
        if key and (known := self._cache.get(key)):
            return known.model_copy(update={"media": file.of(known.media)})
        analysis = run()
        if key and analysis.media.sha256 == file.sha256 and result_cache.reusable(analysis):
            self._cache.put(key, analysis)
        return analysis

    def _request(
        self, path: str | Path, settings: Settings, cancel: threading.Event, **more: Any
    ) -> RunRequest:
        detector = self.detector(settings.faces)
        return RunRequest(Path(path), detector, self.device, settings, cancel, **more)

    def _run(
        self, path: str | Path, settings: Settings, cancel: threading.Event, **more: Any
    ) -> Analysis:
        if self._batcher is not None:
            runtime.without_helpers()  # busy-waiting OpenMP threads starve concurrent runs
        request = self._request(path, settings, cancel, batcher=self._batcher, **more)
        try:
            if settings.sampling == "closer":
                return look_closer(request, self._earlier(path, settings))
            analysis = run_analysis(request)[0]
            if analysis.media.kind == "video":
                self._remember(analysis)
            return analysis
        finally:
            return_freed()  # or each run leaves about 5 MB with glibc, for its threads end

    def _remember(self, analysis: Analysis) -> None:
        """Store one of the latest results, from which a closer look goes on."""
        key = result_cache.key(analysis.media.sha256, analysis.settings)
        if key and result_cache.reusable(analysis):
            with self._lock:
                self._latest[key] = analysis
                while len(self._latest) > LATEST:
                    del self._latest[next(iter(self._latest))]

    def _earlier(self, path: str | Path, settings: Settings) -> Analysis | None:
        """Return a usual analysis of a file with these settings, if there is one."""
        usual = Settings()
        of = settings.model_copy(update={"sampling": usual.sampling, "frames": usual.frames})
        if not self._latest and self._cache is None:
            return None
        key = result_cache.key(media.identify(path).sha256, of)
        with self._lock:
            found = self._latest.get(key)
        if found is None and key and self._cache is not None:
            found = self._cache.get(key)
        # A picture that repeats is sampled within one period alone.
        return found if found and found.media.kind == "video" and not found.media.loop else None

    def rerun(
        self,
        path: str | Path,
        settings: Settings,
        options: RunOptions,
        *,
        cancel: threading.Event | None = None,
    ) -> tuple[Analysis, FacesByTime]:
        """Analyze a file again, scores only, from known results; return its faces too.

        Parameters
        ----------
        options : RunOptions
            Known results, and the perturbation of its frames.

        Raises
        ------
        MediaError, UsageError, Canceled
            As `analyze`.
        """
        cancel = cancel or threading.Event()
        request = self._request(path, settings, cancel, scores_only=True)
        # A changed copy is compared with this file at the same moments.
        options = replace(options, every_moment=True)
        with threads.visit("analyze", cancel.set):
            analysis, run = run_analysis(request, options)
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
    if device == "auto":  # rule a GPU out where possible: importing torch takes seconds
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
