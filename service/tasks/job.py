"""One run of an analysis, as pages see it. No thread is started here."""

from datetime import datetime
from pathlib import Path
from typing import Any

from detector.schema.analysis import Analysis, Media
from service.records.model import Record, ResultOrigin
from service.records.seals import origin
from service.records.store import Store
from service.storage.uploads import Uploads
from service.tasks.task import Task, TaskKind


class Job(Task):
    """One run of the analysis of one record (`subject`). `record` is as it was when the run began:
    what a person adds to it since is in the store; `analysis` is the result, at the end."""

    def __init__(self, kind: TaskKind[Any], record: Record, store: Store, uploads: Uploads) -> None:
        super().__init__(kind, record.owner, subject=record.id, id=record.run.rpartition(":")[2])
        self.record = record
        self.store = store
        self.settings = record.settings
        self.analysis: Analysis | None = None
        self.looked_at: Media | None = None  # What the file is, from a look at it while it waits
        self.fault = record.fault
        self.state = record.state
        self.uploads = uploads

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
        """The media on disk, brought there where servers share it. There is none any more when its
        time is up (`has_media`), and never was one of a live session that was not recorded."""
        return self.uploads.path(self.key)

    @property
    def has_media(self) -> bool:
        return self.uploads.has(self.key)

    @property
    def address(self) -> str:
        """Where the server hands out the media, without a leading slash."""
        return self.uploads.address(self.key)

    @property
    def picture(self) -> bytes | None:
        """The record's thumbnail."""
        return self.store.thumbnails(self.record.owner, [self.key]).get(self.key)

    @property
    def last_cache_hit(self) -> datetime | None:
        """When the same file came once more and was given this result without a run."""
        return self.record.last_cache_hit

    @property
    def origin(self) -> ResultOrigin:
        """Who made the result."""
        seal = self.analysis.seal if self.analysis is not None else None
        return origin(seal, self.record.owner)

    @property
    def read_only(self) -> bool:
        return False
