"""What this room knows of an entry of a manifest: its files, and what stands around the weights in
them. `detector.models.base.ModelSpec` says the rest."""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from detector.schema.base import StrictModel
from detector.sentences import _

WRAPPERS = ("state_dict", "model", "net", "network")
"""Keys under which training scripts put the weights in their file, unless an entry says others."""
PREFIXES = ("module.",)  # What such scripts put before every name, unless an entry says others
TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")
"""How a file begins that `torch.save` wrote: a zip archive, or before 2020 a bare pickle."""


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
    """A network whose files are stored and read here."""

    id: str
    title: str
    architecture: str = Field(default="", description="unless stated, the id before the colon")
    files: list[WeightFile]
    wrappers: tuple[str, ...] = ()
    """Keys under which training scripts put the weights in their file; none: files stay as they
    were published."""
    state: str = Field(default="", description="which of several sets of weights in its file")
    prefixes: tuple[str, ...] = PREFIXES  # What such scripts put before every name
    bundled: bool = False
    own: bool = Field(default=False, description="brought by a person, not known to Unmask")
    folder: str = Field(default="", description="of a plugin, whose files without `url` are there")
    license_weights: str
    research_only: bool = Field(
        default=False, description="its license must be acknowledged before it is used"
    )
    source: str = Field(description="paper, repository")


class AuxiliaryModel(StoredEntry):
    """An entry of weights/auxiliary.toml: a network that measures or finds and doesn't judge. Its
    license is shown before a download."""


def some_of(names: Sequence[str], say: Callable[[str], str] = str) -> str:
    """Return the first four names, and how many more there are."""
    first, more = ", ".join(map(say, names[:4])), len(names) - 4
    return _("{first} and {more} more").format(first=first, more=more) if more > 0 else first
