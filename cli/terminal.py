"""Text for a terminal: lines that end at spaces, and tables that fit. Other output is left as it
is: a program wraps it, or a file keeps it."""

import codecs
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import TextIO

GAP = "  "  # between two columns
LEAST = 30  # letters that the last column of a table takes at least when its lines are wrapped

_HANGING = re.compile(r" *(?:- |\d+\. |\S+(?: \S+)*  +(?=\S))?")
"""Indent of a line with its bullet, its number, or its first column"""


_PLAIN = {
    "−": "-", "–": "-", "—": "-", "‑": "-", "…": "...", "“": '"', "”": '"', "„": '"', "«": '"',
    "»": '"', "‘": "'", "’": "'", "‚": "'", "×": "x", "·": "-", "•": "*", "≤": "<=", "≥": ">=",
    "≈": "~", "→": "->", "←": "<-", "±": "+/-", "✓": "+", "✗": "x",
    "Ł": "L", "ł": "l", "Ø": "O", "ø": "o", "ß": "ss", "Æ": "AE", "æ": "ae", "Đ": "D", "đ": "d",
}  # fmt: skip
"""Characters that our own texts use, in ASCII"""
_ERRORS = "unmask-plain"


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks: signs and accents by ASCII, other letters by "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    ch = error.object[error.start]
    plain = _PLAIN.get(ch) or unicodedata.normalize("NFKD", ch).encode("ascii", "ignore").decode()
    return plain or "?", error.start + 1


codecs.register_error(_ERRORS, _plain)


def prepare() -> None:
    """Let every text be written on any standard stream: one of another encoding than UTF-8 gets
    replacements, one that is closed (services, programs without a window) swallows it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "closed", False):
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8", errors=_ERRORS))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def has_every_letter(stream: TextIO) -> bool:
    """Return True if a stream can write any text as it is."""
    try:
        return codecs.lookup(stream.encoding or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None for a file or a pipe."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def wrapped(text: str, width: int | None) -> str:
    """Return a text whose lines are at most `width` letters long; what continues a line stands
    under its first word. No line ends between a number and its unit."""
    if width is None:
        return text
    return "\n".join(_filled(line, _hanging(line, width), width) for line in text.split("\n"))


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Return the lines of a table: in columns, of which the last is wrapped; or, where `width` is
    too small for them, each row under its first cell."""
    lines = [heads, *rows] if any(heads) else list(rows)
    columns = [max(map(len, column)) for column in zip(*lines, strict=True)]
    before = sum(columns[:-1]) + len(GAP) * (len(columns) - 1)
    if width is None or before + min(columns[-1], LEAST) <= width:
        padded = (GAP.join(map(str.ljust, line, columns)).rstrip() for line in lines)
        return [line if width is None else _filled(line, before, width) for line in padded]
    return [line for row in rows for line in _record(heads, row, width)]


def _record(heads: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    yield _filled(row[0], len(GAP), width)
    names = heads[1:] if any(heads) else [""] * (len(row) - 1)
    cells = (f"{name}: {cell}" if name else cell for name, cell in zip(names, row[1:], strict=True)
             if cell)  # fmt: skip
    if rest := "; ".join(cells):
        yield _filled(f"{GAP}{rest}", len(GAP), width)


def _hanging(line: str, width: int) -> int:
    """Return the indent of what continues a line."""
    found = _HANGING.match(line)
    hanging = len(found[0]) if found else 0
    return hanging if hanging <= width // 2 else len(line) - len(line.lstrip(" "))


def _filled(line: str, indent: int, width: int) -> str:
    from detector.messages.format import unbroken  # with pydantic, which most commands do without

    return textwrap.fill(
        unbroken(line), width, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
