"""Run a trained network: OpenVINO on a processor, torch on a GPU and where there is no OpenVINO.

OpenVINO takes a quarter of eager torch's time with outputs equal to 1e-5 in float32, which is
requested except for large transformers (`computes_in_bf16`). Gradients need the torch module."""

from __future__ import annotations

import os
import queue
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from detector import converted
from detector.config import get_config
from detector.errors import ModelError
from detector.installation import install
from detector.sentences import _

if TYPE_CHECKING:
    import torch

MAX_COPIES = 8  # calls of one network that go on side by side; each has memory of its own

Runner = Callable[..., tuple[np.ndarray, ...]]
"""The network's inputs, float32 -> its outputs, float32. Thread-safe and deterministic."""


def compile(
    network: torch.nn.Module,
    example: torch.Tensor,
    device: str,
    *,
    free: tuple[int, ...] = (0,),
    shared: bool = False,
    bf16: bool = False,
) -> Runner:
    """Make a network ready to score: in evaluation mode, on `device`, taking one tensor like
    `example` (at least two items) and giving one or several.

    `free` are the axes of the input whose size may change. `shared` lets calls of several threads
    run side by side, on a core each. `bf16` computes in bf16 where processor or GPU can."""
    if package(device) == "openvino":
        folder, model = _converted(network, example, free, half=bf16)
        return _opened(folder, bf16, _copies(shared), model)
    import torch

    kind = torch.device(device).type
    half = bf16 and get_config().precision == "bf16"
    half = half and (kind != "cuda" or torch.cuda.is_bf16_supported())

    def run(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=half):
            outputs = network(torch.from_numpy(batch).to(device))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(output.float().cpu().numpy() for output in several)

    return run


def _copies(shared: bool) -> int:
    return min(MAX_COPIES, os.cpu_count() or 1) if shared else 1


class Chain:
    """Networks in turn, the next on what the one before gives: a layer over a shared trunk."""

    def __init__(self, *runners: Runner) -> None:
        self.runners = runners

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        for runner in self.runners:
            inputs = runner(*inputs)
        return inputs


def known(key: str, *, shared: bool = False) -> tuple[Runner, dict[str, int]] | None:
    """Return a network that `remember` stored under a key, and its facts, without building it and
    without importing PyTorch, which takes two to three seconds; None where there is none."""
    if package("cpu") != "openvino" or (kept := converted.recall(key)) is None:
        return None
    networks, about = kept
    try:
        found = [_opened(folder, bf16, _copies(shared)) for folder, bf16 in networks]
    except FileNotFoundError:
        return None
    return found[0] if len(found) == 1 else Chain(*found), about


def remember(key: str, runner: Runner | None, **about: int) -> None:
    """Let `known` find what `compile` gave, or a chain of it, where it is kept on disk at all; and
    else that it was tried."""
    networks = runner.runners if isinstance(runner, Chain) else (runner,)
    kept = [(one.folder, one.bf16) for one in networks if isinstance(one, _OpenVino) and one.folder]
    converted.remember(key, kept if len(kept) == len(networks) else (), about)


@contextmanager
def beside_others() -> Iterator[None]:
    """Limit torch's threads here to those that leave cores for the other stages: busy-waiting
    helpers starve them. On two busy cores a 6 s clip took 12 to 24 s with torch's own choice, 3 s
    with one thread. Does not import torch."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, max(1, (os.cpu_count() or 2) // 2 - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def without_helpers() -> None:
    """Keep torch's threads from this one: two thread pools starve each other."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


def read(path: Path, shape: tuple[int, ...] | None = None) -> Runner:
    """Return a network that was published ready to run (TFLite, ONNX), on the processor; `shape` is
    that of its one input, where the file leaves it open. Raise RuntimeError for another file, and
    ModelError without OpenVINO."""
    if package("cpu") != "openvino":
        text = _("Speech and face landmarks are found with OpenVINO. Type: {command}")
        raise ModelError(text.format(command=install("full")))
    openvino, core = _openvino()
    model = core.read_model(path)
    if shape is not None:
        model.reshape(openvino.PartialShape(list(shape)))
    return _OpenVino(model)


def computes_in_bf16(device: str) -> bool:
    """Return whether large transformers score in bf16 there: on a processor with instructions for
    it, unless UNMASK_PRECISION says otherwise. Without such instructions it takes longer."""
    if device != "cpu" or get_config().precision != "bf16":
        return False
    if "torch" not in sys.modules and (flags := _processor_flags()):
        return not flags.isdisjoint({"avx512_bf16", "amx_tile"})
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@lru_cache(maxsize=1)
def _processor_flags() -> frozenset[str]:
    """Return what Linux says this processor can do; nothing where it says nothing."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            name, _, words = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(words.split())
    return frozenset()


def backend(device: str) -> str:
    """Return what `compile` uses, with its version, and what transformers compute in."""
    precision = ", transformers in bf16" if computes_in_bf16(device) else ""
    return f"{package(device)} {metadata.version(package(device))}{precision}"


@lru_cache(maxsize=4)
def package(device: str) -> str:
    """Return what networks run with on a device: openvino or torch."""
    return "openvino" if device == "cpu" and find_spec("openvino") else "torch"


_importing = threading.Lock()


@lru_cache(maxsize=1)
def _openvino() -> tuple[ModuleType, Any]:
    # On import it reports to its makers that it was used. Nothing leaves this machine: without the
    # reporting package it takes a stub of its own.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with _importing:
        # What converts is half of what it imports, and comes where a network has to be converted.
        hidden = sys.modules.setdefault("openvino.tools.ovc", None) is None  # type: ignore[arg-type]
        import openvino

        if hidden:
            del sys.modules["openvino.tools.ovc"]
    return openvino, openvino.Core()


_converting = threading.Lock()
"""torch traces one network at a time: two threads that do find each other's in their graphs."""


def _converted(
    network: torch.nn.Module, example: torch.Tensor, free: tuple[int, ...], *, half: bool
) -> tuple[Path | None, Any]:
    """Return a network in OpenVINO's form, and where it is kept on disk: with `half` and unless
    all is computed in float32, by weights in float16, which bf16 rounds further."""
    import torch

    openvino, core = _openvino()
    half = half and get_config().precision == "bf16"
    folder = converted.place(network, example, free, half=half)
    if folder is not None and (known := converted.read(core, folder)) is not None:
        return folder, known
    with _converting, torch.no_grad(), warnings.catch_warnings():
        # Its way through torch.jit.trace; torch has deprecated that, not removed it.
        warnings.simplefilter("ignore", DeprecationWarning)
        # It reads every attribute, deprecated ones of transformers too.
        warnings.simplefilter("ignore", FutureWarning)
        # Numbers that follow from the input's shape may stay as they are.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
        from openvino.tools.ovc import convert_model

        # To trace again and compare takes as long as all else, and `network` decides nothing by
        # what it is shown.
        traced = TorchScriptPythonDecoder(
            network, example_input=example, trace_kwargs={"check_trace": False}
        )
        model = convert_model(traced, example_input=example)
    shape = [-1 if axis in free else size for axis, size in enumerate(example.shape)]
    model.reshape(openvino.PartialShape(shape))
    if folder is not None:
        converted.keep(openvino, model, folder, half=half)
        # What later processes read, mapped from disk.
        model = converted.read(core, folder) or model
    return folder, model


_SETTINGS: dict[str, object] = {
    # One thread: runs go side by side, and two pools of threads starve each other.
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    # Else each call is held on the first core, where all networks then wait for each other and
    # for whatever else runs there, with the second core free.
    "ENABLE_CPU_PINNING": False,
}


_open: WeakValueDictionary[tuple[Path, bool, int], _OpenVino] = WeakValueDictionary()
_opening = threading.RLock()


def _opened(folder: Path | None, bf16: bool, copies: int, model: Any = None) -> _OpenVino:
    """Return the network of a folder, one in memory for all that use it, or `model` as it is; raise
    FileNotFoundError where there is none."""
    key = folder and (folder, bf16, copies)
    with _opening:
        found = _open.get(key) if key else None
        if found is None:
            if model is None and folder is not None:
                model = converted.read(_openvino()[1], folder)
            if model is None:
                raise FileNotFoundError
            found = _OpenVino(model, folder, bf16=bf16, copies=copies)
            if key:
                _open[key] = found
        return found


class _OpenVino:
    """A network with up to `copies` infer requests, each compiled on demand; `folder` is where it
    is kept on disk."""

    def __init__(
        self, model: Any, folder: Path | None = None, *, bf16: bool = False, copies: int = 1
    ) -> None:
        self.folder, self.bf16 = folder, bf16
        self._model = model
        self._left, self._lock = copies - 1, threading.Lock()
        self._tensor = _openvino()[0].Tensor
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()
        self._free.put(self._request())
        if copies == 1:
            self._model = None

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        request = self._take()
        try:
            # Tensors, not arrays: OpenVINO takes as long to find out what an array is as a small
            # network takes.
            arrays = [np.require(array, np.float32, ["C", "W"]) for array in inputs]
            tensors = [self._tensor(array, shared_memory=True) for array in arrays]
            outputs = request.infer(tensors, share_inputs=True, share_outputs=True)
            return tuple(np.array(output, np.float32) for output in outputs.to_tuple())  # copies
        finally:
            self._free.put(request)

    def _take(self) -> Any:
        """Wait for a free copy, or make one more."""
        with suppress(queue.Empty):
            return self._free.get_nowait()
        with self._lock:
            more = self._left > 0
            self._left -= more
        return self._request() if more else self._free.get()

    @property
    def precision(self) -> str:
        """What it computes in on this processor: bf16 or f32."""
        return "bf16" if self.bf16 and computes_in_bf16("cpu") else "f32"

    def _request(self) -> Any:
        settings = _SETTINGS | {"INFERENCE_PRECISION_HINT": self.precision}
        compiled = _openvino()[1].compile_model(self._model, "CPU", settings)
        return compiled.create_infer_request()
