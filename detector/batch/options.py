"""What a batch is asked for, and how far it is."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from detector.batch.entry import Entry
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, ErrorDetail, Media, Settings, Thresholds
from detector.schema.base import StrictModel

WriteReport = Callable[[str, Analysis, Path], Path]
"""A file's name in the batch, its analysis and where it lies -> the report, which may be there
already."""
FindOriginal = Callable[[Path, Media], Path | None]
"""A file and what it is -> the file of which it may be a manipulated copy, where one is known."""


class BatchAnalyzer(Protocol):
    """What does the work: an `Analyzer` of this process, or one of a cluster."""

    def id_of(self, sha256: str, settings: Settings) -> str:
        """Return the id of the analysis of a file with this content."""

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one file."""


class DiskFull(UnmaskError):
    """The results can't be written."""

    default_code = "disk_full"


@dataclass(frozen=True)
class BatchOptions:
    """What is done with each file."""

    settings: Settings = field(default_factory=Settings)
    thresholds: Thresholds | None = None
    table: bool = True  # write `results.csv` beside the journal
    report: WriteReport | None = None  # writes each file's report
    original: FindOriginal | None = None  # finds each file's original, to compare it with
    parallel: int = 0  # runs side by side; 0: as many as there are cores
    device: str = "auto"  # "auto", "cpu" or "cuda"


class BatchSettings(StrictModel):
    """What all results of a folder have in common."""

    settings: Settings
    thresholds: Thresholds | None = None


@dataclass
class BatchTally:
    """How far a batch is. `analyzed`, `found` and `failed` are files of this call."""

    total: int = 0
    analyzed: int = 0
    found: int = 0  # finished earlier, or with the same content as another file
    failed: int = 0
    ours: int = 0  # of those that failed: for a reason that is not the file's
    codes: Counter[str] = field(default_factory=Counter)  # why files failed

    @property
    def done(self) -> int:
        return self.analyzed + self.found + self.failed


OnEntry = Callable[[BatchTally, Entry, ErrorDetail | None], None]
"""Called after each file, one at a time."""
