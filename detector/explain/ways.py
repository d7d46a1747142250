"""Which ways of looking into a model there are, and which suit which kind of network.

A family says nothing of methods: what it is made of decides. `KINDS` is the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detector.models.base import Model

OnProgress = Callable[[float], object]
"""Called with the share of the work that is done, 0..1; may raise to stop."""


@dataclass(frozen=True)
class Method:
    """One way."""

    id: str
    title: str
    what: str  # What its map shows, with the model's name put in
    source: str  # Paper
    forwards: int  # Runs of the network it takes, about; a backward pass counts as two


_METHODS = (
    ("gradcam", "Grad-CAM", "what raised the score of {}",
     "Selvaraju et al., ICCV 2017, arXiv:1610.02391", 3),
    ("gradcam++", "Grad-CAM++", "what raised the score of {}, several places weighed apart",
     "Chattopadhyay et al., WACV 2018, arXiv:1710.11063", 3),
    ("rollout", "Attention rollout", "what {} attended to, whatever it then said",
     "Abnar and Zuidema, ACL 2020, arXiv:2005.00928", 1),
    ("own", "Its own map", "what {} marks by itself", "the model’s own paper", 1),
    ("saliency", "Saliency over time", "what raised the score of {}, by place and time",
     "HiResCAM, gradient times map: Draelos and Carin 2020, arXiv:2011.08891", 3),
    ("occlusion", "Occlusion", "where hiding a part lowers the score of {}",
     "Zeiler and Fergus, ECCV 2014, arXiv:1311.2901", 50),
)  # fmt: skip
METHODS = {row[0]: Method(*row) for row in _METHODS}

KINDS: dict[str, tuple[str, ...]] = {
    "convolutions": ("gradcam", "gradcam++", "occlusion"),
    "tokens": ("gradcam", "gradcam++", "rollout", "occlusion"),
    "own map": ("own", "occlusion"),
    "own map over convolutions": ("own", "gradcam", "gradcam++", "occlusion"),
    "clip": ("saliency", "occlusion"),
    "clip transformer": ("saliency", "rollout", "occlusion"),
    "closed": ("occlusion",),
}
"""What suits which kind of network, the usual one first."""


def kind_of(model: Model) -> str:
    """Return what a model is made of: a key of `KINDS`."""
    from detector.explain.attention import attends
    from detector.models.maps import MapModel
    from detector.models.network import TorchModel
    from detector.models.vit import TokenClipModel, TokenModel

    model = model.whole()
    if isinstance(model, MapModel):
        return "clip transformer" if attends(model) else "clip"
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
    from detector.explain import attention, occlusion

    model = model.whole()
    if method.id == "own":
        return model.explain(batch)
    if method.id == "rollout":
        return attention.rollout(model, batch)
    if method.id == "occlusion":
        return occlusion.occlude(model, batch, on_progress)
    from detector.explain import cam  # its library takes a second to import

    return cam.draw(model, batch, method.id)
