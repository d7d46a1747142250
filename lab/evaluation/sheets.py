"""Rebuild the clips of a data sheet from the public repositories that its rows name.

`datasets/README.md` defines the columns of a sheet and the cutting of clips. A row names a commit
and a path, which Git resolves to the hash of a file; another content is rejected. Pictures are
written as they are. Repositories are read one after another, from a mirror or a partial clone;
existing files are kept.
"""

import csv
import io
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

import av
import cv2
import numpy as np
from av.container import InputContainer

from detector.audio.sound import SAMPLE_RATE
from detector.errors import InputError
from detector.perturbation import sounds
from detector.sentences import _

HOST = "https://github.com"
SIDE = 320  # px that a clip's square has at most
CRF = "18"
PEAK = 0.9
BIT_RATE = 64_000
LABELS = ("file", "label", "kind", "method", "group", "source", "commit", "person", "year")
CLIPS = {"repository", "commit", "path", "start", "seconds", "label"}
PICTURES = {"file", "source", "commit", "label", "kind", "note"}

Row = Mapping[str, str]
Progress = Callable[[int, int], None]


class ClipGone(Exception):
    """Reason that a row can't be built."""


class MissingClip(NamedTuple):
    """A row that was not built."""

    clip: str
    reason: str


def read(sheet: Path) -> list[Row]:
    """Return the rows of a sheet; raise InputError unless it is one of clips, recordings or
    pictures."""
    try:
        with sheet.open(encoding="utf-8", newline="") as stream:
            rows: list[Row] = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            _("The data sheet {path} can't be read: {error}.").format(path=sheet, error=error)
        ) from error
    if not rows or (CLIPS - set(rows[0]) and PICTURES - set(rows[0])):
        raise InputError(
            _("{path} is no data sheet of clips, recordings or pictures.").format(path=sheet),
            hint=_("datasets/README.md lists the columns."),
        )
    return rows


def _of_pictures(row: Row) -> bool:
    return "path" not in row


def name_of(row: Row) -> str:
    """Return the file of a row in the folder."""
    if _of_pictures(row):
        return row["file"]
    if not (clip := row.get("clip", "")):
        own = f"{row['path']} {row['start']}"
        words = "".join(c if c.isalnum() else "_" for c in row["path"].rpartition(".")[0])[-60:]
        owner = row["repository"].replace("/", "+")
        return f"{row['label']}/{owner}/{words}_{zlib.crc32(own.encode()):08x}.mp3"
    return clip if clip.endswith(".mp4") else f"{clip}.mkv"


def build(
    rows: Sequence[Row], out: Path, *, mirror: Path | None, on_progress: Progress
) -> list[MissingClip]:
    """Cut the clips of a sheet into a folder, write `labels.csv` of them and `missing.csv`, and
    return the missing ones."""
    out.mkdir(parents=True, exist_ok=True)
    by_repository: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_repository[row["source" if _of_pictures(row) else "repository"]].append(row)
    missing, done = list[MissingClip](), 0
    for name, own in by_repository.items():
        missing += _build_some(name, own, out, mirror)
        done += len(own)
        on_progress(done, len(rows))
    gone = {one.clip for one in missing}
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        pictures = _of_pictures(rows[0])
        writer.writerow(rows[0] if pictures else LABELS)
        there = [row for row in rows if name_of(row) not in gone]
        writer.writerows([*row.values()] if pictures else _label(row) for row in there)
    with (out / "missing.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([MissingClip._fields, *missing])
    return missing


def _label(row: Row) -> tuple[str, ...]:
    kind = "video" if row.get("crop") else "audio"
    method = row.get("method") or row.get("system") or "none"
    facts = (row[key] for key in ("group", "repository", "commit", "person", "year"))
    return name_of(row), row["label"], kind, method, *facts


def _build_some(
    name: str, rows: Sequence[Row], out: Path, mirror: Path | None
) -> list[MissingClip]:
    """Build the missing clips of one repository."""
    missing, repository = list[MissingClip](), None
    blobs: dict[tuple[str, str], bytes] = {}
    for row in rows:
        file = out / name_of(row)
        if file.exists():
            continue
        try:
            path = _path_of(row, name)
            repository = repository or MirroredRepository.of(name, out, mirror)
            key = row["commit"], path
            if key not in blobs:
                blobs = {key: repository.blob(*key)}
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f"part-{file.name}")
            if _of_pictures(row):
                part.write_bytes(blobs[key])
            else:
                cut = clip if row.get("crop") else recording
                cut(blobs[key], row, part)
            part.replace(file)
        except (ClipGone, av.FFmpegError, OSError) as error:
            missing.append(MissingClip(name_of(row), str(error)))
    return missing


def _path_of(row: Row, repository: str) -> str:
    """Return the path of a row in its repository; raise ClipGone."""
    if _of_pictures(row):
        path = row["file"].removeprefix(f"{repository}/")
        if path == row["file"]:
            raise ClipGone("it is a clip or a crop of another sheet")
        if ".." in PurePosixPath(path).parts:
            raise ClipGone("its path leaves the repository")
        return path
    if not row["path"]:
        raise ClipGone("its path was not recorded")
    if not row["start"]:
        raise ClipGone("its time window was not recorded")
    return row["path"]


class MirroredRepository(NamedTuple):
    """The Git folder of a repository."""

    folder: Path
    remote: bool

    @classmethod
    def of(cls, name: str, out: Path, mirror: Path | None) -> "MirroredRepository":
        """Return that of a mirror (`owner+name`, `owner+name/repo` or `owner/name` in it), or a
        partial clone in `out`; raise ClipGone."""
        joined = name.replace("/", "+")
        if mirror is not None:
            for place in (mirror / joined, mirror / joined / "repo", mirror / name):
                for folder in (place / ".git", place):
                    if (folder / "HEAD").exists():
                        return cls(folder, remote=False)
            raise ClipGone("the mirror does not hold its repository")
        folder = out / ".repositories" / joined
        if not (folder / "HEAD").exists():
            _git("clone", "--bare", "--filter=blob:none", f"{HOST}/{name}", str(folder))
        return cls(folder, remote=True)

    def blob(self, commit: str, path: str) -> bytes:
        """Return a file of a commit, its hash checked; raise ClipGone."""
        at = "--git-dir", str(self.folder)
        if self.remote and len(commit) == 40:
            _git(*at, "fetch", "--filter=blob:none", "--depth=1", "origin", commit)
        stated = _git(*at, "rev-parse", f"{commit}:{path}").decode().strip()
        content = _git(*at, "cat-file", "blob", stated)
        if _git(*at, "hash-object", "--stdin", given=content).decode().strip() != stated:
            raise ClipGone("its content has another hash")
        return content


def _git(*words: str, given: bytes | None = None) -> bytes:
    done = subprocess.run(["git", *words], input=given, capture_output=True, check=False)
    if done.returncode:
        raise ClipGone(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return done.stdout


# --- cutting --------------------------------------------------------------------------------------


def clip(content: bytes, row: Row, file: Path) -> None:
    """Write the square of a row as H.264, in Matroska with its sound. Raise ClipGone if the video
    ends before."""
    x, y, width, height = map(int, row["crop"].split())
    start, seconds = float(row["start"]), float(row["seconds"])
    with cast(InputContainer, av.open(io.BytesIO(content))) as source:
        rate = source.streams.video[0].average_rate or Fraction(25)
        frames = _frames(source, start, max(1, round(seconds * float(rate))))
        pictures = [
            picture[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
            for picture in frames
        ]
    if not pictures or not pictures[0].size:
        raise ClipGone("there is no picture at its time or in its square")
    side = min(SIDE, width) // 2 * 2
    high = max(2, round(pictures[0].shape[0] * side / pictures[0].shape[1]) // 2 * 2)
    with av.open(str(file), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": CRF})
        stream.width, stream.height, stream.pix_fmt = side, high, "yuv420p"
        stream.thread_count = 1
        heard = _samples(content, start, seconds) if file.suffix == ".mkv" else None
        sound = None if heard is None else out.add_stream("pcm_s16le", SAMPLE_RATE, layout="mono")
        for picture in pictures:
            small = cv2.resize(picture, (side, high), interpolation=cv2.INTER_AREA).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        out.mux(stream.encode(None))
        if sound is not None and heard is not None:
            whole = np.clip(heard * 32_767, -32_768, 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            out.mux([*sound.encode(frame), *sound.encode(None)])


def _frames(source: InputContainer, start: float, count: int) -> Iterator[np.ndarray]:
    """Yield the first frames from a time on, uint8 [H, W, 3]."""
    source.streams.video[0].thread_type = "AUTO"
    for frame in source.decode(video=0):
        if count and frame.time is not None and frame.time >= start - 1e-3:
            count -= 1
            yield frame.to_ndarray(format="rgb24")
        if not count:
            return


def _samples(content: bytes, start: float, seconds: float) -> np.ndarray:
    """Return a stretch of the sound, float64 [n]."""
    begin = round(start * SAMPLE_RATE)
    return sounds.decoded(io.BytesIO(content))[begin : begin + round(seconds * SAMPLE_RATE)]


def recording(content: bytes, row: Row, file: Path) -> None:
    """Write a stretch of a recording as MP3 with the peak `PEAK`; raise ClipGone for silence."""
    x = _samples(content, float(row["start"]), float(row["seconds"]))
    if not len(x) or not np.abs(x).max():
        raise ClipGone("there is no sound at its time")
    loud = PEAK * x / np.abs(x).max()
    file.write_bytes(sounds.encode(loud, "libmp3lame", "mp3", BIT_RATE, SAMPLE_RATE).getvalue())
