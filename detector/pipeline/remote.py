"""Analyses elsewhere than in this process: executors of other installed packages."""

import threading
from pathlib import Path
from typing import Protocol, Self

from detector import plugins
from detector.config import get_config
from detector.installation import not_installed
from detector.pipeline.options import Observer
from detector.schema.analysis import Analysis, Settings
from detector.sentences import _

RAY = "ray"  # the executor of addresses without a scheme


class RemoteAnalyzer(Protocol):
    """Executor of analyses for a batch or a server: this process or other machines."""

    slots: int
    """concurrent analyses; 0: as many as the cores of this computer allow"""

    def analyze(
        self,
        path: Path,
        settings: Settings | None = None,
        *,
        name: str | None = None,
        observe: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Analysis:
        """Analyze one file; `observe` is called from this thread."""

    def warm_up(self, *, voices: bool | None = None) -> None:
        """Load the models that the first analysis needs: of voices, of all else, or all."""

    def close(self) -> None:
        """End remote workers."""


class Executor(RemoteAnalyzer, Protocol):
    """Remote analyzer of an entry point `unmask.executors`. The name of the entry point is the
    scheme of its addresses: `NAME://…`."""

    @staticmethod
    def join(address: str) -> object:
        """Make this process, from its main thread, a part of the machines at an address. Raise
        UsageError or ClusterError."""

    @classmethod
    def open(cls, address: str, *, isolate: bool, device: str) -> Self:
        """Return the analyzer of an address. `isolate`: parse files in sandboxed processes there;
        `device`: of the models there. Raise UsageError or ClusterError."""


def join_remote() -> None:
    """Join the machines at UNMASK_RAY_ADDRESS; do nothing without an address. Raise UsageError or
    ClusterError."""
    if address := get_config().ray_address:
        _executor(address).join(address)


def open_remote(
    address: str = "", *, isolate: bool = False, device: str = "auto"
) -> RemoteAnalyzer | None:
    """Return the analyzer of another address or of UNMASK_RAY_ADDRESS; None without an address.
    Raise UsageError or ClusterError."""
    if not (address := address or get_config().ray_address):
        return None
    return _executor(address).open(address, isolate=isolate, device=device)


def _executor(address: str) -> type[Executor]:
    """Return the class of an address. Raise UsageError if its package is not installed."""
    executors = plugins.executors()
    found = executors.get(address.partition("://")[0]) or executors.get(RAY)
    if found is None:
        raise not_installed(_("A Ray cluster"), "unmask-cluster")
    executor: type[Executor] = found
    return executor
