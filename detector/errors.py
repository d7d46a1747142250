"""Error hierarchy of the library.

UnmaskError
├── InputError            the caller's file or argument cannot be used (CLI exit status 2)
│   ├── MediaError        the media cannot be read, or must not be (`code` says which)
│   └── UsageError        an unknown model id, an impossible setting
├── ModelError            a model cannot be loaded or run
│   ├── WeightsError      a weight file is missing, corrupted, or does not fit the network
│   └── LabelOrderError   which output means fake is not known, and we do not guess
├── ClusterError          the machines that should do the work can't be reached, or can't do it
└── Canceled              the caller asked to stop

A message is one clear sentence for a person; `hint` says what to do next. `code` is stable and
meant for programs.
"""

import threading


class UnmaskError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message : str
        One sentence a person can read.
    code : str
        Stable, snake_case, for programs.
    hint : str
        What to do next; may be empty.
    """

    default_code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint

    @property
    def advice(self) -> str:
        """Return the message with the hint."""
        return f"{self.message} {self.hint}".strip()


class InputError(UnmaskError):
    """The caller's file or argument cannot be used."""

    default_code = "bad_input"


class MediaError(InputError):
    """The media cannot be read, or must not be."""

    default_code = "undecodable"


class UsageError(InputError):
    """An unknown model id or an impossible setting."""

    default_code = "usage"


class ModelError(UnmaskError):
    """A model cannot be loaded or run."""

    default_code = "model_failed"


class WeightsError(ModelError):
    """A weight file is missing, corrupted, or does not fit the network."""

    default_code = "weights"


class LabelOrderError(ModelError):
    """Which output means fake is not known, and we do not guess."""

    default_code = "label_order"


class ClusterError(UnmaskError):
    """The machines that should do the work can't be reached, or can't do it."""

    default_code = "cluster"


class Canceled(UnmaskError):
    """The caller asked to stop."""

    default_code = "canceled"

    def __init__(self, message: str = "The analysis was canceled.") -> None:
        super().__init__(message)


class CancellationToken(threading.Event):
    """Event that is set when a stage ends early, or when the caller's event is set."""

    def __init__(self, cancel: threading.Event) -> None:
        super().__init__()
        self._cancel = cancel

    def is_set(self) -> bool:
        return super().is_set() or self._cancel.is_set()
