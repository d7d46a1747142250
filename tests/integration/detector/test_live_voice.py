"""A microphone beside a camera: sound in, what is said of it out, and nothing of it kept."""

from itertools import pairwise

import av
import numpy as np
import pytest
from scipy import signal

from detector.live import LiveEngine, LiveVoice
from detector.live.voice import EVERY, KEPT
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import Analyzer
from detector.pipeline.initial_results import Rules
from detector.schema.analysis import Label, Modality, Question, ReasonCode
from tests.support import speech as made
from tests.support.voices import (
    CALIBRATED,
    HEARD,
    MEASURED,
    NOISY,
    PHONE,
    SPEC,
    TOO_LITTLE_SPEECH,
    Loud,
)

RATE = 48_000
SPEAKING = made.speech(12.5)


def frames(sound):
    """Float [n] at 16 kHz as a browser sends it: 20 ms of stereo at 48 kHz at a time."""
    wide = np.clip(signal.resample_poly(sound, 3, 1) * 32_768, -32_768, 32_767).astype(np.int16)
    for at in range(0, len(wide) - 959, 960):
        both = np.repeat(wide[at : at + 960], 2)[None]
        frame = av.AudioFrame.from_ndarray(both, "s16", "stereo")
        frame.sample_rate = RATE
        yield frame


class Mic:
    """A microphone and the engine that hears it, in one thread."""

    def __init__(self, model):
        self.voice = LiveVoice([model.spec], lambda id: model, threaded=False)
        self.voice._rules = Rules({Question.VOICE: MEASURED}, HEARD)
        self.time = 0.0

    def say(self, sound):
        for frame in frames(sound):
            self.time += 0.02
            self.voice.push(frame, self.time)
            self.voice.drain()


def mic(logit=0.0):
    return Mic(Loud(ModelSpec.model_validate(SPEC | CALIBRATED), logit))


@pytest.mark.parametrize(
    ("logit", "label"), [(3.0, Label.FAKE), (-3.0, Label.REAL), (0.0, Label.INCONCLUSIVE)]
)
def test_a_voice_is_judged_by_the_last_seconds(logit, label):
    here = mic(logit)
    assert here.voice.state.analysis is None and here.voice.state.time is None
    here.say(SPEAKING)
    state = here.voice.state
    assert state.ready and state.analysis is not None and not state.failures
    answer = state.analysis.verdict.answers[Question.VOICE]
    assert answer.label is label and state.analysis.verdict.label is label
    (subject,) = state.analysis.subjects
    assert subject.modality is Modality.VOICE and subject.end == pytest.approx(12, abs=0.2)
    assert [round(dot.time) for dot in state.series] == [2, 4, 6, 8, 10, 12]
    scored = [dot for dot in state.series if dot.score is not None]
    assert scored and scored[-1].mean == answer.probability and scored[-1].label is label
    times = [span.end for span in subject.spans]
    assert times == sorted(times), "each window is scored once, as it comes"


def test_the_score_is_that_of_the_file(tmp_path):
    """One window by the bundled model, from a microphone and from a file of the same samples. Takes
    what loading that model takes."""
    engine = LiveEngine(threaded=False)
    voice = engine.listen()
    for number, frame in enumerate(frames(SPEAKING[: 16_000 * 4 + 640])):
        voice.push(frame, 0.02 * (number + 1))
    engine.drain()
    live = voice.state.analysis
    assert [m.id for m in live.models] == ["timbre"]
    file = Analyzer().analyze(made.write(tmp_path / "a.wav", SPEAKING[: 16_000 * 4]))
    (span,), (same,) = live.subjects[0].spans, file.subjects[0].spans
    # 48 kHz and back lose the last 200 Hz; the windows begin within a chunk of the same moment.
    assert span.logits["timbre"] == pytest.approx(same.logits["timbre"], rel=0.05)
    assert live.verdict.label is file.verdict.label
    voice.close()


@pytest.mark.parametrize(
    ("sound", "code"), TOO_LITTLE_SPEECH.values(), ids=TOO_LITTLE_SPEECH.keys()
)
def test_nothing_is_said_where_too_little_is_spoken(sound, code):
    here = mic(5.0)
    here.say(sound)
    analysis = here.voice.state.analysis
    assert not analysis.subjects
    assert [reason.code for reason in analysis.verdict.reasons] == [code]
    assert all(dot.mean is None for dot in here.voice.state.series)


def test_a_voice_that_falls_silent_is_no_longer_judged():
    here = mic(3.0)
    here.say(made.speech(6))
    assert here.voice.state.series[-1].mean is not None
    here.say(np.zeros(16_000 * 14))
    last = here.voice.state.series[-1]
    assert last.mean is None and last.label is Label.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("sound", "code"),
    [(PHONE, ReasonCode.PHONE_QUALITY), (NOISY, ReasonCode.TOO_NOISY)],
    ids=["phone", "noisy"],
)
def test_a_poor_sound_gets_a_score_and_no_verdict(sound, code):
    here = mic(3.0)
    here.say(sound)
    analysis = here.voice.state.analysis
    assert analysis.verdict.label is Label.INCONCLUSIVE
    assert analysis.verdict.vetoed_by is code


def test_sound_is_let_go_of():
    here = mic()
    here.say(np.tile(SPEAKING[:192_000], 3))
    voice = here.voice
    assert voice._held / 16_000 <= KEPT + 0.05 and sum(map(len, voice._pieces)) == voice._held
    assert voice.state.series[-1].time == pytest.approx(36, abs=EVERY)
    voice.close()
    voice.close()
    assert not voice._pieces and voice.state.analysis is None and not voice.state.series
    here.say(made.speech(3))
    assert not voice._pieces and not here.voice.drain()


def test_what_the_link_lost_is_silence():
    here = mic(3.0)
    here.say(made.speech(5))
    here.time += 4.0
    here.say(made.speech(5, seed=1))
    analysis = here.voice.state.analysis
    assert analysis.media.audio and analysis.media.audio.speech
    speech = analysis.media.audio.speech.spans
    assert here.voice.state.time == pytest.approx(14, abs=0.05)
    assert any(b[0] - a[1] > 3.5 for a, b in pairwise(speech))


def test_a_model_that_breaks_is_named_and_the_rest_goes_on():
    model = Loud(ModelSpec.model_validate(SPEC | CALIBRATED), float("nan"))
    here = Mic(model)
    here.say(made.speech(8))
    assert len(model.fed) == 1, "it is asked no more"
    (why,) = here.voice.state.failures
    assert why == "Loud takes no part: Loud gave a score that is not a number."
    assert here.voice.state.analysis is not None


def test_models_of_voices_are_the_default_ones():
    engine = LiveEngine(threaded=False)
    voice = engine.listen()
    usual = [spec.id for spec in registry.choose(None) if spec.modality is Modality.VOICE]
    assert [spec.id for spec in voice._specs] == usual and engine.sessions == 0
    engine.drain()
    assert voice.state.ready
    voice.close()
