"""Files in stored mails, mailboxes and web pages are found."""

import base64
from email.message import EmailMessage

import pytest

from detector import media
from detector.batch import read_source
from detector.errors import MediaError
from detector.schema.passed_over import PassedOverReason
from tests.support.containers import packed
from tests.support.raw_pdf import image, jpeg, pdf, photo
from tests.unit.detector.test_documents import WHOLE, alike, opened

PHOTO = photo()


def mail(*files, inline=False):
    """Return a mail with these files: name, content."""
    made = EmailMessage()
    made["Subject"], made["From"] = "Pictures", "a@example.org"
    made.set_content("See the pictures.")
    for name, data in files:
        where = "inline" if inline else "attachment"
        made.add_attachment(
            data, maintype="image", subtype="jpeg", filename=name, disposition=where
        )
    return made


def found(path):
    source = read_source(path)
    return source, [e.name.partition(", attachment ")[2] for e in source.entries]


@pytest.mark.parametrize("inline", [False, True])
def test_the_files_of_a_mail_are_opened(tmp_path, inline):
    path = tmp_path / "mail.eml"
    path.write_bytes(mail(("IMG_1.jpg", jpeg(PHOTO)), inline=inline).as_bytes())
    source, names = found(path)
    assert names == ["1, IMG_1.jpg"] and alike(opened(source.entries[0], tmp_path / "x"), PHOTO)


def test_a_mailbox_a_mail_of_apple_and_a_forwarded_one_are_read(tmp_path):
    one = mail(("a.jpg", jpeg(PHOTO))).as_bytes()
    envelope = b"From a@example.org Thu Jan  1 00:00:00 2026\n"
    (tmp_path / "box.mbox").write_bytes(envelope + one + b"\n" + envelope + one)
    (tmp_path / "1.emlx").write_bytes(b"%d      \n" % len(one) + one + b"<?xml version='1.0'?>")
    outer = mail()
    outer.add_attachment(mail(("b.jpg", jpeg(PHOTO))))
    (tmp_path / "forward.eml").write_bytes(outer.as_bytes())
    assert found(tmp_path / "box.mbox")[1] == ["1, a.jpg", "2, a.jpg"]
    assert found(tmp_path / "1.emlx")[1] == ["1, a.jpg"]
    assert found(tmp_path / "forward.eml")[1] == ["1, b.jpg"]


def test_a_saved_web_page_is_read(tmp_path):
    parts = (
        b"Content-Type: text/html\r\n\r\n<html></html>\r\n",
        b"Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Location: https://example.org/face.jpg?w=1\r\n\r\n"
        + base64.encodebytes(jpeg(PHOTO)),
    )
    head = b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\n"
    head += b'Content-Type: multipart/related; boundary="B"\r\n\r\n'
    path = tmp_path / "page.mhtml"
    path.write_bytes(head + b"".join(b"--B\r\n" + part for part in parts) + b"--B--\r\n")
    source, names = found(path)
    assert names == ["1, face.jpg"] and alike(opened(source.entries[0], tmp_path / "x"), PHOTO)


def test_documents_and_archives_in_a_mail_are_opened(tmp_path):
    document = pdf(tmp_path / "in.pdf", WHOLE, b"/XObject<</Im0 5 0 R>>", [image(PHOTO)])
    archive = packed(tmp_path / "in.zip", {"x.jpg": jpeg(PHOTO)})
    path = tmp_path / "mail.eml"
    files = [("a.pdf", document.read_bytes()), ("b.zip", archive.read_bytes())]
    path.write_bytes(mail(*files, ("notes.txt", b"words words")).as_bytes())
    source, names = found(path)
    assert names == ["1, a.pdf, page 1, picture 1", "2, b.zip/x.jpg"]
    for number, entry in enumerate(source.entries):
        assert alike(opened(entry, tmp_path / str(number)), PHOTO)
    assert [one.reason for one in source.passed_over] == [PassedOverReason.TEXT]


def test_a_mail_without_files_is_passed_over_as_text(tmp_path):
    (tmp_path / "mail.eml").write_bytes(mail().as_bytes())
    (tmp_path / "list.txt").write_bytes(b"To do: call\nMilk: two\n")
    source = read_source(tmp_path)
    assert source.entries == [] and len(source.passed_over) == 2
    with pytest.raises(MediaError, match="a stored mail or web page"):
        media.probe(tmp_path / "mail.eml")
