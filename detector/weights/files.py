"""Weight file reading: without executing code, loaded strictly, converted to safetensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.errors import WeightsError
from detector.sentences import _
from detector.weights.entry import PREFIXES, TORCH_STARTS, WRAPPERS, StoredEntry, some_of

if TYPE_CHECKING:
    import torch

_probe: ContextVar[dict[Path, dict[str, Any]] | None] = ContextVar("probe", default=None)
"""Cache of read files while probing, since every candidate reads the same file."""


class ProbeMatched(Exception):
    """Raised by `load_strict` while `probing`: the weights fit, and were not loaded."""


@contextmanager
def probing() -> Iterator[None]:
    """Make `load_strict` only compare names and shapes, raising `ProbeMatched` if they agree."""
    token = _probe.set({})
    try:
        yield
    finally:
        _probe.reset(token)


def load_state(path: Path, spec: StoredEntry | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors or `torch.save` file on the CPU, by name, without
    executing code.

    `spec` states the keys of wrappers (`wrappers`), the chosen set of several (`state`) and name
    prefixes (`prefixes`). Raise WeightsError for an unreadable file, other content, or several sets
    (code "weights_several")."""
    from detector.weights.state_dicts import unwrapped  # imports torch

    wrappers, chosen = (spec.wrappers, spec.state) if spec else (WRAPPERS, "")
    state = unwrapped(path, wrappers, chosen, cache=_probe.get())
    return bare(state, spec.prefixes if spec else PREFIXES, path.name)


def bare(
    state: Mapping[str, torch.Tensor], prefixes: Iterable[str], name: str
) -> dict[str, torch.Tensor]:
    """Return the state without `prefixes`; raise WeightsError if names collide."""
    out: dict[str, torch.Tensor] = {}
    prefixes = tuple(prefixes)
    for key, tensor in state.items():
        short = key
        while prefix := next((p for p in prefixes if short.startswith(p)), None):
            short = short.removeprefix(prefix)
        if short in out:
            raise WeightsError(
                _("{name} holds {short} twice, once with a prefix.").format(name=name, short=short)
            )
        out[short] = tensor
    return out


def dequantized(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state with int8 tensors [rows, …] times their scales [rows]: `x` with `x_scale`, or
    `x.weight` with `x.scale`."""
    out = dict(state)
    for name in state:
        stem, separator = name.removesuffix("scale"), name[-6:-5]
        target = f"{stem}weight" if separator == "." else stem.removesuffix("_")
        if name.endswith(("_scale", ".scale")) and target in state:
            scale = out.pop(name).float()
            stored = out[target].float()
            out[target] = stored * scale.view(-1, *[1] * (stored.dim() - 1))
    return out


def load_strict(module: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Load `state` into `module`, using every tensor; raise WeightsError naming misfits, with the
    module unchanged."""
    own = module.state_dict()
    # A renamed state knows the file's names.
    say: Callable[[str], str] = getattr(state, "original", str)
    complaints = []
    if missing := [key for key in own if key not in state]:
        complaints.append(
            _("{missing} missing ({say})").format(missing=len(missing), say=some_of(missing, say))
        )
    if unexpected := [key for key in state if key not in own]:
        complaints.append(
            _("{unexpected} unexpected ({say})").format(
                unexpected=len(unexpected), say=some_of(unexpected, say)
            )
        )
    misshapen = [
        f"{say(key)} {list(state[key].shape)} instead of {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if misshapen:
        complaints.append(
            _("{misshapen} of another shape ({misshapen_})").format(
                misshapen=len(misshapen), misshapen_=some_of(misshapen)
            )
        )
    if complaints:
        text = _("The weights of {name} do not fit the network: {complaints}.")
        raise WeightsError(
            text.format(name=name, complaints="; ".join(complaints)), code="weights_misfit"
        )
    require_fractions({say(k): state[k] for k in own if own[k].is_floating_point()}, name)
    if _probe.get() is not None:
        raise ProbeMatched
    module.load_state_dict(dict(state), strict=True)


def require_fractions(state: Mapping[str, torch.Tensor], name: str) -> None:
    """Raise WeightsError (code "weights_whole") if a floating-point parameter is stored as
    integers: torch would load the quantization codes as weights."""
    whole = [
        f"{key} {str(tensor.dtype).removeprefix('torch.')}"
        for key, tensor in state.items()
        if not tensor.is_floating_point()
    ]
    if whole:
        raise WeightsError(
            _(
                "{whole} tensors of {name} are whole numbers where the network has fractions "
                "({whole_}): the file was quantized, or written by mistake."
            ).format(whole=len(whole), name=name, whole_=some_of(whole)),
            code="weights_whole",
            hint=_(
                "Use the file as it was before it was quantized (float32, float16 or bfloat16)."
            ),
        )


def as_safetensors(
    path: Path, target: Path, wrappers: Iterable[str] = WRAPPERS, chosen: str = ""
) -> bool:
    """Convert a `torch.save` file to safetensors, which load faster and can hold no code, without
    optimizer states; `chosen` is `ModelSpec.state`. Return False, writing nothing, for another kind
    of file; raise WeightsError for an unreadable one."""
    with path.open("rb") as stream:
        if not stream.read(4).startswith(TORCH_STARTS) or path.suffix == ".safetensors":
            return False
    from detector.weights import state_dicts  # imports torch

    state = state_dicts.unwrapped(path, tuple(wrappers), chosen)
    state_dicts.save(state, target)
    return True
