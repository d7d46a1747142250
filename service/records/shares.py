"""What somebody sees who follows a link: a result and its media, to read.

The address is `/?s=<token of the link>`; nothing on the page names the record it leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detector.schema.analysis import Analysis
from service.records.model import ResultOrigin, SharedResult
from service.storage.uploads import Uploads


@dataclass(frozen=True)
class SharedView:
    """A shared result in the form the result page draws."""

    key: str
    name: str
    analysis: Analysis
    path: Path
    address: str
    expires: datetime
    origin: ResultOrigin
    picture: bytes | None = None
    last_cache_hit: datetime | None = None
    read_only: bool = True

    @classmethod
    def of(cls, token: str, shared: SharedResult, uploads: Uploads) -> SharedView:
        """Return the view of what a link's token leads to."""
        return cls(
            key=f"share-{shared.share}",
            name=shared.name,
            analysis=shared.analysis,
            path=uploads.path(shared.record),
            address=f"shared/{token}",
            expires=shared.expires,
            origin=shared.origin,
        )
