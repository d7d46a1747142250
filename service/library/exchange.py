"""Fingerprints given to others, and taken from them, without any footage: docs/library.md has the
format. What comes is a stranger's: bounded, and checked whole before anything of it is kept.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detector.comparison.fingerprint import HASH_BYTES
from detector.errors import InputError
from detector.sentences import _
from service.records.footage import MAX_FOOTAGE, Footage, Prints
from service.records.model import MAX_NAME_LENGTH

VERSION = 1
MAX_FRAMES = 50_000  # of a file
MAX_FACES = 2 * MAX_FRAMES
MAX_LINE = 12 * 1024**2  # bytes: a file with that many frames
MAX_BYTES = 2 * 1024**3  # of all of it
MAX_SECONDS = 10_000_000.0


class _Header(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    unmask_library: int
    hash: str


class SharedFootage(BaseModel):
    """A line: one file."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    name: str = Field(max_length=MAX_NAME_LENGTH)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    duration: float | None = Field(default=None, ge=0, le=MAX_SECONDS)
    size: int = Field(default=0, ge=0, lt=2**60)
    times: list[float] = Field(min_length=1, max_length=MAX_FRAMES)
    hashes: str
    face_times: list[float] = Field(default=[], max_length=MAX_FACES)
    face_hashes: str = ""

    def prints(self) -> Prints:
        """Return what it says. ValueError where it can't be true."""
        faces = _rows(self.face_times, self.face_hashes)
        return Prints(*_rows(self.times, self.hashes), *faces)


def _rows(times: list[float], hashes: str) -> tuple[np.ndarray, np.ndarray]:
    exact = np.array(times, np.float64)
    if (exact < 0).any() or (exact > MAX_SECONDS).any() or (np.diff(exact) < 0).any():
        raise ValueError("times ascend")
    data = base64.b64decode(hashes, validate=True)
    if len(data) != len(exact) * HASH_BYTES:
        raise ValueError("as many hashes as times")
    return exact.astype(np.float32), np.frombuffer(data, np.uint8).reshape(-1, HASH_BYTES)


def write(entries: Iterable[tuple[Footage, Prints]]) -> Iterator[bytes]:
    """Yield the lines of a file for others: no folder, no id, no date of the one who gives it."""
    yield b'{"unmask_library":%d,"hash":"pdq-128"}\n' % VERSION
    for footage, prints in entries:
        if not len(prints.times):
            continue
        line = SharedFootage(
            name=footage.name, sha256=footage.sha256, duration=footage.duration,
            size=footage.size, times=_seconds(prints.times), hashes=_text(prints.hashes),
            face_times=_seconds(prints.face_times), face_hashes=_text(prints.face_hashes),
        )  # fmt: skip
        yield line.model_dump_json().encode() + b"\n"


def _seconds(times: np.ndarray) -> list[float]:
    return [round(float(time), 2) for time in times]


def _text(hashes: np.ndarray) -> str:
    return base64.b64encode(hashes.tobytes()).decode()


def read(file: BinaryIO) -> Iterator[tuple[SharedFootage, Prints]]:
    """Yield what a file of others holds, a line at a time. Raise InputError if it is no such file,
    of a newer version, or out of bounds."""
    head = file.readline(MAX_LINE + 1)
    try:
        header = _Header.model_validate_json(head)
    except ValidationError:
        raise InputError(
            _("This is no file of fingerprints."), hint=_("Make one with: unmask library export")
        ) from None
    if header.unmask_library != VERSION or header.hash != "pdq-128":
        raise InputError(_("These fingerprints were written by a newer Unmask."))
    taken = len(head)
    for number in range(1, MAX_FOOTAGE + 2):
        line = file.readline(MAX_LINE + 1)
        if not line:
            return
        taken += len(line)
        if len(line) > MAX_LINE or taken > MAX_BYTES or number > MAX_FOOTAGE:
            raise InputError(_("This file of fingerprints is too large."))
        try:
            shared = SharedFootage.model_validate_json(line)
            yield shared, shared.prints()
        except (ValidationError, ValueError, binascii.Error):
            raise InputError(
                _("Line {number} of the fingerprints is damaged.").format(number=number + 1),
                hint=_("Nothing was added."),
            ) from None
