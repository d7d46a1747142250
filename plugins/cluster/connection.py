"""Connection to a Ray cluster, or to a local one of this computer."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from detector.config import get_config
from detector.errors import ClusterError, UsageError
from detector.installation import install_package
from detector.sentences import _

LOCAL, AUTO = "local", "auto"
"""addresses of a cluster of this computer, which ends with the program, and of the cluster that
this computer is part of"""
CONNECT_SECONDS = 3.0
TRY_SECONDS = 20.0  # timeout for joining a cluster that accepts connections
STORE_BYTES = 256 * 1024**2
"""of the object store of a local cluster, whose workers read files directly"""

_TRY = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
_QUIET = {"log_to_driver": False, "logging_level": "error"}
_joining = threading.Lock()


@dataclass(frozen=True)
class ClusterOptions:
    """Address and workers of a cluster."""

    address: str  # "auto", "local" or HOST:PORT
    workers: int = 0
    """actors; 0: as many as it has room for now. Further ones make an autoscaling cluster grow."""
    cpus: float = 2.0  # of each worker
    gpus: float | None = None  # of each worker; None: one if the cluster has any
    isolate: bool = False  # parse files in sandboxed processes

    @classmethod
    def configured(cls, address: str, *, isolate: bool = False) -> ClusterOptions:
        """Return the configured options of a cluster."""
        config = get_config()
        return cls(address, config.ray_workers, config.ray_cpus, config.ray_gpus, isolate)


def join(address: str) -> bool:
    """Join a cluster; return False if this process was part of it. Raise UsageError or
    ClusterError."""
    if address not in (LOCAL, AUTO):
        _parse(address)
    ray = load()
    with _joining:
        if ray.is_initialized():
            other = ray.get_runtime_context().gcs_address
            if address not in (LOCAL, AUTO, other):
                text = _("This program is part of another cluster already, at {other}.")
                raise UsageError(text.format(other=other))
            return False
        if address == LOCAL:
            _init(ray, address=LOCAL, include_dashboard=False, object_store_memory=STORE_BYTES)
        else:
            _try(address)
            _init(ray, address=address)
    return True


def load() -> ModuleType:
    """Return Ray. Raise UsageError if it can't be imported."""
    if "ray" not in sys.modules:
        # No usage statistics are sent.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        hint = _("Install it: {command}").format(command=install_package("unmask-cluster"))
        raise UsageError(
            _("Ray can't be loaded: {error}.").format(error=error), code="no_ray", hint=hint
        ) from error
    module: ModuleType = ray
    return module


def _init(ray: ModuleType, *, address: str, **options: Any) -> None:
    try:
        with _own_signals(), _loopback() if address == LOCAL else nullcontext():
            ray.init(address=address, **_QUIET, **options)
    except Exception as error:
        raise _unreachable(address, str(error).partition("\n")[0]) from error


@contextmanager
def _loopback() -> Iterator[None]:
    """Bind a local cluster to 127.0.0.1 with a token; Ray's default is a network address."""
    from ray._private import ray_constants

    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this program's handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def _try(address: str) -> None:
    """Join in a subprocess first: Ray's core hangs or exits if the other end is not a cluster."""
    if address != AUTO:
        host, port = _parse(address)
        try:
            socket.create_connection((host, port), CONNECT_SECONDS).close()
        except OSError as error:
            raise _unreachable(address, error.strerror or str(error)) from None
    command = [sys.executable, "-c", _TRY, address]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=TRY_SECONDS)
    except subprocess.TimeoutExpired:
        why = _("what listens there is none, or doesn't let this program in")
        raise _unreachable(address, why) from None
    if tried.returncode:
        lines = [line.strip() for line in tried.stderr.splitlines() if line.strip()]
        raise _unreachable(address, lines[-1] if lines else "it ended without a word")


def _parse(address: str) -> tuple[str, int]:
    host, __, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536 or "/" in host:
        hint = _("It is auto, local or HOST:PORT.")
        if address.startswith("ray://"):
            hint = _(
                "Join the cluster with this computer (ray start --address=HOST:PORT), then auto."
            )
        text = _("{address} is not the address of a Ray cluster.")
        raise UsageError(text.format(address=repr(address)), hint=hint)
    return host.strip("[]"), int(port)


def _unreachable(address: str, why: str) -> ClusterError:
    named = "on this computer" if address == AUTO else f"at {address}"
    if address == LOCAL:
        return ClusterError(
            _("A Ray cluster of this computer can't be started: {why}.").format(why=why)
        )
    hint = _("Is it running, and is this computer part of it (ray start --address=HOST:PORT)?")
    text = _("No Ray cluster answers {named}: {why}.")
    return ClusterError(text.format(named=named, why=why.rstrip(".")), hint=hint)
