"""File traces: stated recording time, camera, writing program and compression."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from detector import provenance
from detector.provenance.credential import read_credential, trust_list
from detector.schema.analysis import Media
from detector.schema.origin import Fact

log = logging.getLogger(__name__)

WRITERS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "Google": r"produced by google|\Agoogle\b",  # YouTube's track, and its container
        "Twitter": r"twitter-vork",
        "HandBrake": r"handbrake",
        "Adobe Premiere": r"adobe premiere",
        "Adobe After Effects": r"adobe after effects",
        "Adobe Media Encoder": r"adobe media encoder",
        "Adobe Photoshop": r"photoshop",
        "Adobe Lightroom": r"lightroom",
        "DaVinci Resolve": r"davinci resolve",
        "Final Cut": r"final cut",
        "iMovie": r"imovie",
        "CapCut": r"capcut",
        "GIMP": r"\bgimp\b",
        "x264": r"x264",
        "x265": r"x265",
        "FFmpeg": r"\blav[fc]\d",
        "GPAC": r"\bgpac\b",
        "L-SMASH": r"l-smash",
        "MKVToolNix": r"mkvmerge",
    }.items()
}
"""Programs and sites that rewrite files, the most specific first; only these names are shown."""
EARLIEST = datetime(1990, 1, 1)  # Earlier dates are of a clock that was never set
_DATE = re.compile(r"\A(\d{4})[-:](\d\d)[-:](\d\d)(?:[T ](\d\d):(\d\d))?")
_FACTOR = re.compile(r"\A(x26[45]) .*\bcrf (\d{1,2}(?:\.\d{1,3})?)(?:,|\Z)")
_QUALITY = re.compile(r"quality (\d{1,3})\Z")
CAPTURED = "digitalCapture"  # IPTC's digital source type of a camera recording
FACTOR, QUALITY = "{} CRF", "JPEG quality"


@dataclass(frozen=True)
class FileTraces:
    """Stated facts about how a file was written. All of them can be forged."""

    made: datetime | None = None  # The latest time it states, without a time zone
    camera: bool = False  # Whether it names one
    writer: str = ""  # of `WRITERS`; empty if unknown
    captured: bool = False  # Whether a trusted signer states that a camera recorded just this
    compression: tuple[str, float] | None = None
    """`FACTOR` of x264 or x265 or `QUALITY`, and its value"""


def read_traces(path: str | os.PathLike[str], media: Media) -> FileTraces:
    """Return a file's traces; empty if unreadable: tags are untrusted input."""
    try:
        return replace(traces_of(provenance.facts(path, media)), captured=_captured(path))
    except Exception as error:
        log.info("no traces could be read: %s", type(error).__name__)
        return FileTraces()


def _captured(path: str | os.PathLike[str]) -> bool:
    """Return True if a trusted manifest states that a camera recorded the file, without sources."""
    if trust_list() is None:
        return False
    signed = read_credential(path)
    made = signed.generated or signed.ingredients
    return signed.state == "trusted" and not made and CAPTURED in signed.sources


def traces_of(facts: Iterable[Fact]) -> FileTraces:
    """Derive traces from a file's facts."""
    facts = list(facts)
    times = [time for fact in facts if fact.group == "time" if (time := _time(fact.value))]
    written = [f.value for f in facts if f.group in ("software", "container", "encoder")]
    writers = (name for name, pattern in WRITERS.items() if any(pattern.search(v) for v in written))
    return FileTraces(
        made=max(times, default=None),
        camera=any(fact.group == "camera" for fact in facts),
        writer=next(writers, ""),
        compression=next((c for fact in facts if (c := _compression(fact))), None),
    )


def _time(text: str) -> datetime | None:
    if (match := _DATE.match(text)) is None:
        return None
    try:
        year, month, day, hour, minute = (int(part or 0) for part in match.groups())
        time = datetime(year, month, day, hour, minute)
    except ValueError:
        return None
    return time if EARLIEST <= time <= datetime.now() + timedelta(days=2) else None


def _compression(fact: Fact) -> tuple[str, float] | None:
    if fact.group != "encoder":
        return None
    if match := _FACTOR.match(fact.value):
        return FACTOR.format(match[1]), float(match[2])
    if fact.source == "JPEG" and (match := _QUALITY.search(fact.value)):
        return QUALITY, float(match[1])
    return None
