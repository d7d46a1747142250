"""Files that a batch passes over: what they are, and why. Pure data."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from detector.schema.base import FrozenModel

Shown = Annotated[
    str, BeforeValidator(lambda name: name.encode("utf-8", "backslashreplace").decode())
]
"""A name of a disk, whose bytes may be no UTF-8"""


class PassedOverReason(StrEnum):
    """Why a file is no media to judge."""

    TEXT = "text"  # tables, web pages, playlists and source code too
    DRAWING = "drawing"  # SVG
    PROGRAM = "program"  # and what belongs to one: fonts, models
    DATABASE = "database"
    EMPTY = "empty"
    HIDDEN = "hidden"
    SYSTEM = "system"  # of an operating system or a network drive
    THUMBNAIL = "thumbnail"
    RECYCLE_BIN = "recycle_bin"
    SNAPSHOT = "snapshot"  # earlier states of the same files
    LINK = "link"  # to a folder
    RESULT = "result"  # of Unmask


class PassedOver(FrozenModel):
    """A file that is passed over, or a folder with so many files."""

    name: Shown
    reason: PassedOverReason
    files: int = Field(default=1, ge=1)
