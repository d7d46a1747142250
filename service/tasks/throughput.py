"""Estimation of analysis time from finished analyses on this computer. Unknown before the first."""

import contextlib
import json
import threading
from collections.abc import Collection
from pathlib import Path

from detector.schema.analysis import Analysis

SMOOTHING = 0.5  # weight of the newest run: follows a busy or a freed machine within a few files


class ThroughputEstimator:
    """Seconds per sampled frame of a video, for faces and for each model; `file` stores them over
    restarts."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        if file is not None and file.is_file():
            with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
                rates = json.loads(file.read_text("utf-8"))
                self._rates = {str(k): float(v) for k, v in rates.items()}

    def learn(self, analysis: Analysis) -> None:
        """Update the rates with the times of a finished video; pictures are too short to matter."""
        moments = len(analysis.timestamps)
        total = analysis.timings.get("total", 0.0)
        if analysis.media.kind != "video" or moments < 8 or total <= 0 or not analysis.judged:
            return
        ran = {m.id: m.seconds for m in analysis.models if m.seconds}
        # Scoring runs beside decoding and face search: the wall time is shared out over the models
        # by their own time, so that leaving one out shortens the estimate by what it cost.
        busy = sum(ran.values())
        base = max(total - busy, 0.25 * total)
        new = {"faces": base / moments}
        new |= {id: (total - base) * s / busy / moments for id, s in ran.items()}
        with self._lock:
            for key, value in new.items():
                old = self._rates.get(key, value)
                self._rates[key] = SMOOTHING * value + (1 - SMOOTHING) * old
            if self._file is not None:
                with contextlib.suppress(OSError):  # an estimate is not worth an error
                    self._file.write_text(json.dumps(self._rates), "utf-8")

    def rate(self, model: str) -> float | None:
        """Return a model's seconds per sampled frame on this computer, None before it ran."""
        with self._lock:
            return self._rates.get(model)

    def estimate(self, moments: int, models: Collection[str]) -> float | None:
        """Return the time for a video with a face in all its sampled frames, s; None if a rate is
        unknown."""
        with self._lock:
            if not models or any(key not in self._rates for key in ("faces", *models)):
                return None
            return moments * sum(self._rates[key] for key in ("faces", *models))
