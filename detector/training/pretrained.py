"""The detector that fine-tuning starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from detector import weights as store
from detector.errors import UsageError
from detector.models import registry
from detector.models.base import ModelSpec
from detector.models.custom_weights import with_files
from detector.models.network import TorchFrameModel
from detector.models.vit import TokenModel
from detector.training.recipe import Recipe
from detector.weights.files import Origin, Trace, tracing


@dataclass(frozen=True)
class PretrainedDetector:
    """A loaded detector, and where in its files each of its tensors stood."""

    spec: ModelSpec
    model: TorchFrameModel
    paths: list[Path]
    origins: dict[str, Origin]

    @property
    def transformer(self) -> bool:
        return isinstance(self.model, TokenModel)


def open_start(begin: str, weights: Sequence[Path] = ()) -> PretrainedDetector:
    """Load the detector that fine-tuning starts from.

    Parameters
    ----------
    begin : str
        The id of a model or architecture.
    weights : sequence of Path
        A person's own files of that architecture.

    Raises
    ------
    UsageError
        There is no such model, or it does not judge single faces.
    WeightsError, ModelError
        It is not on this computer, does not fit, or its license was not accepted.
    """
    spec = registry.get_spec(begin)
    if weights:
        template = registry.architectures().get(begin) or spec
        spec = with_files(template, list(weights), known=registry.list_models())
        paths = [Path(file.path) for file in spec.files]
    else:
        store.require_license(spec)
        paths = store.resolve(spec)
    if spec.kind != "frame":
        raise UsageError(
            f"{spec.title} does not judge single faces, and only such can be trained on from."
        )
    with tracing() as trace:
        model = registry.load_family(spec, paths, "cpu")
    if not isinstance(model, TorchFrameModel):
        raise UsageError(f"{spec.title} can't be trained: its file is a finished program.")
    return PretrainedDetector(spec, model, paths, _origins(model.network, spec, paths, trace))


def adapted(plan: Recipe, start: PretrainedDetector, tune: str | None = None) -> Recipe:
    """Return a recipe with the crop of a detector and with what may change of it."""
    tune = tune or ("norms" if start.transformer else "whole")
    options = {"begun": start.spec.architecture, "tune": tune}
    return plan.model_copy(update={"crop": start.spec.crop, "options": options})


def _origins(
    network: nn.Module, spec: ModelSpec, paths: Sequence[Path], trace: Trace
) -> dict[str, Origin]:
    """By the network's names: the file of each tensor and its name there, where it is in one."""
    own = network.state_dict(keep_vars=True)
    if paths[0].suffix == ".h5":
        # Keras's layers, under our names from now on.
        return {name: Origin(0, name) for name in own}
    origins = {name: trace.origin(tensor, paths) for name, tensor in own.items()}
    if None in origins.values():
        # Networks that another library has filled: the same numbers under (nearly) the same name.
        states = [{} if p.suffix == ".json" else store.load_state(p, spec) for p in paths]
        origins = {name: o or _alike(name, own[name], states) for name, o in origins.items()}
    return {name: origin for name, origin in origins.items() if origin is not None}


def _alike(name: str, tensor: Tensor, states: Sequence[dict[str, Tensor]]) -> Origin | None:
    for number, state in enumerate(states):
        for older in (name, name.partition(".")[2]):
            theirs = state.get(older)
            if theirs is not None and torch.equal(theirs.float(), tensor.detach().float()):
                return Origin(number, older)
    return None
