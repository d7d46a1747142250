"""Voice activity detection: Silero VAD over a stream of blocks, segmented as its package does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from detector import runtime, weights
from detector.audio.sound import SAMPLE_RATE, SoundBlock, Span
from detector.runtime import Runner

CHUNK = 512  # Samples that the network answers for at a time, 32 ms
CONTEXT = 64  # samples before a chunk that it is shown too
SPOKEN, QUIET = 0.5, 0.35  # Probabilities at which speech begins and from which on it may end
MIN_SPEECH, MIN_SILENCE = 0.25, 0.3  # s; shorter speech is a click, a shorter pause is a breath
PAD = 0.03  # s by which speech is widened on both sides
_START = (np.zeros((1, 1, 128), np.float32),) * 2
"""State of the recurrent cell before the first chunk."""


@lru_cache(maxsize=1)
def _network() -> Runner:
    """Return the network: chunks [T, 576], state -> probabilities [T], next state."""
    (path,) = weights.resolve(weights.auxiliary()["silero-vad"])
    return runtime.read(path)


@dataclass
class SpeechDetector:
    """Streaming speech detector. A gap between blocks resets its state."""

    _runs: list[tuple[float, list[float]]] = field(default_factory=list)
    """(start, probability of each chunk)"""
    _waiting: np.ndarray = field(default_factory=lambda: np.zeros(CONTEXT, np.float32))
    """context of the next chunk, then samples of an incomplete one"""
    _state: tuple[np.ndarray, ...] = _START
    _end: float = -1.0

    def feed(self, blocks: Iterator[SoundBlock]) -> Iterator[SoundBlock]:
        """Yield the blocks unchanged and detect speech in them."""
        for block in blocks:
            if abs(block.start - self._end) > CHUNK / SAMPLE_RATE:
                self._state = _START
                self._runs.append((block.start, []))
                self._waiting = np.zeros(CONTEXT, np.float32)
            self._end = block.end
            joined = np.concatenate([self._waiting, block.samples])
            count = (len(joined) - CONTEXT) // CHUNK
            self._waiting = joined[count * CHUNK :]
            if count:
                windows = np.lib.stride_tricks.sliding_window_view(joined, CONTEXT + CHUNK)
                heard, *state = _network()(windows[: count * CHUNK : CHUNK], *self._state)
                self._runs[-1][1].extend(heard.tolist())
                self._state = tuple(state)
            yield block

    def segments(self) -> list[Span]:
        """Return the spans of speech, s, ascending."""
        return [
            (start + first, start + last)
            for start, probabilities in self._runs
            for first, last in spoken(probabilities)
        ]


def spoken(probabilities: Sequence[float]) -> list[Span]:
    """Return the spans of speech in a run of chunks, s from its start, as the package's
    `get_speech_timestamps_from_probs` does."""
    chunk = CHUNK / SAMPLE_RATE
    spans: list[list[float]] = []
    begun = quiet = None
    for n, probability in enumerate(probabilities):
        now = n * chunk
        if probability >= SPOKEN:
            quiet = None
            begun = now if begun is None else begun
        elif probability < QUIET and begun is not None:
            quiet = now if quiet is None else quiet
            if now - quiet >= MIN_SILENCE:
                if quiet - begun > MIN_SPEECH:
                    spans.append([begun, quiet])
                begun = quiet = None
    end = len(probabilities) * chunk
    if begun is not None and end - begun > MIN_SPEECH:
        spans.append([begun, end])
    return [(max(0.0, a - PAD), min(end, b + PAD)) for a, b in spans]
