"""Writing of a verdict into the XMP metadata of a copy of a file, never into its media data.

All other bytes are unchanged: an MP4 or MOV gets one more box at its end, a JPEG, PNG or WebP one
more (or one longer) metadata segment. Other kinds get a sidecar file. `detector.provenance` reads
it back when the copy is analyzed, as an unverified statement: it is not signed.
"""

import json
import os
import re
import shutil
import tempfile
import zlib
from html import escape
from pathlib import Path

from detector import __version__, paths
from detector.errors import UsageError
from detector.media.boxes import XMP_BOX, boxes, xmp_box
from detector.media.files import open_file, sha256
from detector.messages.format import shown
from detector.provenance.earlier import SIDECAR
from detector.schema.analysis import Analysis
from detector.sentences import _

NAMESPACE = "urn:unmask:verdict:1#"
MAX_PICTURE = 512 * 1024**2
"""bytes of a picture that is read into memory; a video is copied in pieces"""

_CHUNK = 1 << 20
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}">{{}}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_PNG_XMP = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00"
_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_FLAG = 0x04
"""of a WebP file's head: there is an XMP piece"""


def write_copy(source: str | os.PathLike[str], target: Path, analysis: Analysis) -> Path:
    """Write a copy of the analyzed file with the verdict in its metadata, or a sidecar.

    A signed origin (C2PA) covers the metadata too, so in the copy its signature is invalid. Return
    `target`, or for other kinds of files the sidecar in its folder, without a copy. Raise
    UsageError if the analysis is of another file or the target exists; MediaError, OSError.
    """
    if target.exists():
        raise UsageError(
            _("{name} is there already.").format(name=target.name), hint=_("Choose another name.")
        )
    with open_file(source) as file:
        if sha256(file) != analysis.media.sha256:
            raise UsageError(
                _("The file has changed since it was analyzed."), hint=_("Analyze it again.")
            )
        file.seek(0)
        head = file.read(16)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".unmask-")
    os.close(handle)
    try:
        if _write(Path(source), Path(temporary), head, analysis):
            os.replace(temporary, target)
            return target
    finally:
        Path(temporary).unlink(missing_ok=True)
    return write_sidecar(target.with_name(target.name + SIDECAR), analysis)


def write_sidecar(target: Path, analysis: Analysis) -> Path:
    """Write the verdict as a JSON file."""
    text = json.dumps(properties(analysis), indent=2, ensure_ascii=False)
    paths.write(target, text + "\n")
    return target


def properties(analysis: Analysis) -> dict[str, str]:
    """Return the properties to write: the verdict in words, and the file's hash."""
    verdict = analysis.verdict
    share = verdict.probability
    return {
        "label": verdict.label.value,
        "likelihood": "" if share is None else f"{shown(share, verdict.thresholds.edges)}",
        "analyzed": analysis.created.date().isoformat(),
        "sha256": analysis.media.sha256,
        "analysis": analysis.id,
        "version": __version__,
        "note": "A likelihood by a program, not a fact. Anybody can write this.",
    }


def _write(source: Path, target: Path, head: bytes, analysis: Analysis) -> bool:
    """Write the copy; return False if the file can't take the metadata without other changes."""
    piece = _description(properties(analysis))
    if head[4:8] in (b"ftyp", b"wide", b"moov", b"mdat", b"free", b"skip"):
        return _append_box(source, target, piece)
    writers = ((rb"\xff\xd8\xff", _into_jpeg), (_PNG, _into_png), (rb"RIFF.{4}WEBP", _into_webp))
    writer = next((writer for start, writer in writers if re.match(start, head, re.DOTALL)), None)
    if writer is None or source.stat().st_size > MAX_PICTURE:
        return False
    marked = writer(source.read_bytes(), piece)
    if marked is not None:
        target.write_bytes(marked)
    return marked is not None


def _description(verdict: dict[str, str]) -> str:
    names = " ".join(
        f'unmask:{name.capitalize()}="{escape(value, quote=True)}"'
        for name, value in verdict.items()
        if value
    )
    return f'<rdf:Description rdf:about="" xmlns:unmask="{NAMESPACE}" {names}/>'


def _merged(packet: bytes, piece: str) -> bytes | None:
    """Return an XMP packet with our part last; None if another part would change."""
    begin = f'<rdf:Description rdf:about="" xmlns:unmask="{NAMESPACE}" '.encode()
    if begin in packet:
        at = packet.index(begin)
        packet = packet[:at] + packet[packet.index(b"/>", at) + 2 :]
    end = b"</rdf:RDF>"
    if packet.count(end) != 1 or _RDF.encode() not in packet:
        return None
    return packet.replace(end, piece.encode() + end)


# --- MP4, MOV ------------------------------------------------------------------------------------


def _append_box(source: Path, target: Path, piece: str) -> bool:
    """Append a box at the end, so that no sample offset changes."""
    with open_file(source) as file:
        existing = xmp_box(file)
        end = os.fstat(file.fileno()).st_size
        top = list(boxes(file))
        if not top or top[-1].end != end or top[-1].open:
            return False  # the last box has no length: what follows would become part of it
        packet: bytes | None = _PACKET.format(piece).encode()
        if existing is not None:
            if existing.end != end:
                return False  # another program's packet inside the file
            file.seek(existing.body)
            packet, end = _merged(file.read(end - existing.body), piece), existing.start
        if packet is None:
            return False
        file.seek(0)
        with target.open("wb") as out:
            shutil.copyfileobj(file, out, _CHUNK)
            out.truncate(end)
            out.seek(end)
            out.write((24 + len(packet)).to_bytes(4, "big") + b"uuid" + XMP_BOX + packet)
    return True


# --- pictures ------------------------------------------------------------------------------------


def _into_jpeg(data: bytes, piece: str) -> bytes | None:
    """Write into the XMP segment, or a new one after the first segments."""
    at = 2
    behind = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and body.startswith(_JPEG_XMP):
            packet = _merged(body[len(_JPEG_XMP) :], piece)
            segment = _segment(packet) if packet else None
            return None if segment is None else data[:at] + segment + data[at + 2 + length :]
        if data[at + 1] in (0xE0, 0xE1) and at == behind:
            behind = at + 2 + length  # JFIF and EXIF stand first
        at += 2 + length
    segment = _segment(_PACKET.format(piece).encode())
    return None if segment is None else data[:behind] + segment + data[behind:]


def _segment(packet: bytes) -> bytes | None:
    body = _JPEG_XMP + packet
    if len(body) + 2 > 0xFFFF:
        return None
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def _into_png(data: bytes, piece: str) -> bytes | None:
    """Write into the iTXt chunk with XMP, or a new one before the pixels."""
    at, pixels = 8, None
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            return None
        if kind == b"IDAT" and pixels is None:
            pixels = at
        body = data[at + 8 : at + 8 + length]
        if kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\x00"):
            packet = _merged(body[len(_PNG_XMP) :], piece) if body.startswith(_PNG_XMP) else None
            return None if packet is None else data[:at] + _chunk(packet) + data[end:]
        at = end
    if pixels is None:
        return None
    return data[:pixels] + _chunk(_PACKET.format(piece).encode()) + data[pixels:]


def _chunk(packet: bytes) -> bytes:
    body = b"iTXt" + _PNG_XMP + packet
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _into_webp(data: bytes, piece: str) -> bytes | None:
    """Append a chunk to a WebP file with an extended header, and set its flag there."""
    if data[12:16] != b"VP8X" or int.from_bytes(data[4:8], "little") + 8 != len(data):
        return None
    at, packet = 12, _PACKET.format(piece).encode()
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if data[at : at + 4] == b"XMP ":
            merged = _merged(data[at + 8 : at + 8 + length], piece)
            if merged is None or end != len(data):
                return None
            data, packet = data[:at], merged
            break
        at = end
    chunk = b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\x00" * (len(packet) % 2)
    marked = bytearray(data + chunk)
    marked[20] |= _XMP_FLAG
    marked[4:8] = (len(marked) - 8).to_bytes(4, "little")
    return bytes(marked)
