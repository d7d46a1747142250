"""A person's own files in the place of a model's published ones."""

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
    """Return the entry of `template` for a person's own files; raise UsageError for missing files.

    Files whose hash is that of a variant in `known` get that variant's entry. For others nothing
    that was published or measured is valid, and their label order is unverified."""
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
    """Return the operating point of a person's file once they state which output means fake.

    The authors' point is used while the person states the authors' output, with a note that the
    file may be another; else 0.5."""
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
                f"is not in {folder}."
                if len(missing) == 1
                else f"{template.title} is read from {len(names)} files, and {', '.join(missing)} "
                f"are not in {folder}.",
                code="no_such_file",
            )
    if len(paths) != len(template.files):
        raise UsageError(
            f"{template.title} is read from {len(template.files)} files, {len(paths)} were named."
        )
    if folders := [path for path in paths if not path.is_file()]:
        raise UsageError(f"{folders[0]} is not a file.", code="no_such_file")
    return [path.resolve() for path in paths]
