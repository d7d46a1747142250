"""Functions over strangers' files, each in a process of its own. See README.md in this folder.

A small library: it knows how to fork, confine and check, and nothing of what is run in it.
"""

from detector.isolation.frame import Frame
from detector.isolation.limits import Limits
from detector.isolation.sandbox import Sandbox
from detector.isolation.switch import (
    isolate,
    isolated,
    run_isolated,
    stop_isolating,
    stream_isolated,
)

__all__ = [
    "Frame",
    "Limits",
    "Sandbox",
    "isolate",
    "isolated",
    "run_isolated",
    "stop_isolating",
    "stream_isolated",
]
