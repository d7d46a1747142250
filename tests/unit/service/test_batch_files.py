"""What is brought to a batch: archives and documents are opened, and nothing else is."""

import io
import os
from collections.abc import Sequence

import pytest
from PIL import Image

from service.batch_files import IncomingFile, RefusedFile, opened
from service.storage import uploads as storage
from service.storage.uploads import Uploads
from tests.support.containers import TEXT, docx, packed, pdf, picture

MB = 1 << 20
Brought = tuple[dict[str, bytes], dict[str, str]]


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path / "data")


def brought(uploads, name, content, *, most=100, largest=MB):
    """What comes of a file: what is taken, by name, and the codes of what is not."""
    taken, refused = {}, {}
    file = IncomingFile(io.BytesIO(content), name, len(content))
    for one in opened(file, uploads, most=most, largest=largest):
        if isinstance(one, RefusedFile):
            refused[one.name] = one.error.code
        else:
            taken[one.name] = one.source.read()
            assert one.size == len(taken[one.name])
    assert list(uploads.root.iterdir()) == []  # nothing is left behind
    return taken, refused


def zipped(tmp_path, files):
    return packed(tmp_path / "made.zip", files).read_bytes()


def test_any_other_file_is_itself(uploads, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    for name in ("list.csv", "list.txt", "no.zip", "clip.mp4"):
        content = f"path\n{secret}\n".encode()
        assert brought(uploads, name, content) == ({name: content}, {})


def test_an_archive_is_its_files_and_what_is_bad_in_it_says_so(uploads, tmp_path):
    inner = zipped(tmp_path, {"a.png": picture()})
    content = zipped(
        tmp_path,
        {
            "in/good.png": picture(1),
            "../up.png": picture(2),
            "/etc/passwd.png": picture(2),
            "inner.zip": inner,
            "innocent.png": inner,
            "large.png": bytes(MB + 1),
            "also good.png": picture(3),
        },
    )
    taken, refused = brought(uploads, "press.zip", content)
    assert taken == {"press.zip/in/good.png": picture(1), "press.zip/also good.png": picture(3)}
    assert refused == {
        "press.zip/../up.png": "path_trick",
        "press.zip//etc/passwd.png": "path_trick",
        "press.zip/inner.zip": "nested_archive",
        "press.zip/innocent.png": "nested_archive",
        "press.zip/large.png": "too_large",
    }


def test_the_pictures_of_documents_say_their_page(uploads, tmp_path):
    paper = pdf(tmp_path / "paper.pdf").read_bytes()
    taken, refused = brought(uploads, "paper.pdf", paper)
    assert list(taken) == [
        "paper.pdf, page 1, picture 1.jpg",
        "paper.pdf, page 3, picture 1.png",
        "paper.pdf, page 3, picture 2.png",
    ]
    assert not refused
    assert all(Image.open(io.BytesIO(data)).size == (40, 40) for data in taken.values())
    text = TEXT.format('<w:lastRenderedPageBreak/><a:blip r:embed="r1"/>')
    letter = docx(tmp_path / "letter.docx", text).read_bytes()
    taken, refused = brought(uploads, "letter.docx", letter)
    assert "letter.docx, page 2, image1.png" in taken and len(taken) == 2 and not refused


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda folder: zipped(folder, {"zeros.bmp": bytes(80 * MB)}), "zip_bomb"),
        (lambda folder: zipped(folder, {"a.png": picture()})[:-30], "bad_archive"),
        (lambda folder: zipped(folder, {"readme.txt": b"text"}), "no_media"),
        (lambda folder: zipped(folder, {}), "no_media"),
        (lambda folder: b"%PDF-1.7\nand nothing", "bad_archive"),
    ],
    ids=["bomb", "cut", "text only", "empty", "broken PDF"],
)
def test_what_is_no_use_is_one_row(uploads, tmp_path, content, code):
    assert callable(content)
    assert brought(uploads, "x.zip", content(tmp_path)) == ({}, {"x.zip": code})


def test_what_is_beyond_the_room_is_one_row(uploads, tmp_path):
    content = zipped(tmp_path, {f"{n}.png": picture(n) for n in range(5)})
    taken, refused = brought(uploads, "five.zip", content, most=3)
    assert len(taken) == 3 and refused == {"five.zip": "too_many_files"}
    file = IncomingFile(io.BytesIO(content), "five.zip", len(content))
    *_, last = opened(file, uploads, most=3, largest=MB)
    assert isinstance(last, RefusedFile)
    assert last.error.message == "2 more files are in it than a batch takes."


def test_an_archive_may_be_as_large_as_any_file(uploads, tmp_path):
    content = zipped(tmp_path, {"a.png": os.urandom(2000), "b.png": os.urandom(2000)})
    assert brought(uploads, "x.zip", content, largest=3000) == ({}, {"x.zip": "too_large"})
    taken, refused = brought(uploads, "x.zip", content, largest=5000)
    assert len(taken) == 2 and not refused


def test_a_full_disk_is_said(uploads, tmp_path, monkeypatch):
    content = zipped(tmp_path, {"a.png": picture()})
    monkeypatch.setattr(storage, "MIN_FREE_BYTES", 1 << 60)
    assert brought(uploads, "a.zip", content) == ({}, {"a.zip": "disk_full"})


def test_a_file_is_read_from_where_it_stands(uploads, tmp_path):
    source = io.BytesIO(b"before" + zipped(tmp_path, {"a.png": picture()}))
    source.seek(6)
    names: Sequence[str] = [
        one.name for one in opened(IncomingFile(source, "a.zip"), uploads, most=9, largest=MB)
    ]
    assert names == ["a.zip/a.png"]
