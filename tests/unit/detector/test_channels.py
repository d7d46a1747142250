"""Tracks and channels: what is heard of a file, in any number and layout."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from scipy import signal

from detector import isolation, media, messages
from detector.audio import channels, sound
from detector.audio.channels import HeardChoice, choose
from detector.audio.recording import Recording
from detector.audio.sound import SAMPLE_RATE
from detector.decision import voice
from detector.schema.analysis import ReasonCode, SpeechMeasurement
from detector.schema.media import SoundSource
from tests.support import speech as made

SECONDS = 4.0
VOICE = made.speech(SECONDS, seed=3)
OTHER = made.speech(SECONDS, pitch=210, seed=8)
SILENCE = np.zeros_like(VOICE)
NOISE = (0.02 * np.random.default_rng(0).standard_normal(len(VOICE))).astype(np.float32)


def wav(path: Path, planes: np.ndarray, *, kind: str = "<f4", mask: int | None = None) -> Path:
    """Write float [channels, n] as a WAV of 16 kHz, by hand: encoders know few layouts. `mask` says
    which loudspeakers the channels are of."""
    codes = {"<f4": (3, 32), "<f8": (3, 64), "<i2": (1, 16), ">i2": (1, 16)}
    code, bits = codes[kind]
    samples = planes.T if kind[1] == "f" else np.rint(np.clip(planes.T, -1, 1) * 32_767)
    data = np.ascontiguousarray(samples).astype(kind).tobytes()
    order, count = kind[0], len(planes)
    size = count * bits // 8
    if mask is None:
        head = struct.pack(f"{order}HHIIHH", code, count, 16_000, 16_000 * size, size, bits)
    else:
        guid = struct.pack("<H", code) + bytes.fromhex("000000001000800000aa00389b71")
        head = struct.pack("<HHIIHH", 0xFFFE, count, 16_000, 16_000 * size, size, bits)
        head += struct.pack("<HHI", 22, bits, mask) + guid
    form = b"RIFX" if order == ">" else b"RIFF"
    chunks = b"WAVEfmt " + struct.pack(f"{order}I", len(head)) + head
    chunks += b"data" + struct.pack(f"{order}I", len(data)) + data
    path.write_bytes(form + struct.pack(f"{order}I", len(chunks)) + chunks)
    return path


def heard(path: Path) -> tuple[HeardChoice, np.ndarray]:
    """Return the choice, and what is heard by it."""
    choice = choose(path, (0.0, SECONDS))
    recording = Recording.of(path, [(0.0, SECONDS)], notes=[], speech=[], source=choice.source)
    return choice, recording.samples((0.0, SECONDS))


def alike(samples: np.ndarray, wanted: np.ndarray) -> float:
    """Return the correlation of two sounds, of either sign and a delay of codecs."""
    lags = signal.correlate(samples, wanted, mode="full", method="fft")
    return float(np.abs(lags).max() / np.sqrt((samples**2).sum() * (wanted**2).sum()))


@pytest.mark.parametrize("count", [*range(1, 13), 16, 24, 32, 63, 64])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "everywhere"])
def test_a_voice_is_heard_in_any_number_of_channels(count, alone, tmp_path):
    planes = np.stack([SILENCE] * (count - 1) + [VOICE]) if alone else np.tile(VOICE, (count, 1))
    choice, samples = heard(wav(tmp_path / "a.wav", planes))
    assert alike(samples, VOICE) > 0.99
    assert choice.source.channel == (count - 1 if alone and count > 2 else None)
    assert (f"number {count} was heard" in "".join(choice.notes)) is (alone and count > 2)


@pytest.mark.parametrize(
    ("mask", "count", "which"), [(0xB, 3, 2), (0x3F, 6, 3), (0x60F, 6, 3), (0x63F, 8, 3)]
)
def test_a_voice_on_the_channel_of_a_subwoofer_is_heard(mask, count, which, tmp_path):
    planes = np.stack([VOICE if n == which else SILENCE for n in range(count)])
    choice, samples = heard(wav(tmp_path / "a.wav", planes, mask=mask))
    assert choice.source.channel == which and alike(samples, VOICE) > 0.99


def test_a_dialog_in_the_center_beside_other_sound_is_heard_alone(tmp_path):
    rng = np.random.default_rng(1)
    others = 0.05 * rng.standard_normal((6, len(VOICE)))
    others[2] = VOICE
    choice, samples = heard(wav(tmp_path / "a.wav", others, mask=0x3F))
    assert choice.source.channel == 2 and alike(samples, VOICE) > 0.99
    assert choice.notes == (
        "Of 6 channels only number 3 holds speech: it was heard, the others were not.",
    )


def test_channels_of_opposite_sign_do_not_cancel_each_other_out(tmp_path):
    choice, samples = heard(wav(tmp_path / "a.wav", np.stack([VOICE, -VOICE])))
    assert choice.source.channel == 0 and alike(samples, VOICE) > 0.99
    noisy = np.stack([VOICE + NOISE, 0.3 * NOISE - VOICE])
    choice, samples = heard(wav(tmp_path / "b.wav", noisy))
    assert choice.source.channel is not None and alike(samples, VOICE) > 0.9


def test_an_ordinary_stereo_recording_is_mixed_without_a_word(tmp_path):
    echo = signal.lfilter([0.0] * 90 + [0.6], [1.0], VOICE).astype(np.float32)
    for n, planes in enumerate(([VOICE, VOICE], [VOICE, 0.4 * VOICE], [VOICE, echo + NOISE])):
        choice, samples = heard(wav(tmp_path / f"{n}.wav", np.stack(planes)))
        assert choice == HeardChoice(SoundSource())
        assert alike(samples, np.mean(planes, axis=0)) > 0.999


def test_two_voices_on_two_sides_are_told_apart_and_one_voice_is_not(tmp_path):
    call = wav(tmp_path / "call.wav", np.stack([VOICE, OTHER]))
    choice = choose(call, (0.0, SECONDS))
    assert choice.sides and choice.source.channel is None
    assert choice.notes == (
        "The left and the right channel hold different voices: each was judged by itself.",
    )
    half = len(VOICE) // 2
    turns = np.stack([VOICE, OTHER])
    turns[0, half:] = 0.05 * OTHER[half:]
    turns[1, :half] = 0.05 * VOICE[:half]
    long = np.concatenate([turns, turns], axis=1)
    assert choose(wav(tmp_path / "turns.wav", long), (0.0, 2 * SECONDS)).sides
    late = np.concatenate([np.zeros(300, np.float32), VOICE[:-300]])
    assert not choose(wav(tmp_path / "one.wav", np.stack([VOICE, -late])), (0.0, SECONDS)).sides


@pytest.mark.parametrize("first", [0, 1], ids=["players choose the first", "the second"])
@pytest.mark.parametrize("where", [0, 1], ids=["speech in the first", "in the second"])
def test_the_track_with_speech_is_heard_and_the_other_one_named(first, where, tmp_path):
    path = tmp_path / "two.mka"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
        for n, stream in enumerate(streams):
            stream.disposition = Disposition.default if n == first else Disposition(0)
        for n, stream in enumerate(streams):
            samples = VOICE if n == where else NOISE
            frame = av.AudioFrame.from_ndarray(np.int16(samples[None] * 32_767), "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    choice, samples = heard(path)
    assert choice.source.track == int(first != where) and alike(samples, VOICE) > 0.99
    (note,) = choice.notes
    assert f"track {where + 1} was heard" in note
    assert ("since no speech was found" in note) is (first != where)


@pytest.mark.parametrize("kind", ["<f4", "<f8"])
@pytest.mark.parametrize("factor", [8.0, 32_768.0, 2.0**31])
def test_samples_out_of_range_are_turned_down_to_their_peak(kind, factor, tmp_path):
    choice, samples = heard(wav(tmp_path / "a.wav", factor * VOICE[None], kind=kind))
    assert np.abs(samples).max() == pytest.approx(1, abs=0.01) and alike(samples, VOICE) > 0.999
    (note,) = choice.notes
    assert "times full scale" in note and "turned down to its peak" in note


def test_what_is_in_range_or_merely_damaged_keeps_its_loudness(tmp_path):
    damaged = VOICE.copy()
    damaged[9_000:9_003] = 1e30, np.nan, -1e20
    for n, planes in enumerate((VOICE, 1.9 * VOICE / np.abs(VOICE).max(), damaged)):
        choice, _ = heard(wav(tmp_path / f"{n}.wav", planes[None]))
        assert choice == HeardChoice(SoundSource())


@pytest.mark.parametrize("factor", [1e40, 1e300])
def test_what_no_sound_reaches_is_silence_and_no_square_wave(factor, tmp_path):
    planes = factor * VOICE[None].astype(np.float64)
    choice, samples = heard(wav(tmp_path / "a.wav", planes, kind="<f8"))
    assert choice == HeardChoice(SoundSource()) and not samples.any()


@pytest.mark.parametrize(
    ("family", "layout", "count", "which"),
    [(2, "quad", 4, 0), (255, "2.1", 3, 2), (255, "hexadecagonal", 16, 15)],
)
def test_opus_of_ambisonics_and_of_no_layout_is_heard(family, layout, count, which, tmp_path):
    planes = np.zeros((count, 3 * len(VOICE)), np.float32)
    planes[which] = signal.resample_poly(VOICE, 3, 1)
    path = tmp_path / "a.opus"
    with av.open(str(path), "w", format="ogg") as output:
        options = {"mapping_family": str(family)}
        stream = output.add_stream("libopus", rate=48_000, layout=layout, options=options)
        frame = av.AudioFrame.from_ndarray(planes.T.reshape(1, -1).copy(), "flt", layout)
        frame.sample_rate = 48_000
        resampler = av.AudioResampler("flt", layout, 48_000, 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            piece.pts = None
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    choice, samples = heard(path)
    assert choice.source.channel == (None if family == 2 else which)
    assert alike(samples, VOICE) > 0.9


def test_a_wav_of_big_endian_numbers_is_read(tmp_path):
    for count in (1, 2, 9):
        planes = np.tile(VOICE, (count, 1))
        _, samples = heard(wav(tmp_path / f"{count}.wav", planes, kind=">i2"))
        assert alike(samples, VOICE) > 0.999


def test_channels_are_heard_in_confined_readers_too(tmp_path):
    planes = np.stack([SILENCE] * 63 + [VOICE])
    path = wav(tmp_path / "a.wav", planes)
    media.isolate()
    try:
        choice, samples = heard(path)
    finally:
        isolation.stop_isolating()
    assert choice.source.channel == 63 and alike(samples, VOICE) > 0.99


def test_of_a_long_recording_only_parts_are_listened_to_for_the_choice(tmp_path, monkeypatch):
    asked = []
    read = sound.read_channels

    def counted(path, spans, track, count, **more):
        asked.extend(spans)
        return read(path, spans, track, count, **more)

    monkeypatch.setattr(channels, "read_channels", counted)
    silent = np.zeros((12, 90 * SAMPLE_RATE), np.float32)
    choose(wav(tmp_path / "a.wav", silent, kind="<i2"), (0.0, 90.0))
    assert sum(end - start for start, end in asked) * 12 == pytest.approx(channels.BUDGET)
    assert asked[0][0] == 0.0 and asked[-1][1] == 90.0


def test_overloaded_speech_withholds_only_answers_towards_real():
    overloaded = SpeechMeasurement(seconds=9, spans=[(0, 8)], clipped=0.02, bandwidth_hz=7_500)
    assert voice.withholds_real(overloaded) is ReasonCode.CLIPPED
    assert voice.abstains(overloaded) is None
    (item,) = [item for item in voice.evidence(overloaded) if item.code == "clipping"]
    assert item.rating == "poor"
    assert messages.wording(item)[1] == "2 % of the speech cut off at full scale"
    fine = overloaded.model_copy(update={"clipped": 0.009})
    assert voice.withholds_real(fine) is None and voice.withholds_real(None) is None
    assert "clipping" not in [item.code for item in voice.evidence(fine)]


def test_noise_withholds_only_answers_towards_real():
    noisy = SpeechMeasurement(seconds=9, spans=[(0, 8)], snr=12, bandwidth_hz=7_500)
    assert voice.withholds_real(noisy) is ReasonCode.TOO_POOR_TO_CLEAR
    assert voice.abstains(noisy) is None
    assert voice.withholds_real(noisy.model_copy(update={"snr": 16})) is None
