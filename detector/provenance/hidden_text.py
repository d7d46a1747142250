"""Texts that Pillow does not give with an open picture: chunks of a PNG behind its pixels, and
settings that generators hide in the lowest bits of the pixels (stealth pnginfo)."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from detector.provenance.origins import SEARCHED

_PNG = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 20_000
_MAX_CHUNK = 4 << 20  # bytes of a chunk of text
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf", b"AIGC", b"aIGc")
"""comf: of animations by ComfyUI; AIGC: the label of generated content in a chunk of its own"""


def late_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield all texts of a PNG as (key, text), of other files none."""
    with path.open("rb") as file:
        if file.read(8) != _PNG:
            return
        for _chunk in range(_MAX_CHUNKS):
            head = file.read(8)
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if len(head) < 8 or kind == b"IEND":
                return
            if kind not in _TEXTS or size > _MAX_CHUNK:
                file.seek(size + 4, 1)
                continue
            data = file.read(size)
            file.seek(4, 1)
            yield _text(kind, data)


def _text(kind: bytes, data: bytes) -> tuple[str, str]:
    if kind.lower() == b"aigc":
        return "AIGC", data.decode("utf-8", "replace")
    key, _zero, rest = data.partition(b"\0")
    if kind == b"zTXt":
        rest = _inflated(rest[1:])
    elif kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        rest = _inflated(rest) if packed else rest
    return key.decode("latin-1"), rest.decode("utf-8", "replace")


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, 4 * SEARCHED)
    except zlib.error:
        return b""


_STEALTH = {
    b"stealth_pnginfo": (4, False), b"stealth_pngcomp": (4, True),
    b"stealth_rgbinfo": (3, False), b"stealth_rgbcomp": (3, True),
}  # fmt: skip
"""Signatures: in the alpha channel or in red, green and blue; whether the text is compressed"""
_SIGNATURE = 15  # bytes
_MAX_PIXELS = 40_000_000  # of a picture that is searched


def stealth(image: Image.Image) -> Iterator[str]:
    """Yield the text in the lowest bits of an open picture without losses, column by column, as
    NovelAI and others write it; the signature is searched first, in a few columns."""
    if image.format not in ("PNG", "WEBP") or image.width * image.height > _MAX_PIXELS:
        return
    if getattr(image, "is_animated", False) or image.mode not in ("RGB", "RGBA"):
        return
    for channels in (4, 3) if image.mode == "RGBA" else (3,):
        columns = 2 + 8 * _SIGNATURE // image.height
        head = _hidden(image, channels, min(columns, image.width))
        known = _STEALTH.get(head[:_SIGNATURE])
        if known is None or known[0] != channels:
            continue
        data = _hidden(image, channels, image.width)[_SIGNATURE:]
        size = int.from_bytes(data[:4], "big") // 8
        text = data[4 : 4 + min(size, 4 * SEARCHED)]
        if known[1]:
            try:
                text = gzip.GzipFile(fileobj=io.BytesIO(text)).read(4 * SEARCHED)
            except (OSError, EOFError, zlib.error):
                text = b""
        yield text.decode("utf-8", "replace")
        return


def _hidden(image: Image.Image, channels: int, columns: int) -> bytes:
    """Return the lowest bits of the first columns, of alpha or of all three colors."""
    pixels = np.asarray(image.crop((0, 0, columns, image.height)))
    pixels = pixels[..., 3:] if channels == 4 else pixels[..., :3]
    return np.packbits(pixels.transpose(1, 0, 2).reshape(-1) & 1).tobytes()
