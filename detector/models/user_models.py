"""User models: checkpoint files of a known architecture, validated, copied and registered.

Entries are stored in `models.toml` in the data folder, the files beside it. A file is stored only
after every tensor was loaded and the network gave a score."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from detector import paths, weights
from detector.errors import ModelError, UnmaskError, UsageError, WeightsError
from detector.messages.format import either
from detector.models import registry
from detector.models.base import Model, ModelSpec
from detector.models.registry import operating_point_of, with_files
from detector.schema.analysis import Calibration
from detector.sentences import _, join
from detector.weights.entry import WeightFile
from detector.weights.files import ProbeMatched, probing


def own_models() -> list[ModelSpec]:
    """Return the user's own models, in order of addition."""
    return [spec for spec in registry.list_models() if spec.own]


def add(
    path: str | Path | Sequence[str | Path],
    architecture: str,
    *,
    id: str | None = None,
    title: str | None = None,
    fake_index: int | None = None,
    state: str = "",
    progress: weights.Progress | None = None,
) -> ModelSpec:
    """Add a checkpoint file as a model; return its entry, or that of the published model it turns
    out to be.

    `path` is the file, all files of a model of several, their folder, or an https address; torch
    files are stored as safetensors. `architecture` is a key of `registry.architectures()` or a
    model's id. `fake_index` states which output means fake (of a single logit 1 for fake, 0 for
    real); without it the label order of an unpublished file is unverified. `state` names one of
    several sets of weights in the file ("model_ema"). `progress(done, total)` in bytes may raise to
    stop.

    Raise UsageError for an unknown file, architecture or id, WeightsError for a file that can't be
    read or does not fit (naming the architecture it looks like), ModelError for a network without a
    score."""
    template = _template(architecture)
    if isinstance(path, str) and path.startswith("https://"):
        path = _download(path, progress)
    template = template.model_copy(update={"state": state})
    if fake_index is not None and template.family == "hub":
        # The user's statement has precedence over the class names of its configuration.
        options = {**template.options, "label_map_override": True}
        template = template.model_copy(update={"options": options})
    spec = with_files(template, path, known=() if state else registry.list_models())
    files = [Path(file.path) for file in spec.files]
    if fake_index is None and (known := _already(spec)):
        if not known.own:  # stored as by a download
            weights.bring(known, files)
        return known
    try:
        model = registry.load_family(spec, files, "cpu")
    except WeightsError as error:
        raise _misfit(error, template, files) from error
    outputs = dry_run(model)
    if fake_index is not None:
        if not 0 <= fake_index < max(2, outputs):
            raise UsageError(
                _("{title} has no output {fake_index}, only {outputs}.").format(
                    title=template.title, fake_index=fake_index, outputs=outputs
                )
            )
        order = "the person who added it said which output means fake"
        spec = spec.model_copy(
            update={
                "fake_index": fake_index,
                "label_order": "documented",
                **operating_point_of(template, fake_index),
                "fake_output": f"Output {fake_index}: {order}."
                if outputs > 1
                else f"One logit, of {'fake' if fake_index else 'real'}: {order}.",
            }
        )
    main = files[-1] if len(files) == 1 else files[0].parent
    spec = spec.model_copy(
        update={
            "id": new_id(id or main.stem, taken_ok=id is None),
            "title": title or f"{id or main.name} ({template.architecture})",
            "architecture": template.architecture,
            "summary": f"Your own weights for the architecture {template.architecture}.",
            "source": f"{main.name}, added by you; architecture: {template.source}",
        }
    )
    spec = keep(spec, files)
    shutil.rmtree(_downloads(), ignore_errors=True)  # it has been copied from there
    return spec


def remove(id: str) -> int:
    """Delete a user model and return the bytes freed; raise UsageError for another."""
    spec = _own(
        id, hint=_("`unmask models delete {id}` deletes its downloaded files.").format(id=id)
    )
    _replace_entry(spec.id)
    registry.unload(spec.id)
    return weights.delete(spec, keep=registry.list_models())


def keep_calibration(id: str, calibration: Calibration) -> ModelSpec:
    """Store a user model's calibration; raise UsageError for another model."""
    spec = _own(id)
    _replace_entry(id, spec.model_copy(update={"calibration": calibration}))
    return registry.get_spec(id)


def _own(id: str, hint: str = "") -> ModelSpec:
    spec = registry.get_spec(id)
    if not spec.own:
        raise UsageError(_("{id} is not one of your own models.").format(id=id), hint=hint)
    return spec


def matching_architectures(paths: Sequence[Path], state: str = "") -> list[str]:
    """Return the architectures that fit every tensor, without loading any; raise WeightsError."""
    import torch

    fitting = []
    specs = {
        name: spec.model_copy(update={"state": state})
        for name, spec in registry.architectures().items()
    }
    any_of_them = next(iter(specs.values()))
    names = {name for path in paths for name in weights.load_state(path, any_of_them)}
    with probing():
        for name, spec in specs.items():
            hub = spec.family == "hub"
            if len(spec.files) != len(paths) or (hub and "classifier.weight" not in names):
                continue
            try:
                # On the "meta" device networks have shapes and no memory; transformers'
                # own loading fails there.
                with nullcontext() if hub else torch.device("meta"):
                    registry.load_family(spec, list(paths), "cpu")
            except ProbeMatched:
                fitting.append(name)
            except UnmaskError:
                continue
    return fitting


def keep(spec: ModelSpec, given: Sequence[Path], *, move: bool = False) -> ModelSpec:
    """Copy (or move) the files of a checked model into the data folder and write its entry. Raise
    ModuleNotFoundError at once without tomlkit."""
    if find_spec("tomlkit") is None:
        raise ModuleNotFoundError("There is no tomlkit.", name="tomlkit")
    folder = paths.weights() / "own" / spec.id
    total = sum(path.stat().st_size for path in given)
    files = []
    try:
        folder.mkdir(parents=True)
        weights.check_space(folder, total)
        for file, path in zip(spec.files, given, strict=True):
            name = PurePosixPath(path.name)
            target = folder / f"{name.stem}.safetensors"
            if not weights.as_safetensors(path, target, spec.wrappers, spec.state):
                target = folder / name.name
                (shutil.move if move else shutil.copyfile)(path, target)
            digest = weights.digest(target)
            changes = {
                "path": target.relative_to(paths.weights()).as_posix(),
                "sha256": digest,
                "size": target.stat().st_size,
                "original_sha256": file.sha256 if file.sha256 != digest else None,
            }
            files.append(file.model_copy(update=changes))
        entry = spec.model_copy(update={"files": files, "bundled": False, "own": True})
        _replace_entry(spec.id, entry)
    except FileExistsError:
        raise UsageError(
            _("{folder} is in the way.").format(folder=folder), hint=_("Choose another id.")
        ) from None
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        text = _("{folder} can't be written: {error}.")
        raise WeightsError(text.format(folder=folder, error=error.strerror or error)) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return registry.get_spec(spec.id)


def new_id(wanted: str, *, taken_ok: bool = False) -> str:
    """Return an id derived from a name; raise UsageError if it is taken, unless a variation is
    allowed."""
    id = re.sub(r"[^a-z0-9_-]+", "-", wanted.lower()).strip("-_")[:60] or "own"
    taken = {spec.id for spec in registry.list_models()} | set(registry.architectures())
    if id not in taken and (taken_ok or id == wanted):
        return id
    if not taken_ok:
        why = _("is taken") if id in taken else _("may only have a to z, 0 to 9, - and _")
        raise UsageError(
            _("The id {wanted} {why}.").format(wanted=repr(wanted), why=why),
            hint=_("Choose another with --id."),
        )
    return next(name for n in range(2, 10_000) if (name := f"{id}-{n}") not in taken)


def _template(architecture: str) -> ModelSpec:
    known = {spec.id: spec for spec in registry.list_models() if not spec.bundled}
    known |= registry.architectures()
    if architecture in known:
        return known[architecture]
    raise UsageError(
        _("There is no architecture {architecture}.").format(architecture=repr(architecture)),
        code="unknown_architecture",
        hint=join(
            registry.did_you_mean(architecture, registry.architectures(), cutoff=0.4),
            registry.without_published(),
        ),
    )


def _download(address: str, progress: weights.Progress | None) -> Path:
    """Download a file without a published hash, which is checked by names and shapes."""
    name = re.sub(r"[^\w.-]+", "-", PurePosixPath(urlsplit(address).path).name) or "weights"
    folder = _downloads() / hashlib.sha256(address.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).is_file():
        file = WeightFile(path=name, url=address)
        weights.download(file, folder / name, progress or (lambda _done, _total: None))
    return folder / name


def _downloads() -> Path:
    return paths.weights() / "brought"


def _already(spec: ModelSpec) -> ModelSpec | None:
    hashes = [file.sha256 for file in spec.files]
    for known in registry.list_models():
        theirs = [file.original_sha256 or file.sha256 for file in known.files]
        same = known.architecture == spec.architecture and known.state == spec.state
        if same and theirs == hashes:
            return known
    return None


def _misfit(error: WeightsError, template: ModelSpec, paths: Sequence[Path]) -> WeightsError:
    if error.code != "weights_misfit":
        return error
    try:
        fitting = matching_architectures(paths, template.state)
        others = [name for name in fitting if name != template.architecture]
    except WeightsError:
        return error  # no tensors to go by, or more than one set of them
    hint = _("It fits no architecture that Unmask knows.")
    if others:
        hint = _("This looks like {others}: add it with --as {others_}.").format(
            others=either(others[:3]), others_=others[0]
        )
    return WeightsError(error.message, code=error.code, hint=hint)


def _replace_entry(id: str, entry: ModelSpec | None = None) -> None:
    """Replace an entry of models.toml, preserving the rest; raise ModelError."""
    import tomlkit

    path = registry.own_manifest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with paths.locked(path.with_name(f"{path.name}.lock")):
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        try:
            document = tomlkit.parse(before)
        except tomlkit.exceptions.TOMLKitError as error:
            raise ModelError(
                _("{path} can't be read: {error}.").format(path=path, error=error)
            ) from error
        entries = document.setdefault("models", tomlkit.aot())
        for number in reversed([n for n, old in enumerate(entries) if old.get("id") == id]):
            del entries[number]
        if entry:
            table = tomlkit.table()
            table.update(
                entry.model_dump(
                    mode="json", exclude_defaults=True, exclude_none=True, exclude={"own"}
                )
            )
            entries.append(table)
        if not entries:
            del document["models"]
        _write(path, tomlkit.dumps(document))
        try:
            registry.manifest()
        except ModelError:
            _write(path, before)
            raise


def _write(path: Path, text: str) -> None:
    if text.strip():
        paths.write(path, text)
    else:
        path.unlink(missing_ok=True)


SAME = 1e-5
"""Natural-log odds within which scores are the same. Of networks with random weights those of
noise, a drawing and a plain surface differ by 5e-4 to 2, of trained ones by more
(tests/integration/detector/test_goldens.py)."""


def dry_run(model: Model) -> int:
    """Score dissimilar inputs and return the number of outputs; raise ModelError for a useless
    network."""
    import torch

    spec = model.spec
    answers = []
    for item in model.trials():
        try:
            logits = model.forward(model.preprocess(item)[None])
            odds, score = model.log_odds(logits), model.p_fake(logits)
        except Exception as error:
            text = _("{title} was read, but gives no score: {error}")
            raise ModelError(text.format(title=spec.title, error=error)) from error
        if not torch.isfinite(logits).all() or not ((score >= 0) & (score <= 1)).all():
            text = _("{title} was read, but its scores are not numbers: the file is damaged.")
            raise ModelError(text.format(title=spec.title), code="weights_damaged")
        answers.append(float(odds))
    if max(answers) - min(answers) < SAME:
        raise ModelError(
            _(
                "{title} was read, but gives the same answer to everything: noise, a drawing and "
                "a plain surface all have {score} of fake. Its training failed, or what it "
                "learned is not in this file."
            ).format(title=spec.title, score=f"{float(score):.1%}"),
            code="weights_constant",
            hint=_("Ask its author for another checkpoint."),
        )
    return int(logits.reshape(1, -1).shape[1])
