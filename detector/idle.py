"""What is done once nothing has been asked for a while, such as giving memory back."""

import threading
from collections.abc import Callable


class IdleTimer:
    """Calls `then`, in a thread of its own, once it was not restarted for a while. Its owner calls
    it under a lock."""

    def __init__(self, then: Callable[[], object]) -> None:
        self._then = then
        self._timer: threading.Timer | None = None

    def restart(self, seconds: float) -> None:
        """Wait from now on."""
        self.cancel()
        self._timer = threading.Timer(seconds, self._then)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
