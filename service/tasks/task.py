"""One piece of background work, whatever kind it is. No thread is started here.

A task is written by the worker that runs it and read by any page. Each attribute is replaced whole
and never changed in place, so a reader needs no lock; `state` is written last.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Protocol

from detector.errors import Canceled, UnmaskError
from service.context import Principal, PrincipalKind, Role
from service.records.model import ErrorReport, State

ACTIVE = (State.QUEUED, State.RUNNING)
INTERNAL = "internal"
"""The error code of what nobody raised on purpose."""
MAX_KEPT = 100
"""Ended tasks of a kind remembered in memory; older ones are read from the store."""


SYSTEM = Principal("system", PrincipalKind.LOCAL, Role.ADMIN)
"""Sees all tasks: what is old is deleted, whoever owns it."""


class Priority(IntEnum):
    """Who is served first; a lower number comes before a higher one."""

    LIVE = 0
    """Somebody watches a camera: late is useless."""
    INTERACTIVE = 1
    """Somebody waits in front of a page."""
    BATCH = 2
    """Hours of work that nobody waits for; it pauses between its steps while others need the
    cores."""


class TaskProgress(Protocol):
    """How far a task is."""

    @property
    def stage(self) -> str: ...
    @property
    def fraction(self) -> float: ...


@dataclass(frozen=True)
class StepProgress:
    """Progress of work that is counted in steps: files, trials, bytes.

    Attributes
    ----------
    stage : str
        What is done just now; may be empty.
    done, total : int
        Steps; total 0 until it is known.
    """

    stage: str = ""
    done: int = 0
    total: int = 0

    @property
    def fraction(self) -> float:
        """0..1"""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class TaskKind:
    """What all tasks of a kind have in common.

    Attributes
    ----------
    name : str
        As it stands in the store.
    priority : Priority
    cores : float
        Cores that one keeps busy; 0 for what waits for a network.
    max_running : int, optional
        Run at a time, however many cores there are.
    refuse : callable
        Given how many of this kind wait and how many run, the error to raise instead of taking one
        more, or None.
    restore : callable
        Makes a task of this kind from its row (`Task` or a class derived from it).
    on_interrupted : callable
        Called with a task that was lost with its server, when that is noticed.
    kept : int
        Ended tasks remembered in memory.
    log_level : int
        Of what it raised on purpose and is no fault of what it was given.
    """

    name: str
    priority: Priority
    cores: float
    max_running: int | None = None
    refuse: Callable[[int, int], UnmaskError | None] = lambda waiting, running: None
    restore: Callable[..., Task] | None = None
    on_interrupted: Callable[[Task], None] = lambda task: None
    kept: int = MAX_KEPT
    log_level: int = logging.ERROR


class Task:
    """Work of one kind for one owner.

    Parameters
    ----------
    kind : TaskKind
    owner : str
        Id of whoever asked for it.
    subject : str
        What it is about: the id of a record, of a model; may be empty.
    params : dict
        What it takes to run it again after a restart. Plain JSON; no file names of people.
    id : str, optional
        Default: 128 random bits. It may stand in addresses.

    Attributes
    ----------
    state : State
    progress : TaskProgress or None
        None before a worker has said anything.
    result : object
        What the work returned, in this process only; what has to outlive it is kept by the work.
    fault : ErrorReport or None
        Why it failed.
    created, started, ended : datetime or None
        UTC.
    cancel : threading.Event
        Set when somebody asked to stop it (`TaskManager.cancel`).
    MIN_STEPS, MIN_SECONDS : int, float
        What must be over before a time left is told.
    """

    MIN_STEPS = 1
    MIN_SECONDS = 0.0

    def __init__(
        self,
        kind: TaskKind,
        owner: str,
        *,
        subject: str = "",
        params: dict[str, Any] | None = None,
        id: str | None = None,
    ) -> None:
        self.kind = kind
        self.id = id or secrets.token_urlsafe(16)
        self.owner = owner
        self.subject = subject
        self.params = params or {}
        self.created = datetime.now(UTC)
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.cancel = threading.Event()
        self.progress: Any = None
        self.result: Any = None
        self.fault: ErrorReport | None = None
        self.state = State.QUEUED
        self.at_checkpoint: Callable[[], None] = lambda: None
        """Called between two steps; returns when this may go on."""
        self._began: float | None = None
        self._first = 0

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    def visible_to(self, principal: Principal) -> bool:
        """Whether somebody may see, stop and delete it: its owner, or an administrator."""
        return principal.id == self.owner or principal.may_administer

    def begin(self) -> None:
        """Note that a worker took it."""
        self.started, self._began = datetime.now(UTC), time.monotonic()
        self.state = State.RUNNING

    def elapsed(self) -> float:
        """Seconds since a worker took it; 0 before."""
        return time.monotonic() - self._began if self._began is not None else 0.0

    def on_progress(self, done: int, total: int, stage: str = "") -> None:
        """Say how far it is; from the work, between two steps.

        Raises
        ------
        Canceled
            Somebody asked to stop.
        """
        if self.cancel.is_set():
            raise Canceled
        if self.progress is None:
            self._first = done  # a resumed file begins in the middle
        self.progress = StepProgress(stage, done, total)
        self.at_checkpoint()
        if self.cancel.is_set():
            raise Canceled

    @property
    def done(self) -> int:
        return getattr(self.progress, "done", 0)

    @property
    def total(self) -> int:
        """Steps in all; 0 until it is known."""
        return getattr(self.progress, "total", 0)

    @property
    def stage(self) -> str:
        """What is done just now; may be empty."""
        return getattr(self.progress, "stage", "")

    @property
    def fraction(self) -> float:
        return self.progress.fraction if self.progress is not None else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left by the rate so far; None while a rate would mean little."""
        made, elapsed = self.done - self._first, self.elapsed()
        if self._began is None or not self.total or made < self.MIN_STEPS:
            return None
        if elapsed < self.MIN_SECONDS:
            return None
        return elapsed / made * (self.total - self.done)
