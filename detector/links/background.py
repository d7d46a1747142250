"""A server on a port of this computer, for as long as somebody needs it: a thread with a loop."""

import asyncio
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import suppress
from typing import Self

from detector.errors import Canceled

POLL_SECONDS = 0.1  # Between two looks at whether it is still wanted


class LoopThread(ABC):
    """Runs `_main` in a thread of its own from entering to leaving, or until `cancel` is set;
    leaving waits `patience` s for its end. `port` of 127.0.0.1 is what `_main` reported by
    `_ready`."""

    def __init__(self, name: str, cancel: threading.Event, patience: float) -> None:
        self._cancel, self._patience = cancel, patience
        self._ready: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            while not self._ready.done():
                if self._cancel.wait(POLL_SECONDS):
                    raise Canceled
            self.port = self._ready.result()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @abstractmethod
    async def _main(self) -> None:
        """Say where it listens (`_ready`), and serve until it is over or canceled."""

    def _close(self) -> None:
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # its loop has ended
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(self._patience)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._watched())

    async def _watched(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        watcher = asyncio.create_task(self._end_when_canceled(self._task))
        try:
            await self._main()
        except BaseException as error:
            if not self._ready.done():
                canceled = isinstance(error, asyncio.CancelledError)
                self._ready.set_exception(Canceled() if canceled else error)
                return
            raise
        finally:
            watcher.cancel()

    async def _end_when_canceled(self, task: asyncio.Task[None] | None) -> None:
        while not self._cancel.is_set():
            await asyncio.sleep(POLL_SECONDS)
        if task is not None:
            task.cancel()
