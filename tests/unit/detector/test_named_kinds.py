"""Files that hold others are named; recorders' files and photos with others behind are read."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from detector import media
from detector.batch import read_source
from detector.errors import MediaError
from detector.provenance.repeats import SMALL, _Copies
from tests.support.raw_pdf import jpeg, photo
from tests.support.speech import write
from tests.unit.detector.test_shown_video import encoded, picture


def tar(form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        info = tarfile.TarInfo("IMG_1.jpg")
        info.size = len(data := jpeg(photo()))
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def old_tar():
    data = bytearray(tar(tarfile.USTAR_FORMAT))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def disk(first, *, at=0, size=40_000, tail=b""):
    data = bytearray(size)
    data[at : at + len(first)] = first
    return bytes(data) + tail


def boot_record():
    data = bytearray(2048)
    data[446:462] = b"\x80\x20\x21\x00\x07\xfe\xff\xff\x00\x08\x00\x00\x00\xf0\x7f\x07"
    data[510:512] = b"\x55\xaa"
    return bytes(data)


HOLDING = {
    "tar": tar(tarfile.USTAR_FORMAT),
    "tar ": tar(tarfile.GNU_FORMAT),
    "tar  ": tar(tarfile.PAX_FORMAT),
    "tar   ": old_tar(),
    "gzip": b"\x1f\x8b\x08" + bytes(60),
    "XZ": b"\xfd7zXZ\x00" + bytes(60),
    "bzip2": b"BZh91AY&SY" + bytes(60),
    "Zstandard": b"\x28\xb5\x2f\xfd" + bytes(60),
    "RAR": b"Rar!\x1a\x07\x01\x00" + bytes(60),
    "E01": b"EVF\x09\x0d\x0a\xff\x00" + bytes(600),
    "Ex01": b"EVF2\x0d\x0a\x81\x00" + bytes(600),
    "L01": b"LVF\x09\x0d\x0a\xff\x00" + bytes(600),
    "AD1": b"ADSEGMENTEDFILE\x00" + bytes(600),
    "ISO": disk(b"\x01CD001\x01", at=32_768),
    "DMG": disk(b"x\xda", tail=b"koly" + bytes(508)),
    "VHDX": b"vhdxfile" + bytes(600),
    "VMDK": b"KDMV" + bytes(600),
    "NTFS": disk(b"\xebR\x90NTFS    "),
    "raw": boot_record(),
    "Outlook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1528) + jpeg(photo()),
    "mailbox": b"!BDN" + bytes(600),
}


@pytest.mark.parametrize("kind", HOLDING)
def test_a_file_that_holds_others_is_named(tmp_path, kind):
    path = tmp_path / "evidence.bin"
    path.write_bytes(HOLDING[kind])
    with pytest.raises(MediaError) as caught:
        media.probe(path)
    assert kind.strip() in caught.value.message and caught.value.hint
    assert "other bytes" not in caught.value.message
    assert [entry.name for entry in read_source(tmp_path).entries] == ["evidence.bin"]


@pytest.mark.parametrize("name", ["IMG_1.livp", "IMG_1.jpg", "IMG_1.zip"])
def test_a_bundle_of_a_live_photo_is_opened_where_it_is_named(tmp_path, name):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("IMG_1.JPG", jpeg(photo()))
        out.writestr("IMG_1.MOV", encoded([picture()] * 5, "libx264", "mov"))
    names = [entry.name for entry in read_source(path).entries]
    assert names == ["IMG_1.JPG", "IMG_1.MOV"]


@pytest.mark.shared
def test_files_of_recorders_are_read(shared):
    about = media.probe(shared / "bugs5" / "camera.dav")
    assert (about.kind, about.width, about.height) == ("video", 640, 360)


def with_exif(rgb):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", exif=exif)
    return out.getvalue()


def mpf(*pictures):
    out = io.BytesIO()
    first, *rest = (Image.fromarray(rgb) for rgb in pictures)
    first.save(out, "MPO", save_all=True, append_images=rest)
    return out.getvalue()


def test_pictures_behind_a_photo_are_named(tmp_path):
    whole, depth = photo(320, 180), photo(160, 90, 2)
    gain = jpeg(photo(80, 45)).replace(b"JFIF", b"JFIF", 1)
    marked = gain[:2] + b"\xff\xe1\x00\x22http://ns.adobe.com/hdrgm: 1.0/\0" + gain[2:]
    path = tmp_path / "photo.jpg"
    for data, named in (
        (with_exif(whole) + with_exif(whole) + jpeg(depth), "320 × 180, 160 × 90"),
        (with_exif(whole) + bytes(40) + jpeg(depth), "160 × 90"),
        (mpf(whole, whole, depth), "320 × 180, 160 × 90"),
        (with_exif(whole) + marked, ""),
        (with_exif(whole), ""),
    ):
        path.write_bytes(data)
        about = media.probe(path)
        assert (about.kind, about.width, about.height) == ("image", 320, 180)
        assert [note for note in about.notes if "Behind" in note and named in note] == (
            about.notes if named else []
        )


@pytest.mark.parametrize("one", [jpeg, with_exif])
def test_many_jpegs_in_a_row_are_a_video(tmp_path, one):
    path = tmp_path / "motion.mjpeg"
    path.write_bytes(b"".join(one(photo(320, 180, n)) for n in range(12)))
    assert (media.probe(path).kind, media.probe(path).frame_count) == ("video", 12)


class Coded:
    """A compressed picture."""

    def __init__(self, number, size=SMALL):
        self.data = number.to_bytes(2, "big") * (size // 2)
        self.size = len(self.data)

    def __bytes__(self):
        return self.data


def copied(*numbers, size=SMALL):
    copies = _Copies()
    for number in numbers:
        copies.add(Coded(number, size))
    return copies.copied


def test_a_still_before_and_after_is_no_copy():
    moving = range(100, 140)
    assert copied(*[0] * 40, *moving, *[0] * 40) == 0
    assert copied(*[0, 1] * 20, *moving, *[0, 1] * 20) == 0, "fields of black"
    assert copied(*moving, *moving[10:20]) == 10
    assert copied(*moving, *[0] * 5, *moving[10:12], *[0] * 5) == 0


def test_black_groups_of_predicted_pictures_are_no_copy():
    copies = _Copies()
    black = [Coded(0), *(Coded(n, 40) for n in range(1, 30))]
    for one in (*black, *map(Coded, range(100, 140)), *black):
        copies.add(one)
    assert copies.copied == 0


@pytest.mark.shared
def test_black_around_a_clip_is_no_copy(shared):
    from detector.provenance.repeats import find_repeats

    assert find_repeats(shared / "bugs5" / "black_around.avi").copied == 0


def test_photos_without_others_stay_quiet(tmp_path):
    path = tmp_path / "plain.png"
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(path)
    assert media.probe(path).notes == []


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", bytes(512), b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_video_behind_other_bytes_is_named(tmp_path, before, form):
    path = tmp_path / "clip"
    path.write_bytes(before + encoded([picture()] * 3, "libx264", form))
    with pytest.raises(MediaError, match=f"begins only after {len(before)} other bytes"):
        media.probe(path)


def test_kinds_of_dictation_and_of_apps_are_named_or_read(tmp_path):
    path = tmp_path / "file"
    for data, name in (
        (b"\x03ds2" + bytes(600), "DS2"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI" + bytes(600), "iOS app"),
    ):
        path.write_bytes(data)
        with pytest.raises(MediaError, match=name):
            media.probe(path)
    sound = np.zeros(8000, np.float32)
    assert media.probe(write(tmp_path / "old.voc", sound, codec="pcm_u8", format="voc")).audio
