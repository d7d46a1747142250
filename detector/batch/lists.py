"""Tables and lists of paths, as spreadsheets, file managers and scripts write them."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from detector.errors import UsageError
from detector.media.files import open_file
from detector.sentences import _

COLUMNS = ("path", "file", "filename", "url", "name")
"""columns of a table that may hold the paths, by priority"""
MAX_LIST_BYTES = 64 * 1024**2  # of a table or a list: a million paths
_SEPARATORS: tuple[str, ...] = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"""\A\s*"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|\Z)""", re.IGNORECASE)
"""Excel's own first line, which names the separator and is no row"""
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def lines(path: Path) -> list[str]:
    """Return the paths of a text file, one a line, without comments; raise UsageError."""
    found = [_unquoted(line) for line in _text(path).splitlines()]
    return [line for line in found if line and not line.startswith("#")]


def column(path: Path) -> list[str]:
    """Return the paths in the column of a table that holds them; raise UsageError."""
    text = _text(path)
    separators = _SEPARATORS
    if (named := _SEPARATOR_LINE.match(text)) is not None:
        separators, text = (named[1],), text[named.end() :]
    elif path.suffix.lower() == ".tsv":
        separators = ("\t",)
    error: csv.Error | None = None
    usual = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # of the whole process
    try:
        for separator in separators:
            try:
                if (values := _values(text, separator)) is not None:
                    return values
            except csv.Error as wrong:
                error = wrong
    finally:
        csv.field_size_limit(usual)
    if error is not None:
        raise UsageError(
            _("{name} can't be read as a table: {error}.").format(name=path.name, error=error)
        )
    raise UsageError(
        _("{name} has no rows with a column of paths.").format(name=path.name),
        hint=_("Its first line names the columns; one of them is {names}.").format(
            names=", ".join(COLUMNS)
        ),
    )


def _values(text: str, separator: str) -> list[str] | None:
    """Return the paths of a table; None if its first row names no column of paths."""
    rows = _rows(text, separator)
    names = [name.strip().lower() for name in next(rows, [])]
    chosen = next((names.index(name) for name in COLUMNS if name in names), None)
    if chosen is None:
        return None
    values = [_unquoted(row[chosen]) for row in rows if len(row) > chosen]
    return [value for value in values if value] or None


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield the rows that hold something."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    return (row for row in rows if any(cell.strip() for cell in row))


def located(folder: Path, name: str) -> Path:
    """Return the file that a list names: a path relative to its folder, with slashes or
    backslashes, or the `file:` address of one."""
    if name.lower().startswith("file:"):
        name = unquote(urlsplit(name).path)
        name = name[1:] if re.match(r"/[A-Za-z]:", name) else name
    path = folder / Path(name).expanduser()
    if "\\" in name and not path.exists():
        other = folder / name.replace("\\", "/")
        return other if other.exists() else path
    return path


def _unquoted(text: str) -> str:
    """Return a cell or line without white space and the quotes that file managers put around."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] in "\"'" else text


def _text(path: Path) -> str:
    with open_file(path) as file:
        data = file.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        text = _("{name} is too long for a list of files.")
        raise UsageError(text.format(name=path.name), hint=_("Cut it into parts."))
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    try:
        return data.decode(marked or "utf-8")
    except UnicodeDecodeError:
        pass
    if marked or b"\x00" in data:
        raise UsageError(
            _("{name} is not text in UTF-8.").format(name=path.name), hint=_("Save it as UTF-8.")
        )
    return _older_text(path.parent, data)


_OLDER = ("cp1252", "gb18030", "cp932", "big5", "cp949", "cp1251", "cp1250", "cp866", "cp850")
_TRIED_CELLS = 500
_CELL = re.compile(r'[^,;\t|"\r\n]+')


def _older_text(folder: Path, data: bytes) -> str:
    """Return a text in the older encoding by which most of its cells name files that exist."""
    best, most = data.decode("cp1252", "replace"), 0
    for encoding in _OLDER:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        cells = [cell for cell in _CELL.findall(text) if not cell.isascii()][:_TRIED_CELLS]
        number = sum(_exists(folder, cell.strip()) for cell in cells)
        if number > most:
            best, most = text, number
    return best


def _exists(folder: Path, name: str) -> bool:
    try:
        return located(folder, name).exists()
    except (OSError, ValueError):
        return False
