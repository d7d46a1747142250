"""State dictionaries of weight files, read without executing code; imports torch.

`torch.jit.load` compiles the code of a TorchScript archive and `torch.load(weights_only=True)`
refuses it, but its weights are pickled as anywhere else: here only tensors are created, and other
objects become plain attribute holders."""

import functools
import pickle
import re
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from detector.errors import WeightsError
from detector.sentences import _
from detector.weights.entry import TORCH_STARTS, some_of

_CALLED = re.compile(r"(?:GLOBAL|class|global:?) ([\w.]+\.\w+) ")
"""torch's messages that name what a pickle tried to call."""


def unwrapped(
    path: Path,
    wrappers: Sequence[str],
    chosen: str,
    cache: dict[Path, dict[str, Any]] | None = None,
) -> dict[str, torch.Tensor]:
    """Return the weights of a file without a training script's wrappers.

    A file often holds a second set, such as a moving average. The published set is unknown: the
    user states it (`chosen`). `cache` stores read files for the next call."""
    state, resolved = _read(path, cache), not chosen
    seen: list[str] = []
    while True:
        sets = [str(key) for key, value in state.items() if _is_set(value)]
        seen += sets
        key: str | None
        if not resolved and isinstance(state.get(chosen), Mapping):
            key, resolved = chosen, True
        else:
            key = next((k for k in wrappers if isinstance(state.get(k), Mapping)), None)
            rivals = [k for k in sets if key and k != key and _rival(state, key, k, wrappers)]
            if resolved and (rivals or (key is None and len(sets) > 1)):
                names = sets if key is None else [key, *rivals]
                text = _("The weight file {path} holds several sets of weights: {names}.")
                hint = _("Say which one: `unmask models add` takes --state {names}.")
                raise WeightsError(
                    text.format(path=path, names=", ".join(names)),
                    code="weights_several",
                    hint=hint.format(names=names[0]),
                )
        if key is None:
            break
        state = dict(state[key])
    if not resolved and seen:  # a bare file may be the chosen set itself
        raise WeightsError(
            _("The weight file {path} holds no set of weights called {chosen}.").format(
                path=path, chosen=repr(chosen)
            ),
            hint=_("It has {seen}.").format(seen=", ".join(seen)),
        )
    strange = [str(k) for k, v in state.items() if not isinstance(v, torch.Tensor)]
    if strange:
        raise WeightsError(
            _("The weight file {path} holds more than tensors: {strange}.").format(
                path=path, strange=some_of(strange)
            ),
            hint=_(
                "If its weights are under {sets}: `unmask models add` takes --state {sets_}."
            ).format(sets=sets[0], sets_=sets[0])
            if sets
            else "",
        )
    if not state:
        raise WeightsError(_("The weight file {path} holds no tensors.").format(path=path))
    return {str(k): v for k, v in state.items()}


def _is_set(value: Any) -> bool:
    """Return True for a mapping of weights, not an optimizer, log or settings."""
    return isinstance(value, Mapping) and any(
        isinstance(tensor, torch.Tensor) and tensor.dim() for tensor in value.values()
    )


def _rival(state: Mapping[str, Any], key: str, other: str, wrappers: Sequence[str]) -> bool:
    """Return True if `other` could be the weights too: a usual key, or mostly the same names."""

    def tensors(name: str) -> dict[str, torch.Tensor]:
        pairs = state[name].items()
        return {str(k).removeprefix("module."): t for k, t in pairs if isinstance(t, torch.Tensor)}

    ours, theirs = tensors(key), tensors(other)
    common = [k for k in ours if k in theirs and ours[k].shape == theirs[k].shape]
    if len(common) == len(ours) == len(theirs) and common:
        return not all(torch.equal(ours[k], theirs[k]) for k in common)
    return other in wrappers or 2 * len(common) >= max(1, min(len(ours), len(theirs)))


def _read(path: Path, cache: dict[Path, dict[str, Any]] | None) -> dict[str, Any]:
    if cache is not None and path in cache:
        return dict(cache[path])
    try:
        if path.suffix == ".safetensors":
            state = load_file(path, device="cpu")
        elif is_archive(path):
            state = read_archive(path)
        else:
            _allow_harmless()
            with warnings.catch_warnings():
                # torch warns about bare pickles on standard error.
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # safetensors, pickle and zip have no common error
        text = _("The weight file {path} can't be read: {error}")
        raise WeightsError(
            text.format(path=path, error=_why(path, error)), code="weights_unreadable"
        ) from error
    if not isinstance(state, Mapping):
        text = _("The weight file {path} holds a {name}, not weights.")
        raise WeightsError(text.format(path=path, name=type(state).__name__))
    if cache is not None:
        cache[path] = dict(state)
    return dict(state)


@functools.cache
def _allow_harmless() -> None:
    """Allow torch to read settings and scalars of training scripts."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8", "?")}
    lightning = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")
    harmless = [
        Namespace,
        np.dtype,
        *kinds,
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        *(
            (dict, f"{home}.utilities.{name}.AttributeDict")
            for home in lightning
            for name in ("parsing", "data")
        ),
    ]
    torch.serialization.add_safe_globals(harmless)


def _why(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as problem:
        return f"{problem.strerror}."
    text = str(error)
    if not start:
        return _("it is empty.")
    if start.lstrip().startswith((b"<", b"{", b"version")) and path.suffix != ".safetensors":
        return _(
            "it is text, not weights; perhaps a page that a download gave instead of the file."
        )
    if start.startswith(b"\x89HDF"):
        return _("it is an HDF5 file, as Keras writes them.")
    if match := _CALLED.search(text):
        return _(
            "opening it would call {match}, which weights never need. It was not opened."
        ).format(match=match[1])
    if start.startswith(TORCH_STARTS) or path.suffix == ".safetensors":
        return _("it is truncated or damaged.")
    return _("it is damaged, or no weight file.")


def save(state: Mapping[str, torch.Tensor], target: Path) -> None:
    """Write tensors as safetensors atomically."""
    # A copy of each: safetensors refuses tensors that share memory.
    tensors = {k: t.detach().clone().contiguous() for k, t in state.items()}
    making = target.with_name(target.name + ".making")
    save_file(tensors, making)
    making.replace(target)


def _tensor(flat: Tensor, offset: int, shape: Any, stride: Any, *_rest: Any) -> Tensor:
    return flat.as_strided(tuple(shape), tuple(stride), offset)


def _first(value: Any, *_rest: Any) -> Any:
    return value


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.ShortStorage": torch.int16,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.BoolStorage": torch.bool,
}


def is_archive(path: Path) -> bool:
    """Return True for a TorchScript archive, as `torch.jit.save` writes it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_archive(path: Path) -> dict[str, Tensor]:
    """Return a TorchScript module's tensors by `state_dict` name; raise WeightsError."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            root = name.removesuffix("data.pkl")
            with archive.open(name) as stream:
                module = _ArchiveReader(stream, archive, root).load()
            return dict(_tensors(module, ""))
    except WeightsError:
        raise
    except Exception as error:  # zip, pickle and torch have no common error
        text = _("The weight file {path} can't be read: it is damaged, or no TorchScript archive.")
        raise WeightsError(text.format(path=path), code="weights_unreadable") from error


class _Holder:
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _ArchiveReader(pickle.Unpickler):
    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Holder
        if allowed := _ALLOWED.get(f"{module}.{name}"):
            return allowed
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return _first  # lists of plain values
        if name == "_rebuild_qtensor" or name.startswith(("QInt", "QUInt")):
            text = _("The TorchScript file was quantized: its weights are whole numbers.")
            hint = _("Use the file as it was before it was quantized.")
            raise WeightsError(text, code="weights_whole", hint=hint)
        raise WeightsError(
            _(
                "Opening this file would call {module}.{name}, which weights never need. It was "
                "not opened."
            ).format(module=module, name=name)
        )

    def persistent_load(self, pid: Any) -> Tensor:
        _kind, dtype, key, _place, count = pid
        entry = self._archive.getinfo(f"{self._root}data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED:  # torch never does: a decompression bomb
            raise WeightsError(
                _("Tensor {key} of the file is compressed, which torch never does.").format(key=key)
            )
        raw = self._archive.read(entry)
        flat = torch.frombuffer(bytearray(raw), dtype=dtype)
        if len(flat) != count:
            raise WeightsError(
                _("Tensor {key} of the file does not have its stated size.").format(key=key)
            )
        return flat


def _tensors(holder: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(holder).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Holder):
            yield from _tensors(value, f"{prefix}{name}.")
