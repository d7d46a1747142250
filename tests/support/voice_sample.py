"""A made result of a voice clip, as a run would leave it: logits, undecided or decided."""

from datetime import UTC, datetime

import numpy as np

from detector import media
from detector.decision import decide
from detector.schema.analysis import (
    Analysis,
    Calibration,
    Ensemble,
    FileKind,
    Label,
    Likelihood,
    Modality,
    ModelResult,
    Question,
    Settings,
    Software,
    SpanSegment,
    SpeechMeasurement,
    Subject,
    Thresholds,
    Verdict,
)
from tests.support import speech

FIT = Calibration(scale=1, offset=0, data="made", clips=100)
SPOKEN = [(1.0, 7.0), (8.0, 12.0)]


def write_clip(path):
    """Write 13 s with 6 s and 4 s of speech."""
    quiet = np.zeros(16_000)
    parts = [quiet, speech.speech(6), quiet, speech.speech(4, seed=1), quiet]
    return speech.write(path, np.concatenate(parts))


def make_analysis(path, *, calibrated=True, heard=None):
    """Return the result of a file of `write_clip`: cloned from 1 to 7 s, untouched after it."""
    info = media.probe(path)
    info.audio.speech = heard or SpeechMeasurement(
        seconds=13.0,
        spans=SPOKEN,
        bandwidth_hz=7_800.0,
        snr=28.0,
        clipped=0.0,
        level_dbfs=-24.0,
        sustained_ratio=0.05,
    )
    windows = [((1, 3), 3.0), ((3, 5), 3.4), ((5, 7), 3.1), ((8, 10), 1.0), ((10, 12), 1.2)]
    spans = [
        SpanSegment(start=a, end=b, logits={"voice": logit, "aasist:l": 5.0})
        for (a, b), logit in windows
    ]
    voice = Subject(
        id="voice", modality=Modality.VOICE, start=1.0, end=12.0, thumbnail_time=1.0, spans=spans
    )
    models = [
        ModelResult(
            id="voice", title="Voice", plain="Voice traces", kind="audio", task="voice",
            modality=Modality.VOICE, calibration=FIT if calibrated else None, scored=5,
            finding="traces like those that voice makers leave", confused_by="noise removal",
        ),
        ModelResult(
            id="aasist:l", title="AASIST-L", kind="audio", task="voice",
            modality=Modality.VOICE, scored=5,
        ),
    ]  # fmt: skip
    limits = Thresholds(low=0.3, high=0.86)
    ensemble = Ensemble(models=["voice"], calibration=FIT)
    heard_by = {FileKind.SOUND: Likelihood(thresholds=limits)}
    return decide(
        Analysis(
            id="made", created=datetime(2026, 11, 21, 11, 2, tzinfo=UTC), media=info,
            settings=Settings(), ensembles={Question.VOICE: ensemble}, models=models,
            likelihoods=heard_by,
            verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=limits),
            subjects=[] if not info.audio.speech.spans else [voice], timestamps=[],
            software=Software(
                version="0", python="3", torch="2", device="cpu", backend="none"
            ),
            timings={"read": 0.1, "sound": 0.2, "total": 1.0},
        )
    )  # fmt: skip
