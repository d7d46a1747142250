"""Import hook that makes `import torchvision` work where its compiled operators don't load.

PyPI's torchvision is built against CUDA: beside a CPU-only torch it raises "operator
torchvision::nms does not exist", and timm, grad-cam and facenet-pytorch fail with it, which use no
such operator. `install()` puts a finder on `sys.meta_path` that declares the operators on exactly
that error; working ones are unchanged.

It also defers PyTorch's compiler, which is unused here: it takes two seconds to import and creates
a folder among the temporary files."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# What torchvision's Python code registers shapes for while it is imported.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_COMPILER_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
_COMPILER_LINES = {
    "torchvision.ops.roi_align": (
        "from torch._dynamo.utils import is_compile_supported\n",
        "is_compile_supported = lambda device: "
        "__import__('torch._dynamo.utils', fromlist=['utils']).is_compile_supported(device)\n",
    ),
    "timm.layers.typing": (
        'disable_compiler = getattr(getattr(torch, "compiler", None), "disable", None) or nullwrap',
        "disable_compiler = nullwrap",
    ),
}
"""By module: the line that imports the compiler, and its replacement."""
# Operator registrations live as long as this object does.
_libraries: list[Any] = []


def install() -> None:
    """Install the fallback for the first import of torchvision. Idempotent."""
    if "torchvision" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def active() -> bool:
    """Return True if the fallback was needed in this process."""
    return bool(_libraries)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torchvision" and name not in _COMPILER_LINES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            if name == "torchvision":
                _guard(spec.loader)
            else:
                _without_compiler(spec.loader, name)
        return spec


def _guard(loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        try:
            with _compiler_elsewhere():
                execute(module)
        except RuntimeError as error:
            if "operator torchvision::" not in str(error) or active():
                raise
            for name in [n for n in sys.modules if n.startswith("torchvision.")]:
                del sys.modules[name]
            _declare()
            with _compiler_elsewhere():
                execute(module)

    loader.exec_module = exec_module


def _without_compiler(loader: Any, name: str) -> None:
    eager, lazy = _COMPILER_LINES[name]
    source = loader.get_source(name)
    if source is not None and eager in source:
        code = compile(source.replace(eager, lazy), loader.get_filename(name), "exec")
        loader.get_code = lambda _name: code


@contextmanager
def _compiler_elsewhere() -> Iterator[None]:
    """Put the compiler's cache into a temporary folder, unless the person chose one."""
    import tempfile  # here, so that `import detector` costs nothing

    if _COMPILER_FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        os.environ[_COMPILER_FOLDER] = folder
        try:
            yield
        finally:
            os.environ.pop(_COMPILER_FOLDER, None)


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _libraries.append(library)
