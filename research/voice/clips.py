"""Labelled speech: which clips there are, which belong together, and their samples."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.perturbation.sounds import decoded

SAMPLE_RATE = 16_000
"""Hz of everything here."""
SAMPLES = 64_000
"""Of a window, 4 s."""

FOLDS: tuple[tuple[str, ...], ...] = (
    (
        "jik876/hifi-gan-demo", "starganv2-vc/starganv2-vc.github.io", "facebookresearch/denoiser",
        "speechbrain/speechbrain", "cmusphinx/pocketsphinx", "wenet-e2e/wenet",
        "keonlee9420/DiffGAN-TTS",
    ),
    (
        "sh-lee-prml/HierSpeechpp-demo", "MobileSpeech/MobileSpeech.github.io",
        "MontrealCorpusTools/Montreal-Forced-Aligner", "mozilla/DeepSpeech",
        "sylaschacko/voice-emotion-analysis",
    ),
    (
        "r9y9/r9y9.github.io", "neonbjb/tortoise-tts", "tyiannak/pyAudioAnalysis",
        "pyannote/pyannote-audio", "ming024/FastSpeech2", "fatchord/model_outputs",
    ),
    (
        "flashspeech/flashspeech.github.io", "wavegrad/wavegrad.github.io",
        "diffvc-fast-ml-solver/diffvc-fast-ml-solver.github.io",
        "chandra0132/CodeAlpha_Emotion-Recognition-from-Speech", "linto-ai/whisper-timestamped",
    ),
    (
        "styletts2/styletts2.github.io", "portaspeech/portaspeech.github.io",
        "grad-tts/grad-tts.github.io", "youjun990123/MCSE-ER", "philipperemy/deep-speaker",
        "CorentinJ/Real-Time-Voice-Cloning", "coqui-ai/TTS",
    ),
)  # fmt: skip
"""Repositories that are left out together: of demonstrations of systems and of real speech. What is
in none of them is always learned from, unless it is of a left-out system or person."""


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    Attributes
    ----------
    path : Path
    fake : bool
    method : str
        What made it, in lower case; of a real one "".
    group : str
        Clips of one sentence or speaker; its own name where it stands alone.
    repository, person, language : str
        "" where it is unknown who speaks, or what.
    """

    path: Path
    fake: bool
    method: str
    group: str
    repository: str
    person: str = ""
    language: str = ""


def read_clips(labels: Path) -> list[Clip]:
    """Read a table of labelled speech, paths relative to its folder."""
    with labels.open(newline="", encoding="utf-8") as file:
        return [
            Clip(
                path=labels.parent / row["file"],
                fake=row["label"] == "fake",
                method=row["method"].lower() if row["label"] == "fake" else "",
                group=row["group"] or row["file"],
                repository=row["source"].partition(":")[0],
                person=row.get("person") or "",
                language=row.get("language") or "",
            )
            for row in csv.DictReader(file)
        ]


def split(clips: Sequence[Clip], fold: int) -> tuple[list[int], list[int]]:
    """Return which clips are learned from, and which are left out.

    Nothing is learned from the repositories, the systems and the persons of what is left out.
    """
    out = [i for i, clip in enumerate(clips) if clip.repository in FOLDS[fold]]
    methods = {clips[i].method for i in out} - {""}
    persons = {clips[i].person for i in out} - {""}
    left = set(out)
    learned = [
        i
        for i, clip in enumerate(clips)
        if i not in left and clip.method not in methods and clip.person not in persons
    ]
    return learned, out


def decode(source: object, seconds: float | None = None) -> np.ndarray:
    """Return the samples of a trusted file or stream: float64 [n], mono, 16 kHz, -1..1."""
    samples = decoded(source)
    return samples if seconds is None else samples[: round(seconds * SAMPLE_RATE)]
