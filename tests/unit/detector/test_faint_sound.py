"""Sounds that are long, faint, or change from stereo to mono on the way."""

from types import SimpleNamespace

import numpy as np
import pytest

from detector.audio import channels, sound
from detector.audio.recording import Recording, search_speech
from detector.audio.sound import Channels
from tests.support.formants import RATE
from tests.support.speech import speech, write

VOICE = speech(6.0)


@pytest.mark.parametrize(
    ("codec", "decibels"), [("pcm_s24le", 60), ("pcm_s16le", 60), ("pcm_s24le", 66)]
)
def test_a_faint_voice_is_turned_up(tmp_path, codec, decibels):
    loud = 0.7 * VOICE / np.abs(VOICE).max()
    path = write(tmp_path / "a.wav", loud * 10 ** (-decibels / 20), codec=codec)
    plain = write(tmp_path / "b.wav", loud, codec=codec)
    choice, usual = (channels.choose(p, (0.0, 6.0)) for p in (path, plain))
    assert any("turned up by" in note for note in choice.notes) and usual.source.gain == 1
    found, right = (
        Recording.of(p, [(0.0, 6.0)], notes=[], source=c.source).speech_seconds
        for p, c in ((path, choice), (plain, usual))
    )
    assert found == pytest.approx(right, rel=0.25) and right > 2


def test_a_voice_below_the_steps_of_its_samples_is_too_faint(tmp_path):
    path = write(tmp_path / "a.wav", VOICE / np.abs(VOICE).max() * 1e-4)
    choice = channels.choose(path, (0.0, 6.0))
    assert choice.source.gain == 1 and any("too faint" in note for note in choice.notes)


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_has_no_note(tmp_path, level):
    noise = level * np.random.default_rng(0).standard_normal(3 * RATE)
    path = write(tmp_path / "a.wav", noise, codec="pcm_f32le")
    assert channels.choose(path, (0.0, 3.0)) == channels.HeardChoice(channels.SoundSource())


def test_a_quiet_room_is_not_turned_up_to_speech(tmp_path):
    noise = 1e-3 * np.random.default_rng(0).standard_normal(5 * RATE)
    assert channels.choose(write(tmp_path / "a.wav", noise), (0.0, 5.0)).source.gain == 1


def test_speech_of_a_long_recording_is_found_between_the_stretches(tmp_path, monkeypatch):
    monkeypatch.setattr(sound, "LONGEST", 60.0)
    long = np.zeros(200 * RATE)
    long[47 * RATE : 53 * RATE] = VOICE[: 6 * RATE]
    path = write(tmp_path / "a.flac", long)
    parts = sound.stretches(0.0, 200.0)
    heard = Recording.of(path, parts, notes=[])
    spoken = search_speech(path, (0.0, 200.0))
    assert heard.speech_seconds < 1 and spoken and 46 < spoken[0][0] < 49
    around = sound.around(spoken, 0.0, 200.0)
    assert sum(b - a for a, b in around) <= 60
    assert Recording.of(path, around, notes=[]).speech_seconds > 2


def test_sound_about_speech_is_joined_and_bounded():
    spans = [(2.0, 3.0), (9.0, 12.0), (500.0, 4_000.0)]
    assert sound.around(spans, 0.0, 9_000.0)[0] == (0.0, 17.0)
    assert sum(b - a for a, b in sound.around(spans, 0.0, 9_000.0)) == pytest.approx(sound.LONGEST)


def test_mono_after_stereo_is_in_both_channels():
    mono = SimpleNamespace(channels=[SimpleNamespace(name="FC")])
    rows = Channels(2).rows(np.array([[0.5, -0.5]], np.float32), mono)
    assert np.array_equal(rows, [[0.5, -0.5]] * 3)


@pytest.mark.shared
def test_one_voice_after_another_is_not_two_sides(shared):
    choice = channels.choose(shared / "bugs5" / "mp3_joined_rates.mp3", (0.0, 8.0))
    assert not choice.sides and not any("different voices" in note for note in choice.notes)
