"""Which ways of looking into a model suit which kind of network; imports torch.

A family says nothing of methods: what it is made of decides. `KINDS` is the table.
"""

import numpy as np

from detector.explain import attention, occlusion
from detector.explain.methods import METHODS, Method, OnProgress
from detector.models.base import Model
from detector.models.network import TorchModel
from detector.models.vit import TokenClipModel, TokenModel

KINDS: dict[str, tuple[str, ...]] = {
    "convolutions": ("gradcam", "gradcam++", "occlusion"),
    "tokens": ("gradcam", "gradcam++", "rollout", "occlusion"),
    "own map": ("own", "occlusion"),
    "own map over convolutions": ("own", "gradcam", "gradcam++", "occlusion"),
    "closed": ("occlusion",),
}
"""What suits which kind of network, the usual one first."""


def kind_of(model: Model) -> str:
    """Return what a model is made of: a key of `KINDS`."""
    model = model.whole()
    if isinstance(model, TokenModel | TokenClipModel):
        return "tokens"
    watched = isinstance(model, TorchModel) and model.target_layer is not None
    if type(model).explain is not Model.explain:
        return "own map over convolutions" if watched else "own map"
    return "convolutions" if watched else "closed"


def methods(model: Model) -> list[Method]:
    """Return the ways that suit a model, the usual one first."""
    return [METHODS[id] for id in KINDS[kind_of(model)]]


def draw(
    method: Method, model: Model, batch: np.ndarray, on_progress: OnProgress | None
) -> np.ndarray | None:
    """Look into a model: uint8 [N, S, S, 3] (clip models [N, T, S, S, 3]) -> float32 [N, h, w]
    ([N, T, h, w]) in 0..1, or None where this model can't show it."""
    model = model.whole()
    if method.id == "own":
        return model.explain(batch)
    if method.id == "rollout":
        return attention.rollout(model, batch)
    if method.id == "occlusion":
        return occlusion.occlude(model, batch, on_progress)
    from detector.explain import cam  # of the extra `report`; takes a second to import

    return cam.draw(model, batch, method.id)
