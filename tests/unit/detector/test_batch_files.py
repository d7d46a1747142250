"""A batch: what it is of, those made to do harm, and the journal that it goes on from."""

import csv
import errno
import io
import json
import os
import resource
import struct
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from cli.common import JsonOutput, write_json
from detector.batch import archive, read_container, read_source
from detector.batch import pdf as pdf_reader
from detector.batch.journal import Journal, Table
from detector.errors import MediaError, UsageError
from detector.models.base import Model
from detector.pipeline.scoring import LARGEST, DynamicBatcher
from tests.support.containers import RELS, TEXT, docx, packed, pdf, picture


def names(entries):
    return [entry.name for entry in entries]


def codes(entries):
    return {entry.name: entry.error.code for entry in entries if entry.error}


def opened(entry, folder):
    folder.mkdir(exist_ok=True)
    return entry.open(folder)[0].read_bytes()


def metadata(entry, folder):
    """Return what the document of a picture states of itself."""
    return entry.open(folder)[1].document


def test_a_folder_with_what_is_in_it(tmp_path):
    inner = tmp_path / "b" / "c"
    inner.mkdir(parents=True)
    for name in ("z.png", "b/a.png", "b/c/no-ending", ".hidden.png", "b/picture.txt"):
        (tmp_path / name).write_bytes(picture())
    (tmp_path / "b" / "empty.mp4").touch()
    results = tmp_path / "results"
    results.mkdir()
    (results / "old.png").write_bytes(picture())
    packed(tmp_path / "b" / "more.zip", {"x.png": picture(), "__MACOSX/x.png": b"", "r.txt": b"r"})
    source = read_source(tmp_path, leave_out=results)
    expected = ["z.png", "b/a.png", "b/empty.mp4", "b/more.zip/x.png", "b/picture.txt"]
    expected += ["b/c/no-ending"]
    assert names(source.entries) == expected
    assert codes(source.entries) == {"b/empty.mp4": "empty"}
    passed = {one.name: (one.reason.value, one.files) for one in source.passed_over}
    assert passed == {
        ".hidden.png": ("hidden", 1),
        "results": ("result", 1),
        "b/more.zip/__MACOSX/x.png": ("system", 1),
        "b/more.zip/r.txt": ("text", 1),
    }


def test_a_table_and_a_list_name_paths_beside_themselves(tmp_path):
    for name in ("one.png", "two, or so.png"):
        (tmp_path / name).write_bytes(picture())
    table = tmp_path / "labels.csv"
    table.write_text('label,file\nreal,one.png\nfake,"two, or so.png"\nreal,one.png\nreal,\n')
    assert names(read_source(table).entries) == ["one.png", "two, or so.png"]
    semicolons = tmp_path / "other.csv"
    semicolons.write_text("\ufeffPath;x\none.png;1\n")
    assert names(read_source(semicolons).entries) == ["one.png"]
    lines = tmp_path / "list.txt"
    lines.write_text(f"# mine\n\n{tmp_path / 'one.png'}\nnone.png\nhttps://example.org/a.mp4\n")
    entries = read_source(lines).entries
    assert codes(entries) == {"none.png": "not_found", "https://example.org/a.mp4": "links_off"}
    assert opened(entries[0], tmp_path) == picture()


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", b"label,clip\nreal,x.png\n"), ("a.csv", b"path\n"), ("b.txt", b"\xff\xfe\x00")],
)
def test_a_list_that_is_none_is_said_to_be(tmp_path, name, text):
    (tmp_path / name).write_bytes(text)
    with pytest.raises(UsageError):
        read_source(tmp_path / name)


def test_links_are_opened_by_who_may(tmp_path):
    lines = tmp_path / "list.txt"
    lines.write_text("https://example.org/a.mp4\n")
    file = tmp_path / "fetched.png"
    file.write_bytes(picture())
    (entry,) = read_source(lines, links=lambda link: lambda folder: (file, None)).entries
    assert opened(entry, tmp_path) == picture()


def test_a_file_of_an_archive_lies_under_a_name_of_ours(tmp_path):
    path = packed(tmp_path / "a.zip", {"in/a b.png": picture(1), "readme.txt": b"x"})
    (entry,) = read_source(path).entries
    assert entry.name == "in/a b.png"
    assert opened(entry, tmp_path / "out") == picture(1)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["file.png"]


@pytest.mark.parametrize(
    "name", ["../up.png", "/etc/passwd", "a/../../b.png", "C:\\b.png", "..\\b.png", "\\\\host\\x"]
)
def test_a_name_that_leads_out_is_refused_and_the_others_are_not(tmp_path, name):
    path = packed(tmp_path / "a.zip", {name: picture(), "good.png": picture()})
    entries = read_source(path).entries
    assert codes(entries) == {name: "path_trick"}
    assert len(entries) == 2


def test_a_link_in_an_archive_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("passwords.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(link, "/etc/passwd")
    assert codes(read_source(path).entries) == {"passwords.png": "path_trick"}


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    path = packed(tmp_path / "zeros.zip", {"a.bmp": bytes(80 * 1024**2)})
    assert path.stat().st_size < 100_000
    with pytest.raises(MediaError, check=lambda e: e.code == "zip_bomb"):
        read_source(path)
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1000)
    with pytest.raises(MediaError):
        read_source(packed(tmp_path / "large.zip", {"a.png": picture()}))


def test_an_archive_that_lies_about_a_size_ends_at_what_it_said(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.bmp": bytes(5 * 1024**2)})
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        data[data.index(mark) + at : data.index(mark) + at + 4] = struct.pack("<I", 1000)
    path.write_bytes(data)
    (entry,) = read_source(path).entries
    with pytest.raises(MediaError, check=lambda e: e.code in ("bad_archive", "zip_bomb")):
        opened(entry, tmp_path / "out")
    assert sum(p.stat().st_size for p in (tmp_path / "out").iterdir()) <= 1024**2


def test_too_many_files_damage_and_passwords(tmp_path, monkeypatch):
    whole = packed(tmp_path / "a.zip", {"a.png": picture(), "b.png": picture()})
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(MediaError, check=lambda e: e.code == "bad_archive"):
        read_source(cut)
    locked = bytearray(whole.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + at] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert codes(read_source(tmp_path / "locked.zip").entries) == {"a.png": "encrypted"}
    monkeypatch.setattr(archive, "MAX_FILES", 1)
    with pytest.raises(MediaError, check=lambda e: e.code == "too_many_files"):
        read_source(whole)
    # In a folder such an archive is one entry that says why.
    assert codes(read_source(tmp_path).entries)["a.zip"] == "too_many_files"


def test_a_wrong_byte_in_a_packed_file_is_damage(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.png": picture()})
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    (entry,) = read_source(path).entries
    with pytest.raises(MediaError, check=lambda e: e.code == "bad_archive"):
        opened(entry, tmp_path / "out")


@pytest.mark.parametrize("name", ["inner.zip", "innocent.png"])
def test_an_archive_in_an_archive_is_refused_by_its_content(tmp_path, name):
    inner = packed(tmp_path / "inner", {"a.png": picture()}).read_bytes()
    (entry,) = read_source(packed(tmp_path / "outer.zip", {name: inner})).entries
    with pytest.raises(MediaError, check=lambda e: e.code == "nested_archive"):
        opened(entry, tmp_path / "out")


def test_pictures_of_a_docx_have_the_page_they_were_last_laid_out_on(tmp_path):
    drawn = '<w:p><a:blip r:embed="r2"/></w:p><w:p><w:lastRenderedPageBreak/>'
    drawn += '<w:lastRenderedPageBreak/><a:blip r:embed="r1"/></w:p>'
    first, second = read_source(docx(tmp_path / "paper.docx", TEXT.format(drawn))).entries
    assert (first.name, first.page) == ("paper.docx, page 1, image2.png", 1)
    assert (second.name, second.page) == ("paper.docx, page 3, image1.png", 3)
    assert opened(second, tmp_path / "out") == picture(1)


def test_a_docx_with_entities_of_entities_has_pictures_without_pages(tmp_path):
    lol = '<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    path = docx(tmp_path / "paper.docx", lol + TEXT.format("&b;"))
    assert [entry.page for entry in read_source(path).entries] == [None, None]


def test_pictures_of_a_pptx_have_their_slide(tmp_path):
    link = '<Relationship Id="r1" Target="../media/image7.png"/>'
    path = packed(
        tmp_path / "talk.pptx",
        {
            "[Content_Types].xml": b"<Types/>",
            "ppt/slides/slide1.xml": b"<p/>",
            "ppt/slides/slide12.xml": b"<p/>",
            "ppt/slides/_rels/slide12.xml.rels": RELS.format(link).encode(),
            "ppt/media/image7.png": picture(7),
        },
    )
    (entry,) = read_source(path).entries
    assert (entry.name, entry.page) == ("talk.pptx, slide 12, image7.png", 12)


def test_pictures_of_a_pdf_have_their_page(tmp_path):
    entries = read_source(pdf(tmp_path / "paper.pdf")).entries
    assert [(e.name, e.page) for e in entries] == [
        ("paper.pdf, page 1, picture 1", 1),
        ("paper.pdf, page 3, picture 1", 3),
        ("paper.pdf, page 3, picture 2", 3),
    ]
    assert opened(entries[0], tmp_path / "out") == picture(1, "JPEG")
    seen = np.asarray(Image.open(io.BytesIO(opened(entries[2], tmp_path / "out"))).convert("RGB"))
    assert np.array_equal(seen, np.asarray(Image.open(io.BytesIO(picture(3)))))


def test_a_pdf_says_who_wrote_it_when_and_how_often_it_was_saved(tmp_path):
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

    writer = PdfWriter(clone_from=PdfReader(pdf(tmp_path / "plain.pdf")))
    dates = {"/CreationDate": "D:20261102100000+01'00'", "/ModDate": "D:20261103"}
    writer.add_metadata({"/Creator": "Word\u202e", "/Producer": "LibreOffice 24", **dates})
    first = tmp_path / "first.pdf"
    writer.write(first)
    (one, *_) = read_source(first).entries
    said = metadata(one, tmp_path)
    assert (said.name, said.creator, said.producer) == ("first.pdf", "Word", "LibreOffice 24")
    assert (said.created, said.changed) == ("2026-11-02T10:00:00+01:00", "2026-11-03")
    assert (said.edits, said.signatures) == (0, 0)

    again = PdfWriter(str(first), incremental=True)
    again.add_metadata({"/Producer": "Another program"})
    field = DictionaryObject(
        {
            NameObject("/FT"): NameObject("/Sig"),
            NameObject("/T"): TextStringObject("signed"),
            NameObject("/V"): DictionaryObject({NameObject("/Type"): NameObject("/Sig")}),
        }
    )
    form = DictionaryObject({NameObject("/Fields"): ArrayObject([again._add_object(field)])})
    again.root_object[NameObject("/AcroForm")] = form
    again.write(tmp_path / "second.pdf")
    (two, *_) = read_source(tmp_path / "second.pdf").entries
    said = metadata(two, tmp_path)
    assert (said.edits, said.signatures, said.producer) == (1, 1, "Another program")
    assert said.created == "2026-11-02T10:00:00+01:00"


def test_an_office_document_says_who_saved_it_last(tmp_path):
    core = """<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/\
core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:t="http://purl.org/dc/terms/">
<dc:creator>A. Writer</dc:creator><cp:lastModifiedBy>B. Editor</cp:lastModifiedBy>
<cp:revision>7</cp:revision><t:created>2026-11-02T10:00:00Z</t:created></cp:coreProperties>"""
    path = docx(tmp_path / "paper.docx", TEXT.format(""))
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("docProps/core.xml", core)
    (one, *_) = read_source(path).entries
    said = metadata(one, tmp_path)
    assert (said.author, said.changed_by, said.edits) == ("A. Writer", "B. Editor", 7)
    assert (said.created, said.signatures) == ("2026-11-02T10:00:00Z", None)


def test_a_damaged_locked_or_long_pdf_is_refused_in_words(tmp_path, monkeypatch):
    from pypdf import PdfWriter

    whole = pdf(tmp_path / "paper.pdf")
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.7\n" + whole.read_bytes()[300:700])
    with pytest.raises(MediaError, check=lambda e: e.code == "bad_archive"):
        read_source(tmp_path / "cut.pdf")
    writer = PdfWriter(clone_from=whole)
    writer.encrypt("secret", algorithm="AES-256")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(MediaError, check=lambda e: e.code == "encrypted"):
        read_source(tmp_path / "locked.pdf")
    monkeypatch.setattr(pdf_reader, "MAX_PAGES", 2)
    with pytest.raises(MediaError, check=lambda e: e.code == "too_many_files"):
        read_source(whole)


def test_several_results_are_a_list_that_can_be_read_after_each(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("an older and much longer file" * 100)
    output = JsonOutput(str(path), several=True)
    for n in range(3):
        output.add({"n": n, "ä": "ä"})
        assert json.loads(path.read_text("utf-8")) == [{"n": k, "ä": "ä"} for k in range(n + 1)]


@contextmanager
def room_for(size):
    """No file grows beyond so many bytes, as on a full disk: a write is cut short, then refused."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("several", [False, True])
def test_a_result_without_room_leaves_the_older_one(tmp_path, several):
    path = tmp_path / "out.json"
    path.write_text('{"precious": 1}')
    for write in (JsonOutput(str(path), several=several).add, partial(write_json, str(path))):
        with room_for(1000), pytest.raises(UsageError, match="could not be written"):
            write({"long": "x" * 2000})
        assert path.read_text() == '{"precious": 1}'
    assert list(tmp_path.iterdir()) == [path]


def test_a_list_that_fills_the_disk_ends_with_the_last_whole_result(tmp_path):
    path = tmp_path / "out.json"
    output = JsonOutput(str(path), several=True)
    output.add({"n": 0})
    for n in range(2):  # a second try does no more harm than the first
        with room_for(1000), pytest.raises(UsageError, match="could not be written"):
            output.add({"long": "x" * 2000})
        assert json.loads(path.read_text())[-1] == {"n": n}
        output.add({"n": n + 1})
    assert json.loads(path.read_text()) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_link_a_device_and_the_rights_of_a_file_stay(tmp_path):
    path, link = tmp_path / "out.json", tmp_path / "link.json"
    path.write_text("older")
    path.chmod(0o600)
    link.symlink_to(path)
    write_json(str(link), {"n": 1})
    assert link.is_symlink() and json.loads(path.read_text()) == {"n": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    write_json("/dev/null", {"n": 1})
    assert Path("/dev/null").is_char_device()


def test_a_list_of_files_that_is_far_too_long_is_not_read(tmp_path, monkeypatch):
    """zipfile would make an object of each file before anybody could count them."""
    path = packed(tmp_path / "many.zip", {f"{n}.png": b"" for n in range(200)})
    monkeypatch.setattr(archive, "MAX_LISTING", 4000)
    with pytest.raises(MediaError, check=lambda e: e.code == "too_many_files"):
        archive.members(path)


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "folder.zip"])
def test_a_file_that_is_brought_leads_to_no_other(tmp_path, name):
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    path = tmp_path / name
    path.write_text(f"path\n{secret}\n")
    assert read_container(path, name) is None


def test_what_is_in_a_container_is_known_by_its_content(tmp_path):
    content = {"in/a.png": picture(), "notes.txt": b"x", "voice.mp3": b"x"}
    found = read_container(packed(tmp_path / "container", content), "press.zip")
    assert names(found.entries) == ["press.zip/in/a.png", "press.zip/voice.mp3"]
    assert [one.name for one in found.passed_over] == ["press.zip/notes.txt"]
    assert found.entries[0].size == len(picture())


OPENED: list[Journal] = []


@pytest.fixture(autouse=True)
def closed():
    """What a test leaves open, as a killed program does."""
    yield
    while OPENED:
        OPENED.pop()._file.close()


def journal_at(path):
    OPENED.append(Journal(path))
    return OPENED[-1]


def line(name, id="", **more):
    return {"file": name, "page": None, "id": id, **more}


def left(path):
    """What stands in a journal: names and ids, in their order."""
    journal = journal_at(path)
    try:
        return [(x["file"], x["id"]) for x in journal.lines()]
    finally:
        journal.close()


def failure(name, code, **more):
    return line(name, **more) | {"error": {"code": code, "message": "It is so.", "hint": ""}}


def test_what_was_added_is_there_after_it_was_opened_again(tmp_path):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("ä.mp4", "1", analysis={"a": 1}))
    journal.add(failure("b.mp4", "empty"))
    again = journal_at(path)  # as after a kill: nothing was closed
    for known in (journal, again):
        finished = known.get("ä.mp4")
        assert finished is not None and known.line(finished)["analysis"] == {"a": 1}
        assert known.same("1") == finished and known.same("2") is None
    assert [x["file"] for x in again.lines()] == ["ä.mp4", "b.mp4"]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_kill_cut_off_is_taken_away(tmp_path, cut):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    whole = path.read_bytes()
    journal.add(line("b.mp4", "2"))
    path.write_bytes(path.read_bytes()[:-cut])
    again = journal_at(path)
    assert again.get("b.mp4") is None and again.get("a.mp4") is not None
    assert path.read_bytes() == whole
    again.add(line("b.mp4", "3"))
    assert [id for _, id in left(path)] == ["1", "3"]


def test_a_newer_line_takes_the_place_of_an_older_one(tmp_path):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    journal.add(line("b.mp4", "2"))
    journal.add(line("a.mp4", "3"))
    journal.close()
    assert left(path) == [("b.mp4", "2"), ("a.mp4", "3")]
    assert len(path.read_bytes().splitlines()) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["hello\n", '[1]\n{"file": "a"}\n', "a,b"])
def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError):
        journal_at(path)
    assert path.read_text() == text


def test_a_full_disk_leaves_the_journal_as_it_stood(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    before = path.read_bytes()

    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", Mock(side_effect=full))
        with pytest.raises(OSError, match="No space"):
            journal.add(line("b.mp4", "2"))
    assert path.read_bytes() == before and journal.get("b.mp4") is None
    journal.add(line("b.mp4", "2"))
    assert [id for _, id in left(path)] == ["1", "2"]


def test_the_table_is_whole_again_after_a_kill_and_no_formula(tmp_path):
    journal = journal_at(tmp_path / "results.jsonl")
    path = tmp_path / "results.csv"
    Table(path, journal)
    journal.add(failure("=cmd.mp4", "empty"))
    path.write_text(path.read_text() + "half a ro")
    table = Table(path, journal)
    last = failure("b,\n.mp4", "empty")
    journal.add(last)
    table.add(last)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [(row["file"], row["error"]) for row in rows] == [
        ("'=cmd.mp4", "empty"),
        ("b,\n.mp4", "empty"),
    ]


class Network(Model):
    """Says what it is given; the first pass waits until it is let go."""

    def __init__(self):
        super().__init__(SimpleNamespace(id="stub"))
        self.passes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def preprocess(self, picture):
        raise NotImplementedError

    def forward(self, batch):
        raise NotImplementedError

    def score(self, batch):
        self.passes.append(len(batch))
        self.begun.set()
        assert self.go.wait(30)
        if (batch == 255).any():
            raise ValueError("a picture it can't stand")
        return batch.reshape(len(batch), -1)[:, 0].astype(np.float32)


def shared(batches):
    """Score batches side by side, all that follow the first while the first is being scored."""
    network, front = Network(), DynamicBatcher()
    out: list[Any] = [None] * len(batches)

    def one(n):
        try:
            out[n] = front.score(network, batches[n])[:, 0].tolist()
        except ValueError as error:
            out[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(batches))]
    threads[0].start()
    assert network.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    lane = front._lanes[network]
    while len(lane._waiting) < len(batches) - 1:
        threading.Event().wait(0.005)
    network.go.set()
    for thread in threads:
        thread.join(30)
    return out, network.passes


def items(count, first, side=2):
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, side, side, 3)).copy()


def test_what_waits_for_a_model_goes_through_it_together():
    out, passes = shared([items(3, 0), items(2, 10), items(4, 20)])
    assert out == [[0, 1, 2], [10, 11], [20, 21, 22, 23]]
    assert passes == [3, 6]


def test_other_shapes_and_what_is_too_much_go_apart():
    out, passes = shared([items(1, 0), items(2, 10), items(2, 20, side=3), items(LARGEST - 1, 30)])
    assert [x[0] for x in out] == [0, 10, 20, 30]
    assert sorted(passes) == [1, 2, 2, LARGEST - 1]


def test_one_that_fails_does_not_fail_the_others():
    out, _ = shared([items(1, 0), items(2, 10), items(1, 255)])
    assert out[:2] == [[0], [10, 11]]
    assert isinstance(out[2], ValueError)
