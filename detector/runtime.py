"""How a trained network is run: through OpenVINO on a processor, through torch on a GPU.

On the processors this was measured on (`python -m bench.runtime`), OpenVINO takes a quarter of the
time of eager torch with outputs equal to 1e-5. Its default there is bf16, which is not equal, so
float32 is asked for. Networks only score here; where gradients are needed (heatmaps, training), the
torch module is used as it is.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

Runner = Callable[[np.ndarray], tuple[np.ndarray, ...]]
"""float32 [N, ...] -> the network's outputs, float32. Thread-safe and deterministic."""


def compile(
    network: torch.nn.Module, example: torch.Tensor, device: str, *, free: tuple[int, ...] = (0,)
) -> Runner:
    """Make a network ready to score.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, on `device`. Takes one tensor, gives one or several.
    example : float32 tensor
        An input, for its shape; at least two items.
    device : str
        "cpu", or a GPU as torch names it.
    free : tuple of int
        Axes of the input whose size may change from call to call.
    """
    if device == "cpu":
        return _OpenVino(_converted(network, example, free))
    return _Torch(network, device)


@contextmanager
def beside_others() -> Iterator[None]:
    """Let torch use only as many of this thread's helpers as leave cores for the other stages.

    Decoder, face search and scorer run side by side; helpers that wait for a core by spinning take
    it from the others. On two busy cores a 6 s clip took 12 to 24 s with torch's own choice, and
    3 s with one thread (eight times the processor time in the face search).
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, max(1, (os.cpu_count() or 2) // 2 - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read(path: Path, shape: tuple[int, ...]) -> Runner:
    """Return a network that was published ready to run (TFLite, ONNX), on the processor.

    Parameters
    ----------
    path : Path
        A verified file.
    shape : tuple of int
        Of its one input.

    Raises
    ------
    RuntimeError
        It is no such file.
    """
    openvino, core = _openvino()
    model = core.read_model(path)
    model.reshape(openvino.PartialShape(list(shape)))
    return _OpenVino(model)


def backend(device: str) -> str:
    """Return what `compile` uses, with its version."""
    package = "openvino" if device == "cpu" else "torch"
    return f"{package} {metadata.version(package)}"


class _Torch:
    def __init__(self, network: torch.nn.Module, device: str) -> None:
        self._network, self._device = network, device

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        import torch

        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(batch).to(self._device))
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(output.float().cpu().numpy() for output in several)


@lru_cache(maxsize=1)
def _openvino() -> tuple[ModuleType, Any]:
    """Return the package, and its one `Core`."""
    # On import it reports to its makers that it was used. Nothing leaves this machine: without the
    # reporting package it takes a stub of its own.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino, openvino.Core()


_converting = threading.Lock()
"""torch traces one network at a time: two threads that do find each other's in their graphs."""


def _converted(network: torch.nn.Module, example: torch.Tensor, free: tuple[int, ...]) -> Any:
    """Return a torch network as OpenVINO has it."""
    import torch

    openvino, _ = _openvino()
    with _converting, torch.no_grad(), warnings.catch_warnings():
        # Its way through torch.jit.trace; torch has deprecated that, not removed it.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = openvino.convert_model(network, example_input=example)
    shape = [-1 if axis in free else size for axis, size in enumerate(example.shape)]
    model.reshape(openvino.PartialShape(shape))
    return model


class _OpenVino:
    def __init__(self, model: Any) -> None:
        _, core = _openvino()
        # One thread: runs go side by side, and two pools of threads starve each other.
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
        }
        self._compiled = core.compile_model(model, "CPU", settings)
        self._local = threading.local()  # a request serves one thread at a time

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        request.infer([np.ascontiguousarray(batch, np.float32)], share_inputs=True)
        return tuple(np.array(tensor.data, np.float32) for tensor in request.output_tensors)
