"""Media as people make them and as attackers make them: every file here is written on the fly."""

import gc
import io
import os
import random
import socket
import struct
import threading
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps
from skimage import data

from detector import media as room
from detector.errors import Canceled, MediaError, UsageError
from detector.media import container, decode, frame_at, open_media, plan, probe, safe_name
from detector.media.stream import Stream
from detector.media.video import decode_video
from detector.schema.analysis import Media, Settings
from tests.conftest import camera
from tests.support import speech

BITS = 10


def numbered(size):
    """Pictures that carry their own number as black and white bars."""
    width, height = size

    def picture(number):
        bars = np.array([255 * (number >> bit & 1) for bit in range(BITS)], dtype=np.uint8)
        row = np.repeat(bars, width // BITS)
        row = np.pad(row, (0, width - len(row)))
        return np.repeat(np.repeat(row[None], height, axis=0)[:, :, None], 3, axis=2)

    return picture


def number_in(frame):
    bar = frame.rgb.shape[1] // BITS
    middles = [bit * bar + bar // 2 for bit in range(BITS)]
    return sum(
        int(frame.rgb[:, x - 1 : x + 2].mean() > 128) << bit for bit, x in enumerate(middles)
    )


def frames_of(path, times):
    notes: list[str] = []
    return list(decode(path, probe(path), times, notes=notes)), notes


def refusal(path):
    """The error that a file meets, with no descriptor left open behind it."""
    before = os.listdir("/proc/self/fd")
    with pytest.raises(MediaError) as caught:
        list(decode(path, probe(path), [0.0], notes=[]))
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert caught.value.message.endswith(".") and len(caught.value.message) < 140
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "codec", "container_name", "codec_name"),
    [
        ("a.mp4", "libx264", "mp4", "h264"),
        ("a.mov", "libx264", "mov", "h264"),
        ("a.mkv", "libx265", "mkv", "hevc"),
        ("a.webm", "libvpx-vp9", "webm", "vp9"),
        ("b.webm", "libvpx", "webm", "vp8"),
        ("a.mp4", "libsvtav1", "mp4", "av1"),
        ("a.avi", "mjpeg", "avi", "mjpeg"),
        ("b.mov", "mjpeg", "mov", "mjpeg"),
        ("b.avi", "libx264", "avi", "h264"),
        ("a.mpg", "mpeg2video", "mpeg", "mpeg2video"),
        ("a.ts", "libx264", "mpegts", "h264"),
    ],
)
def test_reads_what_people_have(make_clip, name, codec, container_name, codec_name):
    size = (200, 64)
    path = make_clip(name, codec=codec, size=size, seconds=1, picture=numbered(size), gop=10)
    found = probe(path)
    assert (found.kind, found.container, found.codec) == ("video", container_name, codec_name)
    assert (found.width, found.height, found.rotation) == (200, 64, 0)
    assert found.duration == pytest.approx(1.0, abs=0.05)
    assert found.fps == pytest.approx(25.0)
    assert found.size == path.stat().st_size
    assert found.notes == []
    times = [number / 25 for number in (0, 1, 6, 13, 24)]
    frames, notes = frames_of(path, times)
    assert [number_in(frame) for frame in frames] == [0, 1, 6, 13, 24]
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.002)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert notes == []


def test_a_raw_mjpeg_stream_is_a_video_and_no_picture(make_clip):
    size = (200, 64)
    path = make_clip("a.mjpeg", codec="mjpeg", size=size, seconds=1, picture=numbered(size))
    renamed = path.rename(path.with_name("a.jpg"))  # the content decides
    found = probe(renamed)
    assert (found.kind, found.container, found.codec) == ("video", "mjpeg", "mjpeg")
    assert (found.width, found.height, found.frame_count) == (200, 64, 25)
    assert found.duration == pytest.approx(1.0) and found.fps == pytest.approx(25.0)
    assert found.notes == ["It holds no times: 25 pictures a second are assumed."]
    frames, notes = frames_of(renamed, [0.0, 0.24, 0.96])
    assert [number_in(frame) for frame in frames] == [0, 6, 24] and notes == []


def test_a_photo_with_other_pictures_in_it_stays_a_picture(tmp_path, astronaut):
    photo, preview = Image.fromarray(astronaut), Image.fromarray(astronaut[::4, ::4])
    small, large = io.BytesIO(), io.BytesIO()
    preview.save(small, "JPEG")
    photo.save(large, "JPEG", exif=b"Exif\x00\x00" + small.getvalue()[:4000])
    path = tmp_path / "a.jpg"
    for behind in (b"", small.getvalue(), b"\x00" * 100, large.getvalue()[:-2]):
        path.write_bytes(large.getvalue() + behind)
        assert probe(path).kind == "image"
    photo.save(path, "MPO", save_all=True, append_images=[photo])  # two views
    assert probe(path).kind == "image"


def test_colors_and_size_survive(make_clip, astronaut):
    size = (320, 240)
    still = np.ascontiguousarray(astronaut[:240, 100:420])
    path = make_clip(size=size, picture=lambda number: still, options={"crf": "10"}, seconds=0.2)
    frame = frame_at(path, probe(path), 0.1)
    assert frame.rgb.dtype == np.uint8 and frame.rgb.shape == (240, 320, 3)
    assert np.abs(frame.rgb.astype(int) - still).mean() < 4


def test_sound_is_described(face_clip):
    found = probe(face_clip)
    assert (found.audio.codec, found.audio.channels) == ("aac", 1)
    assert found.audio.sample_rate == 16_000
    assert found.audio.duration == pytest.approx(2.0, abs=0.1)


def test_high_definition_is_bt709(tmp_path):
    """Colors that a file doesn't specify are read by its size, as browsers do."""
    for height, luma in ((720, 63), (480, 81)):  # of pure red, limited range
        planes = av.VideoFrame(1280, height, "yuv444p")
        for plane, value in zip(
            planes.planes, (luma, 102 if height == 720 else 90, 240), strict=True
        ):
            plane.update(bytes([value]) * plane.buffer_size)
        path = tmp_path / f"{height}.mp4"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25, options={"crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 1280, height, "yuv444p"
            output.mux(stream.encode(planes))
            output.mux(stream.encode(None))
        color = frame_at(path, probe(path), 0).rgb.reshape(-1, 3).mean(axis=0)
        assert color == pytest.approx((255, 0, 0), abs=5)


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rotation_is_applied(make_clip, name, turn):
    size = (160, 96)
    corner = np.zeros((96, 160, 3), dtype=np.uint8)
    corner[:40, :60] = (250, 30, 30)  # red at the top left, before turning
    path = make_clip(name, size=size, rotation=turn, picture=lambda number: corner, seconds=0.2)
    found = probe(path)
    assert found.rotation == turn
    assert (found.width, found.height) == (size if turn == 180 else size[::-1])
    upright = np.rot90(corner, -turn // 90).astype(int)
    assert np.abs(frame_at(path, found, 0).rgb - upright).mean() < 8


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"size": (160, 120), "aspect": Fraction(4, 3)}, (213, 120)),
        ({"size": (160, 120), "aspect": Fraction(1, 2), "rotation": 90}, (240, 160)),
        ({"size": (161, 99), "pixel_format": "yuv444p"}, (161, 99)),
    ],
)
def test_pixels_become_square(make_clip, options, shown):
    path = make_clip(seconds=0.2, **options)
    found = probe(path)
    assert (found.width, found.height) == shown
    assert frame_at(path, found, 0).rgb.shape == (*shown[::-1], 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_frame_rate_goes_by_time(make_clip, name):
    size = (200, 64)
    shown = [0.0, 0.04, 0.08, 0.5, 0.54, 1.5, 1.9]
    path = make_clip(name, size=size, times=shown, picture=numbered(size))
    found = probe(path)
    assert found.variable_frame_rate is True
    assert 2.5 < found.fps < 4.5
    frames, _ = frames_of(path, [0.0, 0.3, 0.49, 0.53, 1.2, 1.49, 1.51, 1.92])
    assert [number_in(frame) for frame in frames] == [0, 2, 3, 4, 5, 6]
    assert [frame.time for frame in frames] == pytest.approx(
        [0, 0.08, 0.5, 0.54, 1.5, 1.9], abs=2e-3
    )
    # 0.49 falls on the picture given for 0.3, so its place among the times is left out
    assert [frame.index for frame in frames] == [0, 1, 3, 4, 6, 7]


def test_steady_frame_rates(make_clip):
    for fps, seconds in ((120, 0.5), (1, 3)):
        found = probe(make_clip(fps=fps, seconds=seconds, size=(64, 48)))
        assert found.fps == pytest.approx(fps)
        assert found.variable_frame_rate is False
        assert found.duration == pytest.approx(seconds)


def test_times_count_from_the_first_frame(make_clip):
    size = (200, 64)
    late = [0.8 + number / 25 for number in range(25)]
    path = make_clip("late.ts", size=size, times=late, picture=numbered(size))
    frames, _ = frames_of(path, [0.0, 0.4])
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.4], abs=0.001)
    assert [number_in(frame) for frame in frames] == [0, 10]


def test_shortest_clips(make_clip):
    one = make_clip("one.mp4", seconds=0.01, size=(64, 48))
    found = probe(one)
    assert found.duration == pytest.approx(0.04)
    frames, notes = frames_of(one, list(plan(found, Settings()).timestamps))
    assert [frame.time for frame in frames] == [0.0] and notes == []
    short = make_clip("short.mp4", seconds=0.2, size=(64, 48))
    frames, notes = frames_of(short, list(plan(probe(short), Settings()).timestamps))
    assert len(frames) == 5 and notes == []


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("closed.mp4", "libx264", {"bf": "2"}),
        ("open.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=12:min-keyint=12"}),
        ("open.ts", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=12:min-keyint=12"}),
        ("open.mkv", "libx265", {"x265-params": "open-gop=1:keyint=12:log-level=none"}),
        ("vp9.webm", "libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "10"}),
        ("mpeg2.mpg", "mpeg2video", {"bf": "2"}),
        ("b.avi", "libx264", {"bf": "2"}),
        ("i.avi", "mjpeg", {}),
    ],
)
def test_skipping_changes_nothing(make_clip, name, codec, options):
    path = make_clip(name, codec=codec, options=options, gop=12, seconds=4, size=(96, 64))
    found = probe(path)
    chance = random.Random(name)
    times = sorted(chance.uniform(0, 4) for _ in range(9))
    times = [*times, times[-1] + 0.001, 3.999]
    quick = list(decode_video(path, found, times, notes=[]))
    slow = list(decode_video(path, found, times, notes=[], skip=False))
    assert [(frame.index, frame.time) for frame in quick] == [(f.index, f.time) for f in slow]
    firsts = [frame.index for frame in quick]
    assert [frame.last for frame in quick] == [*(n - 1 for n in firsts[1:]), len(times) - 1]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(quick, slow, strict=True))
    for frame in quick:
        alone = frame_at(path, found, times[frame.index])
        assert alone.time == frame.time and np.array_equal(alone.rgb, frame.rgb)


@pytest.fixture
def decoded(monkeypatch):
    """Times of all frames that come out of a decoder."""
    times: list[float] = []
    real = container.Decoder.decode

    def spy(self, packet):
        frames = real(self, packet)
        times.extend(time for time, _ in frames)
        return frames

    monkeypatch.setattr(container.Decoder, "decode", spy)
    return times


@pytest.mark.parametrize("name", ["long.mp4", "long.mkv", "long.webm"])
def test_a_long_clip_is_hardly_decoded(make_clip, decoded, name):
    size = (200, 32)
    codec = "libvpx" if name.endswith("webm") else "libx264"
    path = make_clip(
        name, codec=codec, fps=5, seconds=120, size=size, gop=10, picture=numbered(size)
    )
    found = probe(path)
    decoded.clear()
    times = [1.0, 30.1, 31.1, 59.9, 119.9]
    frames, _ = frames_of(path, times)
    assert [number_in(frame) for frame in frames] == [int(time * 5) for time in times]
    assert len(decoded) < 150  # of 600
    decoded.clear()
    assert number_in(frame_at(path, found, 90.1)) == 450
    assert len(decoded) < 40


def test_one_endless_group_of_pictures(make_clip, decoded):
    size = (200, 32)
    path = make_clip(fps=5, seconds=60, size=size, gop=1000, picture=numbered(size))
    decoded.clear()
    times = [1.0, 14.1, 29.1, 44.1, 59.1]
    frames, _ = frames_of(path, times)
    assert [number_in(frame) for frame in frames] == [int(time * 5) for time in times]
    assert len(decoded) < 2 * 300


def test_cancel_stops_at_once(face_clip):
    cancel = threading.Event()
    frames = decode(face_clip, probe(face_clip), [0.0, 0.5, 1.0], notes=[], cancel=cancel)
    next(frames)
    cancel.set()
    with pytest.raises(Canceled):
        next(frames)


def test_nothing_stays_open(face_clip):
    gc.collect()  # what tests before left is not counted
    before = len(os.listdir("/proc/self/fd"))
    found = probe(face_clip)
    frames = decode(face_clip, found, [0.0, 0.5, 1.0], notes=[])
    next(frames)
    frames.close()
    frame_at(face_clip, found, 1.0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_does_not_grow_with_the_clip(make_clip):
    """Frames are freed as they are used, with no need for the garbage collector."""
    path = make_clip(seconds=4, size=(1280, 720), gop=25, options={"preset": "ultrafast"})
    found = probe(path)
    gc.collect()
    gc.disable()
    try:
        peaks = []
        for frame in decode(path, found, [number / 25 for number in range(100)], notes=[]):
            peaks.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
            del frame
    finally:
        gc.enable()
    assert len(peaks) == 100
    # A kept frame is 1.4 MB: 70 of them would be 97 MB.
    assert max(peaks[80:]) - max(peaks[10:30]) < 20e6


def described(duration, kind="video"):
    return Media(
        name="x", sha256="0" * 64, kind=kind, size=1, width=64, height=48,
        duration=duration, fps=25, container="mp4", codec="h264",
    )  # fmt: skip


def test_uniform_moments_are_centers_of_equal_parts():
    assert plan(described(8.0), Settings(frames=4)).timestamps == (1.0, 3.0, 5.0, 7.0)
    assert plan(described(8.0), Settings(frames=2, start=4.0, end=6.0)).timestamps == (4.5, 5.5)
    assert plan(described(8.0), Settings(frames=2, start=4.0, end=99.0)).timestamps == (5.0, 7.0)
    assert plan(described(None, "image"), Settings()).timestamps == (0.0,)


def test_moments_at_a_rate():
    moments = plan(described(4.0), Settings(sampling="fps", fps=5.0, frames=2000)).timestamps
    assert len(moments) == 20
    assert np.diff(moments) == pytest.approx(0.2)
    few = plan(described(100.0), Settings(sampling="fps", fps=5.0, frames=10)).timestamps
    assert len(few) == 10 and few[0] == 5.0 and few[-1] == 95.0


def test_a_part_outside_the_clip_is_refused():
    with pytest.raises(UsageError, match=r"lasts 8\.0 s"):
        plan(described(8.0), Settings(start=9.0))
    with pytest.raises(UsageError, match="ends before"):
        plan(described(8.0), Settings(start=5.0, end=4.0))


def test_key_moments_go_where_the_picture_changes(make_clip):
    quiet = np.full((72, 128, 3), 90, dtype=np.uint8)
    chance = np.random.default_rng(0)
    loud = [np.full((72, 128, 3), chance.integers(0, 255, 3), dtype=np.uint8) for _ in range(50)]
    path = make_clip(
        seconds=4, size=(128, 72), picture=lambda n: quiet if n < 50 else loud[(n - 50) // 5]
    )
    found = probe(path)
    moments = plan(found, Settings(sampling="keyframes", frames=8), path=path).timestamps
    assert list(moments) == sorted(set(moments))
    assert len(moments) == 8
    assert sum(moment >= 2.0 for moment in moments) >= 6
    assert min(moments) < 2.0
    with pytest.raises(ValueError, match="path"):
        plan(found, Settings(sampling="keyframes"))


def test_windows_start_at_moments_and_stay_inside():
    found = plan(described(20.0), Settings(frames=32), windows=(4, 8, 0.1))
    assert len(found.windows) == 4
    for window in found.windows:
        assert window[0] in found.timestamps
        assert len(window) == 8 and np.diff(window) == pytest.approx(0.1)
        assert window[-1] <= 20.0
    for a, b in zip(found.windows, found.windows[1:], strict=False):
        assert a[-1] < b[0]
    assert found.windows[-1][0] > 17.0
    assert len(plan(described(2.0), Settings(), windows=(4, 8, 0.1)).windows) == 2
    assert len(plan(described(0.75), Settings(), windows=(4, 8, 0.1)).windows) == 1
    assert plan(described(0.5), Settings(), windows=(4, 8, 0.1)).windows == ()
    part = plan(described(20.0), Settings(start=3.0, end=5.0), windows=(4, 8, 0.1))
    assert part.windows and all(w[0] >= 3.0 and w[-1] <= 5.0 for w in part.windows)


def only_frame(path):
    found = probe(path)
    assert found.kind == "image" and found.duration is None
    frames, notes = frames_of(path, [0.0])
    assert len(frames) == 1 and notes == []
    assert frames[0].rgb.shape == (found.height, found.width, 3)
    assert frames[0].rgb.dtype == np.uint8
    return frames[0].rgb


def test_interlaced_frames_show_one_moment(make_clip):
    still = np.ascontiguousarray(data.astronaut()[:240])

    def at(field):
        return np.ascontiguousarray(np.roll(still, 6 * field, axis=1)[:, :320])

    def woven(frame):
        both = at(2 * frame).copy()
        both[1::2] = at(2 * frame + 1)[1::2]
        return both

    options = {"crf": "12", "x264-params": "tff=1"}
    path = make_clip(seconds=12 / 25, size=(320, 240), picture=woven, options=options)
    found = probe(path)
    assert found.interlaced and any("interlaced" in note for note in found.notes)
    frames, _ = frames_of(path, [0.0, 0.2, 0.4])
    assert [round(25 * frame.time) for frame in frames] == [0, 5, 10]
    for frame in frames:
        number = round(25 * frame.time)
        fields = at(2 * number), at(2 * number + 1)
        off = min(np.abs(frame.rgb.astype(int) - field).mean() for field in fields)
        combed = min(np.abs(woven(number).astype(int) - field).mean() for field in fields)
        assert off < 0.6 * combed


def test_few_colors_are_counted(tmp_path, astronaut):
    image = Image.fromarray(astronaut)
    few = image.quantize(64)
    for name in ("palette.png", "flat.png", "moving.gif"):
        (few.convert("RGB") if name == "flat.png" else few).save(tmp_path / name)
    assert probe(tmp_path / "palette.png").colors == 64
    assert probe(tmp_path / "flat.png").colors == 64
    assert probe(tmp_path / "moving.gif").colors == 256
    image.convert("1").save(tmp_path / "black.png")
    assert probe(tmp_path / "black.png").colors == 2
    image.save(tmp_path / "many.png")
    image.convert("L").save(tmp_path / "gray.png")
    image.convert("L").convert("RGB").save(tmp_path / "grays.png")
    for name in ("many.png", "gray.png", "grays.png"):
        assert probe(tmp_path / name).colors is None, name


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF"])
def test_still_pictures(tmp_path, astronaut, kind):
    path = tmp_path / "named.mp4"  # names are not trusted
    Image.fromarray(astronaut).save(path, format=kind)
    assert np.abs(only_frame(path).astype(int) - astronaut).mean() < 5
    found = probe(path, name="portrait.bin")
    assert (found.codec, found.name) == (kind.lower(), "portrait.bin")


def test_depths_and_modes(tmp_path, astronaut):
    image = Image.fromarray(astronaut)
    gray = np.asarray(image.convert("L")).astype(np.uint16)
    Image.fromarray(gray * 257).save(tmp_path / "deep.png")
    assert np.array_equal(only_frame(tmp_path / "deep.png")[:, :, 0], gray)
    Image.fromarray(gray.astype(np.float32) / 255).save(tmp_path / "float.tiff")
    assert np.abs(only_frame(tmp_path / "float.tiff")[:, :, 0].astype(int) - gray).max() <= 1
    image.convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert np.abs(only_frame(tmp_path / "print.jpg").astype(int) - astronaut).mean() < 5
    image.convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(only_frame(tmp_path / "bits.png"))) == {0, 255}


def test_transparent_is_white(tmp_path):
    rgba = np.zeros((20, 30, 4), dtype=np.uint8)
    rgba[:, :10] = (200, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    palette = Image.fromarray(rgba[:, :, :3]).quantize(8)
    palette.save(tmp_path / "palette.png", transparency=palette.getpixel((25, 5)))
    for name in ("alpha.png", "palette.png"):
        rgb = only_frame(tmp_path / name)
        assert tuple(rgb[5, 25]) == (255, 255, 255)
        assert rgb[5, 5, 0] > 190 and rgb[5, 5, 1] < 10


@pytest.mark.parametrize(("name", "size"), [("8k.jpg", (7680, 4320)), ("one.gif", (40, 30))])
def test_a_single_frame_of_any_size_is_a_picture(tmp_path, name, size):
    Image.new("RGB", size, "teal").save(tmp_path / name)
    assert only_frame(tmp_path / name).shape == (*size[::-1], 3)


@pytest.mark.parametrize("disposal", [1, 2, 3])
@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_animations_are_put_together_as_pillow_does(tmp_path, kind, disposal):
    chance = np.random.default_rng(disposal)
    pictures = [Image.fromarray(chance.integers(0, 255, (32, 48, 3), np.uint8)) for _ in range(4)]
    pictures[2].paste(pictures[1].crop((0, 0, 48, 20)), (0, 0))  # so that only a part is stored
    path = tmp_path / "a"
    pictures[0].save(
        path, format=kind, save_all=True, append_images=pictures[1:], duration=100,
        disposal=disposal - (kind == "PNG"),
    )  # fmt: skip
    frames, _ = frames_of(path, [0.05, 0.15, 0.25, 0.35])
    assert len(frames) == 4
    with Image.open(path) as plain:
        for number, frame in enumerate(frames):
            plain.seek(number)
            assert np.array_equal(frame.rgb, np.asarray(plain.convert("RGB")))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations(tmp_path, kind):
    size = (200, 32)
    pictures = [Image.fromarray(numbered(size)(number)) for number in range(4)]
    path = tmp_path / "moving.jpg"
    delays = [100, 300, 200, 400]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    pictures[0].save(
        path, format=kind, save_all=True, append_images=pictures[1:], duration=delays, **lossless
    )
    found = probe(path)
    assert (found.kind, found.frame_count) == ("animation", 4)
    assert found.duration == pytest.approx(1.0)
    assert found.variable_frame_rate is True
    frames, _ = frames_of(path, [0.05, 0.1, 0.35, 0.99])
    assert [number_in(frame) for frame in frames] == [0, 1, 3]
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.1, 0.6])
    assert [(frame.index, frame.last) for frame in frames] == [(0, 0), (1, 2), (3, 3)]
    assert number_in(frame_at(path, found, 0.5)) == 2
    assert len(plan(found, Settings(sampling="keyframes", frames=3), path=path).timestamps) == 3


def test_cut_in_the_middle(make_clip):
    size = (200, 64)
    path = make_clip(
        seconds=6, size=size, gop=25, picture=numbered(size),
        container_options={"movflags": "+faststart"},
    )  # fmt: skip
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5])
    found = probe(path)
    assert 1.0 < found.duration < 5.0
    assert len(found.notes) == 1
    assert f"lasts 6.0 s, but it stops after {found.duration:.1f} s" in found.notes[0]
    frames, notes = frames_of(path, list(plan(found, Settings(frames=8)).timestamps))
    assert len(frames) == 8 and notes == []
    assert [number_in(frame) for frame in frames] == [int(f.time * 25 + 0.5) for f in frames]
    # Asked beyond what is there: what can be had, and a sentence.
    frames, notes = frames_of(path, [0.5, 5.5])
    assert [frame.index for frame in frames] == [0]
    assert notes == [
        f"The video stops after {found.duration:.1f} s: the rest is missing or damaged."
    ]


@pytest.mark.parametrize("name", ["cut.mkv", "cut.avi", "cut.ts"])
def test_other_containers_cut_in_the_middle(make_clip, name):
    codec = "mjpeg" if name.endswith("avi") else "libx264"
    path = make_clip(name, codec=codec, seconds=4, size=(160, 120), gop=10)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = probe(path)
    assert 1.0 < found.duration < 3.5
    frames, _ = frames_of(path, list(plan(found, Settings(frames=8)).timestamps))
    assert len(frames) == 8


def test_holes_are_told(make_clip):
    path = make_clip("hole.mp4", seconds=3, gop=5, size=(160, 120))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(content) // 3
    content[start : start + 3000] = random.Random(1).randbytes(3000)
    path.write_bytes(content)
    frames, notes = frames_of(path, [number / 25 for number in range(75)])
    assert 20 < len(frames) < 75
    assert len(notes) == 1 and notes[0].startswith("The video is damaged near")
    assert len({frame.time for frame in frames}) == len(frames)
    again, _ = frames_of(path, [number / 25 for number in range(75)])
    assert [f.time for f in again] == [f.time for f in frames]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(frames, again, strict=True))


def test_index_missing(make_clip):
    path = make_clip(seconds=1)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 200])
    error = refusal(path)
    assert error.code == "index_missing" and "index is missing" in error.message


def test_a_lying_duration_is_not_believed(make_clip):
    path = make_clip(seconds=2, fps=25, size=(64, 48))
    content = bytearray(path.read_bytes())
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = content.index(box) + offset
        content[at : at + 4] = struct.pack(">I", 4_000_000)
    path.write_bytes(content)
    assert probe(path).duration == pytest.approx(2.0, abs=0.05)


def test_duration_that_is_not_stated(make_clip):
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    path = make_clip("f.mp4", seconds=2, gop=10, size=(64, 48), container_options=fragments)
    assert probe(path).duration == pytest.approx(2.0, abs=0.05)
    path = make_clip("live.mkv", seconds=2, size=(64, 48), container_options={"live": "1"})
    assert probe(path).duration == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.ts", "d.avi", "e.webp", "f.gif", "g.avif"])
def test_random_damage_never_gets_out(make_clip, tmp_path, name):
    """Whatever is done to a file: pictures of the stated size, or a MediaError."""
    path = tmp_path / name
    if path.suffix in (".mp4", ".mkv", ".ts", ".avi"):
        make_clip(name, seconds=0.6, size=(96, 64), gop=5, audio=path.suffix != ".avi")
    else:
        moving = camera((96, 64))
        first, *rest = [Image.fromarray(moving(9 * number)) for number in range(4)]
        first.save(path, save_all=True, append_images=rest, duration=50)
    whole = path.read_bytes()
    chance = random.Random(name)
    read = 0
    for _ in range(30):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 5, 50])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            found = probe(path)
            times = plan(found, Settings(frames=4), windows=(1, 4, 0.1)).timestamps
            for frame in decode(path, found, times, notes=[]):
                assert frame.rgb.shape == (found.height, found.width, 3)
                read += 1
        except MediaError:
            continue
    assert read > 0


def test_missing_and_empty(tmp_path):
    assert refusal(tmp_path / "none.mp4").code == "not_found"
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4").code == "empty"
    assert refusal(f"{tmp_path}/{'x' * 300}.mp4").code == "unreadable"
    assert refusal(f"{tmp_path}/a\0b.mp4").code == "unreadable"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"Dear editor,\nthis is a letter.\n" * 40, "text"),
        ("Größe: ü\n".encode() * 900, "text"),
        (b"MZ" + bytes(200), "a program"),
        (b"%PDF-1.7\n\x00\x01", "PDF"),
        (b"PK\x03\x04\x14\x00\x00\x00", "ZIP"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"{}", "text"),
    ],
)
def test_other_kinds_of_files(tmp_path, content, word):
    path = tmp_path / "renamed.mp4"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == "unsupported" and word in error.message


def test_noise_is_refused(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(random.Random(0).randbytes(100_000))
    assert refusal(path).code == "undecodable"


def test_sound_without_picture(tmp_path, face_clip):
    for name, codec in (("voice.mp4", "aac"), ("voice.wav", "pcm_s16le"), ("cover.mp3", "mp3")):
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            stream = output.add_stream(codec, rate=16_000)
            cover = output.add_stream("png", rate=1) if name == "cover.mp3" else None
            if cover is not None:
                cover.width = cover.height = 64
                cover.pix_fmt = "rgb24"
                cover.disposition = av.stream.Disposition.attached_pic
            output.start_encoding()
            if cover is not None:
                picture = np.zeros((64, 64, 3), dtype=np.uint8)
                output.mux(cover.encode(av.VideoFrame.from_ndarray(picture)))
                output.mux(cover.encode(None))
            with av.open(str(face_clip)) as source:
                resampler = av.AudioResampler(stream.format, stream.layout, 16_000)
                for frame in source.decode(audio=0):
                    for block in resampler.resample(frame):
                        block.pts = None
                        output.mux(stream.encode(block))
            output.mux(stream.encode(None))
        info = probe(path)
        assert (info.kind, info.width, info.height) == ("audio", 0, 0)
        assert info.duration == pytest.approx(2, abs=0.2)
        assert info.codec == codec


def lists_of(face_clip):
    return {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{face_clip}\n#EXT-X-ENDLIST\n",
        "bom": f"\ufeff#EXTM3U\n#EXTINF:2,\n{face_clip}\n",
        "concat": f"ffconcat version 1.0\nfile '{face_clip}'\n",
        "dash": f"<?xml version='1.0'?>\n<MPD><BaseURL>{face_clip}</BaseURL></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "pls": f"[playlist]\nFile1={face_clip}\n",
        "asx": f"<asx version='3.0'><entry><ref href='{face_clip}'/></entry></asx>",
        "url": "http://127.0.0.1:9/secret.mp4\n",
    }


def test_references_are_not_followed(tmp_path, face_clip):
    for name, content in lists_of(face_clip).items():
        path = tmp_path / f"{name}.mp4"
        path.write_text(content)
        assert refusal(path).code == "reference", name


@pytest.mark.parametrize("hidden", ["m3u8", "concat"])
def test_whitelists_hold_even_where_sniffing_fails(tmp_path, face_clip, monkeypatch, hidden):
    """The second wall, tried with the first one taken away."""
    path = tmp_path / "list.mp4"
    path.write_text(lists_of(face_clip)[hidden])
    monkeypatch.setattr(container, "sniff", lambda file: "stream")
    opened: list[str] = []
    monkeypatch.setattr(container, "_refuse_more", lambda url, flags, options: opened.append(url))
    with pytest.raises(MediaError), open_media(path):
        pass
    assert opened == []


def test_samples_in_another_file_are_refused(make_clip):
    path = make_clip("outside.mov")
    content = path.read_bytes()
    own = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    at = content.index(own)
    place = b"file:///etc/hostname\x00"
    entry = struct.pack(">I", 12 + len(place)) + b"url \x00\x00\x00\x00" + place
    grown = bytearray(content[:at] + entry + content[at + len(own) :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        where = (grown.rindex(box, 0, at) if box != b"dref" else grown.index(box)) - 4
        size = int.from_bytes(grown[where : where + 4], "big") + len(place)
        grown[where : where + 4] = struct.pack(">I", size)
    path.write_bytes(grown)
    assert refusal(path).code == "reference"


def test_special_files_are_refused_without_waiting(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path may not be long
        server.bind("socket.mp4")
    for name in ("pipe", "folder", "socket"):
        (tmp_path / f"link-{name}.mp4").symlink_to(tmp_path / f"{name}.mp4")
    (tmp_path / "link-device.mp4").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "socket", "link-pipe", "link-folder", "link-device"):
        error = refusal(tmp_path / f"{name}.mp4")
        assert error.code == "not_a_file", name
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert refusal(tmp_path / "loop.mp4").code == "unreadable"


def test_a_link_to_a_clip_is_read(tmp_path, face_clip):
    (tmp_path / "link.mp4").symlink_to(face_clip)
    assert probe(tmp_path / "link.mp4").sha256 == probe(face_clip).sha256


def test_over_the_limit(tmp_path):
    path = tmp_path / "big.mp4"
    with path.open("wb") as file:
        file.truncate(room.limits.MAX_BYTES + 1)
    error = refusal(path)
    assert error.code == "too_large" and "4.3 GB" in error.message


def test_bombs(tmp_path, make_clip):
    """A few hundred bytes that would become gigabytes are refused before they are decoded."""
    picture = tmp_path / "bomb.png"
    Image.new("L", (16, 16)).save(picture)
    content = bytearray(picture.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    picture.write_bytes(content)
    assert refusal(picture).code == "too_many_pixels"

    clip = make_clip("bomb.avi", codec="mjpeg", seconds=0.2, size=(64, 48))
    frames = clip.read_bytes().replace(
        b"\xff\xc0\x00\x11\x08\x00\x30\x00\x40", b"\xff\xc0\x00\x11\x08\xff\x00\xff\x00"
    )
    clip.write_bytes(frames)
    assert refusal(clip).code in ("too_many_pixels", "undecodable")


def test_damaged_pictures(tmp_path, astronaut):
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        path = tmp_path / f"cut.{kind}"
        Image.fromarray(astronaut).save(path, format=kind)
        path.write_bytes(path.read_bytes()[:9000])
        error = refusal(path)
        assert error.code == "undecodable" and "damaged" in error.message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("clip.mp4", "clip.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.mp4", "clip.mp4"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("two\nlines\t.mp4", "two lines .mp4"),
        ("zero\u200bwidth\x00\x1b[31m.mp4", "zerowidth[31m.mp4"),
        ("été 日本 🎬.mp4", "été 日本 🎬.mp4"),
        ("\udcff\udcfe.mp4", ".mp4"),
        ("..", "file"),
        ("", "file"),
        ("\u202e", "file"),
    ],
)
def test_safe_names(name, shown):
    assert safe_name(name) == shown


def test_long_names_keep_both_ends(make_clip):
    shown = probe(make_clip(seconds=0.1), name="a" * 300 + "-part-2.mp4").name
    assert len(shown) == room.limits.MAX_NAME
    assert shown.startswith("aaa") and shown.endswith("-part-2.mp4") and "…" in shown


def test_hostile_names_on_disk(tmp_path, face_clip):
    hostile = ("%03d.mp4", "http:host.mp4", "concat:a|b.mp4", "-i.mp4", "a\nb.mp4", "x*?[.mp4")
    for name in (*hostile, "holiday.jpg", "setup.exe"):
        path = tmp_path / name
        path.write_bytes(face_clip.read_bytes())
        assert probe(path).kind == "video"
        assert frame_at(path, probe(path), 0.5).rgb.shape == (360, 640, 3)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "mjpeg"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.flv", "libx264"),
        ("a.ts", "libx264"),
        ("a.avi", "mjpeg"),
        ("a.mpg", "mpeg2video"),
        ("a.nut", "libx264"),
    ],
)
def test_a_picture_of_a_moment_beside_a_sound_is_a_cover(tmp_path, name, codec, count):
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        sound = out.add_stream(
            {"flv": "aac", "mpg": "mp2", "avi": "libmp3lame"}.get(name[2:], "libopus"), rate=48_000
        )
        sound.codec_context.layout = "mono"
        cover = out.add_stream(codec, rate=25)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), "rgb24")
        for number in range(count):
            picture.pts = number
            out.mux(cover.encode(picture))
        out.mux(cover.encode(None))
        noise = np.random.default_rng(0).normal(0, 3000, (1, 96_000)).astype(np.int16)
        for start in range(0, 96_000, 960):
            block = av.AudioFrame.from_ndarray(noise[:, start : start + 960], "s16", "mono")
            block.sample_rate, block.pts = 48_000, start
            out.mux(sound.encode(block))
        out.mux(sound.encode(None))
    about = probe(path)
    assert about.kind == "audio" and not about.notes
    assert about.duration == pytest.approx(2.0, abs=0.1)


def test_pictures_that_go_on_beside_a_sound_are_a_video(make_clip):
    for name, times in (("short.mkv", [0.0, 0.04]), ("slides.mkv", [0.0, 3.0])):
        about = probe(make_clip(name, times=times, audio=True))
        assert (about.kind, about.frame_count) == ("video", 2), name


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_of_several_default_videos_the_first_is_judged(tmp_path, name):
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for stream, side in zip(streams, (64, 128), strict=True):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default
        for stream in streams:
            for _ in range(25):
                picture = np.full((stream.height, stream.width, 3), 90, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            out.mux(stream.encode(None))
    about = probe(path)
    assert about.width == 64
    assert any("128 × 128" in note for note in about.notes)


def refused_as_encrypted(path):
    with pytest.raises(MediaError, match="encrypted", check=lambda e: e.code == "encrypted"):
        probe(path)


@pytest.mark.parametrize("kind", [b"encv", b"drmi"])
def test_encrypted_pictures_are_refused(make_clip, kind):
    path = make_clip("a.mp4")
    content = path.read_bytes()
    assert content.count(b"avc1") >= 1
    at = content.index(b"avc1", content.index(b"stsd"))
    path.write_bytes(content[:at] + kind + content[at + 4 :])
    refused_as_encrypted(path)


def test_scrambled_transport_streams_are_refused(make_clip):
    path = make_clip("a.ts")
    content = bytearray(path.read_bytes())
    assert probe(path).kind == "video"
    for at in range(0, len(content), 188):
        identifier = int.from_bytes(content[at + 1 : at + 3], "big") & 0x1FFF
        if identifier >= 0x100:  # tables stay clear
            content[at + 3] |= 0x80
    path.write_bytes(content)
    refused_as_encrypted(path)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_encrypted_webm_is_refused(make_clip, codec):
    path = make_clip("a.webm", codec=codec, seconds=0.2)
    content = path.read_bytes()
    at = content.index(b"\x16\x54\xae\x6b")
    # ContentEncodings, ContentEncoding, its order, scope and type 1, ContentEncryption by AES
    stated = bytes.fromhex("6d8097 6240 94 5031 81 00 5032 81 01 5033 81 01 5035 85 47e1 82 05 00")
    filled = content[: at + 4 + 8] + stated + content[at + 4 + 8 :]
    path.write_bytes(filled)
    refused_as_encrypted(path)


def test_encrypted_asf_is_refused(make_clip):
    path = make_clip("a.wmv", codec="wmv2", seconds=0.2, container="asf")
    content = path.read_bytes()
    assert probe(path).kind == "video"
    guid = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    extra = guid + struct.pack("<Q", 24 + 16) + bytes(16)
    size, count = struct.unpack_from("<QI", content, 16)
    path.write_bytes(
        content[:16] + struct.pack("<QI", size + len(extra), count + 1)
        + content[28:30] + extra + content[30:]
    )  # fmt: skip
    refused_as_encrypted(path)


@pytest.mark.parametrize(
    ("orientation", "rotation"), list(enumerate((0, 0, 180, 180, 270, 90, 90, 270), start=1))
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_pictures_are_mirrored_and_turned_as_viewers_do(
    tmp_path, astronaut, kind, orientation, rotation
):
    path = tmp_path / "a.bin"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(astronaut[:200, :320])
    stored.save(path, format=kind, exif=exif, quality=95)
    stored.getexif()[ExifTags.Base.Orientation] = orientation
    shown = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    found = probe(path)
    assert (found.height, found.width) == shown.shape[:2]
    assert kind == "TIFF" or found.rotation == rotation  # Pillow turns TIFF as it opens it
    assert np.abs(only_frame(path).astype(int) - shown).mean() < 5


@pytest.mark.parametrize(
    "matrix",
    [
        (1, 0, 0, 1),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (-1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, 1, -1, 0),
        (0, -1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_clips_are_mirrored_and_turned_as_players_do(make_clip, astronaut, matrix):
    """The track header's matrix: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 6.2.2)."""
    still = np.ascontiguousarray(astronaut[:96, 150:310])
    path = make_clip(size=(160, 96), rotation=180, picture=lambda _: still, seconds=0.2)
    content = bytearray(path.read_bytes())
    a, b, c, d = matrix
    at = content.index(b"tkhd") + 44
    struct.pack_into(">5i", content, at, a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(content)
    y, x = np.mgrid[:96, :160]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1, 3), int)
    shown[down, across] = still
    found = probe(path)
    # clockwise, and mirrored before that where it has to be, as EXIF has it
    assert found.rotation == ((90 if c < 0 else 270) if b else 180 * (d < 0))
    assert (found.height, found.width) == shown.shape[:2]
    assert np.abs(frame_at(path, found, 0).rgb - shown).mean() < 8


def test_a_rate_that_changes_late_is_noticed(make_clip):
    """Of MP4 the index tells every frame, also those beyond the packets that are read first."""
    times = [number / 30 for number in range(360)] + [12 + number / 3 for number in range(9)]
    found = probe(make_clip("late.mp4", size=(64, 48), times=times))
    assert found.variable_frame_rate and found.frame_count == 369
    assert found.fps == pytest.approx(369 / (found.duration or 0))


def joined(*parts):
    path = parts[0].with_name("joined.ts")
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_a_joined_transport_stream_goes_on(make_clip):
    size = (200, 64)
    parts = [
        make_clip(f"{count}.ts", size=size, times=[n / 25 for n in range(count)],
                  picture=lambda n, start=start: numbered(size)(start + n))
        for start, count in ((0, 40), (40, 75), (115, 30))
    ]  # fmt: skip
    path = joined(*parts)
    found = probe(path)
    assert found.frame_count == 145 and found.duration == pytest.approx(5.8, abs=0.1)
    frames, notes = frames_of(path, [n / 25 + 0.02 for n in range(0, 145, 9)])
    assert [number_in(frame) for frame in frames] == pytest.approx(range(0, 145, 9), abs=2)
    assert not notes


@pytest.mark.parametrize("name", ["a.mpg", "a.vob"])
def test_joined_program_streams_go_on(make_clip, name):
    part = make_clip(name, seconds=2, codec="mpeg2video")
    content = part.read_bytes()
    part.write_bytes(content + content)
    about = probe(part)
    assert about.duration == pytest.approx(4.0, abs=0.05) and about.frame_count == 100
    assert len(shown(part, about, 100)) == 100


def test_a_chained_theora_goes_on(tmp_path):
    content = (Path(__file__).parents[2] / "goldens" / "theora.ogv").read_bytes()  # 6, one twice
    path = tmp_path / "chained.ogv"
    path.write_bytes(content * 2)
    about = probe(path)
    assert about.duration == pytest.approx(1.2, abs=0.01) and about.frame_count == 10
    assert len(shown(path, about, 60)) == 10


def shown(path, about, count):
    """Return the times of the frames at so many even moments; there is nothing to note."""
    notes: list[str] = []
    times = [(number + 0.5) * (about.duration or 0) / count for number in range(count)]
    found = [frame.time for frame in decode(path, about, times, notes=notes)]
    assert found == sorted(set(found)) and not about.notes and not notes
    return found


def test_a_transport_stream_whose_clock_jumps_ahead_goes_on(make_clip):
    first = make_clip("first.ts", seconds=2)
    later = make_clip("later.ts", times=[3600 + number / 25 for number in range(50)])
    path = joined(first, later)
    about = probe(path)
    assert about.duration == pytest.approx(4.0, abs=0.01) and about.frame_count == 100
    assert len(shown(path, about, 200)) == 100


def test_what_is_joined_in_another_codec_is_named(make_clip):
    quick = {"preset": "ultrafast"}
    parts = [
        make_clip(f"{codec}.ts", seconds=2, codec=codec, options=quick, audio=codec == "libx264")
        for codec in ("libx264", "mpeg2video", "libx265")
    ]
    for second in parts[1:]:
        ends_at_2_s(joined(parts[0], second))
    clip = make_clip("a.webm", seconds=2, codec="libvpx", options={"deadline": "realtime"})
    clip.write_bytes(clip.read_bytes() * 2)
    ends_at_2_s(clip)


def ends_at_2_s(path):
    about = probe(path)
    assert about.duration == pytest.approx(2.0, abs=0.05) and 48 <= (about.frame_count or 0) <= 50
    assert about.notes == [
        "After 2.0 s another recording was joined to this one that can't be read with it; it was "
        "not looked at."
    ]
    frames, notes = frames_of(path, [0.5, 1.0, 1.5])
    assert len(frames) == 3 and not notes


def test_a_chained_vp8_goes_on(make_clip):
    path = make_clip("a.ogv", seconds=2, codec="libvpx", options={"deadline": "realtime"})
    part = probe(path)
    path.write_bytes(path.read_bytes() * 2)
    about = probe(path)
    assert part.duration and part.frame_count == 50
    assert about.duration == pytest.approx(2 * part.duration, abs=0.01)
    assert about.frame_count == 100 and shown(path, about, 200)


def test_an_ogg_that_goes_on_in_another_format_is_said_to(tmp_path):
    content = b""
    for layout in ("mono", "stereo"):
        silence = np.zeros((2, 96_000) if layout == "stereo" else 96_000)
        path = speech.write(tmp_path / f"{layout}.ogg", silence, rate=48_000, layout=layout)
        content += path.read_bytes()
    path.write_bytes(content)
    about = probe(path)
    assert about.duration == pytest.approx(2.0, abs=0.05)
    assert any("was not analyzed" in note for note in about.notes)


def test_a_slow_clip_of_few_frames_is_whole(make_clip):
    for name in ("slow.mp4", "slow.mkv"):
        path = make_clip(name, times=[0.0, 1.0, 2.0, 3.0, 4.0], fps=1)
        about = probe(path)
        assert about.duration == pytest.approx(5.0, abs=0.01)
        assert len(shown(path, about, 100)) == 5


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_the_profile_of_srgb_changes_nothing(tmp_path, astronaut, mode):
    image = Image.fromarray(astronaut).convert(mode)
    plain, marked = tmp_path / "plain.png", tmp_path / "marked.png"
    image.save(plain)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(marked, icc_profile=profile if mode != "L" else b"no profile")
    shown, right = (frames_of(path, [0.0])[0][0].rgb.astype(int) for path in (marked, plain))
    assert np.abs(shown - right).max() <= 1


def test_another_color_space_is_brought_to_srgb(tmp_path):
    """CIE Lab is the one that Pillow can write without a profile from elsewhere."""
    green = Image.new("RGB", (32, 32), (40, 160, 60))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    path = tmp_path / "lab.tiff"
    shown = ImageCms.profileToProfile(green, srgb, lab, outputMode="LAB")
    shown.save(path, icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    assert np.abs(frames_of(path, [0.0])[0][0].rgb.astype(int) - (40, 160, 60)).max() <= 3


@pytest.mark.parametrize(
    ("primaries", "transfer", "coded", "shown"),
    [
        # from the matrices of SMPTE EG 432-1 and ITU-R BT.2020
        (12, 13, (150, 150, 150), (150, 150, 150)),
        (12, 13, (180, 110, 90), (191, 107, 85)),
        (9, 13, (180, 110, 90), (212, 97, 85)),
        (9, 16, (148, 148, 148), (255, 255, 255)),
    ],
)
@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "PNG"])
def test_colors_that_an_index_states_are_brought_to_srgb(
    tmp_path, kind, primaries, transfer, coded, shown
):
    path = tmp_path / f"a.{kind.lower()}"
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 64), coded).save(path, quality=100)
    content, of_srgb = path.read_bytes(), b"colrnclx\0\x01\0\x0d"
    stated = b"colrnclx" + struct.pack(">HH", primaries, transfer)
    if kind == "PNG":
        chunk = b"cICP" + bytes([primaries, transfer, 0, 1])
        of_srgb, stated = content[:33], content[:33] + struct.pack(">I", 4) + chunk
        stated += struct.pack(">I", zlib.crc32(chunk))
    assert of_srgb in content
    path.write_bytes(content.replace(of_srgb, stated))
    rgb = frames_of(path, [0.0])[0][0].rgb.astype(int)
    assert np.abs(rgb[16:48, 16:48].mean(axis=(0, 1)) - shown).max() <= 4
    assert any("HDR" in note for note in probe(path).notes) == (transfer == 16)


def test_heic_whose_index_says_nothing_is_turned_by_exif(tmp_path):
    path = tmp_path / "a.heic"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (64, 48), "red").save(path, exif=exif)
    assert b"irot" not in path.read_bytes()
    found = probe(path)
    assert (found.width, found.height, found.rotation) == (48, 64, 90)
    assert frames_of(path, [0.0])[0][0].rgb.shape == (64, 48, 3)


@pytest.mark.parametrize(("transfer", "kind", "white"), [(16, "PQ", 0.581), (18, "HLG", 0.75)])
def test_hdr_white_is_white(tmp_path, transfer, kind, white):
    """White of 203 cd/m² is 58 % of PQ and 75 % of HLG (ITU-R BT.2408)."""
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as out:
        # With B-frames, x265 at times stamps clips of one or two frames with pts before dts.
        options = {"x265-params": "log-level=none:bframes=0"}
        stream = out.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        frame = av.VideoFrame(128, 128, "yuv420p10le")
        for plane, level in zip(frame.planes, (64 + 876 * white, 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, round(level), "<u2").tobytes())
        out.mux([*stream.encode(frame), *stream.encode(None)])
    found = probe(path)
    assert [note for note in found.notes if kind in note]
    assert frames_of(path, [0.0])[0][0].rgb.mean() == pytest.approx(250, abs=6)


def lit_sizes(pictures):
    """Return how wide and how high the bright part of each picture is."""
    lit = [rgb.max(axis=2) > 128 for rgb in pictures]
    return [(int(one.any(axis=0).sum()), int(one.any(axis=1).sum())) for one in lit]


def test_a_size_that_changes_on_the_way_is_framed(make_clip):
    parts = []
    for number, (width, height) in enumerate([(128, 64), (64, 128), (128, 96)]):
        white = np.full((height, width, 3), 255, np.uint8)
        parts.append(
            make_clip(f"{number}.ts", seconds=1, size=(width, height), picture=lambda _, w=white: w)
        )
    path = joined(*parts)
    frames, notes = frames_of(path, [0.5, 1.5, 2.5])
    shapes = lit_sizes([frame.rgb for frame in frames])
    assert np.abs(np.subtract(shapes, [(128, 64), (32, 64), (85, 64)])).max() <= 2
    assert len(notes) == 1 and "128 × 64 to 64 × 128" in notes[0]
    late, _ = frames_of(path, [1.5])
    assert np.array_equal(late[0].rgb, frames[1].rgb)
    (tmp_path := path.parent / "copy").mkdir()
    played, _ = frames_of(room.playable(path, probe(path), tmp_path), [0.5, 1.5, 2.5])
    again = lit_sizes([frame.rgb for frame in played])
    assert np.abs(np.subtract(again, shapes)).max() <= 4
    with open_media(path) as opened:
        live = list(Stream("tcp://localhost:1")._pictures(opened))
    again = lit_sizes([live[5], live[30], live[55]])
    assert np.abs(np.subtract(again, shapes)).max() <= 4
