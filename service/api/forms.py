"""Multipart forms with files as clients send them: file names by RFC 5987 (`filename*=UTF-8''…`),
and with browsers' escapes for characters that end a name."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote_to_bytes

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.storage.arriving import ArrivingFile

_EXTENDED = re.compile(rb"""\bfilename\*\s*=\s*"?([\w.:-]+)'[^']*'([^;"\s]+)"?""", re.I)
_PLAIN = re.compile(rb';\s*filename\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;]*)', re.I)
_ESCAPED = {b"%22": b'\\"', b"%0D": b" ", b"%0A": b" "}
"""As the HTML standard has browsers write quotes and line ends in a name"""


class NamedParts(MultiPartParser):
    """Multipart parser that reads each form of a file name and writes files under `root`."""

    def __init__(self, *arguments: Any, root: Path, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._root = root

    def on_headers_finished(self) -> None:
        """Rewrite the file name in the headers of a part as plain UTF-8."""
        part = self._current_part
        if part.content_disposition:
            part.content_disposition = _plainly(part.content_disposition)
        super().on_headers_finished()
        if part.file is not None:  # written once, where it stays
            arriving = ArrivingFile(self._root)
            part.file.file = cast(BinaryIO, arriving)
            self._files_to_close_on_error[-1].close()
            self._files_to_close_on_error[-1] = cast(Any, arriving)


@asynccontextmanager
async def parsed(
    request: Request, root: Path, *, max_files: int, max_fields: int, max_part_size: int
) -> AsyncIterator[FormData]:
    """Parse a form; its files are written under `root` and deleted on exit, unless they were taken
    over (`ArrivingFile`). Raise HTTPException (400) for a broken one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        async with request.form(max_fields=max_fields, max_part_size=max_part_size) as form:
            yield form
        return
    try:
        async with aclosing(request.stream()) as stream:
            form = await NamedParts(
                request.headers,
                stream,
                max_files=max_files,
                max_fields=max_fields,
                max_part_size=max_part_size,
                root=root,
            ).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    try:
        yield form
    finally:
        await form.close()


def _plainly(disposition: bytes) -> bytes:
    """Return a header with its file's name as UTF-8 between quotes."""
    extended, plain = _EXTENDED.search(disposition), _PLAIN.search(disposition)
    if extended is not None:
        coded = unquote_to_bytes(extended[2])
        try:
            text = coded.decode(extended[1].decode(), "replace")
        except (LookupError, UnicodeError):  # no such character set
            text = coded.decode("utf-8", "replace")
        name = text.encode("utf-8", "replace")
        name = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return _PLAIN.sub(b"", disposition) + b'; filename="' + name + b'"'
    if plain is None:
        return disposition
    name = plain[0]
    for escaped, meant in _ESCAPED.items():
        name = re.sub(escaped, lambda _, meant=meant: meant, name, flags=re.I)  # type: ignore[misc]
    return disposition[: plain.start()] + name + disposition[plain.end() :]
