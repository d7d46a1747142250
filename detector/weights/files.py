"""Weight files from the inside: read without running what they hold, loaded strictly, converted."""

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
"""While probing: what was read already, since each candidate reads the same file."""


class ProbeMatched(Exception):
    """Raised by `load_strict` while `probing`: the weights fit, and were not loaded."""


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
    from detector.weights.state_dicts import unwrapped  # imports torch

    wrappers, chosen = (spec.wrappers, spec.state) if spec else (WRAPPERS, "")
    state = unwrapped(path, wrappers, chosen, cache=_probe.get())
    return bare(state, spec.prefixes if spec else PREFIXES, path.name)


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
            raise WeightsError(
                _("{name} holds {short} twice, once with a prefix.").format(name=name, short=short)
            )
        out[short] = tensor
    return out


def whole_numbers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state whose bytes are numbers again: `x` int8 [rows, …] times `x_scale` [rows]."""
    scales = {name: value for name, value in state.items() if name.endswith("_scale")}
    restored = {name: value for name, value in state.items() if name not in scales}
    for name, scale in scales.items():
        stored = restored[name.removesuffix("_scale")].float()
        restored[name.removesuffix("_scale")] = stored * scale.float().view(
            -1, *[1] * (stored.dim() - 1)
        )
    return restored


def load_strict(module: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Load `state` into `module`, every tensor used; raise WeightsError naming misfits, module
    unchanged."""
    own = module.state_dict()
    # A state that was renamed says how the file calls its tensors.
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
    """Write the tensors of a `torch.save` file as safetensors, which load faster and can hold no
    code, without optimizers and the like; `chosen` is `ModelSpec.state`. Return False, writing
    nothing, for another kind of file; raise WeightsError for one that begins as such and can't be
    read."""
    with path.open("rb") as stream:
        if not stream.read(4).startswith(TORCH_STARTS) or path.suffix == ".safetensors":
            return False
    from detector.weights import state_dicts  # imports torch

    state = state_dicts.unwrapped(path, tuple(wrappers), chosen)
    state_dicts.save(state, target)
    return True
