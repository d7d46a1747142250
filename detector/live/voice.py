"""Live voice analysis of one microphone, by the pipeline and the decision of a sound file.

Each reading is `detector.decision.decide` on an `Analysis` of the last `KEPT` s. Older samples are
discarded, none are written to disk, and a session's own Analysis holds no sound.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from av.audio.frame import AudioFrame

from detector.audio.recording import Recording
from detector.audio.sound import SAMPLE_RATE, Mono, SoundBlock
from detector.audio.speech import SpeechDetector
from detector.decision import conformal, decide, voice
from detector.live.display import Series
from detector.live.score_history import live_analysis
from detector.live.worker import WorkerGroup
from detector.models.base import Model, ModelSpec
from detector.pipeline import initial_results
from detector.pipeline.modalities.voice import sound_recipe, voice_subject, window_item
from detector.pipeline.scoring import Scorer, fed
from detector.presentation.live import stopped
from detector.schema.analysis import (
    OF_SOUND,
    Analysis,
    Audio,
    FileKind,
    Settings,
    SpanSegment,
    SpeechMeasurement,
    Thresholds,
)
from detector.schema.live import Dot

KEPT = 12.0  # s of sound in a reading: three windows of the models and the gaps between them
EVERY = 2.0  # s of new sound between two readings
LATE = 1.0  # s by which sound may be late before silence fills its place


@dataclass(frozen=True)
class VoiceState:
    """An immutable snapshot of the analyzed sound."""

    time: float | None  # Of the newest sound, s of the session; None before the first
    ready: bool  # The models are loaded
    analysis: Analysis | None  # Analysis of the last `KEPT` s; None before the first reading
    thresholds: Thresholds
    series: tuple[Dot, ...]
    """of the last `HISTORY` s, ascending: the newest window's score, and the reading"""
    failures: tuple[str, ...] = ()  # A sentence for each model that failed


class LiveVoice(WorkerGroup):
    """Analysis of one microphone: sound in, states out. Thread-safe.

    Created by `LiveEngine.listen`.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], load: Callable[[str], Model], *, threaded: bool
    ) -> None:
        self._specs = list(specs)
        self._results = {spec.id: initial_results.result(spec) for spec in specs}
        self._rules = initial_results.rules(
            self._results.values(), conformal.load(), OF_SOUND, live=True
        )
        self._begun = datetime.now(UTC)
        self._mono = Mono()
        self._spans: deque[SpanSegment] = deque()  # used by `_hear` alone

        # Under the lock.
        self._lock = threading.Lock()
        self._scorer = Scorer(self._results, self._lock, load)
        self.closed = False
        self._pieces: deque[np.ndarray] = deque()
        self._held = self._new = 0
        self._end: float | None = None
        self._analysis: Analysis | None = None
        self._series = Series()
        super().__init__(self._hear, threaded=threaded)

    def push(self, frame: AudioFrame, t: float) -> None:
        """Queue sound that ended at `t` s (ascending, on the clock of the picture's frames) without
        blocking; any format, but one for all. One caller at a time."""
        if self.closed:
            return
        samples = self._mono.samples(frame)
        with self._lock:
            if self.closed or not len(samples):
                return
            length = len(samples) / SAMPLE_RATE
            end = (t - length if self._end is None else self._end) + length
            if t - end > LATE:
                silence = np.zeros(round(min(t - end, KEPT) * SAMPLE_RATE), np.int16)
                samples, end = np.concatenate([silence, samples]), t
            self._end = end
            self._pieces.append(samples)
            self._held += len(samples)
            self._new += len(samples)
            while self._held - len(self._pieces[0]) >= KEPT * SAMPLE_RATE:
                self._held -= len(self._pieces.popleft())
        self.wake()

    @property
    def state(self) -> VoiceState:
        """Return the newest snapshot, without waiting for inference."""
        with self._lock:
            return VoiceState(
                time=self._end,
                ready=self.ready,
                analysis=self._analysis,
                thresholds=self._rules.limits(FileKind.SOUND),
                series=tuple(self._series),
                failures=(
                    *(stopped(result) for result in self._results.values() if result.error),
                    *([self.failure.message] if self.failure is not None else []),
                ),
            )

    def close(self) -> None:
        """Discard all sound and end the thread. Idempotent."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._pieces.clear()
            self._held = self._new = 0
            self._analysis = None
            self._series.clear()
        super().close()

    def _hear(self) -> bool:
        if self.closed:
            return False
        if not self.loaded.done():
            for spec in self._specs:
                self._scorer.load(spec.id)
            with self._lock:
                if not self.closed:
                    self.loaded.set_result(None)
            return True
        with self._lock:
            if self._end is None or self._new < EVERY * SAMPLE_RATE:
                return False
            self._new = 0
            samples, end = np.concatenate(self._pieces), self._end
        start = end - len(samples) / SAMPLE_RATE
        detector = SpeechDetector()
        blocks = iter([SoundBlock(0.0, samples.astype(np.float32) / 32_768)])
        deque(detector.feed(blocks), maxlen=0)  # detects speech while it passes blocks on
        recording = Recording([(0.0, samples)], detector.segments())
        heard = recording.measured
        if voice.unscorable(heard):
            self._spans.clear()
        else:
            self._score(recording, start, len(samples) / SAMPLE_RATE)
            while self._spans and self._spans[0].end <= start:
                self._spans.popleft()
        analysis = decide(self._undecided(heard))
        dot = _dot(analysis, end)
        with self._lock:
            if not self.closed:
                self._analysis = analysis
                self._series.add(dot)
        return True

    def _score(self, recording: Recording, start: float, length: float) -> None:
        """Score the newest window of speech, if it holds new sound."""
        segments: dict[tuple[float, ...], SpanSegment] = {}
        for recipe, ids in fed(self._specs, sound_recipe).items():
            spans = recording.windows(recipe.seconds, len(recording.speech) + round(KEPT))
            if not spans or spans[-1][1] < length - EVERY:
                continue
            at = tuple(max(0.0, round(start + edge, 3)) for edge in spans[-1])
            segment = segments.setdefault(at, SpanSegment(start=at[0], end=at[1]))
            item = window_item(recording, spans[-1], recipe, ids, segment)
            for id in ids:
                self._scorer.score(id, [item])
        self._spans.extend(segment for segment in segments.values() if segment.logits)

    def _undecided(self, heard: SpeechMeasurement) -> Analysis:
        subjects = voice_subject(self._spans)
        sound = Audio(codec="live", channels=1, sample_rate=SAMPLE_RATE, speech=heard)
        return live_analysis(
            Settings(), self._results.values(), self._rules, subjects, self._begun,
            name="Microphone", kind="audio", codec="live", width=0, height=0,
            duration=heard.seconds, audio=sound,
        )  # fmt: skip


def _dot(analysis: Analysis, time: float) -> Dot:
    subject = next(iter(analysis.subjects), None)
    newest = subject.spans[-1].score if subject else None
    return Dot(time, newest, analysis.verdict.probability, analysis.verdict.label)
