"""What the result view needs of a finished analysis, wherever it is kept."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from detector.schema.analysis import Analysis
from service.records.model import ResultOrigin


class ResultRecord(Protocol):
    """What is needed of a finished analysis, wherever it is kept."""

    @property
    def analysis(self) -> Analysis | None: ...

    @property
    def path(self) -> Path:
        """The media on disk; a path that does not exist where it is not kept (any more)."""

    @property
    def address(self) -> str:
        """Where the server hands the media out."""

    @property
    def picture(self) -> bytes | None:
        """The record's small picture, for where the media is not kept."""

    @property
    def last_cache_hit(self) -> datetime | None:
        """When the same file came once more and was given this result without a run."""

    @property
    def read_only(self) -> bool:
        """It is somebody else's, seen through a link: nothing is started or changed from here."""

    @property
    def origin(self) -> ResultOrigin:
        """Who made the result."""

    @property
    def name(self) -> str:
        """As the person named it; hostile."""

    @property
    def key(self) -> str:
        """Names it in addresses, widget keys and session state."""
