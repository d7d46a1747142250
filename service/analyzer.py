"""The one analyzer of a server process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.schema.analysis import Analysis, Settings

if TYPE_CHECKING:
    from detector.pipeline import Analyzer


VOICES_AFTER = 10.0
"""s of the server's life, after all else was loaded, before it looks whether it is idle"""


class SharedAnalyzer:
    """The one `Analyzer`, made when it is first needed: importing torch takes seconds, which
    neither the page nor a test of it should wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: Analyzer | None = None

    def get(self) -> Analyzer:
        """Return the analyzer; the first call loads torch."""
        with self._lock:
            if self._analyzer is None:
                from detector.pipeline import Analyzer

                self._analyzer = Analyzer()
            return self._analyzer

    def warm_up(self) -> None:
        """Load what looks at pictures: most files that somebody begins with are such."""
        self.get().warm_up(voices=False)

    def warm_up_voices(self, idle: Callable[[], bool], stopped: threading.Event) -> None:
        """Load what hears, and with it torch, once nothing else goes on: whoever came first has
        opened a file by then, and does not wait for that too.

        Parameters
        ----------
        idle : callable
            Whether nothing runs now.
        stopped : Event
            Ends the wait without it.
        """
        while not stopped.wait(VOICES_AFTER):
            if idle():
                self.get().warm_up(voices=True)
                return

    def analyze(self, path: Path, settings: Settings | None = None, /, **options: Any) -> Analysis:
        """Return the analysis of a file; options are those of `Analyzer.analyze`."""
        return self.get().analyze(path, settings, **options)
