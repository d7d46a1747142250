"""Pictures of documents with their pages: PDF, DOCX, PPTX and XLSX.

Pages of a DOCX are those that the program which saved it last recorded; without them every picture
is on page 1.
"""

import mmap
import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from detector import media
from detector.batch import archive
from detector.batch.entry import Entry
from detector.errors import MediaError
from detector.installation import install
from detector.media.limits import MAX_PIXELS
from detector.provenance.text import clean, parse_xml
from detector.schema.origin import Document, FileSource
from detector.sentences import _

DOCUMENT_ENDINGS = frozenset({".pdf", ".docx", ".pptx", ".xlsx"})
MAX_PAGES = 5_000
MAX_PDF_BYTES = 512 * 1024**2
MAX_XML_BYTES = 64 * 1024**2  # Of the text of a DOCX: the Bible has 10 MB

_ROOTS = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_TABLES = re.compile(rb"startxref\s+(\d{1,20})\s+%%EOF")
_DATE = re.compile(
    r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([Z+-])(?:(\d\d)'?(\d\d)?'?)?)?"
)
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


def office(path: Path, name: str, members: Sequence[archive.PackedFile], kind: str) -> list[Entry]:
    """Return the pictures of a DOCX, PPTX or XLSX, by page or slide."""
    root = next(root for root, known in _ROOTS.items() if known == kind)
    pictures = [
        member
        for member in members
        if member.name.startswith(f"{root}media/")
        and Path(member.name).suffix.lower() not in (".emf", ".wmf", ".svg", ".wdp")
    ]
    pages = _pages(path, kind)
    source = FileSource(document=about_office(path, name))
    found = []
    entries = archive.entries(path, pictures, "", source)
    for entry, picture in zip(entries, pictures, strict=True):
        page = pages.get(picture.name)
        where = f"page {page}, " if page and kind == "docx" else f"slide {page}, " if page else ""
        label = f"{name}, {where}{Path(picture.name).name}"
        found.append(Entry(label, entry.open, page, entry.error, entry.size))
    return sorted(found, key=lambda entry: (entry.page or 0, entry.name))


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


def pdf(path: Path, name: str) -> list[Entry]:
    """Return a PDF's pictures by page; raise MediaError if it is damaged, locked or too large."""
    kind = tuple[list[tuple[int, str]], dict[str, str | int]]
    listed, about = media.run_isolated(read_pdf, path, returns=kind)
    source = FileSource(document=Document.model_validate({"name": clean(name), **about}))
    counts: dict[int, int] = {}
    entries = []
    for page, id in listed:
        number = counts[page] = counts.get(page, 0) + 1
        label = f"{name}, page {page}, picture {number}"
        entries.append(Entry(label, partial(_open_pdf, path, page, id, source), page))
    return entries


def _open_pdf(
    path: Path, page: int, id: str, source: FileSource, folder: Path
) -> tuple[Path, FileSource]:
    name: str = media.run_isolated(
        unpack_pdf, path, page, id, str(folder), returns=str, writes=folder
    )
    return folder / media.safe_name(name), source


def read_pdf(path: Path) -> tuple[list[tuple[int, str]], dict[str, str | int]]:
    """Return a PDF's pictures as (page from 1, id), and its metadata as fields of `Document`; raise
    MediaError. Runs in the sandbox."""
    reader = _reader(path)
    return _pictures(reader), _about(reader, path)


def _pictures(reader: Any) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    try:
        pages = len(reader.pages)
        if pages > MAX_PAGES:
            text = _("This document has {pages:,} pages; the limit is {max_pages:,}.")
            hint = _("Cut it into parts.")
            raise MediaError(
                text.format(pages=pages, max_pages=MAX_PAGES), code="too_many_files", hint=hint
            )
        for number, page in enumerate(reader.pages, 1):
            ids = page.images.keys()  # iterating over `images` would decode them
            found += [(number, id) for id in ids if isinstance(id, str)]
            if len(found) > archive.MAX_FILES:
                text = _("This document has more than {max_files:,} pictures.")
                hint = _("Cut it into parts.")
                raise MediaError(
                    text.format(max_files=archive.MAX_FILES), code="too_many_files", hint=hint
                )
    except MediaError:
        raise
    except Exception:  # any failure of the parser on an untrusted file
        raise _damaged() from None
    return found


def _about(reader: Any, path: Path) -> dict[str, str | int]:
    about: dict[str, str | int] = {}
    with suppress(Exception):  # any failure of the parser on an untrusted file
        keys = {"producer": "/Producer", "creator": "/Creator", "author": "/Author"}
        dates = {"created": "/CreationDate", "changed": "/ModDate"}
        known = reader.metadata or {}
        about = {field: clean(known[key]) for field, key in keys.items() if known.get(key)}
        about |= {field: _pdf_date(known[key]) for field, key in dates.items() if known.get(key)}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        # A linearized file has one table at 0 that is not an edit.
        saved = sum(int(table[1]) != 0 for table in _TABLES.finditer(whole))
    about["edits"] = max(0, saved - 1)
    with suppress(Exception):
        fields = (reader.get_fields() or {}).values()
        about["signatures"] = sum(f.get("/FT") == "/Sig" and "/V" in f for f in fields)
    return about


def _pdf_date(text: object) -> str:
    """Convert a date like "D:20261102100000+01'00'" to ISO 8601; return other texts unchanged."""
    match = _DATE.match(str(text))
    if match is None:
        return clean(text)
    year, month, day, hour, minute, second, zone, zone_hours, zone_minutes = match.groups()
    date = "-".join(filter(None, (year, month, day)))
    clock = ":".join(filter(None, (hour, minute, second)))
    zone = f"{zone}{zone_hours}:{zone_minutes or '00'}" if zone_hours else zone or ""
    return f"{date}T{clock}{zone}" if clock else date


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


def unpack_pdf(path: Path, page: int, id: str, folder: str) -> str:
    """Write a PDF's picture into a folder and return its name; raise MediaError."""
    try:
        sheet = _reader(path).pages[page - 1]
        known = sheet["/Resources"]["/XObject"] if not id.startswith("~") else {}
        if id in known:
            about = known[id].get_object()
            if int(about["/Width"]) * int(about["/Height"]) > MAX_PIXELS:
                raise MediaError(_("This picture has too many pixels."), code="too_large")
            if about.get("/Filter") in ("/DCTDecode", ["/DCTDecode"]):
                # The embedded JPEG file itself: re-encoding would change what is judged.
                (Path(folder) / "file.jpg").write_bytes(about._data)
                return "file.jpg"
        picture = sheet.images[id]
        ending = Path(picture.name).suffix[:8] or ".png"
        (Path(folder) / f"file{ending}").write_bytes(picture.data)
    except (MediaError, OSError):
        raise
    except Exception:
        raise _damaged() from None
    return f"file{ending}"


def _reader(path: Path) -> Any:
    try:
        from pypdf import PdfReader
    except ModuleNotFoundError:
        raise MediaError(
            _("PDFs are read by the extra `report`."),
            code="unsupported",
            hint=_("Type: {command}").format(command=install("report")),
        ) from None
    try:
        if path.stat().st_size > MAX_PDF_BYTES:
            raise MediaError(_("This document is too large."), code="too_large")
        reader = PdfReader(path)
        locked = reader.is_encrypted and not reader.decrypt("")
    except (MediaError, FileNotFoundError, PermissionError):
        raise
    except Exception:
        raise _damaged() from None
    if locked:
        raise MediaError(_("This document is locked with a password."), code="encrypted")
    return reader


def _damaged() -> MediaError:
    return MediaError(_("This document is damaged."), code="bad_archive")
