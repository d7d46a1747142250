"""Provenance: signed origin, tags, traces of programs and repeated pictures of a file.

None of it is evidence of manipulation by itself, and its absence is evidence of nothing: most
untouched files carry no credential, and messengers strip all tags. All input is untrusted, bounded
in size and time, and can't end an analysis."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import TypeVar

from detector.errors import Canceled, UsageError
from detector.media import run_isolated
from detector.provenance.credential import read_credential
from detector.provenance.earlier import from_metadata, from_sidecar
from detector.provenance.findings import findings, maker
from detector.provenance.hashes import FrameHashes
from detector.provenance.marks import MarkSearch
from detector.provenance.pictures import read_film, read_still
from detector.provenance.repeats import find_repeats
from detector.schema.analysis import Media
from detector.schema.origin import Fact, GeoLocation, Provenance, Repeats
from detector.sentences import _

__all__ = ["FrameHashes", "MarkSearch", "conclude", "facts", "inspect"]

log = logging.getLogger(__name__)
T = TypeVar("T")
Tags = tuple[list[Fact], GeoLocation | None, Mapping[str, str]]


def inspect(
    path: str | os.PathLike[str], media: Media, *, cancel: Event | None = None
) -> Provenance:
    """Return the provenance of a file and its sidecar; frames are hashed where they are decoded.
    Once `cancel` is set, the rest is skipped. Raise UsageError for an unreadable trust list."""
    begun = time.perf_counter()
    result = Provenance()

    def attempt(what: str, read: Callable[[], T]) -> T | None:
        """Read one part; a failure is recorded, and the others go on."""
        if cancel is not None and cancel.is_set():
            return None
        try:
            return read()
        except UsageError:
            raise
        except Canceled:
            return None
        except Exception as error:
            log.info("%s could not be read: %s", what, type(error).__name__)
            result.unread.append(
                _("{what} could not be read: damaged, or not as it should be.").format(what=what)
            )
            return None

    credential = attempt(_("The C2PA manifest"), lambda: read_credential(path, cancel=cancel))
    result.credential = credential or result.credential
    film = media.kind == "video"
    tags = attempt(_("The tags"), lambda: _tags(path, media))
    properties: Mapping[str, str] = {}
    if tags is not None:
        result.facts, result.place, properties = tags
    if film:
        result.repeats = attempt(
            _("The frames"),
            lambda: run_isolated(find_repeats, path, returns=Repeats, cancel=cancel),
        )
    result.earlier = from_metadata(properties) or from_sidecar(Path(path))
    conclude(result)
    result.seconds = round(time.perf_counter() - begun, 3)
    return result


def conclude(result: Provenance) -> None:
    """Derive findings and maker from the collected facts."""
    result.findings, result.maker = findings(result), maker(result)


def facts(path: str | os.PathLike[str], media: Media) -> list[Fact]:
    """Return the facts in a file's tags, and its encoder in the stream, without decoding. Raise
    MediaError, or any exception of a parser."""
    return _tags(path, media)[0]


def _tags(path: str | os.PathLike[str], media: Media) -> Tags:
    reader = read_film if media.kind in ("video", "audio") else read_still
    tags: Tags = run_isolated(reader, path, returns=Tags)
    return tags
