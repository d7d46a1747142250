"""Names of files in ZIP archives, as they were where they were packed.

A ZIP states UTF-8 by a flag. Many programs leave it out: macOS writes UTF-8 all the same, 7-Zip and
WinRAR add a field with the name in Unicode (0x7075), and Windows writes the encoding of its region.
"""

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
_WINDOWS = (0, 10, 11, 14)  # systems that use backslashes in paths


def of(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the name of each file of an archive."""
    raw = [_raw(info) for info in infos]
    stated = [_stated(info, name) for info, name in zip(infos, raw, strict=True)]
    guessed = [name for name, known in zip(raw, stated, strict=True) if known is None]
    decode = _decoder(guessed)
    return [
        _tidy(info, decode(name) if known is None else known)
        for info, name, known in zip(infos, raw, stated, strict=True)
    ]


def _raw(info: zipfile.ZipInfo) -> bytes:
    """Return the stored bytes of a name, which zipfile decodes by the flag."""
    coding = "utf-8" if info.flag_bits & _UTF8_FLAG else "cp437"
    return info.orig_filename.encode(coding, "surrogateescape")


def _stated(info: zipfile.ZipInfo, raw: bytes) -> str | None:
    """Return a name that needs no guess."""
    if info.flag_bits & _UTF8_FLAG or raw.isascii():
        return info.filename
    for kind, data in _fields(info.extra):
        # Version 1 and the checksum of the other name, so that a renamed file is not mistaken.
        if kind == _UNICODE_PATH and data[:1] == b"\x01" and len(data) > 5:
            if int.from_bytes(data[1:5], "little") != zlib.crc32(raw):
                continue
            try:
                return data[5:].decode("utf-8")
            except UnicodeDecodeError:
                continue
    return None


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _tidy(info: zipfile.ZipInfo, name: str) -> str:
    name = name.split("\0", 1)[0]
    if "\\" in name and "/" not in name and info.create_system in _WINDOWS:
        name = name.replace("\\", "/")
    return unicodedata.normalize("NFC", name)  # macOS stores accents as letters of their own


def _decoder(names: Sequence[bytes]) -> Callable[[bytes], str]:
    """Return the decoder of names whose encoding is not stated: one for an archive."""
    try:
        b"\n".join(names).decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return lambda name: name.decode("utf-8")
    scores = [(_score(names, encoding, usual), encoding) for encoding, usual in _ENCODINGS.items()]
    best, encoding = max(scores, key=lambda pair: pair[0])  # the first of equal ones
    korean = next(score for score, name in scores if name == "cp949")
    letters = sum(byte >= 0x80 for name in names for byte in name) // 2
    if encoding == "gb18030" and korean == best and letters >= KOREAN:
        encoding = "cp949"
    elif best < LEAST_SCORE:
        encoding = "cp437"
    return lambda name: name.decode(encoding, "replace")


LEAST_SCORE = 0.3
MANY_ACCENTS, FEW_ACCENTS = 0.4, 0.85  # share of a Latin name's letters, and what more of them cost
KOREAN = 4  # usual Korean syllables, all of which are usual Chinese characters in another encoding
_LATIN = ("cp437", "cp850", "cp1252", "cp1250", "cp852")
_RUN = 3  # letters with accents in a row, which no Latin name has
_ACCENTS = re.compile(rf"[^\W\d_a-zA-Z]{{{_RUN},}}")
_CYRILLIC_IN_LATIN = re.compile("[a-zA-Z][Ѐ-ӿ]|[Ѐ-ӿ][a-zA-Z]")
_LONE = re.compile(r"[a-zA-Z][^\x00-\x7f](?![^\x00-\x7f])|(?<![^\x00-\x7f])[^\x00-\x7f][a-zA-Z]")
_ODD_CASE = re.compile("[а-яё][А-ЯЁ](?=[а-яё])|[a-zà-öø-ÿ][À-ÖØ-Þ](?=[a-zà-öø-ÿ])")


def _score(names: Sequence[bytes], encoding: str, usual: Callable[[str], float]) -> float:
    """Return how usual the characters beyond ASCII are, at most 1; -1 if they can't be decoded."""
    points = total = 0.0
    for name in names:
        try:
            text = name.decode(encoding)
        except UnicodeDecodeError:
            return -1.0
        other = [ch for ch in text if not ch.isascii()]
        size = len(name) - sum(ch.isascii() for ch in text)  # bytes
        total += size
        share = len(other) / max(1, sum(ch.isalpha() for ch in text))
        measured = sum(map(usual, other)) * size / max(1, len(other))
        points += measured * (FEW_ACCENTS if encoding in _LATIN and share > MANY_ACCENTS else 1.0)
        odd = [_ACCENTS] if encoding in _LATIN else []
        odd += [_ODD_CASE, _CYRILLIC_IN_LATIN] if size == len(other) else [_LONE]
        points -= sum(len(run) for pattern in odd for run in pattern.findall(text))
    return points / total if total else -1.0


def _in_rows(encoding: str, first: int, last: int, *, rare: float) -> Callable[[str], float]:
    """Return the measure of characters of two bytes: 1 in the rows of the usual ones."""

    def usual(ch: str) -> float:
        try:
            code = ch.encode(encoding)
        except UnicodeEncodeError:
            return 0.0
        if len(code) != 2 or unicodedata.category(ch) != "Lo":
            return -0.5
        return 1.0 if first <= code[0] <= last else rare

    return usual


def _japanese(ch: str) -> float:
    if "\u3041" <= ch <= "\u30ff":  # kana
        return 1.0
    return _in_rows("cp932", 0x88, 0x97, rare=0.3)(ch) * 0.9


def _letter(ranges: str) -> Callable[[str], float]:
    letters = re.compile(f"[{ranges}]")
    return lambda ch: 1.0 if letters.match(ch) else 0.2 if ch.isalpha() else -1.0


_ENCODINGS: dict[str, Callable[[str], float]] = {
    "gb18030": _in_rows("gb2312", 0xB0, 0xD7, rare=0.5),
    "cp932": _japanese,
    "cp949": _in_rows("euc_kr", 0xB0, 0xC8, rare=0.1),
    "big5": _in_rows("big5", 0xA4, 0xC6, rare=0.3),
    "cp866": _letter("А-яЁё"),
    "cp437": _letter("À-ÖØ-öø-ÿ"),
    "cp850": _letter("À-ÖØ-öø-ÿ"),
    "cp1252": _letter("À-ÖØ-öø-ÿŒœŠšŽž"),
    "cp1251": _letter("А-яЁёІіЇїЄєҐґ"),
    "cp852": _letter("À-ÖØ-öø-ÿĄ-ž"),
    "cp1250": _letter("À-ÖØ-öø-ÿĄ-ž"),
}
"""Encodings of Windows by region, and how usual each character beyond ASCII is in names"""
