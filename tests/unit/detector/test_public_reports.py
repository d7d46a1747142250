"""Kinds of public reports on drives, archives, tables and readers of metadata."""

import errno
import io
import os
import zipfile

import pytest
from PIL import Image

from detector import paths
from detector.batch import read_source
from detector.batch.engine import BatchOptions, BatchRun
from detector.provenance.findings import findings, maker
from detector.provenance.pictures import read_still
from detector.schema.origin import Provenance
from detector.schema.passed_over import PassedOverReason as Why
from tests.support.containers import picture

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def brought(tmp_path, files):
    """Return the entries of a folder, and the reasons of what is passed over."""
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = read_source(tmp_path / "in")
    return {e.name for e in found.entries}, {one.name: one.reason for one in found.passed_over}


def test_the_index_files_of_camera_cards_and_discs(tmp_path):
    """Of jellyfin/jellyfin-kodi#33 and damienhaynes/moving-pictures#326."""
    card = {
        "PRIVATE/AVCHD/BDMV/STREAM/00001.MTS": b"\x47" + bytes(191),
        "PRIVATE/AVCHD/BDMV/INDEX.BDM": b"INDX0100" + bytes(90),
        "PRIVATE/AVCHD/BDMV/MOVIEOBJ.BDM": b"MOBJ0100" + bytes(90),
        "PRIVATE/AVCHD/BDMV/CLIPINF/00001.CPI": b"HDMV0100" + bytes(90),
        "PRIVATE/AVCHD/BDMV/PLAYLIST/00000.MPL": b"MPLS0100" + bytes(90),
        "VIDEO_TS/VIDEO_TS.IFO": b"DVDVIDEO-VMG" + bytes(90),
        "VIDEO_TS/VTS_01_0.BUP": b"DVDVIDEO-VTS" + bytes(90),
    }
    media, passed = brought(tmp_path, card)
    assert media == {"PRIVATE/AVCHD/BDMV/STREAM/00001.MTS"}
    assert len(passed) == 6 and set(passed.values()) == {Why.SYSTEM}


def test_an_export_of_telegram(tmp_path):
    """Of telegramdesktop/tdesktop#16340."""
    export = {
        "messages.html": b"<!DOCTYPE html><html>",
        "photos/photo_1@01-01-2026_12-00-00.jpg": picture(1),
        "photos/photo_1@01-01-2026_12-00-00_thumb.jpg": picture(2),
        "video_files/IMG_1.MP4": bytes(range(256)),
        "video_files/IMG_1.MP4_thumb.jpg": picture(3),
        "stickers/AnimatedSticker.tgs": b"\x1f\x8b" + bytes(80),
        "photos/my_thumb.jpg": picture(4),  # a thumb of its owner
    }
    media, passed = brought(tmp_path, export)
    assert media == {
        "photos/photo_1@01-01-2026_12-00-00.jpg", "video_files/IMG_1.MP4", "photos/my_thumb.jpg",
    }  # fmt: skip
    assert sorted(passed.values()) == [Why.DRAWING, Why.TEXT, Why.THUMBNAIL, Why.THUMBNAIL]


def test_libraries_of_photo_programs(tmp_path):
    """Of immich-app/immich#7980 and elementary/photos#553."""
    library = {
        "Photos Library.photoslibrary/originals/0/A.jpg": picture(1),
        "Photos Library.photoslibrary/resources/renders/0/A_1_201_a.jpeg": picture(2),  # edited
        "Photos Library.photoslibrary/resources/derivatives/0/A_1_105_c.jpeg": picture(3),
        "Old.aplibrary/Thumbnails/1.jpg": picture(4),
        "Catalog Previews.lrdata/0/1.lrprev": picture(5),
        "upload/thumbs/0b1a3c9e-1111-2222-3333-444455556666/0b/a.jpeg": picture(6),
        "thumbs/a.jpg": picture(7),
    }
    media, passed = brought(tmp_path, library)
    assert media == {
        "Photos Library.photoslibrary/originals/0/A.jpg",
        "Photos Library.photoslibrary/resources/renders/0/A_1_201_a.jpeg",
        "thumbs/a.jpg",
    }
    assert set(passed.values()) == {Why.THUMBNAIL} and len(passed) == 4


def test_a_file_that_a_drive_can_t_read_does_not_end_the_batch(tmp_path, monkeypatch):
    """Of stashapp/stash#6073 and jb2170/better-adb-sync#47."""
    from detector.batch import source

    real = source.open_file

    def read(path):
        if path.name == "bad.jpg":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    monkeypatch.setattr(source, "open_file", read)
    (tmp_path / "bad.jpg").write_bytes(picture(1))
    (tmp_path / "good.jpg").write_bytes(picture(2))
    errors = {e.name: e.error.code if e.error else "" for e in read_source(tmp_path).entries}
    assert errors == {"bad.jpg": "unreadable", "good.jpg": ""}


def test_names_of_disks_that_are_no_utf_8(tmp_path):
    """Of pyload/pyload#4523 and volcengine/OpenViking#4238."""
    folder = tmp_path / "in"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/Gr\xfc\xdfe.txt", "wb") as file:
        file.write(b"seen at noon")
    with open(os.fsencode(folder) + b"/caf\xe9.png", "wb") as file:
        file.write(picture())
    found = read_source(folder)
    assert [one.name for one in found.passed_over] == ["Gr\\udcfc\\udcdfe.txt"]
    with BatchRun(tmp_path / "out", BatchOptions(), None) as run:
        run.pass_over(found.passed_over)
    assert "Gr" in (tmp_path / "out" / "results.csv").read_text()
    with BatchRun(tmp_path / "out"):
        pass  # it is read again


@pytest.mark.skipif(os.name == "nt", reason="needs flock")
def test_results_on_a_share_without_locks(tmp_path, monkeypatch):
    """Of EC-DIGIT-CSIRC/sysdiagnose#92 and nipy/nipype#1370."""

    def no_locks(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(paths.fcntl, "flock", no_locks)
    with paths.locked(tmp_path / ".lock", wait=False):
        assert (tmp_path / ".lock").exists()


def test_folders_in_archives_of_windows_powershell(tmp_path):
    """Of python/cpython#91036 and icsharpcode/SharpZipLib#617."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename, info.create_system = "photos\\day 1\\a.png", 0
        archive.writestr(info, picture())
    (entry,) = read_source(path).entries
    assert entry.name == "photos/day 1/a.png" and entry.title == "a.png"


def test_lists_of_windows_powershell(tmp_path):
    """Of openwall/john#2802 and anthony-chaudhary/dos-kernel#148."""
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "list.txt").write_bytes("a.png\r\n".encode("utf-16"))
    assert [entry.name for entry in read_source(tmp_path / "list.txt").entries] == ["a.png"]


def iim(path, *records):
    """Write a JPEG with IPTC records of the older kind."""
    data = b"".join(
        bytes([0x1C, 2, number]) + len(value).to_bytes(2, "big") + value
        for number, value in records
    )
    block = b"8BIM\x04\x04\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
    segment = b"Photoshop 3.0\0" + block
    stored = io.BytesIO()
    Image.new("RGB", (24, 24)).save(stored, "JPEG")
    jpeg = stored.getvalue()
    path.write_bytes(
        jpeg[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    )
    return Provenance(facts=read_still(path)[0])


def test_the_older_records_of_iptc_are_read(tmp_path):
    """Of SixLabors/ImageSharp#860 and MediaArea/MediaInfoLib#2275."""
    made = iim(tmp_path / "a.jpg", (110, b"Made with Google AI"))
    assert "Made with Google AI (IPTC)" in findings(made)[0] and maker(made) == "Google"
    agency = iim(tmp_path / "b.jpg", (110, b"Imagen: Agencia del Sur"), (65, b"FotoStation 8"))
    assert not findings(agency)
    assert ("Software", "FotoStation 8") in [(fact.name, fact.value) for fact in agency.facts]
    program = iim(tmp_path / "c.jpg", (65, b"Adobe Firefly 3"))
    assert "Adobe Firefly" in findings(program)[0]


@pytest.mark.parametrize("name", ["DigitalSourceFileType", "DigitalSourcefileType"])
def test_the_older_name_of_the_digital_source_type(tmp_path, name):
    """Of MediaArea/MediaInfoLib#2275."""
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'i:{name}="{TRAINED}"/></rdf:RDF></x:xmpmeta>'
    )
    Image.new("RGB", (24, 24)).save(tmp_path / "a.jpg", xmp=xmp.encode())
    (sentence,) = findings(Provenance(facts=read_still(tmp_path / "a.jpg")[0]))
    assert "was generated" in sentence
