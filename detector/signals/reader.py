"""All signals of a run, read while it goes on from frames that are decoded anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detector.decision import material
from detector.schema.analysis import Analysis, Modality, Signal, Subject
from detector.signals.measure import Observer, RunPlan, SubjectContext
from detector.signals.patch import FacePatch
from detector.signals.registry import list_signals

PEOPLE = 6
"""most suspicious people whose signals are told."""
COMPRESSED = "Heavy compression can look alike."
SOFT = "A small or soft face can look alike."
SMALL = 96.0
"""px of the width of a face, under which shapes and noise say less."""

Landmarks = Sequence[tuple[float, np.ndarray]]
"""(s, five landmarks [5, 2]) of a person at every look, ascending."""


class SignalReader:
    """Feeds the observers of every person. Fed and closed by one thread.

    Parameters
    ----------
    moments : int
        How many moments will be looked at.
    """

    def __init__(self, moments: int) -> None:
        self._plan = RunPlan(moments)
        self._people: dict[int, dict[str, Observer]] = {}

    def face(self, person: int, index: int, face: FacePatch) -> None:
        """Read one face at one looked-at moment."""
        for observer in self._observers(person).values():
            observer.on_face(face, index)

    def run(self, person: int, start: float, end: float, crops: np.ndarray) -> None:
        """Read one run of consecutive crops (`motion.RECIPE`) of a person."""
        for observer in self._observers(person).values():
            observer.on_window(start, end, crops)

    def close(self) -> None:
        """Nothing follows."""
        for observers in self._people.values():
            for observer in observers.values():
                observer.close()

    def signals(
        self, analysis: Analysis, people: Mapping[str, tuple[int, Landmarks]]
    ) -> list[Signal]:
        """Return what was read, the most suspicious people first.

        Parameters
        ----------
        analysis : Analysis
            Decided.
        people : mapping
            Track id -> the person's number as `face` and `run` were told, and its landmarks.
        """
        compressed = _compressed(analysis)
        found: list[Signal] = []
        for track in [t for t in analysis.judged if t.modality is Modality.FACE][:PEOPLE]:
            number, landmarks = people[track.id]
            subject = SubjectContext(
                track, analysis.media.kind, compressed, _soft(track), landmarks
            )
            observers = self._observers(number)
            found += [
                observers[measure.spec.id].finish(subject)
                for measure in list_signals()
                if measure.stills or subject.kind != "image"
            ]
        return found

    def curves(self, person: int) -> dict[str, np.ndarray]:
        """Return means over a person's faces that the reference keeps: see `Observer.curves`."""
        rows: dict[str, np.ndarray] = {}
        for observer in self._observers(person).values():
            rows |= observer.curves()
        return rows

    def _observers(self, person: int) -> dict[str, Observer]:
        if person not in self._people:
            self._people[person] = {
                measure.spec.id: measure.observe(self._plan) for measure in list_signals()
            }
        return self._people[person]


def _soft(track: Subject) -> str:
    """Why shapes say less of this person, if so."""
    width = float(np.median([face.quality.width for face in track.frames]))
    return SOFT if width < SMALL else ""


def _compressed(analysis: Analysis) -> str:
    """Why traces in pixels say less of this file, if so."""
    bits = material.bits_per_pixel(analysis.media)
    heavy = bits is not None and bits < material.FAIR_BITS[analysis.media.kind]
    return COMPRESSED if heavy else ""
