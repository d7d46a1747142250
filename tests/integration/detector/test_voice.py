"""A voice from file to verdict: what is heard, what is asked, and when nothing is answered."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector import media, messages
from detector.audio import channels, watermark
from detector.audio.recording import Recording, sustained_ratio
from detector.decision import decide, voice
from detector.decision.next_steps import ActionCode, Facts, next_steps
from detector.decision.voice import MIN_SPEECH, PHONE_BAND
from detector.messages.reasons import REASONS
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline.initial_results import id_of
from detector.presentation import actions, lead
from detector.presentation.verdict import headline as headline_of
from detector.schema.analysis import (
    Analysis,
    CaveatCode,
    Label,
    Modality,
    Proof,
    ProofKind,
    Question,
    ReasonCode,
    Settings,
    Side,
    SpeechMeasurement,
)
from tests.conftest import write_clip
from tests.support import speech as made
from tests.support.samples import samples
from tests.support.timeless import timeless
from tests.support.voices import (
    CALIBRATED,
    HEARD,
    MEASURED,
    NOISE,
    NOISY,
    PHONE,
    SPEC,
    TOO_LITTLE_SPEECH,
    Loud,
)

Say = Callable[..., Analysis]


@pytest.fixture
def say(analyzer, tmp_path, monkeypatch):
    """Analyze samples (or a file) by a model that gives one score to all of it."""

    def analysis(sound, logit=0.0, *, calibrated=True, **settings):
        path = sound if isinstance(sound, Path) else made.write(tmp_path / "a.wav", sound)
        spec = ModelSpec.model_validate(SPEC | (CALIBRATED if calibrated else {}))
        model = Loud(spec, logit)
        monkeypatch.setattr(registry, "choose", lambda ids: [spec])
        monkeypatch.setattr(registry, "load_model", lambda id, **_: model)
        out = analyzer.analyze(path, Settings.model_validate(settings))
        for sound in model.fed:
            assert sound.shape == (32_000,) and sound.dtype == np.float32
        out.ensembles[Question.VOICE], out.likelihoods = MEASURED, HEARD
        return decide(out)

    return analysis


@pytest.mark.parametrize(("logit", "label"), [(3.0, Label.FAKE), (-3.0, Label.REAL)])
def test_the_sound_of_a_video_that_is_too_narrow_is_judged(say, tmp_path, logit, label):
    clip = write_clip(tmp_path / "a.mp4", seconds=7, size=(8, 400), audio=made.speech(7))
    out = say(clip, logit)
    assert out.media.too_narrow and out.timestamps == []
    assert out.verdict.answers[Question.VOICE].label is label
    assert [subject.modality for subject in out.judged] == [Modality.VOICE]


def test_a_length_that_a_header_makes_up_is_not_believed(tmp_path):
    path = made.write(tmp_path / "a.mp3", made.speech(6))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert media.probe(path).duration == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    ("logit", "label", "headline"),
    [
        (3.0, Label.FAKE, "Likely cloned"),
        (-3.0, Label.REAL, "No sign"),
        (0.0, Label.INCONCLUSIVE, ""),
    ],
)
def test_a_calibrated_model_answers_the_third_question(say, logit, label, headline):
    out = say(made.speech(7), logit)
    assert out.verdict.label is label and out.verdict.question is Question.VOICE
    assert list(out.verdict.answers) == [Question.VOICE]
    (subject,) = out.subjects
    assert subject.modality is Modality.VOICE and lead.name(subject) == "The voice"
    assert len(subject.spans) >= 3 and not subject.frames and out.timestamps == []
    assert subject.probability == out.verdict.probability
    assert all(span.score is not None for span in subject.spans)
    assert [item.code for item in out.evidence] == ["speech", "band", "noise"][: len(out.evidence)]
    assert Analysis.model_validate_json(out.model_dump_json()) == out
    assert not any("face" in messages.text(reason) for reason in out.verdict.reasons)


def test_a_model_without_a_calibration_shows_its_score_and_has_no_vote(say):
    out = say(made.speech(6), 5.0, calibrated=False)
    assert out.verdict.label is Label.NOT_APPLICABLE
    (reason,) = out.verdict.reasons
    assert reason.code is ReasonCode.NO_OPERATING_POINT and "Loud gave scores" in messages.text(
        reason
    )
    assert "voice is cloned" in messages.text(reason)
    (model,) = out.models
    assert not model.counted and model.not_counted_because == "uncalibrated"
    assert model.logit == 5.0 and model.scored >= 3


def test_two_speakers_are_judged_as_one_voice(say):
    low, high = made.speech(5, pitch=110, seed=1), made.speech(5, pitch=230, seed=2)
    out = say(np.concatenate([low, np.zeros(8_000, np.float32), high]), 3.0)
    (subject,) = out.subjects
    assert lead.name(subject) == "The voice" and out.verdict.label is Label.FAKE
    scored = [span for span in subject.spans if span.score is not None]
    assert min(s.start for s in scored) < 1 and max(s.end for s in scored) > 9.5


@pytest.mark.parametrize(
    ("sound", "code"), TOO_LITTLE_SPEECH.values(), ids=TOO_LITTLE_SPEECH.keys()
)
def test_what_holds_too_little_speech_is_not_scored(say, sound, code):
    out = say(sound, 5.0)
    assert out.verdict.label is Label.NOT_APPLICABLE and not out.subjects
    assert [reason.code for reason in out.verdict.reasons] == [code]
    assert messages.text(out.verdict.reasons[0]) and out.models[0].scored == 0
    assert out.media.audio and out.media.audio.speech is not None


def test_a_phone_cuts_what_a_verdict_needs(say):
    out = say(PHONE, 3.0)
    answer = out.verdict
    assert out.verdict.label is Label.INCONCLUSIVE
    assert answer.vetoed_by is ReasonCode.PHONE_QUALITY
    assert messages.text(out.verdict.reasons[0]).startswith("Phone quality: everything over")
    assert out.media.audio and out.media.audio.speech
    assert (out.media.audio.speech.bandwidth_hz or 0) < PHONE_BAND


def test_a_voice_in_noise_gets_no_verdict(say):
    out = say(NOISY, 3.0)
    assert out.verdict.vetoed_by is ReasonCode.TOO_NOISY
    assert "dB louder" in messages.text(out.verdict.reasons[0])
    # What such a score meant in tests with clean recordings is not said of it.
    assert out.verdict.odds is None


def test_noise_as_loud_as_the_voice_is_said_without_a_figure():
    said = REASONS["too_noisy"]({"snr": 0})[0]
    assert said.startswith("The voice is no louder") and "dB" not in said


def test_singing_stays_on_notes_and_speech_does_not():
    time = np.arange(16_000 * 6) / 16_000
    notes = np.array([220, 247, 262, 294, 330, 294])[(time // 1).astype(int)]
    phase = 2 * np.pi * np.cumsum(notes * 2 ** (0.3 / 12 * np.sin(2 * np.pi * 5.5 * time))) / 16_000
    sung = sum(np.sin(n * phase) / n for n in range(1, 12)).astype(np.float32) * 0.1
    share, spoken = sustained_ratio(sung), sustained_ratio(made.speech(8))
    assert share > voice.SINGING + 0.2
    assert spoken < 0.2
    assert sustained_ratio(NOISE) is None
    assert voice.abstains(SpeechMeasurement(seconds=6, sustained_ratio=share)) is ReasonCode.SINGING


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        (None, None),
        (SpeechMeasurement(seconds=9, bandwidth_hz=7_500, snr=30, sustained_ratio=0.0), None),
        (SpeechMeasurement(seconds=9, bandwidth_hz=7_500), None),
        (SpeechMeasurement(seconds=9, bandwidth_hz=3_500, snr=30), ReasonCode.PHONE_QUALITY),
        (SpeechMeasurement(seconds=9, bandwidth_hz=3_500, snr=2), ReasonCode.TOO_NOISY),
    ],
)
def test_the_first_reason_that_holds_is_said(heard, code):
    assert voice.abstains(heard) is code


def test_two_sides_with_a_voice_each_are_two_subjects(say, tmp_path):
    planes = np.stack([made.speech(5, seed=3), made.speech(5, pitch=210, seed=8)])
    out = say(made.write(tmp_path / "call.wav", planes, layout="stereo"), 3.0)
    assert {(s.id, s.side, lead.name(s)) for s in out.subjects} == {
        ("left", "left", "The left voice"),
        ("right", "right", "The right voice"),
    }
    assert out.media.audio and set(out.media.audio.sides) == {"left", "right"}
    assert out.verdict.subject in ("left", "right")
    assert lead.sides(out).count("%") == 2
    assert Analysis.model_validate_json(out.model_dump_json()) == out


@pytest.mark.parametrize("name", ["music", "short", "noise"])
def test_what_holds_too_little_speech_is_judged_as_speech_on_demand(say, name):
    out = say(TOO_LITTLE_SPEECH[name][0], 1.0, assume_speech=True)
    assert out.verdict.answers[Question.VOICE].probability is not None
    assert out.media.audio and out.media.audio.speech and out.media.audio.speech.assumed
    assert any("as asked for, it was judged as speech" in note for note in out.media.notes)
    silent = say(TOO_LITTLE_SPEECH["silence"][0], 1.0, assume_speech=True)
    assert silent.verdict.label is Label.NOT_APPLICABLE


def test_a_sung_voice_is_offered_to_be_judged_as_speech(say):
    out = say(made.speech(7), 0.0)
    assert out.media.audio and out.media.audio.speech
    sung = out.media.audio.speech
    sung.sustained_ratio = 0.9
    out = decide(out)
    assert out.verdict.vetoed_by is ReasonCode.SINGING
    assert messages.text(out.verdict.reasons[0]).startswith(
        "Too little ordinary speech: 90 % of the voice"
    )
    assert next_steps(out, Facts())[0].code is ActionCode.ASSUME_SPEECH
    sung.assumed = True
    assert decide(out).verdict.vetoed_by is not ReasonCode.SINGING


def test_an_error_of_the_sound_never_ends_the_analysis_of_a_picture(say, talking_clip, monkeypatch):
    def broken(*_, **__):
        raise ArithmeticError("unforeseen")

    monkeypatch.setattr(channels, "choose", broken)
    out = say(talking_clip, 3.0, frames=3)
    assert [s.modality for s in out.subjects] == [Modality.FACE]
    assert "The sound of this file can't be heard: we failed to read it." in out.media.notes


def test_what_sounds_after_the_picture_is_named(say, tmp_path):
    for seconds, named in ((3, True), (7, False)):
        clip = write_clip(tmp_path / "a.mp4", seconds=seconds, size=(8, 400), audio=made.speech(7))
        notes = say(clip, 3.0).media.notes
        assert any("goes on for 4.0 s after the picture" in note for note in notes) is named


def test_the_limit_of_speech_is_its_sum():
    assert voice.unscorable(SpeechMeasurement(seconds=60, spans=[(0, 1), (5, 6.5)])) is None
    short = SpeechMeasurement(seconds=60, spans=[(0, MIN_SPEECH - 0.1)])
    assert voice.unscorable(short) is ReasonCode.SPEECH_TOO_SHORT


def test_a_silent_clip_is_asked_nothing_of_its_voice(say, face_clip_silent):
    out = say(face_clip_silent, 3.0, frames=3, models=["loud"])
    assert out.media.audio is None
    assert Question.VOICE not in out.verdict.answers
    assert out.models[0].not_counted_because == "there is no sound"


def test_a_silent_clip_is_said_the_same_of_with_and_without_models_of_voices(
    analyzer, face_clip_silent, monkeypatch
):
    """To the byte, but for its id, which stands for the models asked for, and for times."""

    def said():
        analysis = analyzer.analyze(face_clip_silent, Settings(frames=3))
        return json.dumps(timeless(analysis) | {"id": ""})

    specs = registry.choose()
    assert {spec.modality for spec in specs} >= {Modality.FACE, Modality.VOICE}
    with_voices = said()
    seen = [spec for spec in specs if spec.modality is not Modality.VOICE]
    monkeypatch.setattr(registry, "choose", lambda ids=None: seen)
    assert said() == with_voices


@pytest.fixture(scope="module")
def cloned():
    """The bundled sample with a cloned voice."""
    return next(sample.path for sample in samples() if sample.id == "cloned")


def test_a_cloned_voice_is_called_probably_cloned_by_the_default_set(analyzer, cloned):
    out = analyzer.analyze(cloned)
    assert [model.id for model in out.models] == ["timbre"]
    assert out.id == id_of(out.media.sha256, Settings())
    answer = out.verdict
    assert answer.question is Question.VOICE
    assert answer.probability is not None and answer.odds is not None
    assert answer.label is Label.PROBABLY_FAKE and answer.label.side is Side.FAKE
    assert answer.probability > answer.thresholds.suspect
    assert CaveatCode.NEVER_DECIDES not in [caveat.code for caveat in out.verdict.caveats]


def test_a_voice_that_a_formula_made_is_unlike_all_that_was_tested(analyzer, tmp_path):
    out = analyzer.analyze(made.write(tmp_path / "a.wav", made.speech(6)))
    assert out.models[0].scored > 0 and out.verdict.label is Label.NOT_APPLICABLE
    assert [reason.code for reason in out.verdict.reasons] == [ReasonCode.UNLIKE_TESTED]
    assert out.verdict.probability is None and out.proof is None


@pytest.mark.parametrize("judged", [True, False])
def test_what_to_do_next_with_a_sound_is_nothing_of_faces(analyzer, tmp_path, cloned, judged):
    path = cloned if judged else made.write(tmp_path / "a.wav", made.speech(4))
    out = analyzer.analyze(path)
    assert (out.verdict.probability is not None) is judged
    steps = next_steps(out, Facts(closer=480, strong="GenD", untouched=40))
    assert [step.code for step in steps] == [ActionCode.ASK_ORIGINAL, ActionCode.CHECK_ORIGIN]
    asked = actions.step(steps[0])
    assert asked.head == "Ask for the recording itself" and "camera" not in asked.why


def test_a_closer_look_at_a_sound_listens_once(analyzer, tmp_path, monkeypatch):
    path, times, seen = made.write(tmp_path / "a.wav", made.speech(4)), [], []
    listen = Recording.of.__func__

    def counted(cls, *args, **more):
        times.append(args)
        return listen(cls, *args, **more)

    monkeypatch.setattr(Recording, "of", classmethod(counted))
    observe = lambda progress: seen.append(progress.fraction)  # noqa: E731
    close = analyzer.analyze(path, Settings(sampling="closer"), observe=observe)
    assert len(times) == 1 and seen[-1] == 1.0
    usual = analyzer.analyze(path)
    assert close.verdict == usual.verdict and close.subjects == usual.subjects


def test_a_cloned_voice_makes_a_clip_with_a_face_likely_manipulated(say, talking_clip):
    out = say(talking_clip, 3.0, frames=3)
    assert {s.modality for s in out.subjects} == {Modality.FACE, Modality.VOICE}
    assert out.verdict.label is Label.FAKE and out.verdict.question is Question.VOICE
    assert out.verdict.subject == "voice" == out.subjects[0].id
    assert [s.modality for s in out.seen] == [Modality.FACE]
    calm = say(talking_clip, 0.0, frames=3)
    assert calm.verdict.label is Label.INCONCLUSIVE
    assert CaveatCode.NOT_ASKED in [caveat.code for caveat in calm.verdict.caveats]


@pytest.fixture(scope="module")
def talking_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "talking.mp4"
    return write_clip(path, seconds=4, size=(640, 360), audio=made.speech(4))


@pytest.fixture(scope="module")
def face_clip_silent(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "silent.mp4", seconds=2, size=(640, 360))


PERTH = Path(__file__).parents[2] / "goldens/voice/perth.opus"
"""Speech of tests/support that resemble-perth 1.0.1 marked at 24 kHz, in Opus of 32 kbit/s."""


def test_the_mark_of_perth_is_found_as_by_its_package(tmp_path):
    recording = Recording.of(PERTH, [(0.0, 5.0)], notes=[])
    spans = recording.windows(watermark.WINDOW, watermark.WINDOWS)
    wanted = [0.9949, 0.9907]  # of get_watermark(…, round=False)
    found = [watermark.confidence(recording.samples(span)) for span in spans]
    assert found == pytest.approx(wanted, abs=0.003)
    (mark,) = watermark.found(recording)
    assert (mark.name, mark.place) == ("Chatterbox", "voice")
    assert mark.score == pytest.approx(0.993, abs=0.003)
    silence = Recording([(0.0, np.zeros(80_000, np.int16))], [(0.0, 5.0)])
    assert not watermark.found(silence)
    unmarked = made.write(tmp_path / "a.opus", made.speech(5.0, pitch=140, seed=4))
    assert not watermark.found(Recording.of(unmarked, [(0.0, 5.0)], notes=[]))


def test_a_marked_voice_leads_the_headline_of_a_sound_and_of_a_video(analyzer, tmp_path):
    clip = tmp_path / "talking.mp4"
    spoken = Recording.of(PERTH, [(0.0, 5.0)], notes=[]).samples((0.0, 5.0))
    write_clip(clip, seconds=4, size=(640, 360), audio=spoken[:64_000])
    for path in (PERTH, clip):
        out = analyzer.analyze(path, Settings(frames=3))
        assert out.proof == Proof(kind=ProofKind.VOICE_MARK, name="Chatterbox")
        assert out.label is Label.FAKE
        assert headline_of(out) == "Voice marked as AI-generated by Chatterbox"
        assert lead.origin(out) == (
            "The voice carries the inaudible mark of Chatterbox. Anybody can add or remove one."
        )
        assert out.provenance.findings[0].startswith("The voice carries the inaudible mark")
