"""Signal interface and registry: measurements of one person, made while a run decodes frames."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from detector import plugins
from detector.schema.analysis import Analysis, Media, Signal, Subject
from detector.sentences import _, say
from detector.signals.patch import FacePatch
from detector.signals.reference import SOFT, SignalSpec, material_of, usual


@dataclass(frozen=True)
class SubjectContext:
    """A person of a finished run; `soft`: why shape measurements are less reliable, if so."""

    track: Subject
    soft: str
    material: str = ""  # see `reference.material_of`

    def signal(
        self, spec: SignalSpec, value: float, *, weak: str = "", times: Sequence[float] = ()
    ) -> Signal:
        """Return a measurement of this person; see `SignalSpec.signal`."""
        known = usual(spec.id, self.material)
        return spec.signal(value, self.track.id, weak=weak, times=times, known=known)

    def absent(self, spec: SignalSpec, why: str) -> Signal:
        """Return a signal as absent, and why."""
        return spec.absent(why, self.track.id)


class Observer:
    """One signal of one person, used by one thread; `frames`: how many will be sampled."""

    def __init__(self, frames: int) -> None:
        pass

    def on_face(self, face: FacePatch, index: int) -> None:
        """Read the face at the `index`-th sampled frame."""

    def close(self) -> None:
        """End of input: finish the work on faces and release them."""

    def finish(self, subject: SubjectContext) -> Signal | None:
        """Return the signal, or why it is absent; None if it does not apply to this person."""
        raise NotImplementedError


Series = list[tuple[float, float]]
"""(time in s, measured value), ascending."""
NEAR = 0.45
"""s. Faces further apart are not compared."""
TOO_FAR = _("The sampled frames lie too far apart in time.")
ON_REQUEST = _("Measured on request: it takes every frame.")


class SeriesObserver(Observer):
    """A value over time; the signal is its median."""

    def __init__(self, spec: SignalSpec, absent: str) -> None:
        self._spec, self._absent = spec, absent
        self._series: Series = []

    def add(self, time: float, value: float | None) -> None:
        """Add a measured value, if any."""
        if value is not None:
            self._series.append((time, value))

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        if not self._series:
            return subject.absent(self._spec, self._absent)
        middle = float(np.median([value for _, value in self._series]))
        farthest = max(self._series, key=lambda at: abs(at[1] - middle))
        made = subject.signal(self._spec, middle, weak=subject.soft, times=[farthest[0]])
        series = [(round(time, 3), round(value, 4)) for time, value in self._series]
        return made.model_copy(update={"series": series})


class FaceObserver(SeriesObserver):
    """A figure of each face."""

    def __init__(self, spec: SignalSpec, absent: str, measure: Measure) -> None:
        super().__init__(spec, absent)
        self._measure = measure

    def on_face(self, face: FacePatch, index: int) -> None:
        self.add(face.time, self._measure(face))


class PairObserver(SeriesObserver):
    """A value of each pair of consecutive faces that are `NEAR`."""

    def __init__(self, spec: SignalSpec, absent: str, compare: Compare) -> None:
        super().__init__(spec, absent)
        self._compare = compare
        self._before: FacePatch | None = None

    def on_face(self, face: FacePatch, index: int) -> None:
        before, self._before = self._before, face
        if before is not None and 0 < face.time - before.time <= NEAR:
            self.add(face.time, self._compare(before, face))

    def close(self) -> None:
        self._before = None


@dataclass(frozen=True)
class SignalMeasure:
    """An entry of the registry."""

    spec: SignalSpec  # its name, unit and words
    rank: int  # sort key among the signals
    observe: Callable[[int], Observer]  # makes an observer for one person


Measure = Callable[[FacePatch], float | None]
Compare = Callable[[FacePatch, FacePatch], float | None]


def of_each(spec: SignalSpec, measure: Measure, absent: str, *, rank: int) -> SignalMeasure:
    """Return a signal of single faces; `absent`: the reason if no face has a value."""
    return SignalMeasure(spec, rank, lambda frames: FaceObserver(spec, absent, measure))


def of_pairs(spec: SignalSpec, compare: Compare, absent: str, *, rank: int) -> SignalMeasure:
    """Return a signal of consecutive faces."""
    return SignalMeasure(spec, rank, lambda frames: PairObserver(spec, absent, compare))


def of_landmarks(
    spec: SignalSpec, compare: Callable[[np.ndarray, np.ndarray], float], *, rank: int
) -> SignalMeasure:
    """Return a signal of five landmarks of consecutive faces: complex [5], px."""

    def faces(before: FacePatch, face: FacePatch) -> float | None:
        if min(len(before.points), len(face.points)) < 5:
            return None
        return compare(before.points @ (1, 1j), face.points @ (1, 1j))

    return of_pairs(spec, faces, TOO_FAR, rank=rank)


class _Unwatched(Observer):
    """Placeholder of a signal on request, measured by `watching`."""

    def __init__(self, spec: SignalSpec) -> None:
        self._spec = spec

    def finish(self, subject: SubjectContext) -> Signal:
        return subject.absent(self._spec, ON_REQUEST)


def on_request(spec: SignalSpec, *, rank: int) -> SignalMeasure:
    """Return a signal that `watching` measures."""
    return SignalMeasure(spec, rank, lambda frames: _Unwatched(spec))


def merged(analysis: Analysis, found: Sequence[Signal]) -> Analysis:
    """Return a result with these signals in the place of those that it has of the same."""
    fresh = {(signal.id, signal.subject): signal for signal in found}
    kept = [fresh.pop((s.id, s.subject), s) for s in analysis.signals]
    return analysis.model_copy(update={"signals": [*kept, *fresh.values()]})


def said(signal: Signal) -> Signal:
    """Return a measurement in the reader's language."""
    words = {name: say(getattr(signal, name)) for name in ("title", "value", "how_to_read")}
    return signal.model_copy(update=words)


@lru_cache(maxsize=1)
def list_signals() -> tuple[SignalMeasure, ...]:
    """Return every signal, a module of `measures` each or of a plugin, in the order they are
    shown."""
    from detector.signals import measures  # each of which imports this module

    names = [module.name for module in pkgutil.iter_modules(measures.__path__)]
    signals = [importlib.import_module(f"{measures.__name__}.{name}").SIGNAL for name in names]
    return tuple(sorted([*signals, *plugins.signals()], key=lambda signal: signal.rank))


PEOPLE = 6
"""number of most suspicious people with signals"""
SMALL = 96.0
"""px of a face's width, below which shape measurements are less reliable."""


def width_of(person: Subject) -> float:
    """Return the median width of a person's face, px."""
    return float(np.median([face.quality.width for face in person.frames]))


def material(media: Media, person: Subject) -> str:
    """Return the key of clips of a like size and compression (`reference.material_of`)."""
    shown = media.width * media.height * (media.fps or 0.0)
    bits = media.bit_rate / shown if media.bit_rate and shown else None
    return material_of(width_of(person), bits)


class SignalReader:
    """Feeds the observers of every person in one thread; `frames`: how many will be sampled."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._people: dict[int, dict[str, Observer]] = {}

    def face(self, person: int, index: int, face: FacePatch) -> None:
        """Read one face in one sampled frame."""
        for observer in self._observers(person).values():
            observer.on_face(face, index)

    def close(self) -> None:
        """End of input."""
        for observers in self._people.values():
            for observer in observers.values():
                observer.close()

    def signals(self, analysis: Analysis, people: Mapping[str, int]) -> list[Signal]:
        """Return the signals of a decided analysis, most suspicious first; `people` by subject
        id."""
        signals: list[Signal] = []
        for track in analysis.people[:PEOPLE]:
            soft = SOFT if width_of(track) < SMALL else ""
            subject = SubjectContext(track, soft, material(analysis.media, track))
            observers = self._observers(people[track.id])
            found = (observer.finish(subject) for observer in observers.values())
            signals += [signal for signal in found if signal is not None]
        return signals

    def _observers(self, person: int) -> dict[str, Observer]:
        if person not in self._people:
            self._people[person] = {
                measure.spec.id: measure.observe(self._frames) for measure in list_signals()
            }
        return self._people[person]
