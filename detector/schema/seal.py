"""Seal of a result by the server whose pipeline made it; `detector.seals` makes and checks it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from detector.schema.base import StrictModel

_SHA256 = "^[0-9a-f]{64}$"


class ResultSeal(StrictModel):
    """A server's signature under one result, as it was made or read.

    A hash says which record it is of: a record's id opens more than its result.
    """

    version: Literal[1] = 1
    record: str = Field(pattern=_SHA256, description="sha256 of the id of the record it is of")
    media: str = Field(pattern="^([0-9a-f]{64})?$", description="sha256 of the file; empty: none")
    document: str = Field(
        pattern=_SHA256, description="of the result as JSON, without seal and place"
    )
    summary: str = Field(pattern=_SHA256, description="of what lists show of the result")
    sealed: str = Field(description="ISO 8601, UTC", max_length=40)
    key: str = Field(description="the server's public Ed25519 key, base64", max_length=100)
    signature: str = Field(
        default="",
        description="over the other fields but `place`, base64; empty: it did not hold on reading",
        max_length=200,
    )
    place: str | None = Field(
        default=None,
        description="the same over these and the place of the recording; goes where that goes",
        max_length=200,
    )

    @property
    def holds(self) -> bool:
        """Return whether it held when it was read: a reader empties the signature of one that did
        not."""
        return bool(self.signature)

    def broken(self) -> ResultSeal:
        """Return this seal as one that does not hold."""
        return self.model_copy(update={"signature": "", "place": None})
