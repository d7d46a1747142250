"""What a signal is: a measurement of one person, read while a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detector.schema.analysis import Signal, Subject
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec


@dataclass(frozen=True)
class RunPlan:
    """What is known before the first face.

    Attributes
    ----------
    moments : int
        At how many moments faces will be looked for.
    """

    moments: int


@dataclass(frozen=True)
class SubjectContext:
    """A person, once the run has ended and is decided.

    Attributes
    ----------
    track : Subject
    kind : str
        Of the file: "video", "image" or "animation".
    compressed : str
        Why traces in pixels say less of this file, if so.
    soft : str
        Why shapes say less of this person, if so.
    landmarks : sequence of (s, float array [5, 2])
        At every look, ascending.
    """

    track: Subject
    kind: str
    compressed: str
    soft: str
    landmarks: Sequence[tuple[float, np.ndarray]]

    def signal(
        self, spec: SignalSpec, value: float, *, weak: str = "", times: Sequence[float] = ()
    ) -> Signal:
        """Return a measurement of this person; see `SignalSpec.signal`."""
        return spec.signal(value, self.kind, self.track.id, weak=weak, times=times)

    def median(self, spec: SignalSpec, values: Sequence[float], absent: str) -> Signal:
        """Return the middle of what was measured in pixels, or the signal as absent and why."""
        if not values:
            return spec.absent(absent, self.track.id)
        return self.signal(spec, float(np.median(values)), weak=self.compressed)


class Observer:
    """One signal of one person. Fed and closed by one thread; what it does not need it ignores."""

    def __init__(self, plan: RunPlan) -> None:
        pass

    def on_face(self, face: FacePatch, index: int) -> None:
        """Read the face at the `index`-th moment."""

    def on_window(self, start: float, end: float, crops: np.ndarray) -> None:
        """Read a run of consecutive crops, uint8 [T, 160, 160, 3] (`motion.RECIPE`), s to s."""

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
    observe: Callable[[RunPlan], Observer]
