"""What the store asks of an entry: any that has these fields can be stored, fetched and verified.

`ModelSpec` and `WeightFile` of `detector.models.base` have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """One file. `path` is relative to weights/ when bundled, else to the cache."""

    @property
    def path(self) -> str: ...

    @property
    def sha256(self) -> str | None:
        """In hex; None when nobody published it: such a file is never downloaded."""

    @property
    def size(self) -> int | None:
        """Bytes; None when nobody published it."""

    @property
    def url(self) -> str | None:
        """None: bundled, or put there by hand."""

    @property
    def mirrors(self) -> Sequence[str]:
        """Tried in order after `url`."""


class Entry(Protocol):
    """What stands in a manifest."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def bundled(self) -> bool: ...

    @property
    def files(self) -> Sequence[File]: ...
