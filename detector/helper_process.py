"""A process of its own for what takes PyTorch on a processor: converting networks, and heatmaps.

Building and tracing a network takes PyTorch and three times the network's size; a process that did
that never gets smaller again. The helper does one thing after the other, and ends when it was idle
for a while.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from detector import converted, forked
from detector.errors import Canceled, ModelError, UnmaskError
from detector.memory import give_back_freed, return_freed
from detector.sentences import _
from detector.threads import Supervised, exiting

log = logging.getLogger(__name__)

IDLE_SECONDS = 60.0
POLL_SECONDS = 0.2
"""between two calls of `waiting`"""


class HelperProcess:
    """The process of this program that has PyTorch, started at the first call. Thread-safe: calls
    wait for each other."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}
        self._lock = threading.Lock()
        self._idle = threading.Timer(IDLE_SECONDS, self.close)

    def call(
        self, function: str, *arguments: object, waiting: Callable[[], object] = lambda: None
    ) -> Any:
        """Call a function ("module:name") there and return what it returns, both by pickle; raise
        what it raises as an UnmaskError, and ModelError ("helper") where the process ended.

        `waiting` is called every 0.2 s and may raise to stop, which ends the process. Raise
        Canceled when this process ends."""
        forked.about_to_run()
        while not self._lock.acquire(timeout=POLL_SECONDS):
            waiting()
        if exiting.is_set():
            self._lock.release()
            raise Canceled
        try:
            self._idle.cancel()
            process = self._started()
            assert process.stdin and process.stdout
            pickle.dump((function, arguments), process.stdin)
            process.stdin.flush()
            answer = Supervised(
                "helper",
                partial(pickle.load, process.stdout),
                owner=self,
                stop=process.kill,
                on_error=lambda error: None,  # raised by `result`
            ).start()
            while not answer.wait(POLL_SECONDS):
                waiting()
            result, error = answer.ended.result()
        except (OSError, EOFError, pickle.UnpicklingError) as problem:
            self._close()
            if exiting.is_set():
                raise Canceled from None
            log.warning("the helper process ended: %s", problem)
            text = _("The process that runs PyTorch ended before it was done, perhaps for lack of "
                     "memory.")  # fmt: skip
            raise ModelError(text, code="helper", hint=_("Try again.")) from problem
        except BaseException:  # an answer that nobody read would be taken for the next
            self._close()
            raise
        finally:
            self._end_when_idle()
            self._lock.release()
        if error is not None:
            raise error
        return result

    def converts(self, function: str, *arguments: object) -> bool:
        """Call a function there, which converts; return whether it has. Where it has not, the
        caller meets the same error."""
        try:
            self.call(function, *arguments)
        except Canceled:
            raise
        except UnmaskError as error:  # the caller reports it, once it has met it itself
            log.info("a network was not converted: %s", error)
            return False
        return True

    def keep(self) -> None:
        """Let the process, if there is one, wait for the next call from now on."""
        if self._lock.acquire(blocking=False):  # else it is called now
            self._end_when_idle()
            self._lock.release()

    @property
    def running(self) -> bool:
        """Return whether there is such a process."""
        return self._process is not None

    def close(self) -> None:
        """End the process, if there is one, once it has answered."""
        with self._lock:
            self._idle.cancel()
            self._close()

    def _end_when_idle(self) -> None:
        self._idle.cancel()
        if self._process is not None:
            self._idle = threading.Timer(IDLE_SECONDS, self.close)
            self._idle.daemon = True
            self._idle.start()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError), process:  # closes its pipes, and waits for it
                process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        more = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "UNMASK_CONVERTED": str(converted.root()),
        }
        environment = os.environ | more
        if self._process and (self._process.poll() is not None or self._environment != environment):
            self._close()
        if self._process is None:
            self._environment = environment
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # an interrupt at the terminal is not for it
            )
        return self._process


helper = HelperProcess()


def main() -> None:
    """Call what is asked for, and answer with a result and an error, one of them None."""
    give_back_freed()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    while True:
        try:
            function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        module, _colon, name = function.partition(":")
        result, error = None, None
        try:
            result = getattr(import_module(module), name)(*arguments)
        except UnmaskError as problem:
            error = problem
        except Exception as problem:
            error = ModelError(f"{type(problem).__name__}: {problem}")
        gc.collect()
        return_freed()
        try:
            pickle.dump((result, error), answers)
            answers.flush()
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
