"""One analysis from file to verdict: decode → extract (by modality) → score → decide.

Decoding, extraction, scoring, signals and provenance run side by side, joined by bounded queues.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detector import conformal, media, provenance, runtime, vision
from detector.decision import decide
from detector.errors import Canceled
from detector.media import Frame, Shot
from detector.models import registry
from detector.pipeline import initial_results, planning
from detector.pipeline.assembly import Findings, assemble
from detector.pipeline.bounded_queue import (
    BoundedQueue,
    CancellationToken,
    StageCancelled,
    Timer,
    Worker,
    with_timestamps,
)
from detector.pipeline.modalities import EXTRACTORS, Extraction, Extractor
from detector.pipeline.modalities.face import FaceExtractor
from detector.pipeline.options import RunOptions
from detector.pipeline.orientation import WrongOrientation
from detector.pipeline.progress import Observer, ProgressReporter, Stage
from detector.pipeline.scoring import ScoreStage
from detector.pipeline.signal_stage import SignalStage
from detector.pipeline.windows import FrameWindow
from detector.schema.analysis import Analysis, Media, Modality, Settings
from detector.schema.origin import Provenance

QUEUED_FRAMES = 4
"""decoded frames that may wait; a 4K frame is 25 MB."""
NOT_EXTRACTED = "nothing here finds what it judges"


@dataclass(frozen=True)
class RunRequest:
    """What a run is asked for, and with what.

    Attributes
    ----------
    detector : FaceDetector
    device : str
        Where models run: "cpu" or "cuda".
    settings : Settings
    observe : callable, optional
        Told how far it is, from the caller's thread.
    cancel : Event
        Set from elsewhere to stop.
    scores_only : bool
        Leave out signals and provenance.
    """

    detector: vision.FaceDetector
    device: str
    settings: Settings
    cancel: threading.Event
    observe: Observer | None = None
    scores_only: bool = False


class AnalysisRun:
    """Lives for one call of `Analyzer.analyze`. The lock guards what the scorer writes and the
    caller's thread reports: subjects, timestamps and model results."""

    def __init__(self, request: RunRequest, options: RunOptions | None = None) -> None:
        self.request, self.options = request, options or RunOptions()
        self.settings, self.cancel = request.settings, request.cancel
        self.begun = time.perf_counter()
        self.reporter = ProgressReporter(request.observe, self.begun)
        self._begin()

    def _begin(self) -> None:
        """Nothing is known yet."""
        self.own = conformal.load()
        self.specs = registry.choose(self.settings.models)
        self.results = {s.id: initial_results.result(s) for s in self.specs}
        self.extractors: dict[Modality, Extractor] = {}
        self.timestamps: list[float] = []
        """of the sampled frames, s"""
        self.timings: dict[str, float] = defaultdict(float)
        self.lock = threading.Lock()
        self.stop = CancellationToken(self.cancel)
        self.frames: BoundedQueue[Frame | None] = BoundedQueue(QUEUED_FRAMES, self.stop)
        self.scoring = ScoreStage(
            self.specs, self.results, self.request.device, self.lock, self.stop
        )
        self.media: Media | None = None
        self.shots: list[Shot] | None = None
        self.provenance: Provenance | None = None
        self.signals: SignalStage | None = None

    def execute(self, path: Path, name: str | None = None) -> Analysis:
        """Run the stages and decide. Raises what any of them raised."""
        try:
            return self._execute(path, name)
        except WrongOrientation as found:
            assert self.media is not None
            about = media.turned(self.media, found.degrees)
            about.notes.append(
                f"A face was only found with the picture turned by {found.degrees}°, so it is shown"
                " and was judged turned. The file's own rotation is wrong or missing."
            )
            self.options = replace(self.options, media=about, shots=self.shots)
            self._begin()
            return self._execute(path, name)

    def _execute(self, path: Path, name: str | None) -> Analysis:
        if self.cancel.is_set():
            raise Canceled()
        self._report("read")
        moments, windows = self._plan(path, name)
        assert self.media is not None
        wanted = tuple(sorted({*moments, *(t for window in windows for t in window.times)}))
        notes: list[str] = []
        workers = self._workers(path, len(moments), wanted, notes)
        self._extractors(path, windows)
        readers = [Worker(e.read, self.stop) for e in self.extractors.values() if e.reads]
        workers |= dict.fromkeys(readers, "faces")
        for worker in workers:
            worker.start()
        try:
            with runtime.beside_others():
                self._extract(moments, wanted)
            self._wait(dict.fromkeys(readers, "faces"))
            self.scoring.end()
            if self.signals:
                self.signals.end()
            self._wait(workers)
        except StageCancelled:
            pass
        finally:
            self.stop.set()
            for worker in workers:
                worker.join()
        if self.cancel.is_set():
            raise Canceled()
        for worker in workers:
            if worker.error:
                raise worker.error
        self.media.notes += [note for note in notes if note not in self.media.notes]
        return self._decide()

    # --- what is looked at -----------------------------------------------------------------------

    def _plan(self, path: Path, name: str | None) -> tuple[tuple[float, ...], list[FrameWindow]]:
        options = self.options
        with Timer(self.timings, "read"):
            self.media = options.media or media.probe(path, name=name)
            self.shots = options.shots if options.media else self._search_shots(path)
            planned = planning.plan(
                path,
                self.media,
                self.settings,
                [s for s in self.specs if not (options.frames_only and s.kind == "clip")],
                self.cancel,
                for_signals=not self.request.scores_only,
                moments=options.moments,
                shots=self.shots,
            )
        moments, windows, unfit = planned
        for id, why in unfit.items():
            self.results[id].not_counted_because = why
        self.reporter.planned = len(moments)
        return moments, windows

    def _search_shots(self, path: Path) -> list[Shot] | None:
        """Where the clip cuts: as part of the plan, or to say what was looked at."""
        assert self.media is not None
        planned = self.settings.sampling == "closer" or planning.sparse(self.media, self.settings)
        if self.request.scores_only and not planned:
            return None
        return planning.shots(path, self.media, self.settings, self.cancel)

    # --- the stages ------------------------------------------------------------------------------

    def _workers(
        self, path: Path, moments: int, wanted: Sequence[float], notes: list[str]
    ) -> dict[Worker, Stage]:
        """The stages that have a thread each, and what is reported while one of them is waited
        for."""
        workers: dict[Worker, Stage] = {
            Worker(lambda: self._decode(path, wanted, notes), self.stop): "faces",
            Worker(self.scoring.work, self.stop): "score",
        }
        if not self.request.scores_only:
            self.signals = SignalStage(moments, self.stop, self.timings)
            workers[Worker(lambda: self._inspect(path), self.stop)] = "score"
            workers[Worker(self.signals.work, self.stop)] = "signals"
        return workers

    def _extractors(self, path: Path, windows: Sequence[FrameWindow]) -> None:
        """One for faces, and for each other modality that a model was asked for."""
        assert self.media is not None
        for spec in self.specs:
            if spec.modality not in EXTRACTORS:
                self.results[spec.id].not_counted_because = NOT_EXTRACTED
        for modality, make in EXTRACTORS.items():
            specs = [spec for spec in self.specs if spec.modality is modality]
            if specs or modality is Modality.FACE:
                self.extractors[modality] = make(
                    Extraction(
                        path=path,
                        media=self.media,
                        settings=self.settings,
                        options=self.options,
                        detector=self.request.detector,
                        specs=specs,
                        windows=[w for w in windows if w.modality is modality],
                        submit=self.scoring.submit,
                        results=self.results,
                        lock=self.lock,
                        timings=self.timings,
                        signals=self.signals,
                    )
                )

    def _decode(self, path: Path, wanted: Sequence[float], notes: list[str]) -> None:
        assert self.media is not None
        source = self.options.source or self.media
        decoded = media.decode(path, source, wanted, notes=notes, cancel=self.stop)
        try:
            while True:
                with Timer(self.timings, "decode"):
                    frame = next(decoded, None)
                    if frame is not None and self.options.change is not None:
                        frame = replace(frame, rgb=self.options.change(frame.rgb))
                self.frames.put(frame)
                if frame is None:
                    return
        except Canceled:
            raise StageCancelled from None

    def _inspect(self, path: Path) -> None:
        """Read where the file says it comes from."""
        assert self.media is not None
        with Timer(self.timings, "provenance"):
            self.provenance = provenance.inspect(path, self.media, cancel=self.stop)

    def _extract(self, moments: Sequence[float], wanted: Sequence[float]) -> None:
        """Hand each frame to every modality, in the caller's thread."""
        assert self.media is not None
        shown = 1.5 / self.media.fps if self.media.fps else 1.0
        sampled = frozenset(moments)
        for frame, times in with_timestamps(self.frames, wanted, shown):
            index = None
            if not sampled.isdisjoint(times):
                with self.lock:
                    index = len(self.timestamps)
                    self.timestamps.append(frame.time)
            for extractor in self.extractors.values():
                extractor.frame(frame, times, index)
            self._report("faces")
        for extractor in self.extractors.values():
            extractor.end()

    def _wait(self, workers: dict[Worker, Stage]) -> None:
        for worker, stage in workers.items():
            while worker.is_alive():
                worker.join(0.1)
                self._report(stage)

    # --- what comes out --------------------------------------------------------------------------

    def _decide(self) -> Analysis:
        with Timer(self.timings, "verdict"):
            analysis = decide(self._analysis())
        if self.signals:
            with Timer(analysis.timings, "signals"):
                analysis.signals = self.signals.signals(analysis, self.faces.kept())
        analysis.timings["total"] = round(time.perf_counter() - self.begun, 3)
        self._report("verdict", done=True)
        return analysis

    @property
    def faces(self) -> FaceExtractor:
        """The extractor of faces, which every run has."""
        extractor = self.extractors[Modality.FACE]
        assert isinstance(extractor, FaceExtractor)
        return extractor

    def _analysis(self, *, partial: bool = False) -> Analysis:
        """What is known by now, undecided."""
        assert self.media is not None
        with self.lock:
            subjects = [s for e in self.extractors.values() for s in e.subjects(partial=partial)]
            results = [r.model_copy() for r in self.results.values()]
            moments = [round(t, 4) for t in self.timestamps]
        return assemble(
            Findings(
                media=self.media,
                settings=self.settings,
                device=self.request.device,
                subjects=subjects,
                results=results,
                ensembles=initial_results.ensembles(results, self.own),
                moments=moments,
                shots=self.shots,
                provenance=self.provenance,
                timings=self.timings,
            ),
            partial=partial,
        )

    def known(self) -> RunOptions:
        """What a second run of the same file need not find and score again."""
        assert self.media is not None
        known = {modality: extractor.seen() for modality, extractor in self.extractors.items()}
        return RunOptions(media=self.media, shots=self.shots, known=known)

    def _report(self, stage: Stage, *, done: bool = False) -> None:
        """Tell the observer, now and then; and take notice of a cancel."""
        if self.stop.is_set() and not done:
            raise StageCancelled
        if not self.reporter.due(done=done):
            return
        with self.lock:
            expected = {modality: e.expected() for modality, e in self.extractors.items()}
            models = {
                id: (r.scored, r.scored if r.kind == "clip" else max(r.scored, known))
                for id, r in self.results.items()
                for known in [expected.get(r.modality, 0)]
            }
        sampled = len(self.timestamps)
        partial = decide(self._analysis(partial=True)) if sampled and not done else None
        self.reporter.report(
            stage,
            dict(self.timings),
            models,
            sampled=sampled,
            media=self.media,
            partial=partial,
            done=done,
        )
