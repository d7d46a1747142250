"""The one analyzer of a server process."""

import threading
from pathlib import Path
from typing import Any

from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Settings


class SharedAnalyzer:
    """The one `Analyzer`, made when first needed: importing torch takes seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: Analyzer | None = None

    def get(self) -> Analyzer:
        """Return the analyzer; the first call loads torch."""
        with self._lock:
            if self._analyzer is None:
                self._analyzer = Analyzer()
            return self._analyzer

    def warm_up(self) -> None:
        """Load what looks at pictures: most files that somebody begins with are such."""
        self.get().warm_up(voices=False)

    def warm_up_voices(self) -> None:
        """Load what hears, and with it torch."""
        self.get().warm_up(voices=True)

    def analyze(self, path: Path, settings: Settings | None = None, /, **options: Any) -> Analysis:
        """Return the analysis of a file; options are those of `Analyzer.analyze`."""
        return self.get().analyze(path, settings, **options)
