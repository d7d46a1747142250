"""Pictures of office documents with their pages: DOCX, PPTX and XLSX.

Pages of a DOCX are those that the program which saved it last recorded; without them every picture
is on page 1.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detector.batch import archive
from detector.batch.entry import Entry, Opened, failed
from detector.batch.listing import Source
from detector.batch.nested import Read, is_container, unfold
from detector.errors import MediaError
from detector.media.limits import SNIFF_BYTES
from detector.provenance.text import clean, parse_xml
from detector.schema.origin import Document, FileSource
from detector.schema.passed_over import PassedOver
from detector.sentences import _

DOCUMENT_ENDINGS = frozenset((
    ".pdf", ".docx", ".pptx", ".xlsx", ".eml", ".emlx", ".mbox", ".mht", ".mhtml", ".livp",
))  # fmt: skip
"""Endings of documents, of mails, and of bundles of a live photo"""
MAX_XML_BYTES = 64 * 1024**2  # Of the text of a DOCX: the Bible has 10 MB

_ROOTS = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_MEDIA = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n|%PDF-|ftyp|RIFF.{4}(?:AVI |WAVE|WEBP)|PK\x03\x04",
    re.DOTALL,
)
"""Beginnings of files within an object of another program"""
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def office_kind(members: Sequence[archive.PackedFile]) -> str:
    """ "docx", "pptx" or "xlsx" where an archive is such a document, else ""."""
    names = {member.name for member in members}
    if "[Content_Types].xml" not in names:
        return ""
    return next(
        (kind for root, kind in _ROOTS.items() if any(name.startswith(root) for name in names)), ""
    )


def office(
    path: Path,
    name: str,
    members: Sequence[archive.PackedFile],
    kind: str,
    read: Read,
    depth: int = 0,
) -> Source:
    """Return the media of a DOCX, PPTX or XLSX by page or slide, and those of documents embedded in
    it. Pictures of kinds that can't be read (EMF, WMF, JPEG XR) are entries that say so."""
    root = next(root for root, known in _ROOTS.items() if known == kind)
    parts = [m for m in members if m.name.startswith((f"{root}media/", f"{root}embeddings/"))]
    pages = _pages(path, kind)
    source = FileSource(document=about_office(path, name))
    found, passed = list[Entry](), list[PassedOver]()
    for part, reason in archive.sort_out(path, parts):
        page = pages.get(part.name)
        where = f"page {page}, " if page and kind == "docx" else f"slide {page}, " if page else ""
        label = f"{name}, {where}{Path(part.name).name}"
        if reason is not None:
            passed.append(PassedOver(name=label, reason=reason))
        elif part.name.startswith(f"{root}media/"):
            found += [
                Entry(label, entry.open, page, entry.error, entry.size)
                for entry in archive.entries(path, [part], "", source)
            ]
        else:
            inner = _embedded(path, part, label, read, depth)
            found += inner.entries
            passed += inner.passed_over
    found.sort(key=lambda entry: (entry.page or 0, entry.name))
    return Source(found, passed)


def _embedded(path: Path, part: archive.PackedFile, label: str, read: Read, depth: int) -> Source:
    """Return the files of an embedded document; an object of another program is an error."""
    if (refused := archive.problem(part.info)) is not None:
        return Source([failed(label, refused)])

    def unpack(folder: Path) -> Opened:
        return archive.unpack(path, part.info, folder, nested=True), None

    try:
        data = next(archive.chunks(path, part.info, nested=True), b"")
        if is_container(data[:SNIFF_BYTES]):
            return unfold(Entry(label, unpack), data[:SNIFF_BYTES], read, depth)
        if not _MEDIA.search(data):
            return Source([])  # a formula, a chart
    except MediaError as error:
        return Source([failed(label, error)])
    text = _("An object of another program (OLE) in this document holds media; it is not opened.")
    hint = _("Open the document, and save the object as a file.")
    return Source([failed(label, MediaError(text, code="nested_archive", hint=hint))])


def _pages(path: Path, kind: str) -> dict[str, int]:
    """Return the first page or slide of each picture, by its name in the archive."""
    pages: dict[str, int] = {}
    with zipfile.ZipFile(path) as opened:
        if kind == "docx":
            targets = dict(_relations(opened, "word/document.xml"))
            for relation, page in _drawn(_part(opened, "word/document.xml")):
                if relation in targets:
                    pages.setdefault(targets[relation], page)
        elif kind == "pptx":
            slides = [re.fullmatch(r"ppt/slides/slide(\d+)\.xml", n) for n in opened.namelist()]
            for number, slide in sorted((int(m[1]), m[0]) for m in slides if m):
                for _, target in _relations(opened, slide):
                    pages.setdefault(target, number)
    return pages


def _part(opened: zipfile.ZipFile, name: str) -> Any:
    try:
        if opened.getinfo(name).file_size > MAX_XML_BYTES:
            return None
        return parse_xml(opened.read(name))
    except (KeyError, ValueError, zipfile.BadZipFile, RuntimeError):
        return None


def _relations(opened: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str]]:
    folder, file = posixpath.split(part)
    tree = _part(opened, f"{folder}/_rels/{file}.rels")
    for relation in tree if tree is not None else ():
        target = posixpath.normpath(posixpath.join(folder, relation.get("Target", "")))
        yield relation.get("Id", ""), target.lstrip("/")


def _drawn(tree: Any) -> Iterator[tuple[str, int]]:
    page = 1
    for element in tree.iter() if tree is not None else ():
        if element.tag == f"{_W}lastRenderedPageBreak":
            page += 1
        elif relation := element.get(f"{_R}embed"):
            yield relation, page


def about_office(path: Path, name: str) -> Document:
    """Return the metadata of a DOCX, PPTX or XLSX."""
    about: dict[str, str] = {}
    with zipfile.ZipFile(path) as opened:
        for part in ("docProps/core.xml", "docProps/app.xml"):
            tree = _part(opened, part)
            for element in tree if tree is not None else ():
                about[element.tag.rpartition("}")[2]] = clean(element.text or "")
    program = f"{about.get('Application', '')} {about.get('AppVersion', '')}".strip()
    revision = about.get("revision", "")
    return Document(
        name=clean(name),
        producer=program,
        author=about.get("creator", ""),
        changed_by=about.get("lastModifiedBy", ""),
        created=about.get("created", ""),
        changed=about.get("modified", ""),
        edits=int(revision) if revision.isdecimal() and len(revision) < 10 else None,
    )
