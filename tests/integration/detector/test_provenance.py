"""What a file says of its origin: C2PA under a test certificate, EXIF, XMP, traces, repeats."""

import io
import os
import socket
import struct
import sys

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from skimage import data

from detector import media
from detector.errors import UsageError
from detector.provenance import FrameHashes, credential, inspect
from detector.provenance.hashes import phash
from detector.provenance.text import MAX_XMP_BYTES, clean, xmp_fields
from detector.schema.codes import ProofKind
from detector.schema.origin import Proof, Provenance
from tests.conftest import portrait, write_clip
from tests.support.certificates import AI, make_authority
from tests.support.footage import repeated

GPS = {1: "N", 2: (48.0, 51.0, 29.6), 3: "W", 4: (2.0, 17.0, 40.2)}


@pytest.fixture(scope="module")
def authority():
    return make_authority()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "portrait.jpg"
    Image.fromarray(portrait((320, 320))).save(path, quality=92)
    return path


def look(path):
    return inspect(path, media.probe(path))


def value(found, name):
    return next((fact.value for fact in found.facts if fact.name == name), None)


def test_no_manifest_says_nothing(picture):
    found = look(picture)
    assert found.credential.state == "none"
    assert not found.credential.trust_list
    assert not found.findings  # absence is no evidence
    assert not found.unread


@pytest.mark.parametrize(("suffix", "mime"), [(".jpg", "image/jpeg"), (".mp4", "video/mp4")])
def test_a_manifest_is_read_and_believed_as_configured(
    suffix, mime, authority, tmp_path, picture, monkeypatch
):
    source = picture if suffix == ".jpg" else write_clip(tmp_path / "clip.mp4", seconds=0.5)
    signed = authority.sign(
        source, tmp_path / f"signed{suffix}", mime, source=AI, agent="Imagemaker"
    )
    unknown = look(signed).credential
    assert (unknown.state, unknown.signer, unknown.organization) == (
        "untrusted", "Test signer", "Test newsroom",
    )  # fmt: skip
    assert unknown.generated and look(signed).proof is None
    assert unknown.sources == ["trainedAlgorithmicMedia"]
    assert unknown.actions == ["created with Imagemaker"]
    assert unknown.generator == "unmask tests 1"

    anchors = tmp_path / "anchors.pem"
    anchors.write_text(authority.root)
    monkeypatch.setenv(credential.TRUST, str(anchors))
    trusted = look(signed)
    assert trusted.credential.state == "trusted"
    assert trusted.credential.trust_list
    assert any("was generated" in sentence for sentence in trusted.findings)
    assert trusted.proof == Proof(kind=ProofKind.SIGNED, name="Test newsroom")
    ai_in_part = AI.replace("trained", "compositeWithTrained")
    part = authority.sign(source, tmp_path / f"part{suffix}", mime, source=ai_in_part)
    assert look(part).proof == Proof(kind=ProofKind.PART_SIGNED, name="Test newsroom")

    anchors.write_text(make_authority("Somebody else").root)
    assert look(signed).credential.state == "untrusted"


def test_a_camera_is_not_a_machine_that_makes_pictures(authority, picture, tmp_path):
    found = look(authority.sign(picture, tmp_path / "camera.jpg", "image/jpeg"))
    assert found.credential.sources == ["digitalCapture"]
    assert not found.credential.generated and found.proof is None
    assert not found.findings


def test_a_changed_file_makes_its_manifest_invalid(authority, picture, tmp_path):
    signed = authority.sign(picture, tmp_path / "signed.jpg", "image/jpeg", source=AI)
    data = bytearray(signed.read_bytes())
    data[-400] ^= 0x01
    signed.write_bytes(data)
    found = look(signed)
    assert found.credential.state == "invalid"
    assert found.credential.problems == ["assertion.dataHash.mismatch"]
    # What an invalid manifest claims is no finding: anybody can glue it to any file.
    assert not any("signed origin" in sentence for sentence in found.findings)


def test_a_manifest_elsewhere_is_named_and_not_fetched(authority, picture, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        address = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/manifest.c2pa"
        found = look(authority.sign(picture, tmp_path / "r.jpg", "image/jpeg", remote=address))
        with pytest.raises(BlockingIOError):  # nobody came
            elsewhere.accept()
    assert (found.credential.state, found.credential.address) == ("elsewhere", address)


def test_hostile_words_in_a_manifest_are_tamed(authority, picture, tmp_path):
    trick = "<script>alert(1)</script>\u202egpj.exe" + "x" * 5_000
    found = look(authority.sign(picture, tmp_path / "s.jpg", "image/jpeg", generator=trick))
    said = found.credential.generator or ""
    assert "\u202e" not in said
    assert len(said) <= 200


def test_a_damaged_manifest_is_unreadable_and_takes_nothing_down(picture, tmp_path):
    data = picture.read_bytes()
    junk = b"JP\x00\x01\x00\x00\x00\x01" + struct.pack(">I4s", 0xFFFFFFF0, b"jumb") + b"c2pa" * 400
    segment = b"\xff\xeb" + struct.pack(">H", len(junk) + 2) + junk
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(data[:2] + segment + data[2:])
    found = look(damaged)
    assert found.credential.state in ("unreadable", "none", "invalid")
    assert value(found, "JPEG quantization")  # the rest was read


def test_a_manifest_that_takes_too_long_is_given_up(authority, picture, tmp_path, monkeypatch):
    signed = authority.sign(picture, tmp_path / "s.jpg", "image/jpeg")
    monkeypatch.setattr(credential, "TIMEOUT_SECONDS", 0.0)
    found = look(signed)
    assert found.credential.state == "unreadable"
    assert "longer" in found.credential.problems[0]


def test_without_its_package_a_manifest_is_named_and_not_read(
    authority, picture, tmp_path, monkeypatch
):
    signed = authority.sign(picture, tmp_path / "s.jpg", "image/jpeg")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = look(signed).credential
    assert found.state == "unreadable" and ".[full]'" in found.problems[0]
    assert look(picture).credential.state == "none"


def test_a_trust_list_that_is_none_is_refused(picture, tmp_path, monkeypatch):
    monkeypatch.setenv(credential.TRUST, str(tmp_path / "missing.pem"))
    with pytest.raises(UsageError, match="can't be read"):
        look(picture)
    monkeypatch.setenv(credential.TRUST, str(picture))
    with pytest.raises(UsageError, match="no certificate"):
        look(picture)


def test_exif_and_place_are_read(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Acme", "Acme One", "Editor 9"
    exif[0x0132] = "2026:11:02 10:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:01 09:30:00"
    exif.get_ifd(0x8825).update(GPS)
    Image.fromarray(portrait((160, 160))).save(tmp_path / "a.jpg", exif=exif)
    found = look(tmp_path / "a.jpg")
    assert value(found, "Camera") == "Acme One"
    assert value(found, "Software") == "Editor 9"
    assert value(found, "Recorded") == "2026:11:01 09:30:00"
    assert (found.place.latitude, found.place.longitude) == pytest.approx((48.858222, -2.2945))
    assert any("changed 2026:11:02" in sentence for sentence in found.findings)
    stripped = found.without_place()
    assert stripped.place is None
    assert "48.85" not in stripped.model_dump_json()


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (float("nan"),) * 3, 3: "E", 4: (1.0, 1.0, 1.0)},
        {1: "N", 2: (900.0, 0.0, 0.0), 3: "E", 4: (1.0, 1.0, 1.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (1.0,), 3: "E", 4: (1.0, 1.0, 1.0)},
        {1: "N", 2: "north", 3: "E", 4: (1.0, 1.0, 1.0)},
        {},
    ],
)
def test_a_place_that_is_none_is_none(gps):
    from detector.provenance.pictures import _place

    assert _place(gps) is None


def test_hostile_exif_is_bounded(tmp_path):
    exif = Image.Exif()
    exif[0x0131] = "A" * 30_000
    exif[0x010E] = "\x00\x1b[31m\u202etxt.exe\u2066 <img src=x onerror=alert(1)>"
    for tag in range(0xC000, 0xC300):
        exif[tag] = "filler"
    path = tmp_path / "big.jpg"
    Image.fromarray(portrait((64, 64))).save(path, exif=exif)
    found = look(path)
    assert all(len(fact.value) <= 200 for fact in found.facts)
    assert len(found.facts) < 20
    said = value(found, "Description") or ""
    assert "\u202e" not in said
    assert "\x1b" not in said


def test_damaged_tags_are_named_and_the_rest_goes_on(tmp_path):
    path = tmp_path / "x.png"
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta xmlns:x='adobe:ns:meta/'><unclosed>")
    Image.fromarray(portrait((64, 64))).save(path, pnginfo=info)
    found = look(path)
    assert found.unread == ["The tags could not be read: damaged, or not as it should be."]
    assert found.credential.state == "none"


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<x>" * 100,
        b"<a:x/>",
        b"\xff\xfe\x00",
        b" " * (MAX_XMP_BYTES + 1),
    ],
)
def test_xmp_tricks_are_refused(packet):
    with pytest.raises(ValueError, match=r"XM[LP]"):
        xmp_fields(packet)


def test_xmp_says_that_a_model_made_it(tmp_path):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Painter 3" '
        'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<i:DigitalSourceType>{AI}</i:DigitalSourceType>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    path = tmp_path / "x.jpg"
    Image.fromarray(portrait((64, 64))).save(path, xmp=packet.encode())
    found = look(path)
    assert value(found, "Software") == "Painter 3"
    (said,) = found.findings
    assert said.startswith("Its XMP states that it was generated, at least in part, by its own")


def test_settings_of_an_image_generator_are_found(tmp_path):
    path = tmp_path / "x.png"
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a portrait, Steps: 20, Sampler: Euler a")
    Image.fromarray(portrait((64, 64))).save(path, pnginfo=info)
    found = look(path)
    assert any("image generator" in sentence for sentence in found.findings)


def test_jpeg_tables_tell_software_from_cameras(tmp_path):
    standard, own = tmp_path / "s.jpg", tmp_path / "o.jpg"
    Image.fromarray(portrait((64, 64))).save(standard, quality=83)
    Image.fromarray(portrait((64, 64))).save(own, qtables=[[7] * 64, [9] * 64])
    assert value(look(standard), "JPEG quantization") == "standard tables, quality 83"
    assert value(look(own), "JPEG quantization") == "tables of its own"


def test_encoder_and_muxer_leave_traces(make_clip):
    found = look(make_clip(options={"crf": "29"}, picture=moving))
    assert (value(found, "Written by") or "").startswith("Lavf")
    encoder = value(found, "Video encoder") or ""
    assert encoder.startswith("x264")
    assert "crf 29.0" in encoder
    assert any("x264" in sentence for sentence in found.findings)
    assert found.repeats.repeated == 0
    assert found.repeats.copied == 0


def test_a_camera_that_was_encoded_again(tmp_path):
    path = write_clip(
        tmp_path / "phone.mov", container="mov", container_options={"movflags": "use_metadata_tags"}
    )
    tagged = tmp_path / "tagged.mov"
    tags = {
        "com.apple.quicktime.model": "Phone 20",
        "com.apple.quicktime.location.ISO6709": "+48.8582+002.2945+035.0/",
    }
    options = {"movflags": "use_metadata_tags"}
    with av.open(str(path)) as source, av.open(str(tagged), "w", container_options=options) as out:
        out.metadata.update(tags)
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    found = look(tagged)
    assert value(found, "Camera") == "Phone 20"
    assert any("encoded again after it was recorded" in s for s in found.findings)
    assert (found.place.latitude, found.place.source) == (48.8582, "container")


def moving(number):
    """A frame of a camera that never stands still."""
    return np.roll(portrait((320, 240)), 3 * number, axis=1)


@pytest.mark.parametrize("crf", ["20", "34"])
@pytest.mark.parametrize(
    ("source", "low", "high"),
    [
        (lambda n: n, 0.0, 0.0),  # every frame is new
        (lambda n: n // 2, 0.48, 0.53),  # 12.5 frames a second, raised to 25
        (lambda n: n - n // 5, 0.15, 0.25),  # 20, raised to 25
        (lambda n: 0, 0.1, 1.0),  # a still, which an encoder goes on polishing
    ],
)
def test_repeated_frames_are_counted(source, low, high, crf, make_clip):
    clip = make_clip(seconds=2, options={"crf": crf}, picture=lambda n: moving(source(n)))
    found = look(clip)
    assert low <= found.repeats.repeated / found.repeats.frames <= high
    said = any("repeat the one before" in sentence for sentence in found.findings)
    assert said == (low > 0)


def test_a_part_copied_within_the_clip_is_found(tmp_path):
    looped = repeated(write_clip(tmp_path / "a.mp4", seconds=1, gop=25, picture=moving), 2)
    found = look(looped)
    assert found.repeats.copied >= 20
    assert any("copied" in sentence for sentence in found.findings)


def test_an_edit_list_is_read(make_clip):
    clip = make_clip(seconds=1)
    data = bytearray(clip.read_bytes())
    at = data.index(b"elst")
    size = int.from_bytes(data[at - 4 : at], "big")
    entry = bytes(data[at + 12 : at + size - 4])
    # Two entries instead of one; every box around it grows by one entry.
    data[at + 8 : at + 12] = (2).to_bytes(4, "big")
    data[at + size - 4 : at + size - 4] = entry
    for kind in (b"elst", b"edts", b"trak", b"moov"):
        place = data.rindex(kind, 0, at + 4) - 4
        grown = int.from_bytes(data[place : place + 4], "big") + len(entry)
        data[place : place + 4] = grown.to_bytes(4, "big")
    clip.write_bytes(data)
    found = look(clip)
    assert value(found, "Edit list") == "2 parts of the recording"
    assert any("2 parts of the recording" in sentence for sentence in found.findings)


@pytest.mark.parametrize(
    ("picture", "hashed"),
    [
        (data.astronaut(), "c2924c5532bddfc8"),
        (data.coffee(), "bb8320376c0f3637"),
        (data.chelsea(), "b15fe6465121175e"),
        (data.rocket(), "c0371bec1be51267"),
        (np.random.default_rng(0).integers(0, 256, (40, 60, 3)), "9caff2525ce3e420"),
        (np.full((64, 64, 3), 200), "8000000000000000"),
    ],
)
def test_hashes_are_those_of_imagehash(picture, hashed):
    """As its version 4.3.2 said them."""
    assert phash(picture.astype(np.uint8)) == hashed


def test_copies_have_close_hashes_and_others_do_not(tmp_path):
    def hash_of(rgb, name, **settings):
        path = tmp_path / name
        Image.fromarray(rgb).save(path, **settings)
        info = media.probe(path)
        hashes = FrameHashes()
        hashes.begin(info, [0.0])
        hashes.add(media.frame_at(path, info, 0.0), [0.0])
        (found,) = hashes.found
        assert found.time is None
        return int(found.phash, 16)

    rgb = portrait((400, 400))
    first = hash_of(rgb, "a.png")
    copy = hash_of(np.asarray(Image.fromarray(rgb).resize((200, 200))), "b.jpg", quality=40)
    other = hash_of(np.rot90(rgb).copy(), "c.png")
    assert (first ^ copy).bit_count() <= 6
    assert (first ^ other).bit_count() >= 16


def test_a_clip_is_hashed_at_sampled_moments(make_clip):
    clip = make_clip(seconds=2)
    info = media.probe(clip)

    def hashed_of(*times):
        hashes = FrameHashes()
        hashes.begin(info, times)
        for frame, time in zip(media.decode(clip, info, times, notes=[]), times, strict=True):
            hashes.add(frame, [time])
        return [h.time for h in hashes.found]

    assert hashed_of(0.04, 0.28, 0.92, 1.12, 1.68) == [0.28, 0.92, 1.68]
    assert hashed_of(0.52) == [0.52]
    assert hashed_of() == []


def test_frames_of_which_too_few_can_be_compared_are_not(make_clip, monkeypatch):
    monkeypatch.setattr("detector.provenance.repeats.LEAST", 1e9)
    found = look(make_clip("slow.mp4", seconds=1.0)).repeats
    assert (found.frames, found.packets) == (0, 25)


def test_repeats_are_looked_for_all_over_a_clip(make_clip):
    """Frozen in its second half; key frames come once a second."""
    clip = make_clip(seconds=6, gop=25, picture=lambda n: moving(min(n, 75)))
    found = look(clip).repeats
    assert found is not None and found.frames < 110
    assert 0.3 < found.repeated / found.frames < 0.6


@pytest.mark.parametrize("cut", [40, 200, 2_000])
def test_files_cut_short_do_not_break_it(cut, tmp_path):
    """Whatever `probe` accepts, `inspect` survives."""
    clip = write_clip(tmp_path / "a.mp4", seconds=1, container_options={"movflags": "faststart"})
    info = media.probe(clip)
    data = clip.read_bytes()
    clip.write_bytes(data[: max(cut, len(data) // 3)])
    assert isinstance(inspect(clip, info), Provenance)


def test_inspecting_opens_nothing_for_writing(picture):
    before = (picture.read_bytes(), sorted(os.listdir(picture.parent)))
    look(picture)
    assert (picture.read_bytes(), sorted(os.listdir(picture.parent))) == before


def test_clean_keeps_one_harmless_line():
    assert clean(b"ASCII\x00\x00\x00Hello\nthere") == "Hello there"
    assert clean("a\u200bb\u202ec\x07") == "abc"
    assert clean("x" * 500) == "x" * 199 + "…"
    assert clean(io) != ""
