"""Files in stored mails and web pages: EML, EMLX, MBOX and MHTML.

The text of a mail is passed over; every other part of it is a file."""

import email
import re
from collections.abc import Iterator
from email.message import Message
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from detector import media
from detector.batch.entry import Entry, Opened
from detector.batch.listing import Source
from detector.batch.nested import Read, too_many, unfold
from detector.errors import MediaError
from detector.media.limits import SNIFF_BYTES
from detector.media.no_media import by_head
from detector.schema.passed_over import PassedOver, PassedOverReason
from detector.sentences import _

MAX_BYTES = 512 * 1024**2
MAX_PARTS = 10_000

_ENVELOPE = re.compile(rb"^From [^\n]+\n(?=[!-9;-~]{1,60}:)", re.MULTILINE)


class MailPart(BaseModel):
    """A file in a mail: its number, name, and first bytes in hexadecimal."""

    number: int
    name: str
    head: str


def read(path: Path, name: str, inner: Read, depth: int = 0) -> Source:
    """Return the files in a mail, and those in documents attached to it; raise MediaError if it is
    damaged or too large."""
    found, passed = list[Entry](), list[PassedOver]()
    for part in media.run_isolated(list_parts, path, returns=list[MailPart]):
        label = f"{name}, attachment {part.number}, {media.safe_name(part.name)}"
        head = bytes.fromhex(part.head)
        if (reason := by_head(head, part.name)) is not None:
            passed.append(PassedOver(name=label, reason=reason))
            continue
        below = unfold(Entry(label, partial(_open, path, part.number)), head, inner, depth)
        found += below.entries
        passed += below.passed_over
    if not found and not passed:
        passed.append(PassedOver(name=name, reason=PassedOverReason.TEXT))
    return Source(found, passed)


def _open(path: Path, number: int, folder: Path) -> Opened:
    media.run_isolated(unpack_part, path, number, str(folder), returns=int, writes=folder)
    return folder / "file", None


def list_parts(path: Path) -> list[MailPart]:
    """Return the files in a mail; raise MediaError. Runs in the sandbox."""
    return [
        MailPart(number=number, name=_name(part), head=_content(part)[:SNIFF_BYTES].hex())
        for number, part in enumerate(_parts(path), 1)
    ]


def unpack_part(path: Path, number: int, folder: str) -> int:
    """Write a file of a mail to `file` in a folder, and return its size; raise MediaError. Runs in
    the sandbox."""
    for known, part in enumerate(_parts(path), 1):
        if known == number:
            return (Path(folder) / "file").write_bytes(_content(part))
    raise _damaged()


def _parts(path: Path) -> Iterator[Message]:
    """Yield the parts of a mail that are no text of it."""
    if path.stat().st_size > MAX_BYTES:
        raise MediaError(_("This document is too large."), code="too_large")
    count = 0
    for message in _messages(path.read_bytes()):
        try:
            for part in message.walk():
                text = part.get_content_maintype() == "text" and not part.get_filename()
                if part.is_multipart() or text:
                    continue
                count += 1
                if count > MAX_PARTS:
                    raise too_many()
                yield part
        except (ValueError, LookupError, AttributeError, TypeError):
            raise _damaged() from None


def _messages(data: bytes) -> Iterator[Message]:
    places = [match.start() for match in _ENVELOPE.finditer(data)]
    if not data.startswith(b"From "):
        places = [0]
    for begin, end in zip(places, [*places[1:], len(data)], strict=True):
        message = data[begin:end]
        # Apple's begin with their length, mailboxes with an envelope.
        message = re.sub(rb"\A(?:\d{1,10}\s*\n|From [^\n]*\n)", b"", message, count=1)
        yield email.message_from_bytes(message)


def _name(part: Message) -> str:
    """Return the name of a part: its own, or the end of its address."""
    address = str(part.get("Content-Location") or "").split("?")[0].rstrip("/")
    stated = part.get_filename() or address.rpartition("/")[2]
    return str(stated or f"part.{part.get_content_subtype()}")


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _damaged() -> MediaError:
    return MediaError(_("This document is damaged."), code="bad_archive")
