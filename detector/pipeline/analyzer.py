"""The one way into an analysis."""

import logging
import sys
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from detector import runtime, vision
from detector.errors import ModelError, UsageError
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import initial_results
from detector.pipeline.closer import look_closer
from detector.pipeline.options import RunOptions
from detector.pipeline.progress import Observer
from detector.pipeline.run import RunRequest, run_analysis
from detector.pipeline.scoring import DynamicBatcher
from detector.schema.analysis import Analysis, Settings

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

    Raises
    ------
    UsageError
        There is no such device.
    """

    def __init__(self, *, device: str = "auto", max_concurrent_batches: int = 0) -> None:
        self.device = pick_device(device)
        self._detectors: dict[str, vision.FaceDetector] = {}
        self._batcher = DynamicBatcher(max_concurrent_batches) if max_concurrent_batches else None
        self._lock = threading.Lock()

    def detector(self, name: str = "mtcnn") -> vision.FaceDetector:
        """Return a face detector by its name, loaded once."""
        with self._lock:
            if name not in self._detectors:
                with runtime.beside_others():
                    self._detectors[name] = vision.load_detector(name, self.device)
            return self._detectors[name]

    def id_of(self, sha256: str, settings: Settings) -> str:
        """Return the `id` of this content's analysis; raise UsageError for an unknown model."""
        return initial_results.id_of(sha256, settings)

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
        if self._batcher is not None:
            runtime.without_helpers()  # busy-waiting OpenMP threads starve concurrent runs
        settings = settings or Settings()
        request = RunRequest(
            detector=self.detector(settings.faces),
            device=self.device,
            settings=settings,
            cancel=cancel or threading.Event(),
            observe=observe,
            scores_only=scores_only,
            batcher=self._batcher,
        )
        if request.settings.sampling == "closer":
            return look_closer(request, Path(path), name)
        return run_analysis(request, Path(path), name)[0]

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
        raise UsageError("No GPU was found.", hint="Leave --device out to use the processor.")
    return device
