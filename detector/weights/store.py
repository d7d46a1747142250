"""Weight store: location, download, conversion and deletion of model files; accepted licenses."""

import re
import shutil
import threading
import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from detector import paths
from detector.errors import ModelError, WeightsError
from detector.installation import install_weights
from detector.sentences import _, join
from detector.weights.download import HUB, Progress, check_space, digest, download, verify
from detector.weights.entry import AuxiliaryModel, StoredEntry, WeightFile
from detector.weights.files import as_safetensors


@cache
def auxiliary() -> dict[str, AuxiliaryModel]:
    """Return the auxiliary networks, which do not judge, by id."""
    text = (paths.bundled() / "auxiliary.toml").read_text(encoding="utf-8")
    models = map(AuxiliaryModel.model_validate, tomllib.loads(text)["networks"])
    return {model.id: model for model in models}


def locate(spec: StoredEntry, file: WeightFile) -> Path:
    """Return the path of a model's file, which may not exist."""
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in file.path:
        text = _("The weight path {path} of {id} leaves the weights folder.")
        raise WeightsError(text.format(path=repr(file.path), id=spec.id))
    carried = Path(spec.folder) / relative
    if spec.folder and not file.url and carried.is_file():
        return carried
    return paths.bundled_file(file.path) if spec.bundled else paths.weights() / relative


def available(spec: StoredEntry) -> bool:
    """Return True if all files are on this computer, unverified."""
    return all(_local(spec, file) is not None for file in spec.files)


def missing_bytes(spec: StoredEntry) -> int | None:
    """Return the download size of the missing files, bytes; None if not stated."""
    sizes = [file.size for file in spec.files if _local(spec, file) is None]
    return None if None in sizes else sum(size or 0 for size in sizes)


def fetchable(spec: StoredEntry) -> bool:
    """Return True if missing files may be downloaded: every file has an address and a hash."""
    return not spec.bundled and all(file.url and file.sha256 for file in spec.files)


def resolve(spec: StoredEntry) -> list[Path]:
    """Return verified files in the order of `spec.files`; raise WeightsError for missing or changed
    ones."""
    local = []
    for file in spec.files:
        path = _local(spec, file)
        if path is None:
            raise missing_error(spec)
        _verify(spec, file, path)
        local.append(path)
    return local


def fetch(spec: StoredEntry, progress: Progress | None = None) -> list[Path]:
    """Download the missing or damaged files of a model, verify all, and return them in order.

    Partial downloads are resumed; a file gets its name once it is verified, and files of
    `torch.save` are converted to safetensors. Of several processes one downloads, the others wait.
    `progress(done, total)` in bytes may raise to stop. Raise WeightsError."""
    total = sum(file.size or 0 for file in spec.files)
    done = received = 0

    def on_progress(here: int, size: int) -> None:
        nonlocal received
        received = here
        if progress:
            progress(done + here, max(total, done + size))

    for file in spec.files:
        path = locate(spec, file)
        if not _is_sound(spec, file):
            if not fetchable(spec):
                raise missing_error(spec)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with paths.locked(path.with_name(f"{path.name}.lock")):
                    # Another process may have downloaded it while this one waited.
                    if not _is_sound(spec, file):
                        download(file, path, on_progress)
                        _convert(spec, path, file)
            except WeightsError as error:
                error.hint = join(error.hint, _by_hand(spec, file))
                raise
            except OSError as error:
                text = _("The weight file {path} can't be written: {error}.")
                raise WeightsError(text.format(path=path, error=error.strerror or error)) from error
        done += file.size or received
    if progress:
        progress(done, done)
    return resolve(spec)


def bring(spec: StoredEntry, given: Iterable[Path]) -> list[Path]:
    """Copy the user's files to their models, recognized by sha256, and return their paths. Raise
    WeightsError for another file."""
    brought = []
    for path in given:
        if not path.is_file():
            raise WeightsError(_("There is no file {path}.").format(path=path), code="no_such_file")
        actual = digest(path)
        file = next((file for file in spec.files if file.sha256 == actual), None)
        if file is None:
            raise WeightsError(
                _("{path} is not a file of {model}: its sha256 is {actual}.").format(
                    path=path, model=spec.title, actual=actual
                ),
                code="weights_corrupted",
                hint=_by_hand(spec, spec.files[0]),
            )
        target = locate(spec, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        check_space(target, path.stat().st_size)
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(path, part)
        part.replace(target)
        _convert(spec, target, file)
        brought.append(_local(spec, file) or target)
    return brought


def _by_hand(spec: StoredEntry, file: WeightFile) -> str:
    return _(
        "By hand: save {url} and type `unmask fetch {id} --from FILE`, which checks it by its "
        "sha256."
    ).format(url=file.url, id=spec.id)


def take_in(specs: Iterable[StoredEntry], keep: Iterable[StoredEntry] = ()) -> list[Path]:
    """Move a model's files within the cache folder to their place, recognized by size and sha256,
    and return their paths; files of `keep` stay. Raise WeightsError if one can't be moved."""
    wanted = [(s, f) for s in specs for f in s.files if f.sha256 and _local(s, f) is None]
    placed = {locate(spec, file) for spec in keep for file in spec.files}
    root = paths.weights()
    moved: list[Path] = []
    if not wanted or not root.is_dir():
        return moved
    for path in sorted(root.rglob("*")):
        if path.suffix in _NOT_WEIGHTS or path in placed or path.is_symlink():
            continue
        if not path.is_file() or path.relative_to(root).parts[0] in _RESERVED:
            continue
        size = path.stat().st_size
        for spec, file in wanted:
            if file.size not in (None, size) or (file.size is None and size < _MIN_SIZE):
                continue
            if _local(spec, file) is None and digest(path) == file.sha256:
                target = locate(spec, file)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
                except OSError as error:
                    text = _("{path} can't be moved: {strerror}.")
                    raise WeightsError(text.format(path=path, strerror=error.strerror)) from error
                moved.append(target)
                break
    return moved


_NOT_WEIGHTS = frozenset({".part", ".lock", ".json", ".making", ".crdownload", ".download"})
_RESERVED = frozenset({"own", "hub", "brought"})
"""Folders of the cache that are not searched."""
_MIN_SIZE = 1 << 20  # Bytes below which a file is not read for one whose size nobody published


def delete(spec: StoredEntry, keep: Iterable[StoredEntry] = ()) -> int:
    """Delete a model's files, except those that models of `keep` need, and return the bytes freed.
    Raise WeightsError for a bundled model or one of a plugin's package, or a file that can't be
    deleted."""
    places = {file.path: locate(spec, file) for file in spec.files}
    carried = spec.folder and any(place.is_relative_to(spec.folder) for place in places.values())
    if spec.bundled or carried:
        brought = _("the package in {folder}").format(folder=spec.folder) if carried else "Unmask"
        text = _("{title} comes with {brought} and can't be deleted.")
        raise WeightsError(text.format(title=spec.title, brought=brought))
    needed = {file.path for other in keep if other.id != spec.id for file in other.files}
    freed = 0
    for path in [place for name, place in places.items() if name not in needed]:
        for ending in ("", ".safetensors", ".safetensors.json", ".part", ".lock"):
            one = path.with_name(path.name + ending)
            try:
                if one.is_file():
                    freed += one.stat().st_size
                    one.unlink()
            except OSError as error:
                text = _("{one} can't be deleted: {strerror}.")
                raise WeightsError(text.format(one=one, strerror=error.strerror)) from error
        for folder in path.parents:
            if folder == paths.weights() or not folder.is_relative_to(paths.weights()):
                break
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return freed


# --- as safetensors ------------------------------------------------------------------------------


def _converted(path: Path) -> tuple[Path, Path]:
    target = path.with_name(path.name + ".safetensors")
    return target, target.with_name(target.name + ".json")


def _local(spec: StoredEntry, file: WeightFile) -> Path | None:
    """Return the published or converted file; None without one."""
    path = locate(spec, file)
    if path.is_file():
        return path
    converted, record = _converted(path)
    same = converted.is_file() and paths.read_json(record).get("of") == file.sha256
    return converted if same and not spec.bundled else None


def _verify(spec: StoredEntry, file: WeightFile, path: Path) -> None:
    published = locate(spec, file)
    if path == published:
        verify(path, file, remedy=_remedy(spec))
    elif digest(path) != paths.read_json(_converted(published)[1]).get("sha256"):
        text = _("The weight file {path} has changed since it was converted.")
        raise WeightsError(text.format(path=path), code="weights_corrupted", hint=_remedy(spec))


def _is_sound(spec: StoredEntry, file: WeightFile) -> bool:
    """Return True if the file is here and valid; raise if it is damaged and can't be downloaded."""
    path = _local(spec, file)
    if path is None:
        return False
    try:
        _verify(spec, file, path)
    except WeightsError:
        if not fetchable(spec):
            raise
        path.unlink(missing_ok=True)
        return False
    return True


def _convert(spec: StoredEntry, path: Path, file: WeightFile) -> None:
    """Replace a `torch.save` file by safetensors where possible."""
    target, record = _converted(path)
    if not spec.wrappers or shutil.disk_usage(path.parent).free < path.stat().st_size:
        return  # it is no model of ours, or both do not fit
    try:
        if not as_safetensors(path, target, spec.wrappers):
            return
    except WeightsError:  # it holds more than weights, which its family may support
        return
    paths.write_json(record, {"of": file.sha256, "sha256": digest(target)})
    path.unlink()


# --- in words ------------------------------------------------------------------------------------


def missing_error(spec: StoredEntry) -> WeightsError:
    """Return the error for a missing file, naming the command that installs it."""
    if spec.bundled and not paths.checkout():
        text = _("The weights of {title} are not installed; type: {install_weights}")
        return WeightsError(
            text.format(title=spec.title, install_weights=install_weights()), code="weights_missing"
        )
    hint = _remedy(spec)
    if fetchable(spec):
        size = missing_bytes(spec)
        amount = f" ({size / 1e6:,.1f} MB)" if size else ""
        hint = _("`unmask fetch {id}` downloads them{amount}.").format(id=spec.id, amount=amount)
    absent = [file for file in spec.files if _local(spec, file) is None]
    path = locate(spec, (absent or spec.files)[0])  # none if it was just added
    text = _("The weights of {title} are not on this computer ({path} is missing).")
    return WeightsError(text.format(title=spec.title, path=path), code="weights_missing", hint=hint)


def _remedy(spec: StoredEntry) -> str:
    if spec.bundled:
        return _("It comes with Unmask: install it again, or restore it with `git checkout`.")
    if fetchable(spec):
        return _("`unmask fetch {id}` downloads it again.").format(id=spec.id)
    if spec.own:
        return _("`unmask models remove {id}`, then add the file again.").format(id=spec.id)
    if len(spec.files) == 1 and (address := spec.files[0].url):
        return _(
            "Its authors publish no checksum. If you trust the address: "
            "`unmask models add {address} --as {architecture}`."
        ).format(address=address, architecture=spec.architecture)
    return _(
        "Its authors publish no address or checksum that Unmask could go by. Get the file yourself "
        "({source}), then: `unmask models add FILE --as {architecture}`."
    ).format(source=spec.source, architecture=spec.architecture)


_lock = threading.Lock()


def accepted_license(spec: StoredEntry) -> datetime | None:
    """Return when the model's current license was accepted here, or None."""
    entry = paths.read_json(_licenses()).get(spec.architecture, {})
    if entry.get("license") != spec.license_weights:
        return None
    return datetime.fromisoformat(entry["accepted"])


def accept_license(spec: StoredEntry) -> datetime:
    """Record that the license of an architecture, with all its weights, is accepted."""
    now = datetime.now(UTC).replace(microsecond=0)
    with _lock:
        known = paths.read_json(_licenses())
        known[spec.architecture] = {"license": spec.license_weights, "accepted": now.isoformat()}
        paths.write_json(_licenses(), known)
    return now


def require_license(spec: StoredEntry) -> None:
    """Raise ModelError ("license") unless the license is free or accepted, or the file is the
    user's."""
    if spec.research_only and not spec.own and accepted_license(spec) is None:
        raise ModelError(
            _("{title} is not free for every use: its license is {license_weights}.").format(
                title=spec.title, license_weights=spec.license_weights
            ),
            code="license",
            hint=_("`unmask fetch {id} --accept-license` accepts it.").format(id=spec.id),
        )


def _licenses() -> Path:
    return paths.data() / "licenses.json"


# --- hashes that an entry lacks and the hub states: no paper states them, but the hub says of every
# large file which one it is. The first download asks for that, at the commit of that day, and keeps
# the answer: from then on the file is as pinned as one whose hash the entry states. ---------------

_ADDRESS = re.compile(re.escape(HUB) + r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def pins_file() -> Path:
    """Return the file of pinned hashes, which may not exist."""
    return paths.data() / "pins.json"


def pinned() -> dict[str, dict[str, Any]]:
    """Return `sha256`, `size` and `url` at the commit of pinned files by `path`."""
    return paths.read_json(pins_file())


def can_pin(files: Sequence[WeightFile]) -> bool:
    """Return True if the hub states every hash that these files lack."""
    return all(file.sha256 or _ADDRESS.fullmatch(file.url or "") for file in files)


def pin(entry: StoredEntry) -> None:
    """Read an entry's missing hashes from the hub and store them; raise as `hub.listing`."""
    from detector.weights import hub  # imports huggingface_hub

    pins = pinned()
    for file in entry.files:
        address = _ADDRESS.fullmatch(file.url or "")
        if file.sha256 or not address:
            continue
        repo, revision, name = address.groups()
        listing = hub.listing(repo, revision)
        if name not in listing.files:
            raise WeightsError(
                _("{repo} no longer has {name}.").format(repo=repo, name=name), code="not_found"
            )
        sha256, size = listing.files[name].sha256, listing.files[name].size
        if sha256 is None:  # a small one, of which the hub only knows git's own hash
            small = hub.small(repo, listing.revision, name, paths.weights() / "hub" / "small")
            sha256, size = digest(small), small.stat().st_size
            small.unlink()
        url = f"{HUB}/{repo}/resolve/{listing.revision}/{name}"
        pins[file.path] = {"sha256": sha256, "size": size, "url": url}
    paths.write_json(pins_file(), pins)
