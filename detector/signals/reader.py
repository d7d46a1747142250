"""All signals of a run, read while it goes on from frames that are decoded anyway."""

from collections.abc import Mapping

import numpy as np

from detector.schema.analysis import Analysis, Modality, Signal
from detector.signals.measure import Observer, SubjectContext, list_signals
from detector.signals.patch import FacePatch
from detector.signals.reference import SOFT

PEOPLE = 6
"""most suspicious people whose signals are given"""
SMALL = 96.0
"""px of the width of a face, under which shapes say less."""


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
        """Nothing follows."""
        for observers in self._people.values():
            for observer in observers.values():
                observer.close()

    def signals(self, analysis: Analysis, people: Mapping[str, int]) -> list[Signal]:
        """Return the signals of a decided analysis, most suspicious first; `people` by subject
        id."""
        signals: list[Signal] = []
        seen = [t for t in analysis.judged if t.modality is Modality.FACE]
        for track in seen[:PEOPLE]:
            width = float(np.median([face.quality.width for face in track.frames]))
            subject = SubjectContext(track, SOFT if width < SMALL else "")
            observers = self._observers(people[track.id])
            signals += [observer.finish(subject) for observer in observers.values()]
        return signals

    def _observers(self, person: int) -> dict[str, Observer]:
        if person not in self._people:
            self._people[person] = {
                measure.spec.id: measure.observe(self._frames) for measure in list_signals()
            }
        return self._people[person]
