"""Weight files: find them, verify them, download them, read them.

A file is used only when its sha256 is the one the manifest states, whether it is bundled or was
downloaded; a network is never left with random or partly loaded weights. This room knows what a
weight file is (`WeightFile`), not what any network looks like.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from detector import folders
from detector.errors import WeightsError

if TYPE_CHECKING:
    import httpx
    import torch

    from detector.models.base import ModelSpec, WeightFile

Progress = Callable[[int, int], None]
"""Called with the bytes on disk so far and the bytes in all, of all files of a model."""

CHUNK = 1 << 18  # bytes written between two progress calls
TIMEOUT = 20.0  # s without a byte before a download is given up
TRIES = 3  # a connection that breaks in the middle is resumed so many times in all
SPARE = 64 << 20  # bytes left free on the disk after a download

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_hashes: dict[tuple[Path, int, int], str] = {}
_hash_lock = threading.Lock()


def cache() -> Path:
    """Folder of the downloaded weights and of a person's own."""
    return folders.data() / "weights"


def locate(spec: ModelSpec, file: WeightFile) -> Path:
    """Where this file of a model is, or would be after a download. It need not exist."""
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in file.path:
        raise WeightsError(f"The weight path {file.path!r} of {spec.id} leaves the weights folder.")
    return (folders.bundled() if spec.bundled else cache()) / relative


def available(spec: ModelSpec) -> bool:
    """Whether all files are on this computer. Does not verify them."""
    return all(locate(spec, file).is_file() for file in spec.files)


def resolve(spec: ModelSpec, fetch: bool = False) -> list[Path]:
    """Verified files of a model, in the order of `spec.files`.

    Parameters
    ----------
    spec : ModelSpec
    fetch : bool
        Download what is missing.

    Raises
    ------
    WeightsError
        A file is missing (code "weights_missing") or is not the one the manifest states (code
        "weights_corrupted").
    """
    if fetch and not available(spec):
        return _fetch(spec)
    paths = [locate(spec, file) for file in spec.files]
    for file, path in zip(spec.files, paths, strict=True):
        if not path.is_file():
            raise _missing(spec, path)
        verify(path, file, remedy=_remedy(spec))
    return paths


def verify(path: Path, file: WeightFile, *, remedy: str = "") -> None:
    """Raise WeightsError unless `path` holds exactly the bytes that the manifest states."""
    found = digest(path)
    if found != file.sha256:
        size = path.stat().st_size
        raise WeightsError(
            f"The weight file {path} is not the one the manifest states: "
            f"expected {file.size:,} bytes with sha256 {file.sha256}, "
            f"found {size:,} bytes with sha256 {found}.",
            code="weights_corrupted",
            hint=remedy,
        )


def digest(path: Path) -> str:
    """sha256 of a file in hex, read in pieces; remembered until its size or time changes."""
    try:
        stat = path.stat()
        key = (path.resolve(), stat.st_size, stat.st_mtime_ns)
        with _hash_lock:
            if key in _hashes:
                return _hashes[key]
        with path.open("rb") as stream:
            value = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"The weight file {path} can't be read: {error.strerror}.") from error
    with _hash_lock:
        _hashes[key] = value
    return value


def fetch(spec: ModelSpec, progress: Progress | None = None) -> list[Path]:
    """Download the files of a model that are missing or damaged, and verify all of them.

    A download that stopped is resumed; a file appears under its own name only when it is whole and
    verified. Several processes may ask for the same file: one downloads, the others wait.

    Parameters
    ----------
    spec : ModelSpec
    progress : callable, optional
        `progress(done, total)` in bytes. It may raise to stop; what was received is kept.

    Returns
    -------
    list of Path
        In the order of `spec.files`.

    Raises
    ------
    WeightsError
        The server can't be reached or answers with something else, the disk is full, or the file
        is not the one the manifest states.
    """
    from filelock import FileLock

    total = sum(file.size for file in spec.files)
    paths = [locate(spec, file) for file in spec.files]
    done = 0
    for file, path in zip(spec.files, paths, strict=True):
        if path.is_file() and (spec.bundled or digest(path) == file.sha256):
            verify(path, file, remedy=_remedy(spec))
        elif file.url is None or spec.bundled:
            raise _missing(spec, path)
        else:
            report = _shifted(progress, done, total)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{path}.lock"):
                    # Another process may have brought it while this one waited.
                    if not path.is_file() or digest(path) != file.sha256:
                        _download(file, path, report)
            except OSError as error:
                raise WeightsError(
                    f"The weight file {path} can't be written: {error.strerror or error}."
                ) from error
        done += file.size
    if progress:
        progress(total, total)
    return paths


_fetch = fetch  # for `resolve`, which has an argument of that name


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a weight file on the CPU, by name, without running code that it may hold.

    Parameters
    ----------
    path : Path
        .safetensors, or what `torch.save` wrote of a plain dictionary of tensors.

    Raises
    ------
    WeightsError
        The file can't be read, or holds something else.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path, device="cpu")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, pickle and zip have no common error
        raise WeightsError(f"The weight file {path} can't be read: {_first_line(error)}") from error
    if not isinstance(state, dict):
        raise WeightsError(f"The weight file {path} holds a {type(state).__name__}, not weights.")
    strange = [str(k) for k, v in state.items() if not isinstance(v, torch.Tensor)]
    if strange:
        raise WeightsError(f"The weight file {path} holds more than tensors: {_some(strange)}.")
    return state


def load_strict(module: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Put `state` into `module`; every tensor must be there, have its shape, and be used.

    Parameters
    ----------
    module : torch.nn.Module
    state : mapping of str to tensor
    name : str
        What to call the weights in the error.

    Raises
    ------
    WeightsError
        Naming the missing, the unexpected and the misshapen tensors. `module` is then unchanged.
    """
    own = module.state_dict()
    complaints = []
    if missing := [key for key in own if key not in state]:
        complaints.append(f"{len(missing)} missing ({_some(missing)})")
    if unexpected := [key for key in state if key not in own]:
        complaints.append(f"{len(unexpected)} unexpected ({_some(unexpected)})")
    misshapen = [
        f"{key} {list(state[key].shape)} instead of {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if misshapen:
        complaints.append(f"{len(misshapen)} of another shape ({_some(misshapen)})")
    if complaints:
        raise WeightsError(
            f"The weights of {name} do not fit the network: {'; '.join(complaints)}.",
            code="weights_misfit",
        )
    module.load_state_dict(dict(state), strict=True)


def _download(file: WeightFile, path: Path, report: Progress) -> None:
    """Bring one file, under a `.part` name until it is whole and verified."""
    import httpx

    assert file.url is not None
    part = path.with_name(path.name + ".part")
    try:
        first = httpx.URL(file.url)
    except httpx.InvalidURL as error:
        raise WeightsError(f"{file.url!r} is not an address: {error}.") from error

    def check(request: httpx.Request) -> None:  # of every request, so of every redirect too
        plain = request.url.host in _LOOPBACK and first.host in _LOOPBACK
        if request.url.scheme != "https" and not plain:
            raise WeightsError(f"{request.url} is not an https address; nothing was downloaded.")

    free = shutil.disk_usage(path.parent).free
    if free < file.size + SPARE:
        raise WeightsError(
            f"The disk of {path.parent} has {free:,} bytes free, {path.name} needs "
            f"{file.size + SPARE:,}.",
            code="disk_full",
        )
    with httpx.Client(
        follow_redirects=True, max_redirects=5, timeout=TIMEOUT, event_hooks={"request": [check]}
    ) as client:
        for attempt in range(TRIES):
            before = part.stat().st_size if part.is_file() else 0
            try:
                _receive(client, file, part, report)
                break
            except httpx.TransportError as error:
                grew = part.is_file() and part.stat().st_size > before
                if attempt + 1 == TRIES or not grew:
                    raise _unreachable(file, _first_line(error)) from error
            except httpx.HTTPStatusError as error:
                raise _unreachable(
                    file, f"the server answered {error.response.status_code}"
                ) from error
            except httpx.HTTPError as error:
                raise _unreachable(file, _first_line(error)) from error
    try:
        verify(part, file, remedy="The download was thrown away. Try again later.")
    except WeightsError:
        part.unlink()
        raise
    os.replace(part, path)


def _receive(client: httpx.Client, file: WeightFile, part: Path, report: Progress) -> None:
    """One request: append to `part` what it still lacks, or start it again."""
    have = part.stat().st_size if part.is_file() else 0
    if have >= file.size:  # whole, or never ours: the hash decides
        return
    # Bytes as they are stored: a compressed answer could be neither resumed nor measured.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    assert file.url is not None
    with client.stream("GET", file.url, headers=headers) as response:
        if response.status_code == 416:
            part.unlink()
            raise _unreachable(file, "the server refused to go on where it stopped; ask again")
        response.raise_for_status()
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not (response.status_code == 206 and resumed):
            have = 0
        with part.open("ab" if have else "wb") as out:
            report(have, file.size)
            for piece in response.iter_raw(CHUNK):
                have += len(piece)
                if have > file.size:
                    out.close()
                    part.unlink()
                    raise _unreachable(file, f"it sends more than the {file.size:,} bytes stated")
                out.write(piece)
                report(have, file.size)
            out.flush()
            os.fsync(out.fileno())
    if have < file.size:
        raise _unreachable(
            file, f"it stopped after {have:,} of {file.size:,} bytes; ask again to go on"
        )


def _shifted(progress: Progress | None, offset: int, total: int) -> Progress:
    def report(done: int, _size: int) -> None:
        if progress:
            progress(offset + done, total)

    return report


def _missing(spec: ModelSpec, path: Path) -> WeightsError:
    size = sum(file.size for file in spec.files)
    if spec.bundled or any(file.url is None for file in spec.files):
        hint = _remedy(spec)
    else:
        hint = f"`unmask fetch {spec.id}` downloads them ({size / 1e6:,.1f} MB)."
    return WeightsError(
        f"The weights of {spec.title} are not on this computer ({path} is missing).",
        code="weights_missing",
        hint=hint,
    )


def _remedy(spec: ModelSpec) -> str:
    if spec.bundled:
        return "It comes with Unmask: install it again, or restore it with `git checkout`."
    if any(file.url is None for file in spec.files):
        return "It was put there by hand: put the right file in its place."
    return f"`unmask fetch {spec.id}` downloads it again."


def _unreachable(file: WeightFile, why: str) -> WeightsError:
    return WeightsError(
        f"{file.url} could not be downloaded: {why.rstrip('.')}.",
        code="download_failed",
        hint="What was received is kept; the next try goes on from there.",
    )


def _some(names: Iterable[str], most: int = 4) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
