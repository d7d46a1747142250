"""Manifest entry, storage part: files, checkpoint wrappers, license (`ModelSpec` has the rest)."""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from detector.schema.base import StrictModel
from detector.sentences import _

WRAPPERS = ("state_dict", "model", "net", "network")
"""Keys under which training scripts store the weights, unless an entry states others."""
PREFIXES = ("module.",)  # Prefixes of names by training scripts, unless an entry states others
TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")
"""First bytes of files of `torch.save`: a zip archive, or before 2020 a bare pickle."""


class WeightFile(StrictModel):
    """One file of weights. `path` is relative to weights/ when bundled, else to the cache."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="None: never published; only a person's own file is accepted"
    )
    size: int | None = Field(default=None, description="bytes; None: not published")
    url: str | None = Field(default=None, description="None: bundled, or put there by hand")
    mirrors: list[str] = Field(default_factory=list, description="tried in order after `url`")
    original_sha256: str | None = Field(
        default=None, description="of the file that this one was converted from"
    )


class StoredEntry(StrictModel):
    """A network with stored weight files."""

    id: str
    title: str
    architecture: str = Field(default="", description="unless stated, the id before the colon")
    files: list[WeightFile]
    wrappers: tuple[str, ...] = ()
    """Keys under which training scripts store the weights; none: files stay as published."""
    state: str = Field(default="", description="which of several sets of weights in its file")
    prefixes: tuple[str, ...] = PREFIXES  # Prefixes of names by training scripts
    bundled: bool = False
    own: bool = Field(default=False, description="brought by a person, not known to Unmask")
    folder: str = Field(default="", description="of a plugin: its cards, and files without `url`")
    license_weights: str
    research_only: bool = Field(
        default=False, description="its license must be acknowledged before it is used"
    )
    source: str = Field(description="paper, repository")


class AuxiliaryModel(StoredEntry):
    """An entry of weights/auxiliary.toml: a network that measures or detects and does not judge.
    Its license is shown before a download."""


def some_of(names: Sequence[str], say: Callable[[str], str] = str) -> str:
    """Return the first four names, and the number of the others."""
    first, more = ", ".join(map(say, names[:4])), len(names) - 4
    return _("{first} and {more} more").format(first=first, more=more) if more > 0 else first
