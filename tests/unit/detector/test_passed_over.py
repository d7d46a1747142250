"""Which files of a folder, an archive or an upload are media: decided by content, none left out
silently."""

import io
import sqlite3
import zipfile
import zlib
from pathlib import Path

import pytest

from detector.batch import FolderWatch, read_container, read_source
from detector.batch.archive_names import of as archive_names
from detector.batch.journal import COLUMNS
from detector.errors import MediaError
from detector.media.no_media import by_place
from detector.schema.passed_over import PassedOverReason as Why
from service.batch_files import IncomingFile, sort_out
from service.library.catalog import media_in
from tests.support.containers import packed, picture

BUGS = Path("../shared/bugs5")
SEALED = b'%PDF-1.7\n1 0 obj\n%unmask-seal {"sha256":"0"}\nstartxref\n0\n%%EOF\n'
MUXED = b"\x47\x40\x00\x10" + bytes(184)  # of a transport stream
ONE_OF_EVERYTHING = {
    # media, whatever they are called
    "a.png": picture(),
    "00001.MTS": MUXED * 20,
    "broadcast.ts": MUXED * 20,
    "disc.bin": picture(2),
    "camera.MOD": b"\x00\x00\x01\xba" + bytes(400),
    "no ending": picture(3),
    "fragment.dat": bytes(range(256)) * 8,  # unknown: it may be a damaged video
    "saved as.mp4": b"<!DOCTYPE html><html>",  # claims to be a video: an error to report
    "empty.mov": b"",
    "disk.rar": b"Rar!\x1a\x07\x00" + bytes(90),
    # no media
    "notes.txt": b"seen at noon",
    "table.csv": b"name;note\n",
    "app.ts": b"export const a = 1\n",
    "go.mod": b"module example\n",
    "letter.txt": "Größe: schön, für später. Überprüfung nötig, äußerst".encode("latin-1") * 3,
    "unicode.txt": "Zeuge".encode("utf-16"),
    "plan.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "tool.exe": b"MZ" + bytes(80),
    "letters.ttf": b"\x00\x01\x00\x00\x00\x10" + bytes(80),
    "chats.db": b"SQLite format 3\x00" + bytes(80),
    "later.txt": b"",
    "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(500),
    "desktop.ini": b"[ViewState]",
    ".hidden.png": picture(4),
    "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg": picture(5),
    "#recycle/b.png": picture(6),
    "$RECYCLE.BIN/S-1-5-21/$R1.png": picture(7),
    ".Trash-1000/files/c.png": picture(8),
    "#snapshot/monday/a.png": picture(9),
    "System Volume Information/x": b"x",
    "run1/batch.json": b'{\n  "settings": {\n    "models": null\n  },\n  "thresholds": null\n}\n',
    "run1/results.jsonl": b'{"file": "a.png", "page": null, "id": "1", "analysis": {}}\n',
    "run1/results.csv": ",".join(COLUMNS).encode() + b"\n",
    "run1/reports/a.pdf": SEALED,
}
MEDIA = [
    "a.png", "00001.MTS", "broadcast.ts", "disc.bin", "camera.MOD", "no ending", "fragment.dat",
    "saved as.mp4", "empty.mov", "disk.rar",
]  # fmt: skip
REASONS = {
    "table.csv": Why.TEXT, "notes.txt": Why.TEXT, "app.ts": Why.TEXT, "go.mod": Why.TEXT,
    "letter.txt": Why.TEXT, "unicode.txt": Why.TEXT, "plan.svg": Why.DRAWING,
    "tool.exe": Why.PROGRAM, "letters.ttf": Why.PROGRAM, "chats.db": Why.DATABASE,
    "later.txt": Why.EMPTY, "Thumbs.db": Why.THUMBNAIL, "desktop.ini": Why.SYSTEM,
    ".hidden.png": Why.HIDDEN, "@eaDir": Why.THUMBNAIL, "#recycle": Why.RECYCLE_BIN,
    "$RECYCLE.BIN": Why.RECYCLE_BIN, ".Trash-1000": Why.RECYCLE_BIN, "#snapshot": Why.SNAPSHOT,
    "System Volume Information": Why.SYSTEM, "run1/batch.json": Why.RESULT,
    "run1/results.jsonl": Why.RESULT, "run1/results.csv": Why.RESULT,
    "run1/reports/a.pdf": Why.RESULT,
}  # fmt: skip


PLACES = (
    "Thumbs.db", "desktop.ini", ".hidden.png", "@eaDir", "#recycle", "$RECYCLE.BIN", ".Trash-1000",
    "#snapshot", "System Volume Information",
)  # fmt: skip
"""What is passed over by its place"""


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "evidence"
    for name, data in ONE_OF_EVERYTHING.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def reasons(passed):
    return {one.name: one.reason for one in passed}


def test_of_one_of_everything_nothing_is_left_out_silently(folder, tmp_path):
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    found = read_source(folder)
    assert sorted(entry.name for entry in found.entries) == sorted(MEDIA)
    assert reasons(found.passed_over) == REASONS | {"elsewhere": Why.LINK}
    total = len(found.entries) + sum(one.files for one in found.passed_over)
    assert total == len(ONE_OF_EVERYTHING) + 1


def test_an_archive_of_everything_is_read_by_the_same_decision(tmp_path):
    path = packed(tmp_path / "everything.zip", ONE_OF_EVERYTHING)
    found = read_container(path, "everything.zip", inside="")
    assert [entry.name for entry in found.entries] == MEDIA
    inner = {name for name in ONE_OF_EVERYTHING if name not in MEDIA}
    passed = reasons(found.passed_over)
    assert passed.keys() == inner
    assert passed["run1/reports/a.pdf"] is Why.RESULT
    assert passed["#recycle/b.png"] is Why.RECYCLE_BIN


def test_the_page_and_the_library_take_the_same_files(folder):
    incoming = [
        IncomingFile(io.BytesIO(data), f"evidence/{name}", len(data))
        for name, data in ONE_OF_EVERYTHING.items()
    ]
    media, passed = sort_out(incoming)
    assert [file.name.removeprefix("evidence/") for file in media] == MEDIA
    assert len(media) + len(passed) == len(ONE_OF_EVERYTHING)
    left_out = []
    taken = media_in(folder, lambda path, error: None, on_passed_over=left_out.append)
    assert sorted(path.name for path in taken) == sorted(MEDIA)
    assert reasons(left_out) == REASONS


def test_a_folder_that_is_named_itself_is_read(folder):
    assert [e.name for e in read_source(folder / "#recycle").entries] == ["b.png"]


def test_a_report_of_our_own_is_no_evidence(folder):
    with pytest.raises(MediaError, check=lambda e: e.code == "own_report"):
        read_source(folder / "run1" / "reports" / "a.pdf")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("@Recycle/a.jpg", Why.RECYCLE_BIN), ("RECYCLER/a.jpg", Why.RECYCLE_BIN),
        ("recycled/a.jpg", None), ("DCIM/.thumbnails/1.jpg", Why.THUMBNAIL),
        ("PRIVATE/M4ROOT/THMBNL/C0001T01.JPG", Why.THUMBNAIL), ("MVI_0001.THM", Why.THUMBNAIL),
        (".trashed-1700000000-IMG.jpg", Why.RECYCLE_BIN), ("@Recently-Snapshot/a", Why.SNAPSHOT),
        ("@GMT-2026.01.01-00.00.00/a.jpg", Why.SNAPSHOT), ("._IMG_1.jpg", Why.SYSTEM),
        ("Trash/a.jpg", None), ("snapshot.jpg", None), ("clip.mp4.unmask.json", Why.RESULT),
        ("DCIM/100APPLE/IMG_1.jpg", None), (".Trashes/501/a.mov", Why.RECYCLE_BIN),
    ],
)  # fmt: skip
def test_places_of_systems(name, reason):
    assert by_place(name) is reason


def test_a_database_of_this_computer_is_one(tmp_path):
    sqlite3.connect(tmp_path / "records.dat").execute("create table a (b)").connection.close()
    (tmp_path / "a.jpg").write_bytes(picture(1, "JPEG"))
    found = read_source(tmp_path)
    assert reasons(found.passed_over) == {"records.dat": Why.DATABASE}


# --- names in archives ----------------------------------------------------------------------------


def stored(names, flag=0, system=0):
    """Return the directory of a ZIP with these names, as bytes that zipfile reads as code page 437
    unless `flag` says that they are UTF-8."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (name, extra) in enumerate(names):
            info = zipfile.ZipInfo(chr(65 + number) * len(name))
            info.create_system, info.extra = system, extra
            archive.writestr(info, b"x")
    data = out.getvalue()
    for number, (name, _extra) in enumerate(names):
        data = data.replace(bytes([65 + number]) * len(name), name)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive_names(archive.infolist())


def unicode_path(name, raw):
    data = b"\x01" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
    return b"\x75\x70" + len(data).to_bytes(2, "little") + data


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["Übergabe Zürich.jpg", "監視カメラ.jpg"]),
        ("gbk", ["证据照片/图1.jpg", "视频.mp4"]),
        ("gbk", ["张伟.mp4"]),
        ("cp932", ["監視カメラ.jpg", "動画.mp4"]),
        ("cp932", ["防犯.mp4"]),
        ("big5", ["照片.jpg", "影片.mp4"]),
        ("cp949", ["사진.jpg", "영상 1.mp4"]),
        ("cp866", ["видео 1.jpg", "Свидетель.jpg"]),
        ("cp437", ["Übergabe Zürich.jpg", "café.png"]),
        ("cp850", ["São João.jpg"]),
        ("cp1252", ["München.jpg"]),
        ("cp1251", ["Видео.jpg", "Фото.jpg"]),
        ("cp1250", ["Žluťoučký kůň.jpg"]),
    ],
)
def test_names_of_archives_are_those_that_were_packed(encoding, names):
    assert stored([(name.encode(encoding), b"") for name in names]) == names


def test_a_field_with_the_name_in_unicode_is_read():
    raw = "видео 1.jpg".encode("cp866")
    assert stored([(raw, unicode_path("видео 1.jpg", raw))]) == ["видео 1.jpg"]
    stale = unicode_path("другое.jpg", b"another name")  # renamed by a program that left it
    assert stored([(raw, stale)]) == ["видео 1.jpg"]


def test_folders_of_windows_and_accents_of_macos():
    assert stored([(b"photos\\a.jpg", b"")]) == ["photos/a.jpg"]
    assert stored([("u\u0308ber.jpg".encode(), b"")], system=3) == ["über.jpg"]


# --- tables and lists -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("excel.csv", b"sep=;\r\nfile;note\r\na/b \xc3\xa4.png;x\r\n"),
        ("quoted.csv", b'"sep=|"\nfile|note\na/b \xc3\xa4.png|x\n'),
        ("marked.csv", "\ufeffsep=\t\nfile\tnote\na/b ä.png\tx\n".encode()),
        ("unicode text.txt.csv", "file\tnote\r\na/b ä.png\tx\r\n".encode("utf-16")),
        ("ansi.csv", "file;note\r\na/b ä.png;größer\r\n".encode("cp1252")),
        ("oem.csv", "file;note\r\na/b ä.png;größer\r\n".encode("cp850")),
        ("pipes.csv", "id|path\n1|a/b ä.png\n".encode()),
        ("windows.csv", "path,id\na\\b ä.png,1\n".encode()),
        ("blank rows.csv", "\n\npath,id\n,\na/b ä.png,1\n".encode()),
        ("two lines.csv", 'note,path\n"one\ntwo",a/b ä.png\n'.encode()),
        ("copied.txt", '"a\\b ä.png"\r\n'.encode()),
        ("utf16.txt", "a/b ä.png\r\n".encode("utf-16")),
        ("address.txt", None),
    ],
)
def test_tables_of_spreadsheets_and_lists_of_file_managers(tmp_path, name, data):
    (tmp_path / "a").mkdir()
    media = tmp_path / "a" / "b ä.png"
    media.write_bytes(picture())
    (tmp_path / name).write_bytes(data if data is not None else media.as_uri().encode())
    (entry,) = read_source(tmp_path / name).entries
    assert entry.error is None
    assert entry.open(tmp_path)[0].samefile(media)


@pytest.mark.shared
def test_folders_of_reports():
    found = read_source(BUGS / "evidence_folder")
    assert len(found.entries) == 5 and reasons(found.passed_over) == {"notes.txt": Why.TEXT}
    found = read_source(BUGS / "nas_folder")
    assert [entry.name for entry in found.entries] == ["IMG_0001.jpg"]
    assert sum(one.files for one in found.passed_over) == 6
    assert [e.name for e in read_source(BUGS / "excel_sep.csv").entries] == [
        "nas_folder/IMG_0001.jpg"
    ]
    zips = {name: [e.name for e in read_source(BUGS / name).entries] for name in
            ("names_unicode_path.zip", "names_mac.zip")}  # fmt: skip
    assert zips["names_unicode_path.zip"] == ["видео 1.jpg", "свидетель.jpg"]
    assert zips["names_mac.zip"] == ["Übergabe Zürich.jpg", "監視カメラ.jpg"]


def test_a_watched_folder_says_what_it_passes_over(folder, tmp_path):
    taken, passed = [], []
    watch = FolderWatch(folder, tmp_path / "out", taken.extend, passed.extend)
    watch.look()
    places = {name: why for name, why in REASONS.items() if name.split("/")[0] in PLACES}
    assert reasons(passed) == places and not taken
    watch.look()
    assert len(passed) == len(places) and len(taken) + len(places) > len(MEDIA)
    (folder / "#recycle" / "c.png").write_bytes(picture())
    (folder / "new.png").write_bytes(picture(11))
    watch.look()
    assert passed[-1].name == "#recycle" and passed[-1].files == 2
