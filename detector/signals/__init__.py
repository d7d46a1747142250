"""Signals: measurements of pixels and motion, compared with untouched footage.

A signal has a value, the range in which the middle 90 % of untouched clips lie (`reference.json`),
a reading (usual, unclear, unusual, absent) and an explanation. It informs and never votes: no
signal was validated as a detector, and each has innocent causes, which it names.

Each signal is one file in `measures/`, found by `list_signals`; a new one needs that file and its
ranges in `reference.json`. `SignalReader` feeds them in the pipeline, from frames that are decoded
anyway; `watching` measures on request what takes more; `views` draws one frame's spectrum, noise
and error level."""

from detector.signals.measure import SignalReader, list_signals, merged, said
from detector.signals.patch import FacePatch, cut_patch

__all__ = ["FacePatch", "SignalReader", "cut_patch", "list_signals", "merged", "said"]
