"""Labels of a folder: `real/` and `fake/`, or the layout of FaceForensics++, Celeb-DF or DFDC."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from detector.errors import InputError

SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mjpeg", ".mjpg",
    ".gif", ".jpg", ".jpeg", ".png", ".webp",
    ".bmp", ".heic", ".avif", ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus",
}  # fmt: skip
LABELS = {
    "real": "real", "original": "real", "originals": "real", "untouched": "real", "0_real": "real",
    "fake": "fake", "fakes": "fake", "manipulated": "fake", "altered": "fake", "1_fake": "fake",
}  # fmt: skip
Row = dict[str, str]
"""A row of a labelled CSV."""


def rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of a folder's files; raise InputError where nothing says which are fake."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    found = 0
    for path in files:
        name = path.relative_to(folder)
        row = _dfdc(path) or _celeb_df(name) or _faceforensics(name) or _labelled(name)
        if row:
            found += 1
            yield {"file": str(name), **row}
    if not found:
        raise InputError(
            f"Nothing in {folder} says which files are real.",
            hint="Put them into the folders real/ and fake/, or write a CSV of labels.",
        )


def _labelled(name: Path) -> Row | None:
    """Return the label of the nearest folder that is called real, fake or alike."""
    for part in reversed(name.parts[:-1]):
        if label := LABELS.get(part.lower()):
            return {"label": label}
    return None


def _faceforensics(name: Path) -> Row | None:
    """`original_sequences/youtube/c23/videos/000.mp4` and `manipulated_sequences/Deepfakes/c23/
    videos/000_003.mp4`, in which 003's face stands in 000's footage."""
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


def _celeb_df(name: Path) -> Row | None:
    """`Celeb-real/id0_0001.mp4`, `Celeb-synthesis/id0_id1_0001.mp4`, `YouTube-real/00001.mp4`."""
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
        said = json.loads(sheet.read_text("utf-8"))[path.name]
        label = str(said["label"]).lower()
    except (ValueError, KeyError, TypeError):
        return None
    group = Path(str(said.get("original") or path.name)).stem
    return {"label": label, "group": group, "source": "DFDC"} if label in ("real", "fake") else None
