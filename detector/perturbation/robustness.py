"""Robustness test of a verdict under perturbations, such as compression, blur or a telephone.

A short part around the most suspicious moment is changed in one way at a time and compared with
the unchanged part. Faces or speech are detected once, so that only the models' scores change. A
verdict that flips is unreliable; untouched files can be fragile too."""

from __future__ import annotations

import bisect
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np

from detector import media, messages
from detector.audio.recording import Recording
from detector.audio.sound import SAMPLE_RATE
from detector.audio.speech import PAD
from detector.decision import voice
from detector.decision.numbers import label_of
from detector.errors import Canceled, InputError, UsageError
from detector.perturbation import corruptions, sounds
from detector.perturbation.conditions import NONE, Condition
from detector.pipeline import Analyzer, FacesByTime, RunOptions
from detector.schema.analysis import (
    OF_PICTURE,
    OF_SOUND,
    Analysis,
    PerturbationResult,
    Robustness,
    Settings,
)
from detector.sentences import _
from detector.vision import Detection

PART = 6.0  # s of a clip that are tested: enough for every video model
FRAMES = 12  # scored in each trial
HEARD = (12.0, 24.0, 48.0)
"""s of a sound that are tested: the shortest of these with enough speech. It has three windows of
the voice models, since the score of one alone is noisy."""
SPOKEN = 6.0  # s of speech that suffice
USUAL = (
    Condition("crf", 32),
    Condition("jpeg", 50),
    Condition("resize", 0.5),
    Condition("blur", 2),
    Condition("noise", 2),
    Condition("crop", 0.1),
    Condition("mirror"),
    Condition("mp3", 32),
    Condition("opus", 16),
    Condition("phone"),
    Condition("snr", 10),
    Condition("room"),
    Condition("quiet", 12),
)
"""Usual perturbations at levels that leave a face easy to recognize; for a voice those of its
model's card. JPEG is for pictures, h264 for clips."""

ROUNDED = 0.002  # s by which times of a copy may differ: its container counts in milliseconds

OnProgress = Callable[[int, int, str], None]  # (trials done, trials in all, title of the next)


def try_out(
    path: str | Path,
    analysis: Analysis,
    analyzer: Analyzer,
    *,
    conditions: Sequence[Condition] = USUAL,
    on_progress: OnProgress = lambda done, total, title: None,
    cancel: Event | None = None,
) -> Robustness:
    """Analyze a part of a file again, with the same models, under each condition that fits it.
    `on_progress` is called before each trial, and at the end.

    Raise UsageError if the file has no score, no condition fits or the part has too little speech;
    MediaError; Canceled."""
    path, cancel = Path(path), cancel or Event()
    question = analysis.verdict.question
    if question is None or analysis.verdict.probability is None:
        raise UsageError(_("This file has no score, so there is nothing that could move."))
    begun = time.perf_counter()
    kind = "image" if analysis.media.kind == "image" else "video"
    kind = "audio" if question.of_sound else kind
    chosen = [c for c in conditions if c.fits(kind) and not (kind == "video" and c.kind == "jpeg")]
    if not chosen:
        what = {"image": "a picture", "video": "a clip", "audio": "a sound"}[kind]
        raise UsageError(_("None of these changes can be made to {what}.").format(what=what))
    on_progress(0, len(chosen) + 1, "unchanged")
    make = _HeardTrials.begin if kind == "audio" else _SeenTrials.begin
    trials = make(path, analysis, analyzer, cancel)
    results = []
    for number, condition in enumerate(chosen, 1):
        on_progress(number, len(chosen) + 1, condition.title)
        results.append(trials.run(condition))
    on_progress(len(chosen) + 1, len(chosen) + 1, "")
    start, end = part(analysis)
    windows = max((len(subject.spans) for subject in trials.unchanged.subjects), default=0)
    return Robustness(
        question=question,
        start=start,
        end=end,
        sampled={"image": 1, "video": FRAMES, "audio": windows}[kind],
        unchanged=trials.result(NONE, trials.unchanged),
        trials=results,
        seconds=round(time.perf_counter() - begun, 2),
    )


def part(analysis: Analysis) -> tuple[float, float | None]:
    """Return the tested stretch, s, within the analyzed part, around the highest score of the most
    suspicious subject: `PART` seconds, of a sound the shortest of `HEARD` with enough speech. (0,
    None) for a picture."""
    if analysis.media.kind == "image":
        return 0.0, None
    known = [s for s in analysis.subjects if s.id == analysis.verdict.subject]
    scored = [look for s in known for look in s.looks if look.score is not None]
    peak = max(scored, key=lambda look: (look.score or 0.0, -look.start), default=None)
    moment = analysis.settings.start if peak is None else (peak.start + peak.end) / 2
    if analysis.verdict.question not in OF_SOUND:
        return _around(moment, PART, analysis)
    stretches = [_around(moment, seconds, analysis) for seconds in HEARD]
    heard = voice.heard_of(analysis, analysis.verdict.subject)
    for start, end in stretches:
        spoken = (max(0.0, min(b, end) - max(a, start)) for a, b in (heard.spans if heard else ()))
        if sum(spoken) >= SPOKEN:
            return start, end
    return stretches[-1]


def _around(moment: float, seconds: float, analysis: Analysis) -> tuple[float, float]:
    """Return a stretch centered at a moment, as far as the analyzed part allows, s."""
    first = analysis.settings.start
    audio = analysis.media.audio
    length = analysis.media.duration or (audio.duration if audio else None) or 0.0
    last = min(analysis.settings.end or float("inf"), length)
    start = min(max(first, moment - seconds / 2), max(first, last - seconds))
    return round(start, 3), round(min(last, start + seconds), 3)


@dataclass(frozen=True)
class _Trials(ABC):
    """Trials of one file; `unchanged` is the analysis of its unchanged part."""

    path: Path
    analysis: Analysis
    analyzer: Analyzer
    settings: Settings
    cancel: Event
    unchanged: Analysis

    @abstractmethod
    def again(self, condition: Condition) -> Analysis:
        """Analyze the part under a condition."""

    def run(self, condition: Condition) -> PerturbationResult:
        """Return the result under a condition, which may be an error such as no face."""
        try:
            return self.result(condition, self.again(condition))
        except Canceled:
            raise
        except InputError as error:
            return PerturbationResult(
                condition=condition.name,
                title=condition.title,
                label=self.analysis.verdict.label,
                error=error.message,
            )

    def result(self, condition: Condition, outcome: Analysis) -> PerturbationResult:
        """Return the verdict on the part."""
        verdict = outcome.verdict
        why = next(map(messages.text, verdict.reasons), _("no score"))
        return PerturbationResult(
            condition=condition.name,
            title=condition.title,
            probability=verdict.probability,
            label=verdict.label,
            models={
                m.id: m.probability
                for m in outcome.models
                if m.counted and m.probability is not None
            },
            error=None if verdict.probability is not None else why,
        )


def _settings(analysis: Analysis) -> Settings:
    asked = OF_SOUND if analysis.verdict.question in OF_SOUND else OF_PICTURE
    start, end = part(analysis)
    return analysis.settings.model_copy(
        update={
            "models": [m.id for m in analysis.models if m.counted and m.question in asked],
            "frames": FRAMES,
            "sampling": "uniform",
            "start": start,
            "end": end,
        }
    )


@dataclass(frozen=True)
class _SeenTrials(_Trials):
    faces: FacesByTime

    @classmethod
    def begin(
        cls, path: Path, analysis: Analysis, analyzer: Analyzer, cancel: Event
    ) -> _SeenTrials:
        """Analyze the unchanged part."""
        settings = _settings(analysis)
        probed = RunOptions(media=analysis.media.model_copy(deep=True))
        unchanged, faces = analyzer.rerun(path, settings, probed, cancel=cancel)
        return cls(path, analysis, analyzer, settings, cancel, unchanged, faces)

    def again(self, condition: Condition) -> Analysis:
        """Analyze the part under a condition."""
        return (self._compressed if condition.kind == "crf" else self._changed)(condition)

    def _changed(self, condition: Condition) -> Analysis:
        """Change each decoded frame of the part, without writing a file."""
        source = self.unchanged.media
        size = source.width, source.height
        width, height = corruptions.size_after(condition, size)
        # Keep the bits per pixel of a smaller picture: compression is another condition.
        share = width * height / (size[0] * size[1])
        changed = source.model_copy(
            update={
                "width": width,
                "height": height,
                "size": max(1, round(source.size * share)),
                "bit_rate": None if source.bit_rate is None else source.bit_rate * share,
            },
            deep=True,
        )

        def faces_at(time: float) -> list[Detection] | None:
            faces = self.faces.get(time)
            return None if faces is None else corruptions.moved(condition, faces, size)

        options = RunOptions(
            media=changed,
            source=source,
            timestamps=tuple(self.unchanged.timestamps),
            faces_at=faces_at,
            change=corruptions.change(condition, self.path.name),
        )
        return self.analyzer.rerun(self.path, self.settings, options, cancel=self.cancel)[0]

    def _compressed(self, condition: Condition) -> Analysis:
        start = media.frame_at(self.path, self.unchanged.media, self.settings.start).time
        faces = sorted((time - start, found) for time, found in self.faces.items())

        def faces_at(time: float) -> list[Detection] | None:
            at = bisect.bisect_left(faces, time - ROUNDED, key=lambda pair: pair[0])
            close = at < len(faces) and faces[at][0] <= time + ROUNDED
            return faces[at][1] if close else None

        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            copy = corruptions.apply(
                self.path,
                condition,
                Path(folder),
                part=(self.settings.start, self.settings.end),
                turned=self.unchanged.media.turned,
                cancel=self.cancel,
            )
            options = RunOptions(
                media=media.probe(copy),
                timestamps=tuple(t - start + ROUNDED for t in self.unchanged.timestamps),
                faces_at=faces_at,
            )
            whole = self.settings.model_copy(update={"start": 0.0, "end": None})
            return self.analyzer.rerun(copy, whole, options, cancel=self.cancel)[0]


@dataclass(frozen=True)
class _HeardTrials(_Trials):
    """Trials of a sound: the changed part is analyzed as a recording of its own."""

    samples: np.ndarray  # float64 [n] of the part, mono, 16 kHz
    speech: list[tuple[float, float]]  # s from its beginning

    @classmethod
    def begin(
        cls, path: Path, analysis: Analysis, analyzer: Analyzer, cancel: Event
    ) -> _HeardTrials:
        """Analyze the unchanged part."""
        start, end = part(analysis)
        audio = analysis.media.audio
        source = audio.source_of(analysis.verdict.subject) if audio else None
        span = [(start, end or start)]
        recording = Recording.of(path, span, notes=[], cancel=cancel, source=source)
        first, samples = recording.stretches[0]
        last = first + len(samples) / SAMPLE_RATE  # a damaged file may have further stretches
        speech = [
            (a - first, b - first) for a, b in recording.speech if first <= a and b <= last + PAD
        ]
        settings = _settings(analysis).model_copy(update={"start": 0.0, "end": None})
        as_heard = samples.astype(np.float64) / 32_768
        trials = cls(path, analysis, analyzer, settings, cancel, analysis, as_heard, speech)
        trials = replace(trials, unchanged=trials.again(NONE))
        if trials.result(NONE, trials.unchanged).probability is None:
            raise UsageError(_("Too little is spoken around the most suspicious moment to try it."))
        return trials

    def again(self, condition: Condition) -> Analysis:
        """Analyze the part under a condition."""
        chance = sounds.generator(self.path.name)
        changed = sounds.change(condition)(self.samples, chance)
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            copy = sounds.write(Path(folder) / "part.wav", changed)
            options = RunOptions(speech=self.speech)
            return self.analyzer.rerun(copy, self.settings, options, cancel=self.cancel)[0]

    def result(self, condition: Condition, outcome: Analysis) -> PerturbationResult:
        """Return the answer, labeled by its score if only the changed sound is too poor for a
        verdict."""
        found = super().result(condition, outcome)
        changed, before = (voice.abstains(voice.heard_of(a)) for a in (outcome, self.unchanged))
        if found.probability is None or changed is None or before is not None:
            return found
        limits = outcome.verdict.thresholds
        return found.model_copy(update={"label": label_of(found.probability, limits)})
