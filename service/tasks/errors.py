"""What tasks are refused with."""

from __future__ import annotations

from detector.errors import UnmaskError


class QueueFull(UnmaskError):
    """Too many files are waiting."""

    default_code = "busy"
