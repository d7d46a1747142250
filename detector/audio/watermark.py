"""Perth watermark detection: the inaudible mark of Resemble AI's voice generators (Chatterbox).

Perth (github.com/resemble-ai/Perth, version 1.0.1, MIT): one network changes speech below 2 kHz
inaudibly, a second one, implemented here, returns its confidence that the change is present."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from detector import converted, runtime, weights
from detector.audio.recording import Recording
from detector.runtime import Runner
from detector.schema.origin import GeneratorMark

FRAME, HOP = 1024, 160
"""Samples of a frame of the spectrum, 64 ms, and from one to the next, at 16 kHz."""
BINS, HIDDEN = 128, 256
SPEEDS = {"slow": 1.25, "normal": 1.0, "fast": 0.75}
"""Playback speeds at which the mark is searched, as lengths of the spectrogram."""
QUIET = 0.05
"""fraction of the loudest frame's sum of levels up to which a frame is ignored"""
WINDOW, WINDOWS = 4.0, 3
"""s of speech in a window, and the maximum number of windows"""
SHORTEST = 2.0
"""minimum s of speech in total"""
LIMIT = 0.95
"""Mean confidence from which the mark counts as detected: docs/experiments.md"""


CONVERT = f"{__name__}:convert"


def levels(samples: np.ndarray) -> np.ndarray:
    """Return the input of the decoder, -180 to 15 dB as 0 to 1: [n] at 16 kHz -> [513, T].

    Perth works at 32 kHz with frames of 2,048 samples: the same frequencies and times, with twice
    the amplitude."""
    padded = np.pad(samples, FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(FRAME + 1)[:-1])).T
    return np.asarray((20 * np.log10(np.maximum(2 * spectrum, 1e-9)) + 180) / 195)


def confidence(samples: np.ndarray) -> float:
    """Return the confidence that the mark is present, about 0 to 1, NaN for silence: float32 [n] at
    16 kHz."""
    shown = levels(samples)
    sums, count = shown.sum(0), shown.shape[1]
    loud = sums > QUIET * sums.max()
    answers = []
    for factor, branch in zip(SPEEDS.values(), _branches(), strict=True):
        length = int(count * factor)
        place = np.linspace(0, count - 1, length)
        left = np.minimum(place.astype(int), count - 2)
        rest = place - left
        stretched = shown[:BINS, left] * (1 - rest) + shown[:BINS, left + 1] * rest
        heard = loud[np.arange(length) * count // length]
        answers.append(branch(stretched[None])[0][0][:, heard].sum(1) / max(heard.sum(), 1e-30))
    attention, certain = np.stack(answers).T
    shares = np.exp(attention - attention.max())
    return float((shares * certain).sum() / shares.sum()) if loud.any() else float("nan")


@lru_cache(maxsize=1)
def _branches() -> Sequence[Runner]:
    """Return the decoder's networks, one a speed: [N, 128, T] -> attention, confidence [N, 2,
    T]."""
    return runtime.once_converted(_keys(), CONVERT, _built)


def convert() -> None:
    """Convert the networks, in the helper process."""
    for key, runner in zip(_keys(), _built(), strict=True):
        runtime.remember(key, runner)


def _keys() -> list[str]:
    about = weights.auxiliary()["perth"]
    return [converted.key_of(f"{speed} {about}", [Path(__file__)]) for speed in SPEEDS]


def _built() -> list[Runner]:
    import torch
    from torch import nn

    def branch() -> nn.Sequential:
        layers: list[nn.Module] = [nn.Conv1d(BINS, HIDDEN, 1)]
        for _ in range(5):
            layers += [nn.LeakyReLU(), nn.Conv1d(HIDDEN, HIDDEN, 7, padding=3)]
        return nn.Sequential(*layers, nn.LeakyReLU(), nn.Conv1d(HIDDEN, 2, 1))

    branches = nn.ModuleDict({speed: branch() for speed in SPEEDS})
    (path,) = weights.resolve(weights.auxiliary()["perth"])
    state = weights.dequantized(weights.load_state(path))
    weights.load_strict(nn.ModuleDict({"branches": branches}), state, path.name)
    example = torch.zeros(2, BINS, 400)
    return [runtime.compile(one.eval(), example, "cpu", free=(0, 2)) for one in branches.values()]


def found(recording: Recording) -> list[GeneratorMark]:
    """Return the mark if it is detected in the voice of a recording."""
    if recording.speech_seconds < SHORTEST:
        return []
    windows = recording.windows(WINDOW, WINDOWS)
    score = sum(confidence(recording.samples(span)) for span in windows) / max(len(windows), 1)
    if not score >= LIMIT:  # of silence it is no number
        return []
    return [
        GeneratorMark(
            name="Chatterbox",
            maker="Resemble AI",
            place="voice",
            score=round(min(score, 1.0), 3),
            certain=True,
        )
    ]
