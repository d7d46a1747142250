"""Process isolation: functions over untrusted files in sandboxed workers. See README.md.

A small library that forks, confines and validates, independent of the functions it runs. After one
call of `isolate`, `run_isolated` and `stream_isolated` use workers. Without it they call the
function in this process, so that a library can use them and the program decides."""

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from detector.isolation.sandbox import Sandbox as Sandbox
from detector.isolation.sandbox import bare_environment as bare_environment
from detector.isolation.types import Frame as Frame
from detector.isolation.types import Limits as Limits

T = TypeVar("T")

_active: Sandbox | None = None


def isolate(limits: Limits, preload: Sequence[str] = ()) -> Sandbox:
    """Run every `run_isolated` and `stream_isolated` of this program in a worker from here on
    (`Sandbox`). Idempotent. Raise UnmaskError if this system can't fork."""
    global _active
    if _active is None:
        _active = Sandbox(limits, preload)
        _active.start()
        atexit.register(stop_isolating)
    return _active


def stop_isolating() -> None:
    """Parse in this process again; for tests, and at exit."""
    global _active
    box, _active = _active, None
    if box is not None:
        box.close()


def isolated() -> bool:
    """Return True if this program parses media in workers."""
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
    """Return `function(path, *arguments)`, from a worker if this program is isolated; `path` is the
    one file it may read. Called in this process it receives `cancel` too, if set. Raise as
    `Sandbox.call`."""
    if _active is None:
        return function(path, *arguments, **({} if cancel is None else {"cancel": cancel}))
    options: dict[str, Any] = {"writes": writes, "timeout": timeout, "cancel": cancel}
    result: T = _active.call(function, path, *arguments, returns=returns, reads=(path,), **options)
    return result


def run_in_worker(
    function: Callable[..., T],
    path: str | os.PathLike[str],
    *arguments: Any,
    limits: Limits,
    returns: Any,
    timeout: float | None = None,
    cancel: Event | None = None,
) -> T:
    """Return `function(path, *arguments)` from a worker in any case: if this program is not
    isolated, one with `limits` is started for this call. Raise as `Sandbox.call`."""
    options: dict[str, Any] = {"reads": (path,), "timeout": timeout, "cancel": cancel}
    with nullcontext(_active) if _active else Sandbox(limits) as box:
        result: T = box.call(function, path, *arguments, returns=returns, **options)
        return result


def stream_isolated(
    function: Callable[..., Iterator[Any]],
    path: str | os.PathLike[str],
    *arguments: Any,
    size: tuple[int, int],
    count: int,
    notes: list[str],
    head: Any = None,
    cancel: Event | None = None,
) -> Iterator[Any]:
    """Stream the frames of `function(path, *arguments, notes, cancel)` from a worker, after one
    value of the type `head`, if any (`Sandbox.frames`)."""
    options: dict[str, Any] = {"notes": notes, "cancel": cancel}
    if _active is None:
        return function(path, *arguments, **options)
    options |= {"size": size, "count": count, "reads": (path,), "head": head}
    return _active.frames(function, path, *arguments, **options)


def connect_isolated(
    function: Callable[..., Iterator[Frame]], *arguments: Any, cancel: Event, **options: Any
) -> Iterator[Frame]:
    """Stream from a worker that reads no file and connects to one TCP port (`Sandbox.frames`)."""
    if _active is None:
        return function(*arguments, notes=[], cancel=cancel)
    return _active.frames(function, *arguments, notes=[], cancel=cancel, **options)
