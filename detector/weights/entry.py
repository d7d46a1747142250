"""What this room asks of an entry: any that has these fields can be stored and read.

`ModelSpec` and `WeightFile` of `detector.models.base` have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class StoredFile(Protocol):
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


class StoredEntry(Protocol):
    """What stands in a manifest."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def bundled(self) -> bool: ...

    @property
    def files(self) -> Sequence[StoredFile]: ...


class Wrapped(Protocol):
    """What stands around the weights in a file; see `detector.weights.files.load_state`."""

    @property
    def wrappers(self) -> Sequence[str]: ...

    @property
    def prefixes(self) -> Sequence[str]: ...

    @property
    def state(self) -> str: ...


class Licensed(Protocol):
    """What is used under terms."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def architecture(self) -> str: ...

    @property
    def license_weights(self) -> str: ...

    @property
    def research_only(self) -> bool: ...

    @property
    def own(self) -> bool: ...
