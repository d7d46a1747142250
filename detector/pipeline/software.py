"""Versions that a result depends on."""

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from detector import runtime
from detector._version import __version__
from detector.schema.analysis import Software


@lru_cache
def software(device: str) -> Software:
    """Return what computes on `device` in this process."""
    return Software(
        version=__version__,
        commit=_commit(Path(__file__).parents[2] / ".git"),
        python=platform.python_version(),
        torch=metadata.version("torch"),
        device=device,
        backend=runtime.backend(device),
    )


def _commit(git: Path) -> str | None:
    """Return the checkout's commit, read without running git; None outside a checkout."""
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        return (git / head[5:]).read_text().strip()[:12]
    except OSError:
        return None
