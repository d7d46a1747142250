"""Inference runtime: OpenVINO on a processor, torch on a GPU or without OpenVINO.

OpenVINO takes a quarter of eager torch's time with outputs equal to 1e-5 in float32, which is used
except for large transformers (`computes_in_bf16`). Gradients need the torch module."""

from __future__ import annotations

import math
import queue
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from detector import converted, forked
from detector.config import get_config
from detector.cores import turns, usable_cores
from detector.errors import ModelError
from detector.helper_process import helper
from detector.installation import install
from detector.sentences import _

if TYPE_CHECKING:
    import torch

MAX_CALLS = 8  # concurrent calls of one network; each has its own memory of activations
LARGE = 20_000_000
"""bytes of weights from which the calls of a network take turns on the cores (`detector.cores`):
hundreds of milliseconds each, while a smaller network ends before others notice"""

Runner = Callable[..., tuple[np.ndarray, ...]]
"""The network's inputs, float32 -> its outputs, float32. Thread-safe and deterministic."""


def compile(
    network: torch.nn.Module,
    example: torch.Tensor,
    device: str,
    *,
    free: tuple[int, ...] = (0,),
    bf16: bool = False,
) -> Runner:
    """Compile a network in evaluation mode for `device`; it takes one tensor like `example` (at
    least two items) and returns one or several. On a processor, calls of several threads run
    concurrently, on a core each, with one copy of the weights.

    `free`: axes of the input with variable size. `bf16`: compute in bf16 if the processor or GPU
    supports it."""
    if package(device) == "openvino":
        folder, model = _converted(network, example, free, half=bf16)
        return _opened(folder, bf16, model)
    import torch

    kind = torch.device(device).type
    half = bf16 and get_config().precision == "bf16"
    half = half and (kind != "cuda" or torch.cuda.is_bf16_supported())

    def run(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        forked.about_to_run()
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=half):
            outputs = network(torch.from_numpy(batch).to(device))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(output.float().cpu().numpy() for output in several)

    return run


class Chain:
    """Chained networks, such as a head on a shared trunk."""

    def __init__(self, *runners: Runner) -> None:
        self.runners = runners

    @property
    def trunk(self) -> Chain:
        """Return the networks before the last, which others may share."""
        return Chain(*self.runners[:-1])

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        for runner in self.runners:
            inputs = runner(*inputs)
        return inputs


def known(key: str) -> tuple[Runner, dict[str, int]] | None:
    """Return a network that `remember` stored under a key, and its facts, without building it or
    importing PyTorch, which takes two to three seconds; None if there is none."""
    if package("cpu") != "openvino" or (kept := converted.recall(key)) is None:
        return None
    networks, about = kept
    try:
        found = [_opened(folder, bf16) for folder, bf16 in networks]
    except FileNotFoundError:
        return None
    return found[0] if len(found) == 1 else Chain(*found), about


def opened(folder: Path, make: Callable[[], Any], *, bf16: bool) -> Runner:
    """Return the network of a folder of the cache; of the OpenVINO graph that `make` returns where
    it is not there."""
    with _opening:
        try:
            return _opened(folder, bf16)
        except FileNotFoundError:
            return _opened(folder, bf16, make())


def once_converted(
    keys: Sequence[str], convert: str, build: Callable[[], Sequence[Runner]]
) -> Sequence[Runner]:
    """Return the networks of some keys, which a function ("module:name") stores in the helper
    process where they are not known yet; what `build` makes here where that is not possible."""

    def stored() -> list[Runner]:
        found = [runner for key in keys if (one := known(key)) for runner in one[:1]]
        return found if len(found) == len(keys) else []

    if package("cpu") != "openvino":
        return build()
    return stored() or (helper.converts(convert) and stored()) or build()


def remember(key: str, runner: Runner | None, **about: int) -> None:
    """Store a compiled network or a chain under a key for `known`; if it is not on disk, store that
    it was tried."""
    networks = runner.runners if isinstance(runner, Chain) else (runner,)
    kept = [(one.folder, one.bf16) for one in networks if isinstance(one, _OpenVino) and one.folder]
    converted.remember(key, kept if len(kept) == len(networks) else (), about)


@contextmanager
def beside_others() -> Iterator[None]:
    """Limit torch's threads to leave cores for the other stages, which busy-waiting helpers starve.
    On two busy cores a 6 s clip took 12 to 24 s with torch's default, 3 s with one thread. Does not
    import torch."""
    if "torch" not in sys.modules:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, max(1, usable_cores() // 2 - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def without_helpers() -> None:
    """Limit torch to one thread in this thread: two thread pools starve each other."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


def read(path: Path, shape: tuple[int, ...] | None = None) -> Runner:
    """Load a TFLite or ONNX network on the processor; `shape`: of its input, if the file leaves it
    open. Raise RuntimeError for another file, and ModelError without OpenVINO."""
    if package("cpu") != "openvino":
        text = _("Speech and face landmarks are found with OpenVINO. Type: {command}")
        raise ModelError(text.format(command=install("full")))
    openvino, core = _openvino()
    model = core.read_model(path)
    if shape is not None:
        model.reshape(openvino.PartialShape(list(shape)))
    return _OpenVino(model)


def of_graph(graph: Any) -> Runner:
    """Return an OpenVINO graph as a network in this process's memory."""
    return _OpenVino(graph)


def computes_in_bf16(device: str) -> bool:
    """Return True if large transformers score in bf16 there: on a processor with instructions for
    it, without which it is slower, unless UNMASK_PRECISION is set."""
    if device != "cpu" or get_config().precision != "bf16":
        return False
    if "torch" not in sys.modules and (flags := _processor_flags()):
        return not flags.isdisjoint({"avx512_bf16", "amx_tile"})
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@lru_cache(maxsize=1)
def _processor_flags() -> frozenset[str]:
    """Return the processor's feature flags on Linux; empty if unknown."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            name, _, words = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return frozenset(words.split())
    return frozenset()


def backend(device: str) -> str:
    """Return the package and version that `compile` uses, and the precision of transformers."""
    precision = ", transformers in bf16" if computes_in_bf16(device) else ""
    return f"{package(device)} {metadata.version(package(device))}{precision}"


def package(device: str) -> str:
    """Return the package that runs networks on a device: openvino or torch."""
    return "openvino" if device == "cpu" and _installed() and compiles.get() else "torch"


compiles: ContextVar[bool] = ContextVar("compiles", default=True)
"""Whether networks are compiled where they can be."""


@contextmanager
def uncompiled() -> Iterator[None]:
    """Leave networks to PyTorch within a block: for gradients alone, without a compiled copy."""
    before = compiles.set(False)
    try:
        yield
    finally:
        compiles.reset(before)


@lru_cache(maxsize=1)
def _installed() -> bool:
    return find_spec("openvino") is not None


_importing = threading.Lock()


@lru_cache(maxsize=1)
def _openvino() -> tuple[ModuleType, Any]:
    # Disable its usage telemetry: without that package it uses a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    with _importing:
        # Defer the converter, half of its imports, until a network has to be converted.
        hidden = sys.modules.setdefault("openvino.tools.ovc", None) is None  # type: ignore[arg-type]
        import openvino

        if hidden:
            del sys.modules["openvino.tools.ovc"]
    return openvino, openvino.Core()


def openvino() -> ModuleType:
    """Return OpenVINO, imported without its converter and its telemetry."""
    return _openvino()[0]


_converting = threading.Lock()
"""torch.jit.trace is not thread-safe: concurrent traces mix their graphs."""


def _converted(
    network: torch.nn.Module, example: torch.Tensor, free: tuple[int, ...], *, half: bool
) -> tuple[Path | None, Any]:
    """Convert a network to OpenVINO, or read it from the cache; return its folder and model. With
    `half`, weights are float16 unless UNMASK_PRECISION is f32; bf16 rounds them further."""
    import torch

    openvino, core = _openvino()
    half = half and get_config().precision == "bf16"
    folder = converted.place(network, example, free, half=half)
    if folder is not None and (known := converted.read(core, folder)) is not None:
        return folder, known
    with _converting, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit.trace
        warnings.simplefilter("ignore", FutureWarning)  # of deprecated attributes in transformers
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # constants from input shapes
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
        from openvino.tools.ovc import convert_model

        # Checking the trace takes as long as all else, and `network` has no data-dependent control
        # flow.
        traced = TorchScriptPythonDecoder(
            network, example_input=example, trace_kwargs={"check_trace": False}
        )
        model = convert_model(traced, example_input=example)
    shape = [-1 if axis in free else size for axis, size in enumerate(example.shape)]
    model.reshape(openvino.PartialShape(shape))
    if folder is not None:
        converted.keep(openvino, model, folder, half=half)
        # Memory-mapped, as in later processes.
        model = converted.read(core, folder) or model
    return folder, model


_SETTINGS: dict[str, object] = {
    # Else each call is pinned to the first core, and the others stay idle.
    "ENABLE_CPU_PINNING": False,
    # Kernels for shapes that were seen. By default 5,000: faces are searched in pictures of all
    # sizes, and each new one took 0.9 MB that never came back.
    "CPU_RUNTIME_CACHE_CAPACITY": 64,
}


_open: WeakValueDictionary[tuple[Path, bool], _OpenVino] = WeakValueDictionary()
_opening = threading.RLock()


def _opened(folder: Path | None, bf16: bool, model: Any = None) -> _OpenVino:
    """Return the shared network of a folder, compiled from `model` if given; raise
    FileNotFoundError if there is none."""
    forked.about_to_run()
    key = folder and (folder, bf16)
    with _opening:
        found = _open.get(key) if key else None
        if found is None:
            if model is None and folder is not None:
                model = converted.read(_openvino()[1], folder)
            if model is None:
                raise FileNotFoundError
            found = _OpenVino(model, folder, bf16=bf16)
            if key:
                _open[key] = found
        return found


class _OpenVino:
    """A compiled network. Each of its concurrent calls runs on one core: a call on several waits
    for its slowest thread after each layer, which two busy programs turn into a standstill.
    `folder`: its cache folder."""

    def __init__(self, model: Any, folder: Path | None = None, *, bf16: bool = False) -> None:
        self.folder, self.bf16 = folder, bf16
        calls = min(MAX_CALLS, usable_cores())
        settings = _SETTINGS | {
            "INFERENCE_PRECISION_HINT": self.precision,
            "NUM_STREAMS": calls,
            "INFERENCE_NUM_THREADS": calls,
        }
        self._compiled = _openvino()[1].compile_model(model, "CPU", settings)
        self._large = _weights(model) >= LARGE
        self._left, self._lock = calls, threading.Lock()
        self._tensor = _openvino()[0].Tensor
        self._free: queue.LifoQueue[Any] = queue.LifoQueue()

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        forked.about_to_run()
        # Tensors, not arrays: converting an array takes OpenVINO as long as a small network.
        arrays = [np.require(array, np.float32, ["C", "W"]) for array in inputs]
        tensors = [self._tensor(array, shared_memory=True) for array in arrays]
        with turns().turn() if self._large else nullcontext():
            request = self._take()
            try:
                outputs = request.infer(tensors, share_inputs=True, share_outputs=True)
                return tuple(
                    np.array(output, np.float32) for output in outputs.to_tuple()
                )  # copies
            finally:
                self._free.put(request)

    def _take(self) -> Any:
        """Return a free infer request, or create one more, or wait for one."""
        with suppress(queue.Empty):
            return self._free.get_nowait()
        with self._lock:
            more = self._left > 0
            self._left -= more
        return self._compiled.create_infer_request() if more else self._free.get()

    @property
    def precision(self) -> str:
        """Return the precision on this processor: bf16 or f32."""
        return "bf16" if self.bf16 and computes_in_bf16("cpu") else "f32"


def _weights(model: Any) -> int:
    """Return the size of a network's weights, bytes."""
    return sum(
        node.get_output_element_type(0).size * math.prod(node.get_output_shape(0))
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
    )
