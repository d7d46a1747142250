"""Which signals there are: a module of `detector.signals.measures` each, with its `SIGNAL`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from detector.signals import measures
from detector.signals.measure import SignalMeasure


@lru_cache(maxsize=1)
def list_signals() -> tuple[SignalMeasure, ...]:
    """Return every signal, in the order they are shown."""
    modules = [
        importlib.import_module(f"{measures.__name__}.{found.name}")
        for found in pkgutil.iter_modules(measures.__path__)
    ]
    signals: list[SignalMeasure] = [module.SIGNAL for module in modules]
    return tuple(sorted(signals, key=lambda signal: signal.rank))
