"""Labelled files: a CSV or a folder of known layout, and groups for splits without shared people.

The CSV has a header with `file` (relative to the CSV's folder), `label` (real or fake) and, if
known, `kind` (image, video or audio), `method`, its `year`, `group`, `source` and `person`. Files
of one group show the same footage: an original and its fakes. A person who appears in several
groups or sources is on one side of every split only if the column `person` names them.
A folder with `real/` and `fake/`, or in the layout of FaceForensics++, Celeb-DF or DFDC, needs no
CSV.
"""

import csv
import hashlib
import io
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Protocol

from detector.errors import InputError, MediaError
from detector.media.files import open_file
from detector.schema.analysis import Question
from detector.sentences import _

_TAKE = re.compile(r"[_-]\d+$")
_FRAME = re.compile(r"([_-]f|[/_-]frame[_-]?)\d{1,6}$")
"""Suffix of a video frame's name: `_f04`, `_frame12`, or `frame_0012` alone in a folder. A plain
number is ambiguous: collections of different people's portraits are numbered too."""
MAX_SHEET_BYTES = 16 << 20
CHUNK = 1 << 20  # bytes that are read at once
MAX_ROWS = 100_000  # of a labelled CSV
MAX_LABEL = 99  # letters of an invalid label in an error
Row = dict[str, str]  # of a labelled CSV
SOUNDS = {".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus"}
VIDEOS = {
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".3gp", ".ts", ".wmv",
    ".mjpeg", ".mjpg",
}  # fmt: skip
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".heic", ".avif"}


@dataclass(frozen=True)
class Item:
    """One labelled file."""

    file: Path  # absolute
    name: str  # as in the CSV
    label: int  # 1 manipulated, 0 untouched
    kind: str  # "image", "video" or "audio"
    method: str  # how it was generated; "none" for untouched
    group: str
    """Files of one group show the same footage. Never empty: by default each file is its own group,
    and frames of one video, by their names, are one group."""
    source: str  # where it was collected
    named: str = ""  # the person shown, if the CSV names one; the same in every source
    note: str = ""  # free text; "region …" or "whole …": how much of a talking head is generated
    year: int = 0  # in which the generating system was published; 0 if unknown

    @property
    def person(self) -> str:
        """Return the person shown: by name, else the group without the number of the take."""
        return self.named or f"{self.source}:{self.footage}"

    @property
    def footage(self) -> str:
        """Return the group without the number of the take."""
        return _TAKE.sub("", self.group)


class HasSource(Protocol):
    """Protocol of records that folds are split by source."""

    @property
    def source(self) -> str: ...


class Labelled(HasSource, Protocol):
    """Protocol of labelled records, for splits and pairs."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def person(self) -> str: ...


def csv_rows(chunks: Iterable[bytes], name: object, most: int) -> Iterator[Row]:
    """Yield at most `most` rows of a labelled CSV, with labels in lower case; raise InputError."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_SHEET_BYTES:
            text = _("The labels {path} are larger than {max_sheet_bytes} MB.")
            text = text.format(path=name, max_sheet_bytes=MAX_SHEET_BYTES >> 20)
            hint = _("Choose a CSV of labels, or part it.")
            raise InputError(text, code="too_large", hint=hint)
    lines = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    number = 0
    try:
        for number, row in enumerate(csv.DictReader(lines), start=1):
            if not {"file", "label"} <= set(row):
                number = 0
                break
            if number > most:
                text = _("The labels {path} list more than {max_rows} files.")
                text = text.format(path=name, max_rows=f"{most:,}")
                raise InputError(text, code="too_many_files", hint=_("Part them."))
            label = (row["label"] or "").strip().lower()
            if label not in ("real", "fake"):
                text = _("Line {number} of {path}: {label} is neither real nor fake.")
                label = repr(label[:MAX_LABEL])
                raise InputError(text.format(number=number + 1, path=name, label=label))
            yield {**row, "label": label}
    except (UnicodeDecodeError, csv.Error) as error:
        text = _("The labels {path} can't be read: {error}")
        raise InputError(text.format(path=name, error=error)) from error
    if not number:
        hint = _("The first line names the columns, for example: file,label,group,source,method")
        text = _("The labels {path} have no rows with the columns file and label.")
        raise InputError(text.format(path=name), hint=hint)


def _rows(path: Path) -> Iterator[Row]:
    try:
        with open_file(path) as file:
            yield from csv_rows(iter(partial(file.read, CHUNK), b""), path, MAX_ROWS)
    except MediaError as error:
        hint = _("Choose a CSV of labels.") if error.code == "not_a_file" else error.hint
        raise InputError(
            _("{path}: {message}").format(path=path, message=error.message),
            code=error.code,
            hint=hint,
        ) from None
    except OSError as error:
        text = _("The labels {path} can't be read: {error}")
        raise InputError(text.format(path=path, error=error)) from error


def read_labels(path: Path, check: Callable[[Item], object] = lambda item: None) -> list[Item]:
    """Read a labelled CSV, or a folder of known layout (`folder_rows`), and call `check` with each
    file; raise InputError if it is invalid."""
    items, folder = [], path if path.is_dir() else path.parent
    for row in folder_rows(path) if path.is_dir() else _rows(path):
        label, name = row["label"], row["file"] or ""
        suffix = Path(name).suffix.lower()
        sort = "image" if suffix in _PICTURES else "audio" if suffix in SOUNDS else "video"
        kind = row.get("kind") or sort
        stem = name.removesuffix(Path(name).suffix)
        video = _FRAME.sub("", stem)
        item = Item(
            file=folder / name,
            name=name,
            label=int(label == "fake"),
            kind=kind,
            method=row.get("method") or ("unknown" if label == "fake" else "none"),
            # Without one: the video that a frame's name comes from, else the file itself.
            group=row.get("group") or (video if kind == "image" and video != stem else name),
            source=row.get("source") or "unknown",
            named=(row.get("person") or "").strip(),
            note=row.get("note") or "",
            year=int(year) if re.fullmatch(r"[0-9]{4}", year := row.get("year") or "") else 0,
        )
        check(item)
        items.append(item)
    return _joined(items)


def _joined(items: Sequence[Item]) -> list[Item]:
    """Give one person to all files that share a name, a take or a group."""
    names: dict[tuple[str, str], set[str]] = {}
    for item in items:
        names.setdefault((item.source, item.footage), set()).update({item.named} - {""})

    def shown(item: Item) -> tuple[int, str, str]:
        # Takes show one person, unless the CSV names several in them.
        if len(names[item.source, item.footage]) < 2:
            return 1, item.source, item.footage
        return 2, item.source, item.group

    from scipy.cluster.hierarchy import DisjointSet  # half a second

    alike = DisjointSet(map(shown, items))
    for item in items:
        if item.named:
            alike.add((0, item.named, ""))
            alike.merge((0, item.named, ""), shown(item))
    # The least of each set: names before footage, independent of the order of files.
    first = {key: min(keys) for keys in alike.subsets() for key in keys}
    people = [(item, *first[shown(item)][:2]) for item in items]
    # Prefix a person by the source that names most people, so that a few files elsewhere don't move
    # people of it to the other side of a split.
    places = {(name, item.source) for item, rank, name in people if rank == 0}
    size = Counter(source for _, source in places)
    home = dict(sorted(places, key=lambda place: (size[place[1]], place)))
    return [
        replace(item, named=f"{home[name]}:{name}") if rank == 0 else item
        for item, rank, name in people
    ]


def pairs(items: Sequence[Labelled]) -> list[tuple[int, int]]:
    """Return indices (original, fake of it) within groups, fakes in order of appearance."""
    originals: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        if item.label == 0:
            originals.setdefault((item.source, item.group), index)
    return [
        (originals[item.source, item.group], index)
        for index, item in enumerate(items)
        if item.label == 1 and (item.source, item.group) in originals
    ]


def hash_of(text: str) -> str:
    """Return the sha256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


SUFFIXES = {*VIDEOS, ".gif", *_PICTURES, *SOUNDS}
LABELS = {
    "real": "real", "original": "real", "originals": "real", "untouched": "real", "0_real": "real",
    "fake": "fake", "fakes": "fake", "manipulated": "fake", "altered": "fake", "1_fake": "fake",
}  # fmt: skip


def folder_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of a folder's files; raise InputError if its layout is unknown."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    found = 0
    for path in files:
        name = path.relative_to(folder)
        if row := _dfdc(path) or layout_row(name):
            found += 1
            yield {"file": str(name), **row}
    if not found:
        raise InputError(
            _("Nothing in {folder} says which files are real.").format(folder=folder),
            hint=_("Put them into the folders real/ and fake/, or write a CSV of labels."),
        )


def layout_row(name: PurePath) -> Row | None:
    """Return what the path of a file in a known layout says, at least its label."""
    if row := _celeb_df(name) or _faceforensics(name):
        return row
    # The nearest folder that is called real, fake or alike.
    known = (LABELS.get(part.lower()) for part in reversed(name.parts[:-1]))
    label = next(filter(None, known), None)
    return {"label": label} if label else None


def _faceforensics(name: PurePath) -> Row | None:
    """Read `original_sequences/youtube/c23/videos/000.mp4` and
    `manipulated_sequences/Deepfakes/c23/videos/000_003.mp4`: 003's face in 000's footage."""
    if "original_sequences" in name.parts:
        at = name.parts.index("original_sequences")
        return {"label": "real", "group": name.stem, "source": f"FF++ {name.parts[at + 1]}"}
    if "manipulated_sequences" in name.parts:
        method = name.parts[name.parts.index("manipulated_sequences") + 1]
        actors = method == "DeepFakeDetection"
        # 01_02__walking__HASH of actors: the first two are target and source.
        group = re.sub(r"^(\d+)_\d+(__.*?)(__\w+)?$", r"\1\2", name.stem) if actors else ""
        return {
            "label": "fake",
            "method": method,
            "group": group or name.stem.partition("_")[0],
            "source": "FF++ actors" if actors else "FF++ youtube",
        }
    return None


def _celeb_df(name: PurePath) -> Row | None:
    """Read `Celeb-real/id0_0001.mp4`, `Celeb-synthesis/id0_id1_0001.mp4`, `YouTube-real/1.mp4`."""
    kind = name.parent.name
    if kind not in ("Celeb-real", "Celeb-synthesis", "YouTube-real"):
        return None
    row = {"label": "fake" if kind == "Celeb-synthesis" else "real", "source": "Celeb-DF"}
    if match := re.fullmatch(r"(id\d+)(?:_id\d+)?_(\d+)", name.stem):
        row |= {"person": match[1], "group": f"{match[1]}-{match[2]}"}
    return row


def _dfdc(path: Path) -> Row | None:
    """Read `metadata.json` beside a file: {"a.mp4": {"label": "FAKE", "original": "b.mp4"}, …}."""
    sheet = path.parent / "metadata.json"
    if not sheet.is_file():
        return None
    try:
        about = json.loads(sheet.read_text("utf-8"))[path.name]
        label = str(about["label"]).lower()
    except (ValueError, KeyError, TypeError):
        return None
    group = Path(str(about.get("original") or path.name)).stem
    return {"label": label, "group": group, "source": "DFDC"} if label in ("real", "fake") else None


FAMILIES: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("families.toml").read_text("utf-8")
)


def family(method: str) -> str:
    """Return the family of a manipulation method, by its name."""
    text = method.lower()
    # "face swap / lip-sync" and "FF++ DeepFakeDetection" are swaps whatever else they name.
    if "face swap" in text:
        return "face swap"
    return next(
        (name for name, words in FAMILIES.items() if any(w in text for w in words)), "other"
    )


def questions(method: str) -> tuple[Question, ...]:
    """Return the questions that a fake of this method concerns: for a generated portrait two."""
    kind = family(method)
    asked = tuple(q for q in Question if kind in q.spec.methods)
    return asked or (Question.MANIPULATION,)
