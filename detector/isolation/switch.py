"""The switch: after one call of `isolate`, what a program runs by these functions runs in workers.

Without it they call the function as it is, so that a library can use them and leave the choice to
the program.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from detector.isolation.frame import Frame
from detector.isolation.limits import Limits
from detector.isolation.sandbox import Sandbox

T = TypeVar("T")

_active: Sandbox | None = None


def isolate(limits: Limits, preload: Sequence[str] = ()) -> Sandbox:
    """Run every `run_isolated` and `stream_isolated` of this program in a worker from here on.

    Calling it again changes nothing. Parameters as of `Sandbox`.

    Raises
    ------
    UnmaskError
        This system has no such processes.
    """
    global _active
    if _active is None:
        _active = Sandbox(limits, preload)
        _active.start()
        atexit.register(stop_isolating)
    return _active


def stop_isolating() -> None:
    """Back to parsing in this process; for tests, and at the end."""
    global _active
    box, _active = _active, None
    if box is not None:
        box.close()


def isolated() -> bool:
    """Whether this program parses media in workers."""
    return _active is not None


def run_isolated(
    function: Callable[..., T],
    path: str | os.PathLike[str],
    *arguments: Any,
    returns: Any,
    writes: Path | None = None,
    timeout: float | None = None,
    cancel: Event | None = None,
) -> T:
    """`function(path, *arguments)`, in a worker where this program is isolated.

    Parameters
    ----------
    function : callable
        Of a module. Where it is called here it is given `cancel` too, if that is not None.
    path : path
        The one file it may read.
    returns : type
        What it returns, for pydantic to check.
    writes : Path, optional
        The folder it may write to.
    timeout : float, optional
        s to wait for the answer, where that is more than a look at a part of the file.
    cancel : threading.Event, optional

    Raises
    ------
    MediaError
        Also when the worker crashed (`reader_crashed`), hung (`reader_timeout`) or took too much
        memory (`reader_memory`).
    Canceled
    """
    if _active is None:
        return function(path, *arguments, **({} if cancel is None else {"cancel": cancel}))
    found: T = _active.call(
        function,
        path,
        *arguments,
        returns=returns,
        reads=(path,),
        writes=writes,
        timeout=timeout,
        cancel=cancel,
    )
    return found


def stream_isolated(
    function: Callable[..., Iterator[Frame]],
    path: str | os.PathLike[str],
    *arguments: Any,
    size: tuple[int, int],
    count: int,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """`function(path, *arguments, notes=..., cancel=...)`, in a worker where this program is
    isolated. See `Sandbox.frames`."""
    if _active is None:
        return function(path, *arguments, notes=notes, cancel=cancel)
    return _active.frames(
        function,
        path,
        *arguments,
        size=size,
        count=count,
        notes=notes,
        reads=(path,),
        cancel=cancel,
    )
