"""Which models there are, and one loaded copy of each.

Reads `weights/manifest.toml` and, after it, a person's own `models.toml` in the data folder (same
keys). Knows the files' names and the families' `load` function; nothing of crops, scores or media.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import threading
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from detector import folders, weights
from detector.errors import ModelError, UnmaskError, UsageError
from detector.models.base import Model, ModelSpec
from detector.results import Ensemble, Record

_loaded: dict[tuple[str, str, tuple[str, ...]], Model] = {}
_load_lock = threading.Lock()


class Manifest(Record):
    """Every known model, in the order they are shown, and how the default ones are put together."""

    ensemble: Ensemble
    models: list[ModelSpec]


def manifest() -> Manifest:
    """The manifest with a person's own models appended. Read again when a file has changed.

    Raises
    ------
    ModelError
        A manifest can't be read; the message names the file, the entry and the key.
    """
    main, own = folders.bundled() / "manifest.toml", folders.data() / "models.toml"
    return _read(main, _changed(main), own, _changed(own))


def list_models() -> list[ModelSpec]:
    """All known models, in the order of the manifest."""
    return list(manifest().models)


def get_spec(id: str) -> ModelSpec:
    """The entry of one model.

    Raises
    ------
    UsageError
        There is no such model; the hint names the closest ids.
    """
    specs = {spec.id: spec for spec in manifest().models}
    if id in specs:
        return specs[id]
    close = difflib.get_close_matches(id, specs, n=3, cutoff=0.5)
    names = ", ".join(close or specs)
    raise UsageError(
        f"There is no model {id!r}.",
        code="unknown_model",
        hint=f"Did you mean {' or '.join(close)}?" if close else f"Known models: {names}.",
    )


def choose(ids: Sequence[str] | None = None) -> list[ModelSpec]:
    """The models somebody asked for, or the default ensemble, each once, in the asked order.

    Raises
    ------
    UsageError
        An id is unknown, or none was named.
    """
    if ids is None:
        return [spec for spec in manifest().models if spec.default]
    if not ids:
        raise UsageError("No model was named.", hint="`unmask models` lists them.")
    return [get_spec(id) for id in dict.fromkeys(ids)]


def load_model(id: str, device: str = "cpu") -> Model:
    """A model with its verified weights, ready to score. Loaded once per process and device.

    Parameters
    ----------
    id : str
    device : str
        As torch names it: "cpu", "cuda", "cuda:1".

    Raises
    ------
    UsageError
        There is no such model.
    WeightsError
        Its weights are missing, corrupted, or do not fit. Nothing is downloaded here.
    ModelError
        It can't be loaded for another reason.
    """
    spec = get_spec(id)
    key = (id, device, tuple(file.sha256 for file in spec.files))
    with _load_lock:
        if key not in _loaded:
            _loaded[key] = _load(spec, device)
        return _loaded[key]


def _load(spec: ModelSpec, device: str) -> Model:
    files = weights.resolve(spec)
    module = f"detector.models.{spec.family}"
    if not spec.family.isidentifier() or importlib.util.find_spec(module) is None:
        raise ModelError(f"{spec.id} is of the family {spec.family!r}, which does not exist.")
    family = importlib.import_module(module)
    if not hasattr(family, "load"):
        raise ModelError(f"{module} has no load(spec, files, device), so it is not a family.")
    try:
        model: Model = family.load(spec, files, device)
    except UnmaskError:
        raise
    except Exception as error:
        raise ModelError(f"{spec.title} can't be loaded: {error}") from error
    return model


def _changed(path: Path) -> int | None:
    """When a file was last written, or None when there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=2)
def _read(main: Path, _main_changed: int | None, own: Path, own_changed: int | None) -> Manifest:
    tables = _toml(main)
    read = _check(main, tables)
    if own_changed is None:
        return read
    extra = _toml(own)
    if unknown := set(extra) - {"models"}:
        raise ModelError(f"{own} may only hold [[models]], not {', '.join(sorted(unknown))}.")
    added = _check(own, {**tables, "models": extra.get("models", [])}).models
    taken = {spec.id for spec in read.models}
    for spec in added:
        if spec.id in taken:
            raise ModelError(f"{own}: there already is a model {spec.id!r}.")
        if spec.bundled:
            raise ModelError(f"{own}: {spec.id!r} can't be bundled; only Unmask's own models are.")
    return Manifest(ensemble=read.ensemble, models=[*read.models, *added])


def _toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path} can't be read: {error}.") from error


def _check(path: Path, tables: dict) -> Manifest:
    try:
        read = Manifest.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"]]
        if len(where) > 1 and where[0] == "models":
            entry = tables["models"][int(where[1])]
            where[:2] = [str(entry.get("id", f"model {int(where[1]) + 1}"))]
        raise ModelError(f"{path}, {' → '.join(where)}: {first['msg']}.") from error
    ids = [spec.id for spec in read.models]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise ModelError(f"{path}: two models are called {twice[0]!r}.")
    return read
