"""Processes that were forked after networks ran: the threads of OpenVINO and PyTorch are missing
there, and every call would wait for them forever (a deadlock)."""

import os

from detector.errors import UsageError
from detector.sentences import _

_state = {"ran": False, "forked": False}


def _after_fork() -> None:
    _state["forked"] = _state["ran"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def about_to_run() -> None:
    """Note that networks run in this process. Raise UsageError where it was forked from one in
    which they ran before."""
    if _state["forked"]:
        raise UsageError(
            _("This process was forked from one that has analyzed before, and can't analyze."),
            code="forked",
            hint=_("Start processes by spawn, as multiprocessing.get_context('spawn'), or fork "
                   "before the first analysis."),
        )  # fmt: skip
    _state["ran"] = True
