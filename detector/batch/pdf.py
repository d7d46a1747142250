"""Pictures and attached files of PDF documents.

A picture is listed once a page, wherever the page holds it: on it, in forms, patterns and
annotations. Pieces that lie edge to edge are one picture, which is rendered as viewers show it."""

from __future__ import annotations

import io
import math
import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from pydantic import BaseModel

from detector import media
from detector.batch.entry import Entry, Opened
from detector.batch.listing import Source
from detector.batch.nested import MAX_FILES, Read, too_many, unfold
from detector.errors import MediaError
from detector.installation import install
from detector.media.limits import MAX_PIXELS, SNIFF_BYTES
from detector.media.no_media import by_head
from detector.provenance.text import clean
from detector.schema.origin import Document, FileSource
from detector.schema.passed_over import PassedOver
from detector.sentences import _

MAX_PAGES = 5_000
MAX_PDF_BYTES = 512 * 1024**2
MAX_ATTACHED = 200  # files attached to one document
MAX_DEPTH = 12  # of forms in forms, and of the tree of attachments' names

_TABLES = re.compile(rb"startxref\s+(\d{1,20})\s+%%EOF")
_DATE = re.compile(
    r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([Z+-])(?:(\d\d)'?(\d\d)?'?)?)?"
)
_MAX_FORMS = 5_000  # drawn on a page; in forms that draw others their number can grow with depth
_MAX_PIECES = 1_000  # pictures of a page that are compared
_GAP = 2.0  # px between two pieces that lie edge to edge, or of their overlap
_ALIKE = 0.03  # by which their resolutions may differ
_MAX_PIECE = 20_000_000  # px of a piece whose edges are compared
_STEP, _STEPS, _MOST_STEP = 8.0, 2.0, 40.0
"""levels by which lines of px differ where a picture goes on: so many, or times its usual step, and
never more than the last"""
_COVERED = 0.95  # share of the joined picture that its pieces cover
_LENGTHS = (
    "maximum_declared_stream_length",
    "zlib_maximum_output_length",
    "stream_decoding_work_maximum_length",
)
"""Limits of pypdf, bytes"""
_BROKEN = (Exception,)  # a parser may raise anything on an untrusted file
_GRAY_OR_RGB = ("/DeviceGray", "/DeviceRGB", "/CalGray", "/CalRGB")

Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
Rectangle = tuple[float, float, float, float]
"""left, bottom, right, top, in points"""


class Attached(BaseModel):
    """A file attached to a document."""

    name: str
    id: str
    head: str  # its first bytes, in hexadecimal


class PdfContent(BaseModel):
    """What a PDF holds: pictures as (page from 1, id), attached files, metadata."""

    pictures: list[tuple[int, str]]
    attached: list[Attached]
    about: dict[str, str | int]


def read(path: Path, name: str, inner: Read, depth: int = 0) -> Source:
    """Return a PDF's pictures by page and the files attached to it, those in attached documents
    too; raise MediaError if it is damaged, locked or too large."""
    content = media.run_isolated(read_pdf, path, returns=PdfContent)
    source = FileSource(document=Document.model_validate({"name": clean(name), **content.about}))
    counts: dict[int, int] = {}
    found, passed = list[Entry](), list[PassedOver]()
    for page, id in content.pictures:
        number = counts[page] = counts.get(page, 0) + 1
        label = f"{name}, page {page}, picture {number}"
        found.append(Entry(label, partial(_open, path, page, id, source), page))
    for number, attached in enumerate(content.attached, 1):
        label = f"{name}, attachment {number}, {media.safe_name(attached.name)}"
        head = bytes.fromhex(attached.head)
        if (reason := by_head(head, attached.name)) is not None:
            passed.append(PassedOver(name=label, reason=reason))
            continue
        below = unfold(
            Entry(label, partial(_open, path, 0, attached.id, source)), head, inner, depth
        )
        found += below.entries
        passed += below.passed_over
    return Source(found, passed)


def _open(path: Path, page: int, id: str, source: FileSource, folder: Path) -> Opened:
    name: str = media.run_isolated(
        unpack_pdf, path, page, id, str(folder), returns=str, writes=folder
    )
    return folder / media.safe_name(name), source


def read_pdf(path: Path) -> PdfContent:
    """Return the content of a PDF; raise MediaError. Runs in the sandbox."""
    reader = _reader(path)
    try:
        return PdfContent(
            pictures=_pictures(reader), attached=_attached(reader), about=_about(reader, path)
        )
    except MediaError:
        raise
    except Exception:  # any failure of the parser on an untrusted file
        raise _damaged() from None


# --- what a page holds ----------------------------------------------------------------------------


@dataclass
class _Piece:
    """A picture on a page, with the matrix that the unit square is drawn by."""

    id: str  # number of its object; "~" and a count for one in the page's own content
    size: tuple[int, int]  # px
    matrix: Matrix

    @property
    def box(self) -> Rectangle | None:
        """Return where it lies, in points; None if it is turned by less than a quarter."""
        a, b, c, d, e, f = self.matrix
        if max(abs(b), abs(c)) > 1e-3 * max(abs(a), abs(d)) and (abs(a) > 1e-6 or abs(d) > 1e-6):
            return None
        across, down = a + c, b + d
        return min(e, e + across), min(f, f + down), max(e, e + across), max(f, f + down)

    @property
    def density(self) -> tuple[float, float]:
        """Return its px to a point, across and down."""
        a, b, c, d, _e, _f = self.matrix
        if abs(a) + abs(d) < abs(b) + abs(c):
            return self.size[1] / max(abs(c), 1e-9), self.size[0] / max(abs(b), 1e-9)
        return self.size[0] / max(abs(a), 1e-9), self.size[1] / max(abs(d), 1e-9)


@dataclass
class _Page:
    """The pictures of a page, in the order in which they are drawn."""

    reader: Any
    pieces: list[_Piece] = field(default_factory=list)
    inline: list[Any] = field(default_factory=list)
    """of each picture in a content stream: its operation, and the resources that it refers to"""
    rest: dict[str, None] = field(default_factory=dict)  # ids of pictures that are held elsewhere
    forms: int = 0  # that were followed

    def draw(self, content: Any, resources: Any, matrix: Matrix, depth: int = 0) -> None:
        """Follow a content stream: matrices, forms and pictures."""
        from pypdf.generic import ContentStream

        resources = _resolved(resources) or {}
        stream = ContentStream(content, self.reader)
        stack: list[Matrix] = []
        for operands, operator in stream.operations:
            match operator:
                case b"q":
                    stack.append(matrix)
                case b"Q":
                    matrix = stack.pop() if stack else matrix
                case b"cm":
                    matrix = _product(_matrix(operands), matrix)
                case b"Do":
                    known: Any = _resolved(resources.get("/XObject")) or {}
                    self._show(known.raw_get(operands[0]) if operands[0] in known else None,
                               resources, matrix, depth)  # fmt: skip
                case b"INLINE IMAGE":
                    stated = operands["settings"]
                    size = _size_of(stated)
                    self.pieces.append(_Piece(f"~{len(self.inline)}", size, matrix))
                    self.inline.append((operands, operator, resources))

    def _show(self, reference: Any, resources: Any, matrix: Matrix, depth: int) -> None:
        about = _resolved(reference)
        match _resolved(about.get("/Subtype")) if isinstance(about, dict) else None:
            case "/Image":
                self.pieces.append(_Piece(_number(reference), _size_of(about), matrix))
            case "/Form" if depth < MAX_DEPTH and self.forms < _MAX_FORMS:
                self.forms += 1
                inner = _product(_matrix(about.get("/Matrix", _IDENTITY)), matrix)
                self.draw(about, about.get("/Resources") or resources, inner, depth + 1)
        if len(self.pieces) > MAX_FILES:
            raise too_many()

    def search(self, resources: Any, known: set[str], depth: int = 0) -> None:
        """Add the pictures that resources hold but no content was seen to draw, such as patterns
        and the looks of annotations."""
        held = _resolved(resources) or {}
        for kind in ("/XObject", "/Pattern"):
            for name in _resolved(held.get(kind)) or {}:
                reference = _resolved(held[kind]).raw_get(name)
                number, about = _number(reference), _resolved(reference)
                if number in known or not isinstance(about, dict):
                    continue
                known.add(number)
                if about.get("/Subtype") == "/Image":
                    self.rest[number] = None
                elif depth < MAX_DEPTH:
                    self.search(about.get("/Resources"), known, depth + 1)


def _pictures(reader: Any) -> list[tuple[int, str]]:
    pages = len(reader.pages)
    if pages > MAX_PAGES:
        text = _("This document has {pages:,} pages; the limit is {max_pages:,}.")
        hint = _("Cut it into parts.")
        raise MediaError(
            text.format(pages=pages, max_pages=MAX_PAGES), code="too_many_files", hint=hint
        )
    found: list[tuple[int, str]] = []
    for number, sheet in enumerate(reader.pages, 1):
        page = _read_page(reader, sheet)
        ids = [*_joined(page), *page.rest]
        found += [(number, id) for id in dict.fromkeys(ids)]
        if len(found) > MAX_FILES:
            raise too_many()
    return found


def _read_page(reader: Any, sheet: Any) -> _Page:
    page = _Page(reader)
    resources = sheet.get("/Resources")
    if (content := sheet.get_contents()) is not None:
        with suppress(*_BROKEN):  # what it holds is searched all the same
            page.draw(content, resources, _IDENTITY)
    known = {piece.id for piece in page.pieces}
    page.search(resources, known)
    for annotation in _resolved(sheet.get("/Annots")) or ():
        looks = _resolved((_resolved(annotation) or {}).get("/AP")) or {}
        usual = _resolved(looks.get("/N")) or {}
        streams = [usual] if "/Subtype" in usual or "/BBox" in usual else list(usual.values())
        for look in streams:
            page.search((_resolved(look) or {}).get("/Resources"), known)
    return page


# --- pieces that are one picture ------------------------------------------------------------------


def _joined(page: _Page) -> list[str]:
    """Return the ids of a page's pictures, pieces of one picture as one area."""
    pieces, edges = page.pieces, dict[str, _Edges | None]()
    some = [(piece, box) for piece in pieces[:_MAX_PIECES] if (box := piece.box) is not None]
    group = list(range(len(some)))

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    for n, (one, box) in enumerate(some):
        for m, (other, beyond) in enumerate(some[:n]):
            meeting = _meeting(one, box, other, beyond)
            if meeting is None or root(n) == root(m):
                continue
            for piece in (one, other):
                if piece.id not in edges:
                    edges[piece.id] = _edges_of(page, piece)
            if _goes_on(edges[one.id], edges[other.id], meeting):
                group[root(n)] = root(m)
    members: dict[int, list[int]] = {}
    for n in range(len(some)):
        members.setdefault(root(n), []).append(n)
    ids = {id(piece): piece.id for piece in pieces}
    for numbers in members.values():
        area = _area([some[n][1] for n in numbers]) if len(numbers) > 1 else None
        if area is None:
            continue
        across, down = some[numbers[0]][0].density
        for n in numbers:
            ids[id(some[n][0])] = _area_id(area, max(across, down))
    return [ids[id(piece)] for piece in pieces]


def _meeting(one: _Piece, box: Rectangle, other: _Piece, beyond: Rectangle) -> str | None:
    """Return at which edge of the first of two pieces of one resolution the other begins, if they
    share a whole one."""
    pairs = list(zip(one.density, other.density, strict=True))
    if any(abs(a - b) > _ALIKE * max(a, b) for a, b in pairs):
        return None
    for axis, edges in enumerate((("left", "right"), ("bottom", "top"))):
        gap, side = _GAP / one.density[axis], _GAP / one.density[1 - axis]
        if any(abs(box[1 - axis + k] - beyond[1 - axis + k]) > side for k in (0, 2)):
            continue
        if abs(box[axis] - beyond[axis + 2]) <= gap:
            return edges[0]
        if abs(box[axis + 2] - beyond[axis]) <= gap:
            return edges[1]
    return None


_Edges = dict[str, tuple[np.ndarray, np.ndarray]]
"""By the name of an edge: its line of px and the next one, float [n, 3]"""
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def _edges_of(page: _Page, piece: _Piece) -> _Edges | None:
    """Return the edges of a piece as they lie on the page; None if it can't be read."""
    a, b, c, d, _e, _f = piece.matrix
    if piece.size[0] * piece.size[1] > _MAX_PIECE:
        return None
    try:
        if piece.id.startswith("~"):
            shown = _shown(piece.size, inline=page.inline[int(piece.id[1:])])
        else:
            about = page.reader.get_object(int(piece.id))
            plain = _is_plain_jpeg(about)
            shown = (
                Image.open(io.BytesIO(about._data)) if plain else _shown(piece.size, picture=about)
            )
        rgb = np.asarray(shown.convert("RGB")).astype(float)
    except _BROKEN:
        return None
    if abs(a) < abs(b):  # a quarter turn: columns become rows
        rgb, a, d = rgb.swapaxes(0, 1), -c, -b
    rgb = rgb[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]
    return {
        "top": (rgb[0], rgb[min(1, len(rgb) - 1)]),
        "bottom": (rgb[-1], rgb[-min(2, len(rgb))]),
        "left": (rgb[:, 0], rgb[:, min(1, rgb.shape[1] - 1)]),
        "right": (rgb[:, -1], rgb[:, -min(2, rgb.shape[1])]),
    }


def _goes_on(one: _Edges | None, other: _Edges | None, edge: str) -> bool:
    """Return True if the picture of one piece goes on in the other, beyond an edge of the first."""
    if one is None or other is None:
        return False
    (last, before), (first, after) = one[edge], other[_OPPOSITE[edge]]
    size = min(len(last), len(first))
    step = np.abs(last[:size] - first[:size]).mean()
    usual = max(np.abs(last - before).mean(), np.abs(first - after).mean())
    return bool(step <= min(_MOST_STEP, max(_STEP, _STEPS * usual)))


def _area(boxes: Sequence[Rectangle]) -> Rectangle | None:
    """Return the rectangle that pieces fill; None if they leave a part of it."""
    left, bottom = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, top = max(b[2] for b in boxes), max(b[3] for b in boxes)
    covered = sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes)
    whole = (right - left) * (top - bottom)
    return (left, bottom, right, top) if whole > 0 and covered >= _COVERED * whole else None


def _area_id(area: Rectangle, density: float) -> str:
    return "area " + " ".join(f"{number:.4f}" for number in (*area, density))


# --- attached files -------------------------------------------------------------------------------


def _attached(reader: Any) -> list[Attached]:
    """Return the files attached to a document, to its pages, and in its media annotations."""
    catalog = _resolved(reader.trailer["/Root"])
    specifications: list[Any] = [
        *_leaves((_resolved(catalog.get("/Names")) or {}).get("/EmbeddedFiles"))
    ]
    specifications += _resolved(catalog.get("/AF")) or ()
    for sheet in reader.pages:
        specifications += _resolved(sheet.get("/AF")) or ()
        for annotation in _resolved(sheet.get("/Annots")) or ():
            specifications += _of_annotation(_resolved(annotation) or {})
    found: dict[str, Attached] = {}
    for specification in specifications:
        about = _resolved(specification)
        files = _resolved(about.get("/EF")) if isinstance(about, dict) else None
        key = next((key for key in ("/UF", "/F") if key in (files or ())), None)
        if files is None or key is None or (id := _number(files.raw_get(key))) in found:
            continue
        name = str(about.get("/UF") or about.get("/F") or "file")
        head = b""
        with suppress(*_BROKEN):  # reported where it is unpacked
            head = _data(files[key])[:SNIFF_BYTES]
        found[id] = Attached(name=name, id=f"file {id}", head=head.hex())
        if len(found) > MAX_ATTACHED:
            text = _("This document has more than {most} attached files.")
            raise MediaError(
                text.format(most=MAX_ATTACHED), code="too_many_files", hint=_("Unpack it first.")
            )
    return list(found.values())


def _leaves(tree: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the values of a tree of names."""
    node = _resolved(tree) or {}
    values = _resolved(node.get("/Names")) or ()
    yield from values[1::2]
    if depth < MAX_DEPTH:
        for kid in _resolved(node.get("/Kids")) or ():
            yield from _leaves(kid, depth + 1)


def _of_annotation(about: Any) -> Iterator[Any]:
    """Yield the file specifications of an annotation: an attachment, a film, a sound."""
    if "/FS" in about:
        yield about["/FS"]
    rich = _resolved(about.get("/RichMediaContent")) or {}
    yield from _leaves(rich.get("/Assets"))
    action = _resolved(about.get("/A")) or {}
    clip = _resolved((_resolved(action.get("/R")) or {}).get("/C")) or {}
    if "/D" in clip:
        yield clip["/D"]


def _data(stream: Any) -> bytes:
    return bytes(_resolved(stream).get_data())


# --- unpacking ------------------------------------------------------------------------------------


def unpack_pdf(path: Path, page: int, id: str, folder: str) -> str:
    """Write a picture or an attached file of a PDF into a folder, and return its name; raise
    MediaError. Runs in the sandbox."""
    target = Path(folder) / "file.png"
    try:
        reader = _reader(path)
        if id.startswith("file "):
            data = _data(reader.get_object(int(id.removeprefix("file "))))
            (Path(folder) / "file").write_bytes(data)
            return "file"
        if id.startswith("area "):
            *area, density = map(float, id.split()[1:])
            _area_shown(reader, page, area, density).save(target)
            return target.name
        if id.startswith("~"):
            operation = _read_page(reader, reader.pages[page - 1]).inline[int(id[1:])]
            _shown(_size_of(operation[0]["settings"]), inline=operation).save(target)
            return target.name
        about = reader.get_object(int(id))
        if _is_plain_jpeg(about):
            # The embedded JPEG file itself: re-encoding would change what is judged.
            (Path(folder) / "file.jpg").write_bytes(about._data)
            return "file.jpg"
        _shown(_size_of(about), picture=about).save(target)
    except (MediaError, OSError):
        raise
    except Exception:
        raise _damaged() from None
    return target.name


def _is_plain_jpeg(about: Any) -> bool:
    """Return True for a JPEG in gray or RGB that viewers show as it is."""
    if about.get("/Filter") not in ("/DCTDecode", ["/DCTDecode"]):
        return False
    if any(key in about for key in ("/Decode", "/SMask", "/Mask")):
        return False
    space = _resolved(about.get("/ColorSpace"))
    if isinstance(space, list) and _resolved(space[0]) == "/ICCBased":
        return _resolved(_resolved(space[1]).get("/N")) in (1, 3)
    return (space[0] if isinstance(space, list) else space) in _GRAY_OR_RGB


def _shown(size: tuple[int, int], *, picture: Any = None, inline: Any = None) -> Image.Image:
    """Return a picture as viewers show it: its color space, masks and inversion applied."""
    from pypdf import PdfWriter
    from pypdf.generic import ContentStream, DictionaryObject, NameObject, StreamObject

    width, height = size
    _check(width, height)
    writer = PdfWriter()
    sheet = writer.add_blank_page(width, height)
    resources = DictionaryObject()
    if picture is not None:
        known = DictionaryObject({NameObject("/Im"): picture.clone(writer).indirect_reference})
        resources[NameObject("/XObject")] = known
        shown = b"/Im Do"
    else:
        operands, operator, held = inline
        if "/ColorSpace" in held:
            resources[NameObject("/ColorSpace")] = _resolved(held["/ColorSpace"]).clone(writer)
        stream = ContentStream(None, writer)
        stream.operations = [(operands, operator)]
        shown = stream.get_data()
    sheet[NameObject("/Resources")] = resources
    content = StreamObject()
    content.set_data(f"q {width} 0 0 {height} 0 0 cm ".encode() + shown + b" Q")
    sheet[NameObject("/Contents")] = writer._add_object(content)
    return _drawn(writer, 1.0)


def _area_shown(reader: Any, page: int, area: Sequence[float], density: float) -> Image.Image:
    """Return an area of a page, at so many px to a point."""
    from pypdf import PdfWriter
    from pypdf.generic import NameObject, RectangleObject

    left, bottom, right, top = area
    _check(math.ceil((right - left) * density), math.ceil((top - bottom) * density))
    writer = PdfWriter()
    sheet = writer.add_page(reader.pages[page - 1], excluded_keys=("/Annots", "/B"))
    for box in ("/MediaBox", "/CropBox"):
        sheet[NameObject(box)] = RectangleObject((left, bottom, right, top))
    return _drawn(writer, density)


def _drawn(writer: Any, scale: float) -> Image.Image:
    """Return the first page of a document, at so many px to a point."""
    import pypdfium2

    stored = io.BytesIO()
    writer.write(stored)
    with pypdfium2.PdfDocument(stored.getvalue()) as document:
        return cast(Image.Image, document[0].render(scale=scale).to_pil().convert("RGB"))


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise MediaError(_("This picture has too many pixels."), code="too_large")
    if min(width, height) < 1:
        raise _damaged()


# --- values ---------------------------------------------------------------------------------------


def _resolved(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _number(reference: Any) -> str:
    """Return the number of an indirect object; a direct one gets that of its place in memory."""
    reference = getattr(reference, "indirect_reference", None) or reference
    return str(getattr(reference, "idnum", f"?{id(reference)}"))


def _matrix(values: Any) -> Matrix:
    a, b, c, d, e, f = (float(value) for value in _resolved(values))
    return a, b, c, d, e, f


def _product(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, l = then  # noqa: E741 - the letters of the matrix
    return (
        a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k,
        e * h + f * j + l,
    )  # fmt: skip


def _size_of(about: Any) -> tuple[int, int]:
    width, height = (
        next((int(_resolved(about[key])) for key in keys if key in about), 0)
        for keys in (("/Width", "/W"), ("/Height", "/H"))
    )
    return width, height


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


def _reader(path: Path) -> Any:
    try:
        from pypdf import PdfReader, overwrite_configuration
    except ModuleNotFoundError:
        raise MediaError(
            _("PDFs are read by the extra `report`."),
            code="unsupported",
            hint=_("Type: {command}").format(command=install("report")),
        ) from None
    try:
        if path.stat().st_size > MAX_PDF_BYTES:
            raise MediaError(_("This document is too large."), code="too_large")
        # Its own limits are for text: a film that is attached has more.
        most: dict[str, Any] = dict.fromkeys(_LENGTHS, MAX_PDF_BYTES)
        overwrite_configuration(**most)
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
