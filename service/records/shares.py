"""What somebody sees who follows a link: a result and its media, to read.

The address is `/?s=<token of the link>`; nothing on the page names the record it leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detector.schema.analysis import Analysis
from service.records.model import SharedResult
from service.storage.uploads import Uploads


@dataclass(frozen=True)
class SharedView:
    """A shared result in the form the result page draws."""

    token: str
    shared: SharedResult
    uploads: Uploads

    @property
    def key(self) -> str:
        return f"share-{self.shared.share}"

    @property
    def name(self) -> str:
        return self.shared.name

    @property
    def analysis(self) -> Analysis:
        return self.shared.analysis

    @property
    def path(self) -> Path:
        return self.uploads.path(self.shared.record)

    @property
    def address(self) -> str:
        return f"shared/{self.token}"

    @property
    def picture(self) -> bytes | None:
        return None

    @property
    def again(self) -> datetime | None:
        return None

    @property
    def read_only(self) -> bool:
        return True
