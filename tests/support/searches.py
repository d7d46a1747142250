"""How often faces are searched, and in which frames."""

import zlib
from contextlib import contextmanager
from typing import NamedTuple

import pytest


class Search(NamedTuple):
    way: str
    """`detect` or `follow`"""
    frame: int
    """CRC-32 of the pixels"""


@contextmanager
def searches(detector):
    """Note each search of a detector."""
    noted: list[Search] = []
    with pytest.MonkeyPatch.context() as patch:
        for way in ("detect", "follow"):
            real = getattr(detector, way)

            def note(rgb, *rest, way=way, real=real):
                noted.append(Search(way, zlib.crc32(rgb)))
                return real(rgb, *rest)

            patch.setattr(detector, way, note)
        yield noted
