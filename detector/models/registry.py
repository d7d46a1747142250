"""Model registry: the known models, and one loaded copy of each.

Reads `weights/manifest.toml`, `weights/catalog/`, the `catalog/` of plugins and, after them, the
user's own `models.toml` in the data folder (same keys). Independent of crops, scores and media."""

import difflib
import functools
import importlib
import importlib.util
import tomllib
from collections.abc import Iterable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from pydantic import Field, ValidationError

from detector import paths, plugins, runtime
from detector.config import get_config
from detector.errors import ModelError, UnmaskError, UsageError
from detector.helper_process import helper
from detector.installation import install_package
from detector.messages.format import either, listed
from detector.models import ready
from detector.models.base import Files, Model, ModelSpec
from detector.models.memory import ModelCache
from detector.schema.analysis import Ensemble, FileKind, Likelihood, Question
from detector.schema.base import StrictModel
from detector.sentences import _, join
from detector.weights import available, digest, pinned, pins_file, require_license, resolve
from detector.weights.entry import WeightFile
from detector.weights.files import ProbeMatched

FAMILIES = "detector.models.families"
"""Package of the built-in families, searched before those of plugins."""
PUBLISHED = "published"
"""Plugin of the architectures that no bundled model uses, `unmask-published`."""

FEW_NAMES = 12  # names that are all listed in a hint

_cache = ModelCache()


class Recommended(StrictModel):
    """A recommended published model, downloaded by `unmask fetch recommended`."""

    id: str
    adds: str = Field(description="what it adds to the bundled models, for a person")


class Manifest(StrictModel):
    """All known models in display order, an ensemble of the default ones for each question, and the
    likelihood of each kind of file."""

    ensembles: dict[Question, Ensemble] = {}
    likelihoods: dict[FileKind, Likelihood] = {}
    recommended: list[Recommended] = []
    models: list[ModelSpec]


def manifest() -> Manifest:
    """Return the manifest with the catalog and the user's own models; reloaded when a file changes,
    except for the catalog, which is shipped. Raise ModelError naming file, entry and key."""
    bundled = paths.bundled()
    main, *own = [
        (file, _changed(file)) for file in (bundled / "manifest.toml", own_manifest(), pins_file())
    ]
    return _read((main, *_catalog(bundled), *own))


def own_manifest() -> Path:
    """Return the file of the user's own models, which may not exist."""
    return paths.data() / "models.toml"


def list_models() -> list[ModelSpec]:
    """Return all known models, in the order of the manifest."""
    return list(manifest().models)


def get_spec(id: str) -> ModelSpec:
    """Return a model's entry, or the first available one of an architecture; raise UsageError with
    hints."""
    specs = {spec.id: spec for spec in manifest().models}
    if id in specs:
        return specs[id]
    if variants := [s for s in specs.values() if s.architecture == id and not s.own]:
        return next((spec for spec in variants if available(spec)), variants[0])
    raise UsageError(
        _("There is no model {id}.").format(id=repr(id)),
        code="unknown_model",
        hint=join(
            did_you_mean(id, specs, cutoff=0.5, lists="`unmask models`"), without_published()
        ),
    )


def without_published() -> str:
    """Return a hint about the published models while their package is not installed; "" with it."""
    if PUBLISHED in plugins.detectors():
        return ""
    text = _("Published models are in unmask-published, which is not installed. Type: {command}")
    return text.format(command=install_package("unmask-published"))


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float, lists: str = "") -> str:
    """Return a hint for an unknown name: the closest known ones, or the command that lists all."""
    known = list(known)
    if close := difflib.get_close_matches(name, known, n=3, cutoff=cutoff):
        return _("Did you mean {close}?").format(close=either(close))
    if lists and len(known) > FEW_NAMES:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        return _("The nearest are {nearest}; {lists} lists all.").format(
            nearest=listed(nearest), lists=lists
        )
    return _("Known: {known}.").format(known=", ".join(known))


def architectures() -> dict[str, ModelSpec]:
    """Return every architecture that accepts the user's own weights, with an entry that describes
    its input. Keys are the values of `unmask models add --as`."""
    first: dict[str, ModelSpec] = {}
    for spec in manifest().models:
        if not spec.bundled and not spec.own:
            first.setdefault(spec.architecture, spec)
    return first


def choose(ids: Sequence[str] | None = None) -> list[ModelSpec]:
    """Return the models of these ids without duplicates, in their order; without ids the default
    ensemble and the available ones that are recommended or in UNMASK_MODELS. Raise UsageError."""
    if ids is None:
        strong = {*(entry.id for entry in manifest().recommended), *ids_of_host()}
        return [s for s in manifest().models if s.default or (s.id in strong and usable(s))]
    if not ids:
        raise UsageError(_("No model was named."), hint=_("`unmask models` lists them."))
    return [get_spec(id) for id in dict.fromkeys(ids)]


def ids_of_host() -> list[str]:
    """Return the ids in UNMASK_MODELS ("id,id", also "recommended")."""
    short = [entry.id for entry in manifest().recommended]
    named = get_config().models
    ids = [id for name in named for id in (short if name == "recommended" else [name])]
    return list(dict.fromkeys(ids))


def usable(spec: ModelSpec) -> bool:
    """Return True if a model can score now: weights available and license accepted."""
    try:
        require_license(spec)
    except ModelError:
        return False
    return available(spec)


def selectable() -> list[ModelSpec]:
    """Return the models offered for selection: usable and better than chance."""
    return [spec for spec in list_models() if usable(spec) and not spec.guesses]


def load_model(
    id: str, weights: str | Path | Sequence[str | Path] | None = None, device: str = "cpu"
) -> Model:
    """Return a model ready to score, loaded once per process, device and weights.

    `id` is a model, or the architecture of `weights`: the user's own file (or files in the order of
    the entry, their folder, or one of them with the others beside it), checked strictly. Raise
    UsageError for an unknown model, WeightsError for weights that are missing, corrupted or do not
    fit (nothing is downloaded), ModelError for a license, too little memory or another failure."""
    if weights is None:
        spec = get_spec(id)
    else:
        template = architectures().get(id) or get_spec(id)
        spec = with_files(template, weights, known=manifest().models)
    key = (spec.id, device, *(file.sha256 or "" for file in spec.files))

    def load() -> Model:
        if weights is not None:
            files = [Path(file.path) for file in spec.files]
        else:
            require_license(spec)
            files = resolve(spec)
        whole = partial(load_family, spec, files, device)
        known = partial(helper.converts, CONVERT, spec.model_dump_json(), [*map(str, files)])
        return ready.load(spec, files, _family_file(spec), device, whole, known)

    return _cache.get(key, sum(file.size or 0 for file in spec.files), load)


def loaded() -> list[tuple[str, str, int]]:
    """Return id, device and bytes of the loaded models."""
    return [(key[0], key[1], size) for key, size in _cache.sizes().items()]


def loading() -> bool:
    """Return True while a model is loaded."""
    return _cache.loading


def unload(id: str) -> None:
    """Unload a model; a run that uses it keeps its copy until it ends."""
    _cache.drop(lambda key: key[0] == id)


def load_family(spec: ModelSpec, files: Files, device: str) -> Model:
    """Load a new, uncached model of these verified files."""
    family = _family(spec)
    import torch  # noqa: F401 -- or its helpers are not limited

    try:
        with runtime.beside_others():
            model: Model = family.load(spec, files, device)
    except (UnmaskError, ProbeMatched):
        raise
    except Exception as error:
        raise ModelError(
            _("{title} can't be loaded: {error}").format(title=spec.title, error=error)
        ) from error
    return model


CONVERT = f"{__name__}:convert"


def convert(spec: str, files: Sequence[str], key: str) -> None:
    """Convert the network of a model, in the helper process; raise as `load_family`."""
    known, paths = ModelSpec.model_validate_json(spec), [*map(Path, files)]
    ready.prepare(known, paths, key, partial(load_family, known, paths, "cpu"))


def _family(spec: ModelSpec) -> ModuleType:
    name = _found(spec).name
    family = importlib.import_module(name)
    if not hasattr(family, "load"):
        raise ModelError(
            _("{name} has no load(spec, files, device), so it is not a family.").format(name=name)
        )
    return family


def _family_file(spec: ModelSpec) -> Path:
    return Path(_found(spec).origin or "")


def _found(spec: ModelSpec) -> ModuleSpec:
    for name in (f"{package}.{spec.family}" for package in (FAMILIES, *plugins.detectors())):
        if spec.family.isidentifier() and (found := importlib.util.find_spec(name)):
            return found
    text = _("{id} is of the family {family}, which does not exist.")
    raise ModelError(text.format(id=spec.id, family=repr(spec.family)), hint=without_published())


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=2)
def _catalog(bundled: Path) -> tuple[tuple[Path, int | None], ...]:
    # Pages ask for the models several times a second, and a look at the disk has to wait its turn.
    folders = (bundled, *plugins.detectors().values())
    files = [file for folder in folders for file in sorted((folder / "catalog").glob("*.toml"))]
    return tuple((file, _changed(file)) for file in files)


@functools.lru_cache(maxsize=2)
def _read(files: tuple[tuple[Path, int | None], ...]) -> Manifest:
    (main, _changed), *catalog, (own, own_changed), _pins = files
    tables = _toml(main)
    read = _check(main, tables)
    models = list(read.models)
    for path, changed in [*catalog, (own, own_changed)]:
        if changed is None:
            continue
        extra = _toml(path)
        if unknown := set(extra) - {"models"}:
            text = _("{path} may only hold [[models]], not {unknown}.")
            raise ModelError(text.format(path=path, unknown=", ".join(sorted(unknown))))
        added = _check(path, {**tables, "models": extra.get("models", [])}).models
        taken = {spec.id for spec in models}
        for spec in added:
            if spec.id in taken:
                raise ModelError(
                    _("{path}: there already is a model {id}.").format(path=path, id=repr(spec.id))
                )
            if spec.bundled:
                text = _("{path}: {id} can't be bundled; only Unmask's own models are.")
                raise ModelError(text.format(path=path, id=repr(spec.id)))
            spec.own = spec.own or path == own
            if path.parent.parent in plugins.detectors().values():
                spec.folder = str(path.parent.parent)
        models += added
    known_pins = pinned()
    for spec in models:
        spec.files = [
            file if file.sha256 else file.model_copy(update=known_pins.get(file.path))
            for file in spec.files
        ]
    return read.model_copy(update={"models": models})


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(
            _("{path} can't be read: {error}.").format(path=path, error=error)
        ) from error


def _check(path: Path, tables: dict[str, Any]) -> Manifest:
    try:
        read = Manifest.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"]]
        if len(where) > 1 and where[0] == "models":
            entry = tables["models"][int(where[1])]
            where[:2] = [str(entry.get("id", f"model {int(where[1]) + 1}"))]
        raise ModelError(
            _("{path}, {where}: {msg}.").format(
                path=path, where=" → ".join(where), msg=first["msg"]
            )
        ) from error
    ids = [spec.id for spec in read.models]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise ModelError(
            _("{path}: two models are called {twice}.").format(path=path, twice=repr(twice[0]))
        )
    return read


def with_files(
    template: ModelSpec, given: str | Path | Sequence[str | Path], known: Iterable[ModelSpec] = ()
) -> ModelSpec:
    """Return the entry of `template` for the user's own files; raise UsageError for missing files.

    Files with the hashes of a variant in `known` get that variant's entry. For others no published
    or measured figure applies, and the label order is unverified."""
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
    "folder": "",
}
"""Fields that do not apply to unpublished weights: a retrained model is another model."""


def operating_point_of(template: ModelSpec, fake_index: int) -> dict[str, Any]:
    """Return the operating point of the user's file once they state its fake output: the authors'
    point for the authors' output, with a note that the file may be another; else 0.5."""
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
    """Return the files of a model among the user's paths, in the order of `template.files`."""
    named = [given] if isinstance(given, (str, Path)) else given
    paths = [Path(path).expanduser() for path in named]
    for path in paths:
        if not path.exists():
            raise UsageError(_("There is no file {path}.").format(path=path), code="no_such_file")
    if len(paths) == 1 and (paths[0].is_dir() or len(template.files) > 1):
        first = paths[0]
        folder = first if first.is_dir() else first.parent
        names = [PurePosixPath(file.path).name for file in template.files]
        if not first.is_dir() and first.name not in names:
            # Any other file replaces the first one that is neither text nor settings.
            kinds = [PurePosixPath(name).suffix not in {".json", ".txt", ".npy"} for name in names]
            names[kinds.index(True)] = first.name
        paths = [folder / name for name in names]
        if missing := [path.name for path in paths if not path.is_file()]:
            text = _("{title} is read from {names} files. Missing in {folder}: {missing}.").format(
                title=template.title, names=len(names), missing=", ".join(missing), folder=folder
            )
            raise UsageError(text, code="no_such_file")
    if len(paths) != len(template.files):
        raise UsageError(
            _("{title} is read from {files} files, {paths} were named.").format(
                title=template.title, files=len(template.files), paths=len(paths)
            )
        )
    if folders := [path for path in paths if not path.is_file()]:
        raise UsageError(
            _("{folders} is not a file.").format(folders=folders[0]), code="no_such_file"
        )
    return [path.resolve() for path in paths]
