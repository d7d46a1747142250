"""What a signal is: a measurement of one person, read while a run goes on; and which there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detector.schema.analysis import Signal, Subject
from detector.signals.lips import TalkingClip
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec


@dataclass(frozen=True)
class SubjectContext:
    """A person, once the run has ended and is decided.

    Attributes
    ----------
    kind : str
        Of the file: "video", "image" or "animation".
    compressed : str
        Why traces in pixels say less of this file, if so.
    soft : str
        Why shapes say less of this person, if so.
    landmarks : sequence of (s, float array [5, 2])
        At every look, ascending.
    clip : TalkingClip or None
        The file itself, where this is who speaks in it; else `no_clip` says why it is not.
    """

    track: Subject
    kind: str
    compressed: str
    soft: str
    landmarks: Sequence[tuple[float, np.ndarray]]
    clip: TalkingClip | None = None
    no_clip: str = "There is no sound."

    def signal(
        self, spec: SignalSpec, value: float, *, weak: str = "", times: Sequence[float] = ()
    ) -> Signal:
        """Return a measurement of this person; see `SignalSpec.signal`."""
        return spec.signal(value, self.kind, self.track.id, weak=weak, times=times)

    def absent(self, spec: SignalSpec, why: str) -> Signal:
        """Return a signal as absent, and why."""
        return spec.absent(why, self.track.id)

    def median(self, spec: SignalSpec, values: Sequence[float], absent: str) -> Signal:
        """Return the middle of what was measured in pixels, or the signal as absent and why."""
        if not values:
            return self.absent(spec, absent)
        return self.signal(spec, float(np.median(values)), weak=self.compressed)


class Observer:
    """One signal of one person. Fed and closed by one thread; what it does not need it ignores.

    Parameters
    ----------
    frames : int
        How many frames will be sampled.
    """

    def __init__(self, frames: int) -> None:
        pass

    def on_face(self, face: FacePatch, index: int) -> None:
        """Read the face at the `index`-th sampled frame."""

    def on_window(self, start: float, end: float, crops: np.ndarray) -> None:
        """Read a run of consecutive crops, uint8 [T, 160, 160, 3] (`flow.RECIPE`), s to s."""

    def close(self) -> None:
        """Nothing follows: do what needs all faces, and let go of them."""

    def finish(self, subject: SubjectContext) -> Signal:
        """Return the signal, or why it is absent."""
        raise NotImplementedError

    def curves(self) -> dict[str, np.ndarray]:
        """Return rows of figures that the reference keeps beside the ranges, if any."""
        return {}


@dataclass(frozen=True)
class SignalMeasure:
    """An entry of the registry.

    Attributes
    ----------
    spec : SignalSpec
        Its name, unit and words.
    rank : int
        Where it stands among the others.
    stills : bool
        One picture can show it.
    observe : callable
        Makes an observer for one person.
    """

    spec: SignalSpec
    rank: int
    stills: bool
    observe: Callable[[int], Observer]


def median_of(
    spec: SignalSpec, measure: Callable[[FacePatch], float | None], absent: str, *, rank: int
) -> SignalMeasure:
    """Return a signal that is the median of a figure of each face, and absent where none has it."""

    class MedianObserver(Observer):
        def __init__(self, frames: int) -> None:
            self._values: list[float] = []

        def on_face(self, face: FacePatch, index: int) -> None:
            if (value := measure(face)) is not None:
                self._values.append(value)

        def finish(self, subject: SubjectContext) -> Signal:
            return subject.median(spec, self._values, absent)

    return SignalMeasure(spec, rank, stills=True, observe=MedianObserver)


@lru_cache(maxsize=1)
def list_signals() -> tuple[SignalMeasure, ...]:
    """Return every signal, a module of `measures` each, in the order they are shown."""
    from detector.signals import measures  # each of which imports this module

    names = [module.name for module in pkgutil.iter_modules(measures.__path__)]
    signals = [importlib.import_module(f"{measures.__name__}.{name}").SIGNAL for name in names]
    return tuple(sorted(signals, key=lambda signal: signal.rank))
