"""Sounds of rare and unknown coding, stereo and 360-degree pictures: judged, or named."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from detector import media
from detector.decision import voice
from detector.errors import MediaError
from detector.media.views import view_of_still
from detector.schema.analysis import SpeechMeasurement

BUGS = Path("../shared/bugs5")
TONE = (9000 * np.sin(np.arange(16_000) * 0.06)).astype("<i2")


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        media.probe(path)
    return caught.value


def sphere(fields, data):
    lines = ["NIST_1A", "   1024", *fields, "end_head", ""]
    return "\n".join(lines).encode().ljust(1024) + data


PCM = ["channel_count -i 1", "sample_count -i 16000", "sample_rate -i 16000"]
S16 = ["sample_n_bytes -i 2", "sample_byte_format -s2 01", "sample_sig_bits -i 16"]


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ([*PCM, *S16], TONE.tobytes()),
        ([*PCM, *S16, "sample_coding -s3 pcm"], TONE.tobytes()),
        ([*PCM, "sample_n_bytes -i 1", "sample_coding -s4 ulaw"], bytes(range(256)) * 63),
    ],
)
def test_speech_of_corpora_is_read(tmp_path, fields, data):
    (tmp_path / "a.wav").write_bytes(sphere(fields, data))
    about = media.probe(tmp_path / "a.wav")
    assert about.kind == "audio" and about.duration == pytest.approx(1.0, abs=0.02)


def test_packed_speech_of_corpora_is_named(tmp_path):
    fields = [*PCM, *S16, "sample_coding -s26 pcm,embedded-shorten-v2.00"]
    error = refused(tmp_path / "a.wav", sphere(fields, bytes(range(256)) * 8))
    assert "SPHERE, embedded-shorten" in error.message


@pytest.mark.parametrize("head", [b"\x02#!SILK_V3", b"#!SILK_V3"])
def test_voice_messages_in_silk_are_named(tmp_path, head):
    error = refused(tmp_path / "voice.amr", head + bytes(range(200)))
    assert error.message == "We can't read this kind of file (SILK)."


def film(*, picture, form="mp4"):
    """Return a file with a tone, and a picture where asked for."""
    stored = io.BytesIO()
    with av.open(stored, "w", format=form) as out:
        video = out.add_stream("h264", rate=25) if picture else None
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        if video is not None:
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
            for _frame in range(10):
                shown = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))
                out.mux(video.encode(shown))
            out.mux(video.encode())
        for begin in range(0, 8192, 1024):
            block = TONE[begin : begin + 1024].astype(np.float32)[None] / 32_768
            frame = av.AudioFrame.from_ndarray(block, "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, begin, Fraction(1, 16_000)
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
    return stored.getvalue()


@pytest.mark.parametrize(
    ("form", "old", "new"), [("mp4", b"mp4a", b"apac"), ("matroska", b"A_AAC", b"A_XYZ")]
)
def test_a_sound_of_unknown_coding_is_named(tmp_path, form, old, new):
    def unknown(data):
        return data.replace(old, new).replace(b"esds", b"free")  # which names the coding again

    alone = unknown(film(picture=False, form=form))
    name = new.decode()
    assert refused(tmp_path / "a", alone).message == (
        f"We can't decode this kind of sound ({name})."
    )
    (tmp_path / "b").write_bytes(unknown(film(picture=True, form=form)))
    about = media.probe(tmp_path / "b")
    assert about.kind == "video" and about.audio is None
    assert about.notes == [
        f"Its sound is of a kind that we can't decode ({name}): it was not heard."
    ]
    (tmp_path / "c").write_bytes(film(picture=True, form=form))
    assert not media.probe(tmp_path / "c").notes


@pytest.mark.parametrize(
    ("mode", "view"), [("left_right", "stereo"), ("top_bottom", "stereo"), ("mono", None)]
)
def test_two_pictures_for_two_eyes_are_named(tmp_path, mode, view):
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 128, 64
        stream.metadata["stereo_mode"] = mode
        for _frame in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 128, 3), np.uint8))))
        out.mux(stream.encode())
    about = media.probe(tmp_path / "a.mkv")
    assert about.view == view
    assert any("stereo" in note for note in about.notes) == (view is not None)


@pytest.mark.parametrize(
    ("xmp", "size", "view"),
    [
        (b'<x GPano:ProjectionType="equirectangular"/>', (2048, 1024), "spherical"),
        (b"<GPano:ProjectionType>equirectangular</GPano:ProjectionType>", (400, 200), "spherical"),
        (b'<x GPano:ProjectionType="equirectangular"/>', (1600, 1200), None),
        (b"", (2048, 1024), None),
    ],
)
def test_pictures_of_all_directions(xmp, size, view):
    assert view_of_still(xmp, *size) == view


@pytest.mark.parametrize(("seconds", "part"), [(3.0, 4.0), (20.0, 4.0), (60.0, 9.0)])
def test_how_short_a_cloned_part_can_be_missed(seconds, part):
    heard = SpeechMeasurement(seconds=seconds, spans=[(0.0, seconds)])
    assert voice.short_part(heard) == pytest.approx(part)


@pytest.mark.shared
def test_sounds_and_views_of_reports(tmp_path):
    assert media.probe(BUGS / "speech_corpus_sphere.wav").duration == pytest.approx(4.0, abs=0.02)
    assert media.probe(BUGS / "stereo_half_sbs.mkv").view == "stereo"
    assert media.probe(BUGS / "camera_360_equator.mp4").view == "spherical"
    assert "(apac)" in media.probe(BUGS / "video_sound_apac_only.mov").notes[-1]
    for name, word in (("memo_apac_only.qta", "(apac)"), ("voice_message.silk", "(SILK)")):
        assert word in refused(tmp_path / name, (BUGS / name).read_bytes()).message
