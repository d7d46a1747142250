"""What a file says about where it comes from, as typed records. Pure data.

All of it was written by others: anybody can write anything into a file. Texts are cleaned and cut
(`detector.provenance.text`), and still have to be escaped where they are shown. That something is
missing says nothing: most untouched files have no credential, and every messenger strips tags.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from detector.schema.base import StrictModel

CredentialState = Literal["none", "trusted", "untrusted", "invalid", "elsewhere", "unreadable"]


class Credential(StrictModel):
    """The C2PA manifest (Content Credentials) of a file.

    `state`: none; trusted (valid, signed under the configured trust list); untrusted (valid, signed
    by somebody who is not on it); invalid (file and manifest don't belong together, or the
    signature is wrong); elsewhere (the file names an address where a manifest is kept; nothing is
    fetched); unreadable (damaged, or reading it took too long).
    """

    state: CredentialState = "none"
    signer: str | None = Field(default=None, description="name in the signing certificate")
    organization: str | None = None
    signed: str | None = Field(default=None, description="as the time stamp states it")
    generator: str | None = Field(default=None, description="program that made the claim")
    actions: list[str] = Field(default_factory=list, description="what was done, oldest first")
    sources: list[str] = Field(
        default_factory=list, description="IPTC digital source types in it, by their last word"
    )
    generated: bool = Field(
        default=False, description="whether one of them says that a machine made it, or a part"
    )
    ingredients: list[str] = Field(default_factory=list, description="files it was made from")
    problems: list[str] = Field(default_factory=list, description="why it is invalid or unreadable")
    address: str | None = Field(default=None, description="where a manifest is kept, if elsewhere")
    trust_list: bool = Field(default=False, description="whether a trust list is configured here")


class Fact(StrictModel):
    """One thing that a file says about itself."""

    group: Literal["camera", "software", "time", "words", "container", "encoder", "generator"]
    name: str
    value: str
    source: str = Field(description="where it stands: EXIF, XMP, PNG text, container, video stream")


class GeoLocation(StrictModel):
    """Where a file says it was recorded: private, and left out of exports on request."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    source: str


class Repeats(StrictModel):
    """Pictures that occur more than once."""

    frames: int = Field(description="frames compared with the one before, over the clip")
    repeated: int = Field(description="of those, equal or all but equal to the one before")
    packets: int = Field(description="compressed pictures compared with all earlier ones")
    copied: int = Field(description="of those, the same bytes as an earlier one, three in a row")


class FrameHash(StrictModel):
    """Perceptual hash of one picture: copies of it differ in few of the 64 bits."""

    time: float | None = Field(default=None, description="s; None for a still picture")
    phash: str = Field(description="64-bit DCT hash as ImageHash computes it, 16 hex digits")


class VisibleMark(StrictModel):
    """A visible mark of a generator. Anybody can draw one, or cut one off."""

    name: str = Field(description="of the tool")
    maker: str
    place: str = Field(description="the corner in which it stands")
    score: float = Field(description="correlation with our drawing of it, 0 to 1")


class EarlierVerdict(StrictModel):
    """A verdict that was written into this file, or beside it. Anybody can write one: it is shown,
    and never counts as evidence."""

    label: str
    likelihood: int | None = Field(default=None, ge=0, le=100, description="percent")
    analyzed: str = ""
    sha256: str = Field(default="", description="of the file that was analyzed")
    version: str = ""
    analysis: str = Field(default="", description="id of that analysis")
    where: Literal["metadata", "sidecar"]


class Provenance(StrictModel):
    """Everything a file says about its origin."""

    credential: Credential = Field(default_factory=Credential)
    facts: list[Fact] = Field(default_factory=list)
    findings: list[str] = Field(
        default_factory=list, description="what follows from the facts, in sentences"
    )
    place: GeoLocation | None = None
    repeats: Repeats | None = None
    hashes: list[FrameHash] = Field(default_factory=list)
    marks: list[VisibleMark] = Field(default_factory=list)
    maker: str | None = Field(
        default=None, description="whose tool the file names, where its maker has a verifier"
    )
    earlier: EarlierVerdict | None = None
    unread: list[str] = Field(default_factory=list, description="what could not be read, in words")
    seconds: float = 0.0

    def without_place(self) -> Provenance:
        """Return a copy that does not say where it was recorded."""
        return self.model_copy(update={"place": None})
