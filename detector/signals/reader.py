"""All signals of a run, read while it goes on from frames that are decoded anyway."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from detector.decision import material
from detector.errors import ModelError
from detector.schema.analysis import Analysis, Modality, Signal, Subject
from detector.signals import blinks, frequency, identity, landmarks, motion, noise, scores
from detector.signals.look import Look
from detector.signals.reference import Meter

if TYPE_CHECKING:
    from detector.signals.mobilefacenet import Embedder

log = logging.getLogger(__name__)

PEOPLE = 6
"""most suspicious people whose signals are told."""
PORTRAITS = 8
"""faces of a person that are compared with each other."""
COMPRESSED = "Heavy compression can look alike."
SOFT = "A small or soft face can look alike."
SMALL = 96.0
"""px of the width of a face, under which shapes and noise say less."""

Shapes = Sequence[tuple[float, np.ndarray]]
"""(s, five landmarks [5, 2]) of a person at every look, ascending."""


@dataclass
class _Person:
    """What was read of one person."""

    detail: list[float] = field(default_factory=list)
    profiles: list[np.ndarray] = field(default_factory=list)
    bands: list[np.ndarray] = field(default_factory=list)
    pattern: np.ndarray | float = 0.0
    noise: list[float] = field(default_factory=list)
    recompression: list[float] = field(default_factory=list)
    portraits: list[tuple[float, np.ndarray]] = field(default_factory=list)
    drift: tuple[float, float] | None = None
    tremble: list[tuple[float, float]] = field(default_factory=list)
    frozen: list[float] = field(default_factory=list)


class Reader:
    """Reads people's faces and motion. Fed and closed by one thread.

    Parameters
    ----------
    moments : int
        How many moments will be looked at, so that portraits are spread over them.
    """

    def __init__(self, moments: int) -> None:
        self._people: dict[int, _Person] = {}
        self._stride = max(1, moments // PORTRAITS)
        self._embedder: Embedder | None = None
        self._why_no_identity = identity.ABSENT

    def open(self) -> None:
        """Load what is needed. Apart, so that it is done where the reading is."""
        try:
            self._embedder = identity.embedder()
        except ModelError as error:  # damaged: the other signals stand
            self._why_no_identity = error.message

    def face(self, person: int, index: int, look: Look) -> None:
        """Read one face at one looked-at moment."""
        read = self._people.setdefault(person, _Person())
        plane = frequency.face_plane(look)
        if plane is not None:
            profile = frequency.profile(plane)
            read.profiles.append(profile)
            read.detail.append(frequency.fine_detail(profile))
            read.bands.append(frequency.bands(plane))
        native = frequency.native_plane(look)
        if native is not None:
            read.pattern = read.pattern + frequency.pattern_power(native)
        for values, value in (
            (read.noise, noise.noise(look)),
            (read.recompression, noise.recompression(look)),
        ):
            if value is not None:
                values.append(value)
        if self._embedder and index % self._stride == 0 and len(read.portraits) < 2 * PORTRAITS:
            portrait = identity.align(look)
            if portrait is not None:
                read.portraits.append((look.time, portrait))

    def run(self, person: int, start: float, end: float, crops: np.ndarray) -> None:
        """Read one run of consecutive crops (`motion.RECIPE`) of a person."""
        read = self._people.setdefault(person, _Person())
        value, place = motion.tremble(crops)
        read.tremble.append((value, start + (end - start) * place / max(1, len(crops) - 1)))
        read.frozen.append(motion.frozen(crops))

    def close(self) -> None:
        """Nothing follows: compare the portraits."""
        for read in self._people.values():
            if self._embedder and len(read.portraits) >= identity.FEWEST:
                vectors = self._embedder([portrait for _, portrait in read.portraits])
                found = identity.drift(vectors)
                if found:
                    read.drift = (found[0], read.portraits[found[1]][0])
            read.portraits.clear()

    def signals(self, analysis: Analysis, people: Mapping[str, tuple[int, Shapes]]) -> list[Signal]:
        """What was read, as signals: the most suspicious people first.

        Parameters
        ----------
        analysis : Analysis
            Decided.
        people : mapping
            Track id -> the person's number as `face` and `run` were told, and its landmarks.
        """
        found: list[Signal] = []
        for track in [t for t in analysis.judged if t.modality is Modality.FACE][:PEOPLE]:
            number, shapes = people[track.id]
            read = self._people.get(number, _Person())
            found += self._picture(read, track, analysis)
            if analysis.media.kind != "image":
                found += self._film(read, track, analysis, shapes)
        return found

    def curves(self, person: int) -> dict[str, np.ndarray]:
        """Means over a person's faces: radial profile and DCT bands, for the reference."""
        read = self._people.get(person, _Person())
        rows = {"profile": read.profiles, "bands": read.bands}
        return {id: np.mean(values, axis=0) for id, values in rows.items() if values}

    def _picture(self, read: _Person, track: Subject, analysis: Analysis) -> list[Signal]:
        """What one frame can show."""
        kind, weak = analysis.media.kind, _compressed(analysis)
        small = f"The face is too small: this needs {frequency.SMALLEST:.0f} px."

        def middle(meter: Meter, values: Sequence[float], why: str) -> Signal:
            if not values:
                return meter.absent(why, track.id)
            return meter.signal(float(np.median(values)), kind, track.id, weak=weak)

        peak = [frequency.peak(read.pattern)] if isinstance(read.pattern, np.ndarray) else []
        no_ring = "Too little of the face or of what is around it is in the frame."
        return [
            middle(frequency.DETAIL, read.detail, small),
            middle(frequency.PATTERN, peak, small),
            middle(noise.NOISE, read.noise, no_ring),
            middle(noise.RECOMPRESSION, read.recompression, no_ring),
        ]

    def _film(
        self, read: _Person, track: Subject, analysis: Analysis, shapes: Shapes
    ) -> list[Signal]:
        """What only time can show."""
        kind = analysis.media.kind
        width = float(np.median([face.quality.width for face in track.frames]))
        soft = SOFT if width < SMALL else ""
        no_run = "No run of consecutive frames shows this person throughout."
        if read.tremble:
            value = float(np.median([v for v, _ in read.tremble]))
            at = max(read.tremble)[1]
            flow = motion.FLOW.signal(value, kind, track.id, weak=soft, times=[at])
            share = 100 * float(np.mean(read.frozen))
            frozen = motion.FROZEN.signal(share, kind, track.id)
        else:
            flow = motion.FLOW.absent(no_run, track.id)
            frozen = motion.FROZEN.absent(no_run, track.id)
        shaken = landmarks.jitter(shapes)
        jitter = (
            landmarks.JITTER.signal(shaken[0], kind, track.id, weak=soft, times=[shaken[1]])
            if shaken
            else landmarks.JITTER.absent("The looks lie too far apart in time.", track.id)
        )
        drift = (
            identity.DRIFT.signal(read.drift[0], kind, track.id, weak=soft, times=[read.drift[1]])
            if read.drift
            else identity.DRIFT.absent(
                "Fewer than four faces could be compared."
                if self._embedder
                else self._why_no_identity,
                track.id,
            )
        )
        eyes = blinks.BLINKS.absent(blinks.NOT_YET if blinks.ready() else blinks.ABSENT, track.id)
        return [flow, frozen, jitter, _changes(track, kind), drift, eyes]


def _changes(track: Subject, kind: str) -> Signal:
    scored = [(face.time, face.score) for face in track.frames if face.score is not None]
    if len(scored) < scores.FEWEST:
        return scores.CHANGES.absent(
            f"{len(scored)} scores are too few to see a change in; it takes {scores.FEWEST}.",
            track.id,
        )
    times = [time for time, _ in scored]
    steps = scores.steps(times, scores.logits([score for _, score in scored]).tolist())
    size = max((abs(step.size) for step in steps), default=0.0)
    return scores.CHANGES.signal(size, kind, track.id, times=[step.time for step in steps])


def _compressed(analysis: Analysis) -> str:
    """Why traces in pixels say less of this file, if so."""
    bits = material.bits_per_pixel(analysis.media)
    heavy = bits is not None and bits < material.FAIR_BITS[analysis.media.kind]
    return COMPRESSED if heavy else ""
