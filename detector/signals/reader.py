"""All signals of a run, read while it goes on from frames that are decoded anyway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detector.decision import material
from detector.schema.analysis import Analysis, Modality, Signal, Subject
from detector.signals.lips import TalkingClip
from detector.signals.measure import Observer, SubjectContext, list_signals
from detector.signals.patch import FacePatch

PEOPLE = 6
"""most suspicious people whose signals are given"""
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
    frames : int
        How many frames will be sampled.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._people: dict[int, dict[str, Observer]] = {}

    def face(self, person: int, index: int, face: FacePatch) -> None:
        """Read one face in one sampled frame."""
        for observer in self._observers(person).values():
            observer.on_face(face, index)

    def run(self, person: int, start: float, end: float, crops: np.ndarray) -> None:
        """Read one run of consecutive crops (`flow.RECIPE`) of a person."""
        for observer in self._observers(person).values():
            observer.on_window(start, end, crops)

    def close(self) -> None:
        """Nothing follows."""
        for observers in self._people.values():
            for observer in observers.values():
                observer.close()

    def signals(
        self,
        analysis: Analysis,
        people: Mapping[str, tuple[int, Landmarks]],
        clip: TalkingClip | None = None,
    ) -> list[Signal]:
        """Return what was read, the most suspicious people first.

        Parameters
        ----------
        analysis : Analysis
            Decided.
        people : mapping
            Subject's id -> the person's number as in `face` and `run`, and its landmarks.
        clip : TalkingClip, optional
            The file, where somebody speaks in it.
        """
        compressed = _compressed(analysis)
        signals: list[Signal] = []
        seen = [t for t in analysis.judged if t.modality is Modality.FACE]
        no_clip = _silent(analysis)
        if clip is not None and len(seen) > 1:
            clip, no_clip = None, "Several people are seen, and nobody knows who of them speaks."
        for track in seen[:PEOPLE]:
            number, landmarks = people[track.id]
            kind, soft = analysis.media.kind, _soft(track)
            subject = SubjectContext(track, kind, compressed, soft, landmarks, clip, no_clip)
            observers = self._observers(number)
            moves = kind != "image" and not analysis.media.frozen
            shown = [measure for measure in list_signals() if measure.stills or moves]
            signals += [observers[measure.spec.id].finish(subject) for measure in shown]
        return signals

    def curves(self, person: int) -> dict[str, np.ndarray]:
        """Return means over a person's faces that the reference keeps: see `Observer.curves`."""
        rows: dict[str, np.ndarray] = {}
        for observer in self._observers(person).values():
            rows |= observer.curves()
        return rows

    def _observers(self, person: int) -> dict[str, Observer]:
        if person not in self._people:
            self._people[person] = {
                measure.spec.id: measure.observe(self._frames) for measure in list_signals()
            }
        return self._people[person]


def _silent(analysis: Analysis) -> str:
    """Why there is no speech to hold lips against."""
    if analysis.media.audio is None:
        return "There is no sound."
    heard = analysis.media.audio.heard
    return "Nobody listened to the sound." if heard is None else "Nobody speaks in it."


def _soft(track: Subject) -> str:
    """Why shapes say less of this person, if so."""
    width = float(np.median([face.quality.width for face in track.frames]))
    return SOFT if width < SMALL else ""


def _compressed(analysis: Analysis) -> str:
    """Why traces in pixels say less of this file, if so."""
    bits = material.bits_per_pixel(analysis.media)
    heavy = bits is not None and bits < material.FAIR_BITS[analysis.media.kind]
    return COMPRESSED if heavy else ""
