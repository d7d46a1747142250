"""Disk cache of networks converted to OpenVINO, in `UNMASK_CONVERTED` or the data folder.

Conversion takes a second or two, reading a tenth of that. The key covers everything that determines
a network's output: code, attributes, weights, input shapes and versions. Files are verified by
sha256, and the least recently used are evicted."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector import paths
from detector.config import get_config

if TYPE_CHECKING:
    import torch

MAX_BYTES = 400_000_000
"""of a network's weights; larger ones would fill disks, and take as long to read as to convert"""
MAX_KEPT_BYTES = 2_000_000_000  # the default models take 0.6 GB, the sequence models' trunk 0.2
FILE, WEIGHTS, DIGEST = "network.xml", "network.bin", "sha256"
KEYS = "keys"  # Folder with a file for each key of `remember`
_KEPT = 64  # hexadecimal digits of a network's folder


def place(
    network: torch.nn.Module, example: torch.Tensor, free: tuple[int, ...], *, half: bool = False
) -> Path | None:
    """Return the cache folder of a network, which may not exist; None if it is too large. With
    `half` its weights are stored in float16."""
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MAX_BYTES:
        return None
    digest = _versions()
    digest.update(f"{tuple(example.shape)} {example.dtype} {free} {half};".encode())
    for part in _parts(network):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return root() / digest.hexdigest()


def key_of(facts: str, sources: Iterable[Path]) -> str:
    """Return a key for a network without building it: by the Python files or folders that build it,
    the versions that convert it, and `facts` (everything else that determines its output)."""
    digest = _versions()
    digest.update(facts.encode())
    for source in sources:
        for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(hashlib.sha256(_read(str(file))).digest())
    return digest.hexdigest()


Stored = tuple[Path, bool]
"""Folder of a network, and whether it computes in bf16 where the processor can"""


def remember(key: str, networks: Sequence[Stored], about: dict[str, int]) -> None:
    """Store the folders of chained networks, and facts, under a key; ignore failures."""
    with suppress(OSError):
        keys = root() / KEYS
        keys.mkdir(parents=True, exist_ok=True)
        named = [(folder.name, bf16) for folder, bf16 in networks]
        paths.write(keys / key, json.dumps({"networks": named} | about))


def tried(key: str) -> bool:
    """Return True if `remember` stored under a key that there is no network to run alone."""
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((root() / KEYS / key).read_text("utf-8")).get("networks") == []
    return False


def recall(key: str) -> tuple[list[Stored], dict[str, int]] | None:
    """Return what `remember` stored under a key; None if there is nothing, or it is damaged."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        about = json.loads((root() / KEYS / key).read_text("utf-8"))
        named = about.pop("networks", ())
        if named and all(len(name) == _KEPT and name.isalnum() for name, _ in named):
            return [(root() / name, bool(bf16)) for name, bf16 in named], about
    return None


def root() -> Path:
    """Return the folder of all networks."""
    return (get_config().converted or paths.data() / "converted").expanduser()


def _versions() -> hashlib._Hash:
    digest = hashlib.sha256()
    for package in ("openvino", "torch"):
        with suppress(metadata.PackageNotFoundError):  # without OpenVINO nothing is stored
            digest.update(f"{package} {metadata.version(package)};".encode())
    return digest


def read(core: Any, folder: Path) -> Any | None:
    """Return the network of a folder, with memory-mapped weights; None if there is none. Delete a
    damaged one."""
    if not folder.is_dir():
        return None
    with suppress(OSError, RuntimeError):
        if (folder / DIGEST).read_text("ascii") == _digest(folder):
            model = core.read_model(folder / FILE)
            with suppress(OSError):  # a read-only cache needs no eviction
                os.utime(folder)
            return model
    shutil.rmtree(folder, ignore_errors=True)
    return None


def keep(openvino: Any, model: Any, folder: Path, *, half: bool = False) -> None:
    """Write a network into its folder atomically; ignore failures and concurrent writers."""
    unfinished = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    with suppress(OSError, RuntimeError):
        unfinished.mkdir(parents=True)
        openvino.save_model(model, unfinished / FILE, compress_to_fp16=half)
        (unfinished / DIGEST).write_text(_digest(unfinished), "ascii")
        unfinished.rename(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    _make_room(folder.parent)


def _make_room(folder: Path) -> None:
    with suppress(OSError):
        left = MAX_KEPT_BYTES
        for kept in sorted(folder.iterdir(), key=lambda f: f.stat().st_mtime, reverse=True):
            left -= sum(file.stat().st_size for file in kept.iterdir())
            if left < 0:
                shutil.rmtree(kept, ignore_errors=True)


def _digest(folder: Path) -> str:
    both = hashlib.sha256()
    for name in (FILE, WEIGHTS):
        with (folder / name).open("rb") as stream:
            both.update(hashlib.file_digest(stream, "sha256").digest())
    return both.hexdigest()


def _parts(network: torch.nn.Module) -> Iterator[bytes]:
    import torch

    for name, module in network.named_modules():
        yield f"{name} {type(module).__qualname__}".encode()
        yield _source(type(module))
        for key, value in sorted({**vars(module), **module._parameters, **module._buffers}.items()):
            if key in ("_parameters", "_buffers", "_modules"):
                continue
            yield key.encode()
            if isinstance(value, torch.Tensor):
                yield f"{value.dtype} {tuple(value.shape)}".encode()
                raw = value.detach().cpu().contiguous().flatten().view(torch.uint8)
                yield raw.numpy().tobytes()
            else:
                # The order of a set differs between processes.
                yield repr(sorted(value) if isinstance(value, set) else value).encode()


def _source(kind: type[Any]) -> bytes:
    """Return the source file of a class; a random value if there is none."""
    try:
        return _read(inspect.getfile(kind))
    except (OSError, TypeError):
        return secrets.token_bytes(16)


@lru_cache(maxsize=256)
def _read(file: str) -> bytes:
    return Path(file).read_bytes()
