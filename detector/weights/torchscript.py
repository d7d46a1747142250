"""The tensors of a TorchScript archive, without running the program that it holds.

`torch.jit.load` compiles what a file says and `torch.load(weights_only=True)` refuses it, but the
weights inside are pickled as anywhere else: here only tensors come to life, and the objects between
them as bare holders of attributes.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.errors import WeightsError


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
    """Whether a file is a zip with a program in it, as `torch.jit.save` writes them."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_archive(path: Path) -> dict[str, Tensor]:
    """Return a module's tensors by `state_dict` name; raise WeightsError."""
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
        raise WeightsError(
            f"The weight file {path} can't be read: it is damaged, or no TorchScript archive.",
            code="weights_unreadable",
        ) from error


class _Holder:
    """An object of a class that the archive defines."""

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
            raise WeightsError(
                "The TorchScript file was quantized: its weights are whole numbers.",
                code="weights_whole",
                hint="Use the file as it was before it was quantized.",
            )
        raise WeightsError(
            f"Opening this file would call {module}.{name}, which weights never need. It was not "
            "opened."
        )

    def persistent_load(self, pid: Any) -> Tensor:
        _kind, dtype, key, _place, count = pid
        entry = self._archive.getinfo(f"{self._root}data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED:  # torch packs nothing; what grows is a trap
            raise WeightsError(f"Tensor {key} of the file is compressed, which torch never does.")
        raw = self._archive.read(entry)
        flat = torch.frombuffer(bytearray(raw), dtype=dtype)
        if len(flat) != count:
            raise WeightsError(f"Tensor {key} of the file has another size than it says.")
        return flat


def _tensors(holder: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(holder).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Holder):
            yield from _tensors(value, f"{prefix}{name}.")
