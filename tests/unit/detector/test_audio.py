"""Sound in: every container, every bad file, and where somebody speaks in it."""

import struct
import threading
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from scipy import signal

from detector import isolation, media
from detector.audio import pictures, sound, speech
from detector.audio.recording import FLOOR, Recording, hann, spectrogram, tukey
from detector.audio.sound import SAMPLE_RATE, SoundBlock
from detector.errors import Canceled, MediaError
from tests.conftest import write_clip
from tests.support import speech as made

WHOLE = [(0.0, 30.0)]
PAUSED = np.concatenate(
    [np.zeros(16_000), made.speech(3), np.zeros(16_000), made.speech(2, seed=1)]
)
"""A second of nothing, 3 s of speech, a second of nothing, 2 s of speech."""


def hear(path, spans=WHOLE):
    notes: list[str] = []
    return Recording.of(path, spans, notes=notes), notes


@pytest.mark.parametrize(
    ("name", "isolated"),
    [
        *((f"a.{end}", False) for end in ("wav", "mp3", "m4a", "flac", "ogg", "opus", "webm")),
        ("a.wav", True),
        ("a.m4a", True),
    ],
)
def test_speech_is_found_in_every_container(name, isolated, tmp_path):
    opus = name[2:] in ("ogg", "opus", "webm")  # of 48 kHz alone
    samples = signal.resample_poly(PAUSED, 3, 1) if opus else PAUSED
    path = made.write(tmp_path / name, samples, rate=48_000 if opus else 16_000)
    if isolated:
        media.isolate()
    try:
        recording, notes = hear(path)
    finally:
        isolation.stop_isolating()
    assert not notes
    assert recording.seconds == pytest.approx(7, abs=0.15)
    first, last = recording.speech[0], recording.speech[-1]
    assert first[0] == pytest.approx(1, abs=0.15) and last[1] == pytest.approx(7, abs=0.35)
    assert any(b + 0.3 > 4 and a < 4 for a, b in recording.speech)
    assert not [s for s in recording.speech if s[0] < 4.3 and s[1] > 4.7]  # the pause is one
    heard = recording.samples((1.5, 3.5))
    wanted = PAUSED[24_000:56_000]
    lags = signal.correlate(heard, wanted, mode="full")
    alike = lags.max() / np.sqrt((heard**2).sum() * (wanted**2).sum())
    assert alike > 0.9


def test_the_sound_of_a_video_is_on_the_clock_of_its_picture(tmp_path):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width = video.height = 64
        audio = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for _ in range(50):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(
            (made.speech(2)[None] * 32_767).astype(np.int16), "s16", "mono"
        )
        frame.sample_rate, frame.pts = 16_000, 8_000  # half a second late
        output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    assert next(iter(sound.read(path, WHOLE, notes=[]))).start == pytest.approx(0.5, abs=1e-3)


def test_a_file_without_sound_says_so(silent_clip):
    with pytest.raises(MediaError, check=lambda e: e.code == "no_sound"):
        hear(silent_clip)


@pytest.fixture
def silent_clip(tmp_path):
    return write_clip(tmp_path / "silent.mp4", seconds=0.4)


def test_what_is_empty_or_no_sound_is_refused(tmp_path):
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(b"")
    no_samples = tmp_path / "header.wav"
    no_samples.write_bytes(wav_header(0))
    renamed = tmp_path / "notes.mp3"
    renamed.write_text("Dear diary, today I renamed a text.\n" * 50)
    codes = []
    for path in (nothing, no_samples, renamed):
        with pytest.raises(MediaError) as caught:
            hear(path)
        codes.append(caught.value.code)
    assert codes == ["empty", "undecodable", "unsupported"]


def wav_header(size):
    """The head of a mono WAV of 16 bits and 8 kHz with so many bytes of samples."""
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16)
    return head + b"data" + struct.pack("<I", size)


def long_wav(path, hours):
    """A WAV with speech in one place, the rest a hole in the file."""
    size = hours * 3600 * 8_000 * 2
    header = wav_header(size)
    spoken = (signal.resample_poly(made.speech(60), 1, 2) * 32_767).astype("<i2").tobytes()
    with path.open("wb") as file:
        file.write(header)
        file.seek(len(header) + size // 2)
        file.write(spoken)
        file.truncate(len(header) + size)
    return path


def test_of_ten_hours_evenly_spread_stretches_are_heard(tmp_path):
    path = long_wav(tmp_path / "day.wav", 10)
    spans = sound.stretches(0.0, 36_000.0)
    assert len(spans) == 60 and spans[0] == (0.0, 30.0) and spans[-1] == (35_970.0, 36_000.0)
    middle = [span for span in spans if 17_000 < span[0] < 19_000]
    recording, _ = hear(path, middle)
    assert recording.seconds == pytest.approx(30 * len(middle), abs=0.5)
    assert [round(at) for at, _ in recording.stretches] == [round(at) for at, _ in middle]


def test_a_short_part_is_heard_whole():
    assert sound.stretches(3.0, 1_803.0) == [(3.0, 1_803.0)]


@pytest.mark.parametrize("layout", ["mono", "stereo", "7.1"])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_any_rate_and_any_number_of_channels(layout, rate, tmp_path):
    spoken = signal.resample_poly(made.speech(2), rate // 100, 160)
    planes = np.repeat(spoken[None], {"mono": 1, "stereo": 2, "7.1": 8}[layout], axis=0)
    name, codec = ("a.m4a", "aac") if rate == 44_100 else ("a.wav", "pcm_f32le")
    path = made.write(tmp_path / name, planes, rate=rate, layout=layout, codec=codec)
    recording, notes = hear(path)
    assert recording.seconds == pytest.approx(2, abs=0.05) and not notes
    assert recording.speech_seconds > 1


def test_samples_that_are_no_numbers_are_silence(tmp_path):
    broken = made.speech(2)
    broken[8_000:8_400], broken[9_000] = np.nan, np.inf
    recording, _ = hear(made.write(tmp_path / "a.wav", broken, codec="pcm_f32le"))
    heard = recording.samples((0, 2))
    assert np.isfinite(heard).all() and not heard[8_050:8_350].any()
    assert recording.speech


def test_of_a_constant_and_of_silence_nothing_is_said(tmp_path):
    for level in (0.0, 0.4):
        recording, _ = hear(made.write(tmp_path / "dc.wav", np.full(48_000, level)))
        assert recording.speech == [] and recording.measured.level_dbfs is None
        assert recording.windows(4.0, 8) == []


def test_a_tone_that_sways_is_no_speech(tmp_path):
    time = np.arange(64_000) / 16_000
    tone = 0.3 * np.sin(2 * np.pi * 440 * time + 3 * np.sin(2 * np.pi * 5 * time))
    assert hear(made.write(tmp_path / "tone.wav", tone))[0].speech == []


def test_clipping_noise_and_band_are_measured(tmp_path):
    rng = np.random.default_rng(0)
    quality = hear(made.write(tmp_path / "loud.wav", np.clip(PAUSED * 8, -1, 1)))[0].measured
    assert quality.clipped > 0.01
    noisy = PAUSED + 0.05 * rng.standard_normal(len(PAUSED))
    quality = hear(made.write(tmp_path / "noisy.wav", noisy))[0].measured
    assert quality.snr is not None
    spoken = np.sqrt(np.mean(PAUSED[PAUSED != 0] ** 2))
    assert quality.snr == pytest.approx(20 * np.log10(spoken / 0.05), abs=3)
    phone = signal.resample_poly(signal.resample_poly(PAUSED, 1, 2), 2, 1)
    clean, narrow = (
        hear(made.write(tmp_path / f"{name}.wav", samples))[0].measured
        for name, samples in (("clean", PAUSED), ("phone", phone))
    )
    assert clean.bandwidth_hz > 7_000 and clean.clipped == 0 and FLOOR > 0
    assert narrow.bandwidth_hz == pytest.approx(4_000, abs=500)


def test_a_word_that_was_not_told_as_speech_is_no_noise():
    """The last half second of a clean voice lies beyond where speech was told to end."""
    hiss = 0.001 * np.random.default_rng(0).standard_normal(3 * 16_000)
    voice = made.speech(3) + hiss
    spoken = np.sqrt(np.mean(voice**2))
    for noise, most in ((0.0, 60.0), (0.5, 9.0)):
        loud = voice + noise * spoken * np.random.default_rng(1).standard_normal(len(voice))
        recording = Recording([(0.0, (loud * 32_768).clip(-32_768, 32_767).astype(np.int16))],
                              [(0.0, 2.5)])  # fmt: skip
        assert (15 if not noise else 5) < recording.measured.snr < most


def test_joined_mp3_is_heard_whole(tmp_path):
    parts = [made.write(tmp_path / f"{rate}.mp3", PAUSED, rate=rate) for rate in (16_000, 48_000)]
    lengths = [media.probe(part).duration or 0.0 for part in parts]
    path = tmp_path / "joined.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    about = media.probe(path)
    assert about.duration == pytest.approx(sum(lengths), abs=0.1)
    notes: list[str] = []
    blocks = list(sound.read(path, [(0.0, about.duration or 0.0)], notes=notes))
    assert blocks[-1].end == pytest.approx(about.duration, abs=0.1) and not notes


def test_a_damaged_recording_is_heard_as_far_as_it_goes(tmp_path):
    path = made.write(tmp_path / "a.mp3", np.tile(PAUSED, 3))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 4_000] = bytes(4_000)
    path.write_bytes(data)
    recording, _ = hear(path)
    assert recording.seconds > 18
    assert recording.speech[-1][1] > 18  # and goes on behind the hole


def test_hearing_stops_when_it_is_canceled(tmp_path):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Canceled):
        Recording.of(made.write(tmp_path / "a.wav", PAUSED), WHOLE, notes=[], cancel=cancel)


def test_windows_cover_speech_and_never_reach_over_a_long_pause():
    recording = Recording([(0.0, np.zeros(480_000, np.int16))], [(1, 9), (9.4, 12), (20, 20.5)])
    windows = recording.windows(4.0, 100)
    assert windows == [(1, 5), (4.5, 8.5), (8, 12)]  # a breath parts nothing
    assert len(recording.windows(4.0, 2)) == 2
    assert Recording([(0.0, np.zeros(48_000, np.int16))], [(0, 0.8)]).windows(4.0, 8) == []


def test_stretches_that_lie_apart_are_never_one():
    second = np.zeros(16_000, np.int16)
    parts = [(0.0, np.tile(second, 30)), (600.0, np.tile(second, 30))]
    recording = Recording(parts, [(28.0, 30.0), (600.0, 603.0)])
    assert recording.windows(4.0, 8) == [(28.0, 30.0), (600.0, 603.0)]


def test_speech_is_found_as_the_package_finds_it():
    threads = torch.get_num_threads()
    import silero_vad  # sets the number of threads of whoever imports it

    torch.set_num_threads(threads)
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    samples = PAUSED[: len(PAUSED) // 512 * 512].astype(np.float32)
    original = silero_vad.load_silero_vad()
    with torch.no_grad():
        wanted = [float(original(torch.from_numpy(c), 16_000)) for c in samples.reshape(-1, 512)]

    detector = speech.SpeechDetector()
    cut = [0, 100, 5_000, 5_600, 30_001, len(samples)]  # none, one and many chunks in a piece
    blocks = (SoundBlock(a / SAMPLE_RATE, samples[a:b]) for a, b in pairwise(cut))
    list(detector.feed(blocks))
    np.testing.assert_allclose(detector._runs[0][1], wanted, atol=1e-4)
    spans = get_speech_timestamps_from_probs(
        wanted, min_speech_duration_ms=250, min_silence_duration_ms=300
    )
    np.testing.assert_allclose(
        speech.spoken(wanted),
        [(s["start"] / SAMPLE_RATE, s["end"] / SAMPLE_RATE) for s in spans],
        atol=2 / SAMPLE_RATE,
    )


def test_two_recordings_at_once_do_not_disturb_each_other():
    def blocks(seed):
        samples = made.speech(3, seed=seed)
        for at in range(0, len(samples), sound.BLOCK):
            yield SoundBlock(at / SAMPLE_RATE, samples[at : at + sound.BLOCK])

    alone = []
    for seed in (0, 1):
        detector = speech.SpeechDetector()
        list(detector.feed(blocks(seed)))
        alone.append(detector.segments())
    both = [speech.SpeechDetector(), speech.SpeechDetector()]
    for _ in zip(both[0].feed(blocks(0)), both[1].feed(blocks(1)), strict=True):
        pass
    assert [detector.segments() for detector in both] == alone


def test_power_over_time_is_scipys():
    sound = made.speech(4).astype(np.float32).reshape(2, -1)
    for window, hop, ours, detrend in (
        ("hann", 512, hann(512), False),
        (("tukey", 0.25), 512, tukey(1024), "constant"),
    ):
        taps = len(ours)
        frequencies, _, wanted = signal.spectrogram(
            sound, SAMPLE_RATE, window, taps, taps - hop, detrend=detrend
        )
        found = spectrogram(sound, ours, hop, centered=detrend == "constant")
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6 * wanted.max())
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(frequencies, np.arange(taps // 2 + 1) * SAMPLE_RATE / taps)


def test_a_tone_is_a_line_in_the_spectrogram_at_its_height(tmp_path):
    time = np.arange(64_000) / 16_000
    tone = np.where(time < 2, 0.3 * np.sin(2 * np.pi * 1_000 * time), 0.0)
    seen = pictures.draw(made.write(tmp_path / "tone.wav", tone), 4.0, 200)
    assert seen.mel.shape == (80, 200) and seen.mfcc.shape == (20, 200)
    band = int(np.argmax(seen.mel[:, 50]))
    top = 2595 * np.log10(1 + 8_000 / 700)
    assert band == pytest.approx(2595 * np.log10(1 + 1_000 / 700) / top * 81 - 1, abs=1)
    assert seen.mel[band, 50] > -1 and seen.mel[band, 150] == -80
    assert seen.peaks[50].tolist() == pytest.approx([-0.3, 0.3], abs=0.01)
    assert not seen.peaks[150].any() and np.isfinite(seen.mel).all()


def test_a_short_sound_has_no_holes_between_its_columns(tmp_path):
    seen = pictures.draw(made.write(tmp_path / "a.wav", made.speech(2)), 2.0, 900)
    assert np.isfinite(seen.mel[:, 20:-20]).all() and np.isfinite(seen.peaks[5:-5]).all()
