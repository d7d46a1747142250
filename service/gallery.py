"""A few samples to try the application with."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from detector import paths
from detector.errors import UnmaskError
from detector.sentences import _

if TYPE_CHECKING:
    from detector.samples import Sample

log = logging.getLogger(__name__)


class Gallery:
    """The samples, made in the background on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.samples: list[Sample] | None = None  # None until they are there
        self._error: Exception | None = None

    @property
    def problem(self) -> str:
        """Why there can't be any, for a person."""
        if self._error is None:
            return ""
        return getattr(self._error, "message", "") or _("they could not be written")

    def make(self) -> None:
        """Make them, if nobody has; return when they are there or can't be."""
        with self._lock:
            if self.samples is not None or self._error:
                return
            try:
                from detector.samples import make_samples

                self.samples = make_samples(paths.data())
            except (UnmaskError, OSError, ImportError) as error:
                log.exception("the samples could not be made")
                self._error = error
