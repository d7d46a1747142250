"""Robustness of a sound: changes through real encoders, and trials with a real model of voices."""

import os
import tempfile
import threading

import numpy as np
import pytest

from cli import main
from detector import media
from detector.decision import decide
from detector.errors import Canceled, MediaError, UsageError
from detector.perturbation import corruptions, sounds
from detector.perturbation.conditions import ALL, Condition
from detector.perturbation.robustness import HEARD, part, try_out
from detector.schema.analysis import (
    Analysis,
    Label,
    Question,
    Settings,
    SpanSegment,
    SpeechMeasurement,
    Thresholds,
)
from tests.conftest import write_clip
from tests.integration.detector.test_robustness import Told
from tests.support import speech
from tests.support.voice_sample import make_analysis
from tests.support.voice_sample import write_clip as write_voice

RATE = 16_000
OF_SOUNDS = [c for c in ALL if c.fits("audio") and c.kind != "none"] + [Condition("quiet", 12)]


def above(hz, samples):
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[int(len(power) * hz / (RATE / 2)) :].sum() / power.sum())


@pytest.mark.parametrize("condition", OF_SOUNDS, ids=lambda c: c.name)
def test_a_changed_sound_is_as_long_and_says_the_same(condition, tmp_path):
    path = speech.write(tmp_path / "a.wav", speech.speech(3))
    changed = corruptions.apply(path, condition, tmp_path)
    before, after = sounds.decoded(str(path)), sounds.decoded(str(changed))
    assert media.probe(changed).duration == pytest.approx(3, abs=0.01)
    assert len(after) == len(before)
    assert not np.allclose(before, after, atol=1e-3)
    # What was loud is loud at the same time: nothing was shifted by more than 10 ms, and in a room
    # by no more than half of its echo's energy needs.
    loud = [np.abs(x).reshape(-1, 80).mean(1) for x in (before, after)]
    alike = [np.corrcoef(loud[0], np.roll(loud[1], lag))[0, 1] for lag in range(-40, 41)]
    late = 5 * (40 - int(np.argmax(alike)))
    assert -10 <= late <= (40 if condition.kind == "room" else 10) and max(alike) > 0.7
    again = corruptions.apply(path, condition, tmp_path).read_bytes()
    assert again == changed.read_bytes()  # the same each time


def test_each_takes_away_what_it_says():
    x = speech.speech(3).astype(np.float64)

    def changed(kind, level=0.0):
        return sounds.change(Condition(kind, level))(x, sounds.generator("a.wav"))

    assert above(4_100, changed("phone")) < 0.1 * above(4_100, x)
    for snr in (10.0, 20.0):
        noise = changed("snr", snr) - x
        ratio = 10 * np.log10(np.mean(x**2) / np.mean(noise**2))
        assert ratio == pytest.approx(snr, abs=0.1)
    quieter = 20 * np.log10(np.std(changed("quiet", 12)) / np.std(x))
    assert quieter == pytest.approx(-12, abs=0.01)
    errors = [np.std(changed("mp3", rate) - x) for rate in (24, 48)]
    assert errors[0] > errors[1] > 0


def test_what_would_clip_is_written_quieter(tmp_path):
    loud = 3 * np.sin(np.arange(RATE) / 10)
    written = sounds.decoded(str(sounds.write(tmp_path / "a.wav", loud)))
    assert np.abs(written).max() == pytest.approx(1, abs=1e-3)
    assert np.allclose(written, loud / 3, atol=1e-3)


def test_a_part_is_changed_alone_and_a_clip_has_a_sound(tmp_path):
    path = speech.write(tmp_path / "a.mp3", speech.speech(4))
    changed = corruptions.apply(path, Condition("quiet", 6), tmp_path, part=(1.0, 2.5))
    assert media.probe(changed).duration == pytest.approx(1.5, abs=0.05)
    clip = write_clip(tmp_path / "face.mp4", seconds=1, audio=True)
    assert media.probe(corruptions.apply(clip, Condition("phone"), tmp_path)).kind == "audio"
    silent = write_clip(tmp_path / "silent.mp4", seconds=1, audio=False)
    with pytest.raises(MediaError, match="no sound"):
        corruptions.apply(silent, Condition("phone"), tmp_path)


def test_a_cancel_stops_it(tmp_path):
    stop = threading.Event()
    stop.set()
    path = speech.write(tmp_path / "a.wav", speech.speech(2))
    with pytest.raises(Canceled):
        corruptions.apply(path, Condition("phone"), tmp_path, cancel=stop)


def test_the_part_is_around_the_highest_window_and_holds_enough_speech(tmp_path):
    analysis = make_analysis(write_voice(tmp_path / "a.wav"))
    assert part(analysis) == (0.0, HEARD[0])  # 13 s, highest at 4 s
    audio = analysis.media.audio
    assert audio.speech is not None

    def of(length, *spoken, top=50.0):
        heard = SpeechMeasurement(seconds=length, spans=list(spoken))
        heard_of = audio.model_copy(update={"speech": heard, "duration": length})
        about = analysis.media.model_copy(update={"duration": length, "audio": heard_of})
        span = SpanSegment(start=top - 1, end=top + 1, logits={"voice": 3.0})
        voice = analysis.subjects[0].model_copy(update={"spans": [span]})
        return decide(analysis.model_copy(update={"media": about, "subjects": [voice]}))

    assert part(of(100, (40, 60))) == (44, 56)
    assert part(of(100, (48, 52), (60, 70))) == (38, 62)  # little is said near it
    assert part(of(100, (49, 51))) == (26, 74)
    assert part(of(100, (80, 100), top=99.0)) == (88, 100)


@pytest.mark.timeout(400)  # seven runs of a real model
def test_trials_of_made_speech(analyzer, tmp_path, monkeypatch):
    path = write_voice(tmp_path / "a.ogg")
    analysis = analyzer.analyze(path, scores_only=True)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    told: list[tuple[int, int, str]] = []
    tried = try_out(path, analysis, analyzer, on_progress=lambda *what: told.append(what))
    names = [t.condition for t in tried.trials]
    assert names == ["mp3-32", "opus-16", "phone", "snr-10", "room", "quiet-12"]
    assert [done for done, _, _ in told] == list(range(8)) and told[1][2] == "MP3 at 32 kbit/s"
    assert (tried.question, tried.start, tried.end) == (Question.VOICE, *part(analysis))
    assert tried.sampled >= 2
    scores = [t.probability for t in (tried.unchanged, *tried.trials)]
    assert None not in scores and len(set(scores)) == 7
    assert all(set(t.models) == {"timbre"} for t in tried.trials)
    assert tried.unchanged.label is Label.INCONCLUSIVE and not tried.fragile  # it never decides
    assert tried.furthest in tried.trials
    # The whole file holds little more than the part: unchanged, it says nearly the same.
    whole = analysis.verdict.answers[Question.VOICE].probability
    assert tried.unchanged.probability == pytest.approx(whole, abs=0.1)
    # A trial is no more than the changed copy, analyzed.
    copy = corruptions.apply(path, Condition("opus", 16), tmp_path, part=(tried.start, tried.end))
    by_hand = analyzer.analyze(copy, scores_only=True).verdict.answers[Question.VOICE]
    assert by_hand.probability == pytest.approx(tried.trials[1].probability, abs=0.1)
    assert not os.listdir(folder)  # every changed copy is gone


def test_the_sound_of_a_clip_is_tried_alone(analyzer, tmp_path):
    path = write_clip(tmp_path / "a.mp4", seconds=6, fps=5, audio=speech.speech(6))
    analysis = analyzer.analyze(path, Settings(models=["timbre"], frames=4), scores_only=True)
    assert analysis.media.kind == "video" and analysis.verdict.question is Question.VOICE
    tried = try_out(path, analysis, analyzer, conditions=[Condition("crf", 32), Condition("phone")])
    (phone,) = tried.trials
    assert phone.condition == "phone" and phone.probability is not None
    assert set(phone.models) == {"timbre"}


def test_on_the_command_line(tmp_path, capsys):
    path = speech.write(tmp_path / "a.flac", speech.speech(5))
    out = tmp_path / "a.json"
    command = ["robustness", str(path), "--device", "cpu", "--json", str(out)]
    assert main([*command, "--conditions", "opus-16,jpeg-50"]) == 0
    analysis = Analysis.model_validate_json(out.read_text())
    assert [t.condition for t in analysis.robustness.trials] == ["opus-16"]
    said = capsys.readouterr().out
    assert "Opus at 16 kbit/s" in said and "Moves by up to" in said and "the same" not in said
    assert main([*command, "--conditions", "jpeg-50"]) == 2
    assert "None of these changes can be made to a sound." in capsys.readouterr().err


def heard(analysis, **about):
    audio = analysis.media.audio
    other = audio.model_copy(update={"speech": audio.speech.model_copy(update=about)})
    return decide(
        analysis.model_copy(update={"media": analysis.media.model_copy(update={"audio": other})})
    )


def test_a_telephone_is_no_flip_because_nothing_is_decided_over_it(tmp_path):
    path = write_voice(tmp_path / "a.wav")
    analysis = make_analysis(path)
    phone = heard(analysis, bandwidth_hz=3_400.0)
    assert phone.verdict.label is Label.INCONCLUSIVE
    conditions = [Condition("phone"), Condition("snr", 10)]
    told = Told(analysis, phone, MediaError("damaged"))
    tried = try_out(path, analysis, told, conditions=conditions)
    assert tried.unchanged.label is tried.trials[0].label is Label.FAKE
    assert tried.trials[1].error == "damaged" and not tried.fragile
    # A recording that is a telephone's already has no verdict that could change.
    told = Told(phone, phone)
    tried = try_out(path, phone, told, conditions=conditions[:1])
    assert tried.unchanged.label is tried.trials[0].label is Label.INCONCLUSIVE
    # What a change does to the score is one.
    low = analysis.ensembles[Question.VOICE].model_copy(
        update={"thresholds": Thresholds(low=0.97, high=0.98)}
    )
    other = decide(phone.model_copy(update={"ensembles": {Question.VOICE: low}}))
    tried = try_out(path, analysis, Told(analysis, other), conditions=conditions[:1])
    assert tried.trials[0].label is Label.REAL and tried.fragile


def test_a_cancel_and_silence_are_no_outcome(tmp_path, analyzer):
    path = write_voice(tmp_path / "a.wav")
    analysis = make_analysis(path)
    with pytest.raises(Canceled):
        try_out(path, analysis, Told(analysis, Canceled()))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Canceled):
        try_out(path, analysis, analyzer, cancel=stop)
    analysis = analyzer.analyze(path, scores_only=True)
    speech.write(path, np.zeros(13 * RATE))  # somebody put another file in its place
    with pytest.raises(UsageError, match="Too little is spoken"):
        try_out(path, analysis, analyzer)
