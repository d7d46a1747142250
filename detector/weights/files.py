"""Weight files from the inside: read without running what they hold, loaded strictly, converted."""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.errors import WeightsError
from detector.weights.entry import PREFIXES, WRAPPERS, StoredEntry

if TYPE_CHECKING:
    import torch

_TORCH_STARTS = (b"PK\x03\x04", b"\x80\x02")
"""How a file begins that `torch.save` wrote: a zip archive, or before 2020 a bare pickle."""

_CALLED = re.compile(r"(?:GLOBAL|class|global:?) ([\w.]+\.\w+) ")
"""How torch says what a pickle wanted to be called."""

_probe: ContextVar[dict[Path, dict[str, Any]] | None] = ContextVar("probe", default=None)
"""While probing: what was read already, since each candidate reads the same file."""


class ProbeMatched(Exception):
    """Raised by `load_strict` while `probing`: the weights fit, and were not loaded."""


@dataclass(frozen=True)
class Origin:
    """Where a tensor stood: which of a model's files (counted from 0), and under which name."""

    file: int
    name: str


class Trace:
    """What was read while `tracing`, and where in the networks it went."""

    def __init__(self) -> None:
        self.read: dict[int, tuple[Path, str, torch.Tensor]] = {}
        self.placed: dict[int, tuple[Path, str]] = {}

    def origin(self, tensor: torch.Tensor, paths: Sequence[Path]) -> Origin | None:
        """Of a parameter or buffer of a network; None where it is no tensor of a file."""
        path, name = self.placed.get(id(tensor), (None, ""))
        return Origin(paths.index(path), name) if path in paths else None


_tracing: ContextVar[Trace | None] = ContextVar("tracing", default=None)


@contextmanager
def tracing() -> Iterator[Trace]:
    """Inside, it is noted which tensor of which file `load_strict` puts where in a network."""
    token = _tracing.set(trace := Trace())
    try:
        yield trace
    finally:
        _tracing.reset(token)
        trace.read.clear()  # kept until now, so that no two tensors have one identity


@contextmanager
def probing() -> Iterator[None]:
    """Inside, `load_strict` only compares names and shapes; `ProbeMatched` says that they agree."""
    token = _probe.set({})
    try:
        yield
    finally:
        _probe.reset(token)


def load_state(path: Path, spec: StoredEntry | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors or `torch.save` file on the CPU, by name, without
    running code.

    `spec` says under which keys the weights may be wrapped (`wrappers`), which of several sets is
    meant (`state`) and what precedes their names (`prefixes`). Raise WeightsError for an unreadable
    file, other content, or several sets (code "weights_several")."""
    state = _unwrapped(path, spec.wrappers if spec else WRAPPERS, spec.state if spec else "")
    tensors = bare(state, spec.prefixes if spec else PREFIXES, path.name)
    if trace := _tracing.get():
        trace.read |= {id(tensor): (path, name, tensor) for name, tensor in tensors.items()}
    return tensors


def bare(
    state: Mapping[str, torch.Tensor], prefixes: Iterable[str], name: str
) -> dict[str, torch.Tensor]:
    """Return the state without repeated `prefixes`; raise WeightsError if names collide."""
    out: dict[str, torch.Tensor] = {}
    prefixes = tuple(prefixes)
    for key, tensor in state.items():
        short = key
        while prefix := next((p for p in prefixes if short.startswith(p)), None):
            short = short.removeprefix(prefix)
        if short in out:
            raise WeightsError(f"{name} holds {short} twice, once with a prefix.")
        out[short] = tensor
    return out


def load_strict(module: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Load `state` into `module`, every tensor used; raise WeightsError naming misfits, module
    unchanged."""
    own = module.state_dict()
    # A state that was renamed says how the file calls its tensors.
    say: Callable[[str], str] = getattr(state, "original", str)
    complaints = []
    if missing := [key for key in own if key not in state]:
        complaints.append(f"{len(missing)} missing ({_some(missing, say)})")
    if unexpected := [key for key in state if key not in own]:
        complaints.append(f"{len(unexpected)} unexpected ({_some(unexpected, say)})")
    misshapen = [
        f"{say(key)} {list(state[key].shape)} instead of {list(own[key].shape)}"
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
    require_fractions({say(k): state[k] for k in own if own[k].is_floating_point()}, name)
    if _probe.get() is not None:
        raise ProbeMatched
    module.load_state_dict(dict(state), strict=True)
    if trace := _tracing.get():
        for key, tensor in module.state_dict(keep_vars=True).items():
            if read := trace.read.get(id(state[key])):
                trace.placed[id(tensor)] = read[:2]


def require_fractions(state: Mapping[str, torch.Tensor], name: str) -> None:
    """Raise WeightsError (code "weights_whole") when a tensor that stands where a network has
    fractions holds whole numbers: torch would take them as they are, and they are none of its
    weights but their codes."""
    whole = [
        f"{key} {str(tensor.dtype).removeprefix('torch.')}"
        for key, tensor in state.items()
        if not tensor.is_floating_point()
    ]
    if whole:
        raise WeightsError(
            f"{len(whole)} tensors of {name} are whole numbers where the network has fractions "
            f"({_some(whole)}): the file was quantized, or written by mistake.",
            code="weights_whole",
            hint="Use the file as it was before it was quantized (float32, float16 or bfloat16).",
        )


def as_safetensors(
    path: Path, target: Path, wrappers: Iterable[str] = WRAPPERS, chosen: str = ""
) -> bool:
    """Write the tensors of a `torch.save` file as safetensors, which load faster and can hold no
    code, without optimizers and the like; `chosen` is `ModelSpec.state`. Return False, writing
    nothing, for another kind of file; raise WeightsError for one that begins as such and can't be
    read."""
    from safetensors.torch import save_file

    with path.open("rb") as stream:
        if not stream.read(4).startswith(_TORCH_STARTS) or path.suffix == ".safetensors":
            return False
    state = _unwrapped(path, tuple(wrappers), chosen)
    # A copy of each: safetensors refuses tensors that share memory.
    tensors = {k: t.detach().clone().contiguous() for k, t in state.items()}
    making = target.with_name(target.name + ".making")
    save_file(tensors, making)
    os.replace(making, target)
    return True


def _unwrapped(path: Path, wrappers: Sequence[str], chosen: str) -> dict[str, torch.Tensor]:
    """Return the weights of a file without a training script's wrapping; `chosen` of several
    sets."""
    state, resolved = _read(path), not chosen
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
                raise WeightsError(
                    f"The weight file {path} holds several sets of weights: {', '.join(names)}.",
                    code="weights_several",
                    hint=f"Say which one: `unmask models add` takes --state {names[0]}.",
                )
        if key is None:
            break
        state = dict(state[key])
    if not resolved and seen:  # a bare file is the chosen set itself, as it was kept
        raise WeightsError(
            f"The weight file {path} holds no set of weights called {chosen!r}.",
            hint=f"It has {', '.join(seen)}.",
        )
    return _only_tensors(state, path, sets)


def _is_set(value: Any) -> bool:
    """Whether it holds tensors with an axis: weights, and no optimizer, log or settings."""
    import torch

    return isinstance(value, Mapping) and any(
        isinstance(tensor, torch.Tensor) and tensor.dim() for tensor in value.values()
    )


def _rival(state: Mapping[str, Any], key: str, other: str, wrappers: Sequence[str]) -> bool:
    """Return True if `other` could be the weights too: a usual key, or mostly the same names."""
    import torch

    def tensors(name: str) -> dict[str, torch.Tensor]:
        pairs = state[name].items()
        return {str(k).removeprefix("module."): t for k, t in pairs if isinstance(t, torch.Tensor)}

    ours, theirs = tensors(key), tensors(other)
    common = [k for k in ours if k in theirs and ours[k].shape == theirs[k].shape]
    if len(common) == len(ours) == len(theirs) and common:
        return not all(torch.equal(ours[k], theirs[k]) for k in common)
    return other in wrappers or 2 * len(common) >= max(1, min(len(ours), len(theirs)))


def _read(path: Path) -> dict[str, Any]:
    import torch
    from safetensors.torch import load_file

    from detector.weights.torchscript import is_archive, read_archive

    read = _probe.get()
    if read is not None and path in read:
        return dict(read[path])
    try:
        if path.suffix == ".safetensors":
            state = load_file(path, device="cpu")
        elif is_archive(path):
            state = read_archive(path)
        else:
            _allow_harmless()
            with warnings.catch_warnings():
                # Of a bare pickle torch warns on standard error, in lines of its own.
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # safetensors, pickle and zip have no common error
        raise WeightsError(
            f"The weight file {path} can't be read: {_why(path, error)}", code="weights_unreadable"
        ) from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"The weight file {path} holds a {type(state).__name__}, not weights.")
    if read is not None:
        read[path] = dict(state)
    return dict(state)


@functools.cache
def _allow_harmless() -> None:
    """Let torch read harmless settings and scalars of training scripts, Lightning's as a dict."""
    from argparse import Namespace

    import numpy as np
    import torch

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


def _only_tensors(
    state: dict[str, Any], path: Path, sets: Sequence[str] = ()
) -> dict[str, torch.Tensor]:
    import torch

    strange = [str(k) for k, v in state.items() if not isinstance(v, torch.Tensor)]
    if strange:
        raise WeightsError(
            f"The weight file {path} holds more than tensors: {_some(strange)}.",
            hint=f"If its weights are under {sets[0]}: `unmask models add` takes --state {sets[0]}."
            if sets
            else "",
        )
    if not state:
        raise WeightsError(f"The weight file {path} holds no tensors.")
    return {str(k): v for k, v in state.items()}


def _why(path: Path, error: Exception) -> str:
    """One sentence for the many ways in which torch and safetensors say it."""
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as problem:
        return f"{problem.strerror}."
    text = str(error)
    if not start:
        return "it is empty."
    if start.lstrip().startswith((b"<", b"{", b"version")) and path.suffix != ".safetensors":
        return "it is text, not weights; perhaps a page that a download gave instead of the file."
    if start.startswith(b"\x89HDF"):
        return "it is an HDF5 file, as Keras writes them."
    if match := _CALLED.search(text):
        return f"opening it would call {match[1]}, which weights never need. It was not opened."
    if start.startswith(_TORCH_STARTS) or path.suffix == ".safetensors":
        return "it is truncated or damaged."
    return "it is damaged, or no weight file."


def _some(names: Sequence[str], say: Callable[[str], str] = str, most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(say, names[:most])) + more
