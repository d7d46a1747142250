"""A person's own files in the place of a model's published ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from detector.errors import UsageError
from detector.models.base import ModelSpec
from detector.weights import digest
from detector.weights.entry import WeightFile


def with_files(
    template: ModelSpec, given: str | Path | Sequence[str | Path], known: Iterable[ModelSpec] = ()
) -> ModelSpec:
    """Return the entry of `template` for somebody's own files.

    Files that are a published variant's are recognized by their hash: the entry is then that
    variant's. Of others nothing that was published or measured holds, and their label order is
    unverified until it is stated or measured.

    Parameters
    ----------
    template : ModelSpec
        Says how the architecture is fed and read.
    given : path or sequence of paths
        One file, all of them in the order of `template.files`, or the folder they are in.
    known : iterable of ModelSpec
        Where published variants are looked up.

    Raises
    ------
    UsageError
        A file is not there, or they are too few.
    """
    paths = find_files(template, given)
    files = [
        WeightFile(path=str(path), sha256=digest(path), size=path.stat().st_size) for path in paths
    ]
    for spec in known:
        hashes = [file.sha256 for file in spec.files]
        if spec.architecture == template.architecture and hashes == [f.sha256 for f in files]:
            return spec.model_copy(update={"files": files, "bundled": False})
    return template.model_copy(update={"files": files, **UNKNOWN})


UNKNOWN: dict[str, Any] = {
    "bundled": False,
    "default": False,
    "calibration": None,
    "measured": [],
    "published": [],
    "operating_point": None,
    "operating_point_source": "",
    "label_order": "unverified",
    "weak_on": [],
    "license_weights": "your own file: its author knows",
    "research_only": False,
    "card": None,
}
"""What is not known of weights that nobody published: a retrained model is another model."""


def operating_point_of(template: ModelSpec, fake_index: int) -> dict[str, Any]:
    """Return the operating point of somebody's own file once they said which output means fake.

    Authors' points are for their weights. Where nobody published a hash, whether a file is theirs
    can't be known: it is judged by their point as long as the person's word is theirs too, and
    that is said. Any other file is judged where its own outputs are even.
    """
    if template.operating_point is not None and fake_index == template.fake_index:
        return {
            "operating_point": template.operating_point,
            "operating_point_source": "That of the architecture's published weights; whether this "
            f"file is one of them is not known. {template.operating_point_source}",
        }
    return {
        "operating_point": 0.5,
        "operating_point_source": "None is stated for this file: 0.5, where fake and real are "
        "equally likely by its own outputs.",
    }


def find_files(template: ModelSpec, given: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the files of a model among what a person named, in the order of `template.files`."""
    named = [given] if isinstance(given, (str, Path)) else given
    paths = [Path(path).expanduser() for path in named]
    for path in paths:
        if not path.exists():
            raise UsageError(f"There is no file {path}.", code="no_such_file")
    if len(paths) == 1 and (paths[0].is_dir() or len(template.files) > 1):
        first = paths[0]
        folder = first if first.is_dir() else first.parent
        names = [PurePosixPath(file.path).name for file in template.files]
        if not first.is_dir() and first.name not in names:
            # It stands for the weights: the first file that is neither text nor settings.
            kinds = [PurePosixPath(name).suffix not in {".json", ".txt", ".npy"} for name in names]
            names[kinds.index(True)] = first.name
        paths = [folder / name for name in names]
        if missing := [path.name for path in paths if not path.is_file()]:
            raise UsageError(
                f"{template.title} is read from {len(names)} files, and {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not in {folder}.",
                code="no_such_file",
            )
    if len(paths) != len(template.files):
        raise UsageError(
            f"{template.title} is read from {len(template.files)} files, {len(paths)} were named."
        )
    if folders := [path for path in paths if not path.is_file()]:
        raise UsageError(f"{folders[0]} is not a file.", code="no_such_file")
    return [path.resolve() for path in paths]
