"""What is judged is what is shown: pictures and streams that programs show differently, all made
here (issue 66, 6 to 11)."""

import io
import struct
import zlib
from collections import Counter
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import ExifTags, Image

from detector import media
from detector.errors import MediaError
from detector.media import sampling
from detector.pipeline.frozen import FrozenCheck, averaged
from detector.pipeline.loops import LONGEST, LoopCheck
from detector.schema.analysis import Settings
from tests.conftest import camera

SIZE = (160, 120)


def shown(path, *times):
    """Return the pictures on screen at these times, and the notes."""
    notes: list[str] = []
    about = media.probe(path)
    frames = list(media.decode(path, about, times or [0.0], notes=notes))
    return [frame.rgb for frame in frames], about.notes + notes


def difference(one, other):
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def quarters(number=0, size=SIZE):
    """A picture whose four quarters differ, moved on by its number."""
    width, height = size
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = 250
    rgb[height // 2 :, width // 2 :, 0] = 200
    return np.roll(rgb, 7 * number, axis=1)


def encode(path, pictures, *, codec="libx264", rate=25, format=None, times=None, **options):
    with av.open(str(path), "w", format=format) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt, stream.options = "yuv420p", options
        for number, rgb in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            frame.pts = number if times is None else times[number]
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("animated", [1, 2])
def test_a_default_picture_that_no_animation_shows_is_not_judged(tmp_path, animated):
    hidden = Image.new("RGBA", (32, 32), "red")
    half = Image.new("RGBA", (32, 32))
    half.paste("blue", (0, 0, 16, 32))
    frames = [half, Image.new("RGBA", (32, 32), "lime")][:animated]
    path = tmp_path / "hidden.png"
    hidden.save(
        path, save_all=True, default_image=True, append_images=frames, duration=400, blend=1
    )
    about = media.probe(path)
    pictures, notes = shown(path, 0.0, 0.5)
    assert (about.kind, about.frame_count) == (("image", 1) if animated == 1 else ("animation", 2))
    assert len(pictures) == animated and about.duration == (None if animated == 1 else 0.8)
    assert pictures[0][5, 5].tolist() == [0, 0, 255]
    assert pictures[0][5, 28].tolist() == [255, 255, 255], "the hidden picture shines through"
    assert any("beside its animation" in note for note in notes)


def png(path, rgb, *chunks):
    """Write a PNG with chunks before its pixels."""
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "PNG")
    plain = data.getvalue()
    more = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    path.write_bytes(plain[:33] + more + plain[33:])
    return path


def gamma(value):
    return b"gAMA", struct.pack(">I", round(value * 100_000))


SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
WIDE_POINTS = (31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600)


def points(values):
    return b"cHRM", struct.pack(">8I", *values)


@pytest.mark.parametrize("value", [0.023, 0.1, 1.0])
def test_gamma_is_applied_as_browsers_do_and_named(tmp_path, value):
    rgb = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (8, 1, 3))
    (found,), notes = shown(png(tmp_path / "gamma.png", rgb, gamma(value)))
    right = 255 * (np.arange(256) / 255) ** (1 / (2.2 * value))
    assert np.abs(found[0, :, 0] - right).max() <= 1
    assert any(f"a gamma of {value:g}" in note for note in notes)


def test_usual_gamma_and_what_overrides_it_change_nothing(tmp_path):
    rgb = quarters()
    usual = png(tmp_path / "usual.png", rgb, gamma(0.45455))
    srgb = png(tmp_path / "srgb.png", rgb, gamma(0.1), (b"sRGB", b"\0"))
    alone = png(tmp_path / "points.png", rgb, points(WIDE_POINTS))
    for path in (usual, srgb, alone):
        (found,), notes = shown(path)
        assert difference(found, rgb) == 0 and not notes


def test_chromaticities_with_gamma_are_a_color_profile(tmp_path):
    rgb = np.full((8, 8, 3), (200, 80, 80), np.uint8)
    same = png(tmp_path / "same.png", rgb, gamma(0.45455), points(SRGB_POINTS))
    assert difference(shown(same)[0][0], rgb) <= 3
    wide = png(tmp_path / "wide.png", rgb, gamma(0.45455), points(WIDE_POINTS))
    red, green, _blue = shown(wide)[0][0][0, 0].tolist()
    assert red > 230 and green < 75, "a wide red is redder in sRGB"


def test_gray_and_clear_pictures_get_their_gamma(tmp_path):
    gray = np.full((8, 8), 186 * 257, np.uint16)
    deep = png(tmp_path / "deep.png", gray, gamma(1.0))
    assert abs(int(shown(deep)[0][0][0, 0, 0]) - 221) <= 1
    clear = np.full((8, 8, 4), (186, 186, 186, 0), np.uint8)
    (found,), _ = shown(png(tmp_path / "clear.png", clear, gamma(1.0)))
    assert (found == 255).all(), "what is transparent lies over white"


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["jpg", "webp", "png", "tif"])
def test_orientation_in_xmp_alone_is_ignored_and_in_exif_followed(tmp_path, kind):
    picture = Image.fromarray(quarters())
    by_xmp, by_exif = tmp_path / f"xmp.{kind}", tmp_path / f"exif.{kind}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    if kind == "png":
        png(by_xmp, quarters(), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    elif kind == "tif":
        picture.save(by_xmp, tiffinfo={700: XMP})
    else:
        picture.save(by_xmp, xmp=XMP)
    picture.save(by_exif, exif=exif)
    assert media.probe(by_xmp).rotation == 0 and shown(by_xmp)[0][0].shape == (120, 160, 3)
    assert shown(by_exif)[0][0].shape == (160, 120, 3)
    assert media.probe(by_exif).rotation == (0 if kind == "tif" else 90)  # which Pillow turns


def tiff(first, second=None, *, head=b"II*\0", offset=8):
    """Return a TIFF of directories of (tag, type, values); the second is the first's SubIFD."""

    def directory(entries, at):
        body, more = b"", b""
        begin = at + 2 + 12 * len(entries) + 4
        for tag, kind, values in sorted(entries):
            size = {2: 1, 1: 1, 3: 2, 4: 4}[kind]
            data = b"".join(v.to_bytes(size, "little") for v in values)
            if len(data) > 4:
                more += data
                data = (begin + len(more) - len(data)).to_bytes(4, "little")
            body += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
        return struct.pack("<H", len(entries)) + body + bytes(4) + more

    data = head + offset.to_bytes(4, "little")
    data = data.ljust(offset, b"\0")
    if second is not None:
        inner = directory(second, 4096)
        first = [*first, (330, 4, [4096])]
        return (data + directory(first, offset)).ljust(4096, b"\0") + inner
    return data + directory(first, offset)


PREVIEW = [(256, 4, [160]), (257, 4, [120]), (262, 3, [2])]
SENSOR = [(256, 4, [6000]), (257, 4, [4000]), (262, 3, [32803])]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("DNG", tiff([*PREVIEW, (50706, 1, [1, 4, 0, 0])], SENSOR)),
        ("NEF", tiff([*PREVIEW, (271, 2, list(b"NIKON CORPORATION\0"))], SENSOR)),
        ("ARW", tiff([*PREVIEW, (271, 2, list(b"SONY\0"))], SENSOR)),
        ("PEF", tiff([*PREVIEW, (271, 2, list(b"PENTAX\0"))], SENSOR)),
        ("TIFF/EP", tiff([*PREVIEW, (254, 4, [1])], [(256, 4, [600]), (257, 4, [400])])),
        ("CR2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(500)),
        ("CR3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(500)),
        ("RAF", b"FUJIFILMCCD-RAW 0201" + bytes(500)),
        ("ORF", b"IIRO\x08\0\0\0" + bytes(500)),
    ],
)
def test_raw_files_of_cameras_are_refused_as_raw(tmp_path, kind, data):
    path = tmp_path / "camera"
    path.write_bytes(data)
    with pytest.raises(MediaError, match="camera's raw file") as caught:
        media.probe(path)
    assert f"({kind})" in caught.value.message and "JPEG" in caught.value.hint
    assert caught.value.code == "unsupported"


def test_a_plain_tiff_is_read(tmp_path):
    Image.fromarray(quarters()).save(tmp_path / "plain.tif")
    assert difference(shown(tmp_path / "plain.tif")[0][0], quarters()) == 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(500)),
        ("JPEG 2000", b"\xff\x4f\xff\x51" + bytes(500)),
        ("JPEG XL", b"\xff\x0a" + bytes(500)),
        ("JPEG XR", b"II\xbc\x01" + bytes(500)),
        ("OpenEXR", b"v/1\x01" + bytes(500)),
        ("ICO", b"\0\0\1\0\1\0" + bytes(500)),
        ("TGA", b"\0\0\2" + bytes(9) + b"\x40\0\x40\0\x18\0" + bytes(500)),
        ("PCX", b"\x0a\5\1\x08" + bytes(500)),
        ("H.266", b"\0\0\0\1\0\x79\0" + bytes(500)),
        ("PNM", b"P6\n2 2\n255\n" + bytes(12)),
        ("DICOM", bytes(128) + b"DICM" + bytes(300)),
    ],
)
def test_a_kind_that_is_not_read_is_called_a_kind_and_not_damage(tmp_path, kind, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(MediaError, match="this kind of file") as caught:
        media.probe(tmp_path / "file")
    assert f"({kind})" in caught.value.message and caught.value.code == "unsupported"


BEFORE = [b"\n", b"\xef\xbb\xbf", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", bytes(7)]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_a_picture_behind_other_bytes_is_no_video_of_no_length(tmp_path, before, kind):
    data = io.BytesIO()
    Image.fromarray(quarters()).save(data, kind)
    (tmp_path / "behind").write_bytes(before + data.getvalue())
    other = "1 other byte" if len(before) == 1 else f"{len(before)} other bytes"
    with pytest.raises(MediaError, match=f"only after {other} in this file"):
        media.probe(tmp_path / "behind")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return encode(path, [quarters(n) for n in range(50)]).read_bytes()


@pytest.mark.parametrize("kind", ["google", "samsung", "heic"])
def test_the_film_behind_a_picture_is_named_and_handed_out(tmp_path, film, kind):
    path = tmp_path / "motion"
    if kind == "heic":
        Image.fromarray(quarters()).save(path, "HEIF")
        box = (len(film) + 8).to_bytes(4, "big") + b"mpvd" + film
        path.write_bytes(path.read_bytes() + box)
    else:
        Image.fromarray(quarters()).save(path, "JPEG")
        trailer = b"" if kind == "google" else b"SEFH\x6b\0\0\0\1\0\0\0SEFT"
        mark = b"" if kind == "google" else b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data"
        path.write_bytes(path.read_bytes() + mark + film + trailer)
    about = media.probe(path)
    assert about.kind == "image" and about.film == pytest.approx(2.0, abs=0.1)
    assert any("film of 2.0 s lies behind" in note for note in about.notes)
    with media.open_film(path) as behind:
        (tmp_path / "film.mp4").write_bytes(behind.read())
    assert media.probe(tmp_path / "film.mp4").frame_count == 50


def test_a_picture_without_a_film_has_none(tmp_path, film):
    Image.fromarray(quarters()).save(tmp_path / "still.jpg")
    with (tmp_path / "still.jpg").open("ab") as file:
        file.write(film[: len(film) // 2])  # cut off: nothing that could be shown
    assert media.probe(tmp_path / "still.jpg").film is None
    with pytest.raises(MediaError, match="no film"):
        media.open_film(tmp_path / "still.jpg")


def test_the_picture_of_a_live_photo_says_that_its_film_is_elsewhere(tmp_path):
    note = b"Apple iOS\0\0\1MM\0\1" + struct.pack(">HHII", 0x11, 2, 37, 32) + bytes(40)
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = note
    Image.fromarray(quarters()).save(tmp_path / "live.jpg", exif=exif)
    assert any("Live Photo" in note for note in media.probe(tmp_path / "live.jpg").notes)


# --- streams --------------------------------------------------------------------------------------


def sei(degrees):
    """Return a NAL unit of H.264 that turns counterclockwise from here on, behind its length."""
    bits = f"000{degrees * 65536 // 360:016b}01001"
    payload = int(bits.ljust(24, "0"), 2).to_bytes(3, "big")
    unit = bytes([6, 47, len(payload)]) + payload + b"\x80"
    return len(unit).to_bytes(4, "big") + unit


def turning(path, turns, seconds=3):
    """Write a clip with a key frame every 0.4 s, of which some say how they are turned."""
    plain = encode(path.with_name("plain.mp4"), [quarters()] * 25 * seconds, g="10", bf="2")
    key = -1
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if not packet.size:
                continue
            key += packet.is_keyframe
            written = packet
            if packet.is_keyframe and key in turns:
                written = av.Packet(sei(turns[key]) + bytes(packet))
                written.pts, written.dts, written.duration = packet.pts, packet.dts, packet.duration
                written.time_base, written.is_keyframe = packet.time_base, True
            written.stream = target
            out.mux(written)
    return path


TIMES = (0.1, 0.5, 0.9, 1.3, 1.7, 2.1, 2.9)


def white_corner(rgb):
    """Return which quarter is white, of what is not black canvas."""
    height, width = rgb.shape[:2]
    places = {(y, x): rgb[int(height * y), int(width * x)].mean() for y in (0.3, 0.7)
              for x in (0.4, 0.6)}  # fmt: skip
    return max(places, key=places.__getitem__)


@pytest.mark.parametrize(
    "turns", [{0: 90}, {0: 90, 2: 180, 4: 270}, {0: 90, 3: 0}, {3: 90}], ids=str
)
def test_a_turn_in_the_stream_holds_at_every_start(tmp_path, turns):
    path = turning(tmp_path / "turning.mp4", turns)
    about = media.probe(path)
    assert about.turned_in_stream, "a browser's player shows it as stored"
    assert (about.width, about.height) == (SIZE[::-1] if 0 in turns else SIZE)
    at_once = list(media.decode(path, about, TIMES, notes=[]))
    assert len(at_once) == len(TIMES)
    corners = {0: (0.3, 0.4), 90: (0.7, 0.4), 180: (0.7, 0.6), 270: (0.3, 0.6)}
    for time, frame in zip(TIMES, at_once, strict=True):
        degrees = next((turns[k] for k in sorted(turns, reverse=True) if 0.4 * k <= time), 0)
        assert white_corner(frame.rgb) == corners[degrees], time
        assert difference(media.frame_at(path, about, time).rgb, frame.rgb) < 1, time


def test_a_plain_stream_says_nothing_of_turns(tmp_path):
    about = media.probe(encode(tmp_path / "plain.mp4", [quarters()] * 25))
    assert not about.turned_in_stream and about.rotation == 0


@pytest.mark.parametrize(
    ("format", "codec", "options"),
    [
        ("h264", "libx264", {"bf": "2"}),
        ("hevc", "libx265", {"x265-params": "log-level=none"}),
        ("mpeg2video", "mpeg2video", {"bf": "2", "qscale": "3"}),
        ("m4v", "mpeg4", {"bf": "2"}),
        ("obu", "libsvtav1", {}),
    ],
)
def test_bare_streams_are_read_with_a_note_on_their_rate(tmp_path, format, codec, options):
    pictures = [quarters(n) for n in range(48)]
    path = encode(tmp_path / "bare", pictures, codec=codec, format=format, rate=24, **options)
    about = media.probe(path)
    rate = 25 if format == "obu" else 24  # libav does not read the rate of AV1
    assert (about.kind, about.width, about.height) == ("video", *SIZE)
    assert about.frame_count == 48 and about.fps == rate
    assert about.duration == pytest.approx(48 / rate)
    times = [n / rate for n in range(0, 48, 5)]
    found, notes = shown(path, *times)
    assert notes == [f"It holds no times: {rate} pictures a second are assumed."]
    for number, rgb in zip(range(0, 48, 5), found, strict=True):
        assert difference(rgb, pictures[number]) < 20, number


def test_damage_is_told_at_the_time_of_the_picture(tmp_path):
    generator = np.random.default_rng(1)
    noise = [generator.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(50)]
    path = tmp_path / "late.ts"
    encode(path, noise, format="mpegts", g="25", times=range(500, 550))
    data = bytearray(path.read_bytes())
    video = [at for at in range(0, len(data), 188) if data[at + 1] & 31 == 1 and data[at + 2] == 0]
    middle = video[len(video) // 2]
    path.write_bytes(data[:middle] + data[middle + 2 * 188 :])
    _found, notes = shown(path, 0.0, 0.5, 1.0, 1.5, 1.9)
    (note,) = [note for note in notes if "damaged near" in note]
    assert 0.6 <= float(note.split("near ")[1].split(" s")[0]) <= 1.6


# --- stills that move, clips that repeat ----------------------------------------------------------


def moving(number):
    rng = np.random.default_rng(number)
    rgb = np.full((120, 160, 3), 90, np.uint8)
    rgb[20:100, 30 + number % 40 : 90 + number % 40] = rng.integers(60, 250, (80, 60, 1), np.uint8)
    return rgb


@pytest.mark.parametrize("count", [25, 60])
def test_all_that_a_recorder_stored_is_sampled(tmp_path, count):
    pictures = [moving(n) for n in range(count)] + [quarters()] * 2
    times = [*range(count), count, 25 * 150]
    path = encode(tmp_path / "screen.mp4", pictures, times=times)
    about = media.probe(path)
    planned = media.plan(about, Settings(), (), path).timestamps
    frames = list(media.decode(path, about, planned, notes=[]))
    assert len(frames) >= min(count, Settings().frames - 1)
    check = FrozenCheck()
    for frame in frames:
        check.add(averaged(frame.rgb))
    assert not check.holds(planned)


def test_the_last_picture_is_looked_at_however_long_it_is_shown(tmp_path):
    from detector.pipeline import Analyzer

    plain = encode(tmp_path / "plain.mp4", [moving(n) for n in range(10)], bf="0")
    path = tmp_path / "held.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in source.demux(stream) if p.size):
            packet.duration = round(60 / packet.time_base) if number == 9 else packet.duration
            packet.stream = target
            out.mux(packet)
    assert media.probe(path).duration == pytest.approx(60.4, abs=0.1)
    analysis = Analyzer(device="cpu").analyze(path, Settings(models=["texture"]), scores_only=True)
    assert len(analysis.timestamps) == 10 and analysis.timestamps[-1] == pytest.approx(0.36)


def test_even_moments_stay_where_each_shows_another_picture():
    even = sampling.centers(0.0, 10.0, 32)
    assert sampling.filled(even, [n / 25 for n in range(250)]) == even
    few = sampling.filled(even, [0.0, 0.01, 0.02, 9.0])
    assert few == (0.0, 0.01, even[0], even[29]), "each of the four once"


def test_a_still_with_one_short_movement_is_no_unmoving_picture(tmp_path):
    from detector.pipeline import Analyzer

    still = [quarters()] * 60
    path = encode(tmp_path / "short.mp4", [*still, *(moving(n) for n in range(10)), *still * 13])
    analysis = Analyzer(device="cpu").analyze(path, Settings(models=["texture"]), scores_only=True)
    assert not analysis.media.frozen
    assert any(2.4 <= time <= 2.8 for time in analysis.timestamps)
    path = encode(tmp_path / "still.mp4", still * 5)
    analysis = Analyzer(device="cpu").analyze(path, Settings(models=["texture"]), scores_only=True)
    assert analysis.media.frozen


def loop_of(path):
    about = media.probe(path)
    assert about.duration and about.fps
    check = LoopCheck()
    planned = media.plan(about, Settings(), (), path).timestamps
    for frame in media.decode(path, about, planned, notes=[]):
        check.add(frame.time, averaged(frame.rgb))
    if not check.suspected:
        return None
    times = media.every_frame(about, min(2 * LONGEST, about.duration))
    opening = ((f.time, f.rgb) for f in media.decode(path, about, times, notes=[]))
    return check.find(opening, about.duration, len(planned))


@pytest.mark.parametrize("options", [{"crf": "18"}, {"crf": "35"}], ids=str)
def test_a_loop_is_named_and_each_of_its_moments_counts_once(tmp_path, options):
    stretch = [moving(n) for n in range(20)]
    loop = loop_of(encode(tmp_path / "loop.mp4", stretch * 40, preset="veryfast", **options))
    assert loop is not None and loop.period == pytest.approx(0.8, abs=0.02)
    assert len(loop.timestamps) == 20
    phases = sorted(round(25 * time) % 20 for time in loop.timestamps)
    assert sum(b > a for a, b in pairwise(phases)) >= 17, "each once, a frame more or less"


def test_a_loop_of_no_whole_number_of_frames_is_named(tmp_path):
    """20 pictures at 16 a second, shown at 25: 31.25 frames."""
    pictures = [moving(round(n * 16 / 25) % 20) for n in range(25 * 20)]
    loop = loop_of(encode(tmp_path / "loop.mp4", pictures, preset="veryfast"))
    assert loop is not None
    assert round(loop.period / 1.25, 2) in (1, 2, 3, 4)


@pytest.mark.parametrize("kind", ["one", "slow", "twice"])
def test_what_does_not_repeat_is_no_loop(tmp_path, kind):
    pictures = {
        "one": [moving(n) for n in range(250)],
        "slow": [np.roll(moving(0), n // 4, axis=1) for n in range(250)],
        "twice": [moving(n) for n in range(50)] * 2,
    }[kind]
    assert loop_of(encode(tmp_path / "clip.mp4", pictures, preset="veryfast")) is None


def test_an_analysis_of_a_loop_says_so(tmp_path):
    from detector.pipeline import Analyzer

    path = encode(tmp_path / "loop.mp4", [moving(n) for n in range(20)] * 40, preset="veryfast")
    analysis = Analyzer(device="cpu").analyze(path, Settings(models=["texture"]), scores_only=True)
    assert analysis.media.loop == pytest.approx(0.8, abs=0.02)
    assert len(analysis.timestamps) == 20
    assert any("the same 0.8 s about 40 times" in note for note in analysis.media.notes)


def test_a_loop_is_read_once(tmp_path, monkeypatch):
    """The file is opened, searched and inspected once; what was scored is not scored again."""
    from detector import provenance
    from detector.models import registry
    from detector.pipeline import Analyzer, Progress

    face = camera((320, 180), still=True)(0)
    pictures = [np.roll(face, 8 * n, axis=1) for n in range(40)]
    path = encode(tmp_path / "loop.mp4", pictures * 8, preset="veryfast")
    calls, crops, seen = Counter[str](), list[bytes](), list[Progress]()

    def counted(owner, name):
        original = getattr(owner, name)

        def call(*given, **options):
            calls[name] += 1
            return original(*given, **options)

        monkeypatch.setattr(owner, name, call)

    network = registry.load_model("texture")
    score = network.score
    monkeypatch.setattr(
        network, "score", lambda batch: (crops.extend(c.tobytes() for c in batch), score(batch))[1]
    )
    counted(provenance, "inspect")
    counted(media, "probe")
    settings = Settings(models=["texture"])
    analysis = Analyzer(device="cpu").analyze(path, settings, observe=seen.append)
    assert analysis.media.loop == pytest.approx(1.6, abs=0.05)
    assert calls == {"inspect": 1, "probe": 1}
    frames = [frame for person in analysis.people for frame in person.frames if frame.usable]
    assert len(frames) >= 8 and all("texture" in frame.logits for frame in frames)
    assert len(crops) == len(set(crops)), "no crop twice"
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    stages = [progress.stage for progress in seen]
    assert "read" not in stages[stages.index("faces") :]
