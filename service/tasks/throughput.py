"""How fast this computer is, learned from finished analyses. Before the first, it is not known."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Collection
from pathlib import Path

from detector.schema.analysis import Analysis

MEMORY = 0.5
"""weight of the newest run: follows a busy or a freed machine within a few files."""


class ThroughputEstimator:
    """Seconds per looked-at moment of a video, for faces and for each model.

    Parameters
    ----------
    file : Path, optional
        Where it is remembered over restarts.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._rates: dict[str, float] = {}
        if file is not None and file.is_file():
            try:
                known = json.loads(file.read_text("utf-8"))
                self._rates = {str(k): float(v) for k, v in known.items()}
            except (OSError, ValueError, AttributeError, TypeError):
                self._rates = {}

    def learn(self, analysis: Analysis) -> None:
        """Take the times of a finished video. Pictures are over before a time matters."""
        moments = len(analysis.moments)
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
                self._rates[key] = MEMORY * value + (1 - MEMORY) * old
            if self._file is not None:
                with contextlib.suppress(OSError):  # an estimate is not worth an error
                    self._file.write_text(json.dumps(self._rates), "utf-8")

    def rate(self, model: str) -> float | None:
        """Seconds a looked-at moment that a model takes here, or None before it ran."""
        with self._lock:
            return self._rates.get(model)

    def estimate(self, moments: int, models: Collection[str]) -> float | None:
        """Seconds for a video with a face in all its moments, or None when a rate isn't known."""
        with self._lock:
            if not models or any(key not in self._rates for key in ("faces", *models)):
                return None
            return moments * sum(self._rates[key] for key in ("faces", *models))
