"""One run of an analysis, as pages see it. No thread is started here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from detector.schema.analysis import Analysis
from service.records.model import Record
from service.records.store import Store
from service.storage.uploads import Uploads
from service.tasks.task import Task, TaskKind


class Job(Task):
    """One run of the analysis of one record (`subject`).

    Attributes
    ----------
    record : Record
        As it was when the run began; what a person adds to it since is in the store.
    store : Store
        Where it is kept.
    progress : detector.pipeline.Progress or None
        With the scores so far.
    analysis : Analysis or None
        The result, at the end.
    """

    def __init__(self, kind: TaskKind, record: Record, store: Store, uploads: Uploads) -> None:
        super().__init__(kind, record.owner, subject=record.id, id=record.run.rpartition(":")[2])
        self.record = record
        self.store = store
        self.settings = record.settings
        self.analysis: Analysis | None = None
        self.fault = record.fault
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
