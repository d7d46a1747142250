"""One run of an analysis, as pages see it. No thread is started here."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from detector.schema.analysis import Analysis
from service.records.model import ErrorReport, Record, State
from service.records.store import Store
from service.storage.uploads import Uploads

if TYPE_CHECKING:
    from detector.pipeline import Progress


class Job:
    """One run of the analysis of one record. Written by one worker, read by any page.

    Each attribute is replaced whole and never changed in place, so a reader needs no lock; `state`
    is written last.

    Attributes
    ----------
    record : Record
        As it was when the run began; what a person adds to it since is in the store.
    store : Store
        Where it is kept.
    """

    def __init__(self, record: Record, store: Store, uploads: Uploads) -> None:
        self.record = record
        self.store = store
        self.settings = record.settings
        self.cancel = threading.Event()
        self.progress: Progress | None = None
        self.analysis: Analysis | None = None
        self.fault: ErrorReport | None = record.fault
        self.started: float | None = None
        """`time.monotonic()` when a worker took it."""
        self.state = record.state
        self._uploads = uploads

    @property
    def key(self) -> str:
        """The record's id: names this job in addresses, widget keys and session state."""
        return self.record.id

    @property
    def name(self) -> str:
        """As the person named the file. Escape it."""
        return self.record.name

    @property
    def path(self) -> Path:
        """The media on disk. There is none any more when its time is up (`has_media`), and never
        was one of a live session that was not recorded."""
        return self._uploads.path(self.key)

    @property
    def has_media(self) -> bool:
        return self.path.is_file()

    @property
    def address(self) -> str:
        """Where the server hands out the media, without a leading slash."""
        return self._uploads.address(self.key)

    @property
    def picture(self) -> bytes | None:
        """The record's thumbnail."""
        return self.store.thumbnails(self.record.owner, [self.key]).get(self.key)

    @property
    def again(self) -> datetime | None:
        """When the same file came once more and was given this result without a run."""
        return self.record.again

    @property
    def read_only(self) -> bool:
        return False

    @property
    def active(self) -> bool:
        return self.state in (State.QUEUED, State.RUNNING)

    def elapsed(self) -> float:
        """Seconds since a worker took it; 0 before."""
        return time.monotonic() - self.started if self.started is not None else 0.0
