"""Conversion of networks in a process of its own.

Building a network and tracing it takes PyTorch and three times the network's size; a process that
did that never gets smaller again. The converter does it for one network after the other, and ends
when it was idle for a while. What it converts is on disk (`detector.converted`)."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from detector import converted
from detector.idle import IdleTimer
from detector.memory import give_back_freed, return_freed

log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0  # between two conversions: on a busy computer a network takes long to compile


class Converter:
    """The process of this program that converts, started at the first call. Thread-safe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._environment: dict[str, str] = {}
        self._lock = threading.Lock()
        self._end = IdleTimer(self.close)

    def run(self, function: str, *arguments: str | Sequence[str]) -> bool:
        """Call a function ("module:name") there, which converts; return whether it has. Without
        processes and where it raises, it has not: the caller meets the same error."""
        with self._lock:
            self._end.cancel()
            try:
                process = self._started()
                assert process.stdin and process.stdout
                print(json.dumps([function, *arguments]), file=process.stdin, flush=True)
                error = json.loads(process.stdout.readline())
            except (OSError, ValueError) as problem:
                self._close()
                error = f"{type(problem).__name__}: {problem}"
                log.warning("the process that converts networks ended: %s", problem)
            except BaseException:  # an answer that nobody read would be taken for the next
                self._close()
                raise
            if self._process is not None:
                self._end.restart(IDLE_SECONDS)
        if error:  # the caller reports it, once it has met it itself
            log.info("a network was not converted: %s", error)
        return not error

    @property
    def running(self) -> bool:
        """Return whether there is such a process."""
        return self._process is not None

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end.cancel()
            self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        more = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "UNMASK_CONVERTED": str(converted.root()),
        }
        if self._environment != (environment := os.environ | more):
            self._close()
        if self._process is None:
            self._environment = environment
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
                start_new_session=True,  # an interrupt at the terminal is not for it
            )
        return self._process


converter = Converter()


def main() -> None:
    """Call what is asked for, a line each, and answer with the error, or an empty text."""
    give_back_freed()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        function, *arguments = json.loads(line)
        module, _, name = function.partition(":")
        error = ""
        try:
            getattr(import_module(module), name)(*arguments)
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
        gc.collect()
        return_freed()
        with suppress(BrokenPipeError):
            print(json.dumps(error), file=answers, flush=True)


if __name__ == "__main__":
    main()
