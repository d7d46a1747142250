"""Videos are judged as players show them: colors, pixel shapes, transparency, cuts, sequences."""

import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from detector import media
from detector.media import stated

RED, BLUE = (200, 30, 30), (30, 30, 200)
SIZE = 320, 180


def picture(size=SIZE, left=RED, right=BLUE):
    """Return a picture whose halves have two colors, with a white square of 48 px at the top."""
    width, height = size
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:, : width // 2], rgb[:, width // 2 :] = left, right
    rgb[:48, :48] = 255
    return rgb


def encoded(
    pictures, codec, form, pixels="yuv420p", *, sar=(1, 1), first=0, set_up=None, **options
):
    """Return pictures, uint8 [H, W, 3 or 4], as a file."""
    stored = io.BytesIO()
    with av.open(stored, "w", format=form) as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = (
            pixels,
            {k.replace("_", "-"): v for k, v in options.items()},
        )
        stream.codec_context.sample_aspect_ratio = Fraction(*sar)
        if set_up:
            set_up(stream.codec_context)
        for number, rgb in enumerate(pictures, first):
            frame = av.VideoFrame.from_ndarray(rgb, "rgba" if rgb.shape[2] == 4 else "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return stored.getvalue()


def read(path, data, times=(0.1, 0.9)):
    """Return the metadata of a file, pictures at parts of its length, and notes on the way."""
    path.write_bytes(data)
    about = media.probe(path)
    notes: list[str] = []
    moments = [part * (about.duration or 0.0) for part in times]
    shown = [frame.rgb for frame in media.decode(path, about, moments, notes=notes)]
    return about, shown, notes


def square(rgb):
    """Return width and height of the white square, px, in a picture on a black canvas."""
    white = (rgb > 230).all(axis=2)
    return int(white.any(axis=0).sum()), int(white.any(axis=1).sum())


SWITCHES = [("libx264", "mpegts"), ("libx265", "mpegts"), ("mpeg2video", "mpegts"),
            ("mpeg2video", "mpeg"), ("libx264", "h264"),
            ("mpeg4", "m4v"), ("dvvideo", "dv")]  # fmt: skip


@pytest.mark.parametrize(("codec", "form"), SWITCHES)
def test_each_part_has_the_pixel_shape_that_its_stream_states(tmp_path, codec, form):
    size, narrow, wide = (720, 576), (16, 15), (64, 45)
    parts = [[picture(size)] * 30, [picture(size)] * 30]
    data = encoded(parts[0], codec, form, sar=narrow)
    data += encoded(parts[1], codec, form, sar=wide, first=30)
    about, shown, notes = read(tmp_path / "switch", data)
    assert (about.width, about.height) == (768, 576)
    across, down = square(shown[0])
    assert across / down == pytest.approx(16 / 15, abs=0.06)
    across, down = square(shown[1])
    assert across / down == pytest.approx(64 / 45, abs=0.08)
    assert any("from 768 × 576 to 1024 × 576" in note for note in notes)
    late = media.frame_at(tmp_path / "switch", about, 0.9 * (about.duration or 0.0))
    assert square(late.rgb) == (across, down), "wherever reading begins"


@pytest.mark.parametrize("turned", [False, True])
def test_another_coded_width_of_the_same_shape_fills_the_picture(tmp_path, turned):
    parts = [((480, 360), (4, 3)), ((640, 360), (1, 1))][:: -1 if turned else 1]
    data = b"".join(
        encoded([picture(size)] * 30, "libx264", "mpegts", sar=sar, first=30 * number)
        for number, (size, sar) in enumerate(parts)
    )
    about, shown, notes = read(tmp_path / "switch.ts", data)
    assert (about.width, about.height) == (640, 360) and notes == []
    for rgb in shown:
        assert rgb.shape == (360, 640, 3)
        assert rgb[[60, -10]].max(axis=2).min() > 100, "no bars"


def in_hdr(context):
    context.color_trc, context.color_primaries, context.colorspace = 18, 9, 9


def test_hdr_that_the_container_alone_states_is_mapped_and_named(tmp_path):
    gray = [np.full((*SIZE[::-1], 3), 150, np.uint8)] * 3
    plain, (before, _), _ = read(tmp_path / "a.webm", encoded(gray, "libvpx-vp9", "webm"))
    hdr, (after, _), _ = read(
        tmp_path / "b.webm", encoded(gray, "libvpx-vp9", "webm", set_up=in_hdr)
    )
    assert plain.notes == [] and any("HDR (HLG)" in note for note in hdr.notes)
    assert after.mean() > before.mean() + 20


@pytest.mark.shared
@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_hdr_of_a_stream_without_tags(tmp_path, shared, form):
    source = shared / "bugs5" / "hdr_pq_container_only.mp4"
    path = source if form == "mp4" else remuxed(source, tmp_path / "hdr", form)
    about, twin = media.probe(path), media.probe(shared / "bugs5" / "sdr_twin.mp4")
    assert any("HDR (PQ)" in note for note in about.notes)
    sdr = shared / "bugs5" / "sdr_twin.mp4"
    one = media.frame_at(path, about, 1.0).rgb.astype(int)
    assert np.abs(one - media.frame_at(sdr, twin, 1.0).rgb).mean() < 4


def remuxed(source, target, form):
    with (
        av.open(str(source)) as read,
        av.open(str(target), "w", format=form, options={"strict": "-2"}) as out,
    ):
        stream = out.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target


@pytest.mark.shared
@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_colors_of_dolby_vision_that_cannot_be_converted_are_named(tmp_path, shared, form):
    source = shared / "bugs5" / "dolby_vision_p5.mp4"
    path = source if form == "mp4" else remuxed(source, tmp_path / "dv", form)
    about = media.probe(path)
    assert about.false_colors and any("Dolby Vision (profile 5)" in note for note in about.notes)
    assert not media.probe(shared / "bugs5" / "sdr_twin.mp4").false_colors


@pytest.mark.parametrize(
    ("profile", "compatible", "own"),
    [(5, 0, 5), (8, 1, None), (8, 4, None), (7, 6, None), (10, 0, 10), (10, 1, None), (4, 2, None)],
)
def test_only_profiles_with_colors_of_their_own_are_named(profile, compatible, own):
    record = bytes([1, 0, profile << 1, 0b00110101, compatible << 4])
    assert stated._own_colors(record) is own


def rpu(profile, full_range, denominator=23):
    """Return a unit of a HEVC stream with the beginning of Dolby Vision's metadata."""
    golomb = f"{denominator + 1:b}"
    bits = f"{2:06b}{18:011b}{profile:04b}{0:04b}1" + "0" + "00"
    bits += "0" * (len(golomb) - 1) + golomb + "01" + str(int(full_range))
    bits = bits.ljust(160, "0")
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return b"\x00\x00\x00\x01" + bytes([62 << 1, 1]) + b"\x19" + body


@pytest.mark.parametrize(
    ("profile", "full", "own"), [(0, True, 5), (0, False, None), (1, True, None)]
)
def test_a_stream_s_own_metadata_tell_its_profile(profile, full, own):
    assert stated.dolby_profile(av.Packet(rpu(profile, full)), "hevc") is own
    assert stated.dolby_profile(av.Packet(rpu(profile, full)), "h264") is None


def with_hole(rgb=None, hidden=slice(60, 120)):
    rgb = picture() if rgb is None else rgb
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    alpha[hidden, 100:220] = 0
    return np.concatenate([rgb, alpha], axis=2)


TRANSPARENT = [
    ("libvpx-vp9", "webm", "yuva420p"), ("libvpx", "webm", "yuva420p"),
    ("libvpx-vp9", "matroska", "yuva420p"), ("prores_ks", "mov", "yuva444p10le"),
    ("qtrle", "mov", "argb"), ("png", "mov", "rgba"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "form", "pixels"), TRANSPARENT)
def test_what_transparency_hides_is_not_judged(tmp_path, codec, form, pixels):
    options = {"auto_alt_ref": "0"} if "vpx" in codec else {}
    data = encoded([with_hole()] * 3, codec, form, pixels, **options)
    about, shown, _ = read(tmp_path / "clear", data)
    assert any("transparent" in note for note in about.notes)
    for rgb in shown:
        assert rgb[70:110, 110:210].min() > 240, "white, as behind a web page's video"
        assert np.abs(rgb[150, 20].astype(int) - RED).max() < 30


def test_an_opaque_picture_with_an_alpha_plane_is_not_named(tmp_path):
    data = encoded([with_hole(hidden=slice(0))] * 3, "png", "mov", "rgba")
    assert read(tmp_path / "opaque.mov", data)[0].notes == []


def test_alpha_of_an_avi_is_padding(tmp_path):
    data = encoded([with_hole(hidden=slice(None))] * 3, "rawvideo", "avi", "bgra")
    about, shown, _ = read(tmp_path / "raw.avi", data)
    assert about.notes == [] and np.abs(shown[0][150, 20].astype(int) - RED).max() < 30


def boxed(data, entry, box):
    """Return an MP4 with a box at the end of its picture's sample entry; its index comes last."""
    data = bytearray(data)
    at = data.find(b"avcC") - 4
    data[at:at] = box
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry):
        begin = data.rfind(kind, 0, at) - 4
        (size,) = struct.unpack_from(">I", data, begin)
        struct.pack_into(">I", data, begin, size + len(box))
    return bytes(data)


@pytest.mark.parametrize(("width", "noted"), [(160, True), (320, False)])
def test_a_clean_aperture_is_named(tmp_path, width, noted):
    plain = encoded([picture()] * 5, "libx264", "mp4")
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, 180, 1, (width - 320) // 2, 1, 0, 1)
    about, _, _ = read(tmp_path / "clap.mp4", boxed(plain, b"avc1", clap))
    named = [note for note in about.notes if "only 160 × 180" in note]
    assert bool(named) is noted and (about.width, about.height) == SIZE


def test_a_crop_of_matroska_is_named(tmp_path):
    clap = struct.pack(">I4s8i", 40, b"clap", 160, 1, 180, 1, -80, 1, 0, 1)
    source = tmp_path / "clap.mp4"
    source.write_bytes(boxed(encoded([picture()] * 5, "libx264", "mp4"), b"avc1", clap))
    about = media.probe(remuxed(source, tmp_path / "crop.mkv", "matroska"))
    assert any("only 160 × 180" in note for note in about.notes)


def sequence(brand, others=()):
    """Return a HEIF without stills: pictures in a track of its own handler."""
    data = bytearray(encoded([picture()] * 24, "libx265", "mp4", x265_params="log-level=none"))
    size = int.from_bytes(data[:4], "big")
    data[8:12] = brand
    data[16:size] = b"".join([*others, b"hevc", b"msf1", b"iso8", b"mif1", b"heic"])[
        : size - 16
    ].ljust(size - 16, b"\0")
    at = data.find(b"hdlr")
    data[at + 12 : at + 16] = b"pict"
    return bytes(data)


@pytest.mark.parametrize("brand", [b"hevc", b"msf1", b"mif1", b"heic"])
def test_a_sequence_of_pictures_is_judged(tmp_path, brand):
    about, shown, _ = read(tmp_path / "sequence.heic", sequence(brand))
    assert (about.kind, about.container, about.frame_count) == ("video", "heif", 24)
    assert len(shown) == 2 and np.abs(shown[0][150, 20].astype(int) - RED).max() < 30
