"""How often faces are searched, and in which frames."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest

from detector.vision import Detection, FaceDetector


class Search(NamedTuple):
    way: str
    """`detect` or `follow`"""
    frame: int
    """CRC-32 of the pixels"""


@contextmanager
def searches(detector: FaceDetector) -> Iterator[list[Search]]:
    """Note each search of a detector."""
    noted: list[Search] = []
    with pytest.MonkeyPatch.context() as patch:
        for way in ("detect", "follow"):
            real = getattr(detector, way)

            def note(rgb: np.ndarray, *rest: object, way=way, real=real) -> list[Detection]:
                noted.append(Search(way, zlib.crc32(rgb)))
                return real(rgb, *rest)

            patch.setattr(detector, way, note)
        yield noted
