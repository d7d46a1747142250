"""A verdict in a copy of a file: nothing else of it changes, and it is read back as no evidence."""

import hashlib
import json
import os

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from detector import media
from detector.errors import UsageError
from detector.presentation.origin import earlier
from detector.provenance import inspect
from detector.provenance.earlier import SIDECAR
from detector.verdict_metadata import NAMESPACE, properties, write_copy, write_sidecar
from tests.conftest import portrait, write_clip
from tests.support.certificates import make_authority
from tests.support.result_sample import make_analysis


def of(path):
    """A made result of this file."""
    return make_analysis().model_copy(update={"media": media.probe(path)})


def saved(path, side):
    """Save a picture of this size."""
    Image.fromarray(portrait((side, side))).save(path)
    return path


def look(path):
    return inspect(path, media.probe(path)).earlier


def packets(path):
    """Every compressed packet: stream, times, hash."""
    with av.open(str(path)) as container:
        return [
            (p.stream_index, p.pts, p.dts, hashlib.sha256(bytes(p)).hexdigest())
            for p in container.demux()
            if p.size
        ]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", {"audio": True}),
        ("a.mov", {"rotation": 90}),
        ("front.mp4", {"container_options": {"movflags": "faststart"}}),
        ("pieces.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "gop": 5}),
    ],
)
def test_a_film_keeps_every_byte(name, settings, make_clip, tmp_path):
    clip = make_clip(name, **settings)
    original, before = clip.read_bytes(), media.probe(clip)
    copy = write_copy(clip, tmp_path / f"copy-{name}", of(clip))
    marked = copy.read_bytes()
    assert marked[: len(original)] == original
    assert NAMESPACE.encode() in marked[len(original) :]
    assert packets(copy) == packets(clip)
    assert clip.read_bytes() == original
    after = media.probe(copy)
    same = {"name", "sha256", "size", "bit_rate"}
    assert after.model_dump(exclude=same) == before.model_dump(exclude=same)

    found = look(copy)
    assert (found.label, found.likelihood, found.where) == ("FAKE", 85, "metadata")
    assert found.sha256 == hashlib.sha256(original).hexdigest()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_keeps_its_pixels_and_tags(suffix, tmp_path):
    picture = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0131] = "Editor 9"
    Image.fromarray(portrait((200, 200))).save(picture, exif=exif)
    copy = write_copy(picture, tmp_path / f"copy{suffix}", of(picture))
    with Image.open(picture) as a, Image.open(copy) as b:
        assert np.array_equal(np.asarray(a), np.asarray(b))
        assert b.getexif()[0x0131] == "Editor 9"
        assert getattr(a, "quantization", None) == getattr(b, "quantization", None)
    if suffix == ".jpg":  # not only the same pixels
        before = picture.read_bytes()
        assert copy.read_bytes().endswith(before[before.index(b"\xff\xda") :])
    assert look(copy).label == "FAKE"


@pytest.mark.parametrize("suffix", [".mp4", ".jpg", ".png"])
def test_marking_a_marked_copy_replaces_the_verdict(suffix, tmp_path):
    first = tmp_path / f"a{suffix}"
    if suffix == ".mp4":
        write_clip(first, seconds=0.4)
    else:
        Image.fromarray(portrait((64, 64))).save(first)
    second = write_copy(first, tmp_path / f"b{suffix}", of(first))
    third = write_copy(second, tmp_path / f"c{suffix}", of(second))
    assert third.read_bytes().count(b"unmask:Label") == 1
    assert look(third).sha256 == hashlib.sha256(second.read_bytes()).hexdigest()
    assert third.stat().st_size == second.stat().st_size


def test_other_xmp_stays(tmp_path):
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Painter 3"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    jpeg, png = tmp_path / "a.jpg", tmp_path / "a.png"
    image = Image.fromarray(portrait((64, 64)))
    image.save(jpeg, xmp=packet)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    image.save(png, pnginfo=info)
    for picture in (jpeg, png):
        copy = write_copy(picture, tmp_path / f"copy{picture.suffix}", of(picture))
        found = inspect(copy, media.probe(copy))
        assert any(f.value == "Painter 3" for f in found.facts)
        assert found.earlier is not None


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.gif"])
def test_other_kinds_get_a_sidecar(name, tmp_path):
    path = tmp_path / name
    if name.endswith(".gif"):
        Image.fromarray(portrait((64, 64))).save(path)
    else:
        codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
        write_clip(path, seconds=0.2, codec=codec)
    written = write_copy(path, path.with_name(f"copy-{name}"), of(path))
    assert written.name == f"copy-{name}{SIDECAR}"
    assert not path.with_name(f"copy-{name}").exists()
    written.rename(path.with_name(name + SIDECAR))
    found = look(path)
    assert found.where == "sidecar"
    assert "this very file was written beside it: “Likely manipulated, 85 % likelihood”" in earlier(
        found, media.probe(path)
    )


def test_a_film_whose_last_box_is_open_gets_a_sidecar(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", seconds=0.4, container_options={"movflags": "faststart"})
    data = bytearray(clip.read_bytes())
    at = data.rindex(b"mdat") - 4
    data[at : at + 4] = bytes(4)  # reaches to the end of the file
    clip.write_bytes(data)
    assert write_copy(clip, tmp_path / "b.mp4", of(clip)).name == f"b.mp4{SIDECAR}"


def test_what_is_refused(tmp_path):
    picture = saved(tmp_path / "a.png", 64)
    analysis = of(picture)
    with pytest.raises(UsageError, match="there already"):
        write_copy(picture, picture, analysis)
    with picture.open("ab") as file:
        file.write(b"x")
    with pytest.raises(UsageError, match="changed"):
        write_copy(picture, tmp_path / "b.png", analysis)
    assert sorted(os.listdir(tmp_path)) == ["a.png"]  # no leftovers


def test_an_earlier_verdict_is_never_evidence(tmp_path):
    picture = tmp_path / "a.jpg"
    Image.fromarray(portrait((96, 96))).save(picture, quality=90)
    plain = inspect(picture, media.probe(picture))
    copy = write_copy(picture, tmp_path / "b.jpg", of(picture))
    marked = inspect(copy, media.probe(copy))
    assert marked.findings == plain.findings
    assert marked.credential == plain.credential


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        "{",
        "null",
        '{"label": "FAKE", "likelihood": "900"}',
        '{"likelihood": 3}',
        "[" * 60_000,
        '{"label": "' + "x" * 70_000 + '"}',
    ],
)
def test_hostile_sidecars_are_left(said, tmp_path):
    picture = saved(tmp_path / "a.png", 64)
    picture.with_name("a.png" + SIDECAR).write_text(said)
    assert look(picture) is None


def test_hostile_words_in_a_sidecar_are_tamed(tmp_path):
    picture = saved(tmp_path / "a.png", 64)
    said = {"label": "\u202e<b>REAL</b>" + "y" * 500, "likelihood": "٣", "analyzed": ["x"] * 9}
    picture.with_name("a.png" + SIDECAR).write_text(json.dumps(said))
    found = look(picture)
    assert len(found.label) <= 40
    assert "\u202e" not in found.label
    assert found.likelihood is None


def test_a_signed_origin_is_broken_in_the_copy_and_kept_in_the_original(tmp_path):
    picture = saved(tmp_path / "a.jpg", 200)
    signed = make_authority().sign(picture, tmp_path / "signed.jpg", "image/jpeg")
    copy = write_copy(signed, tmp_path / "copy.jpg", of(signed))
    assert inspect(signed, media.probe(signed)).credential.state == "untrusted"
    assert inspect(copy, media.probe(copy)).credential.state == "invalid"


def test_the_sidecar_says_that_it_is_no_fact(tmp_path):
    analysis = make_analysis()
    written = json.loads(write_sidecar(tmp_path / "x.json", analysis).read_text())
    assert written == properties(analysis)
    assert "not a fact" in written["note"]
