"""CLIP and a forensic CNN, their features fused: one sees what is shown, the other its texture.

Both features are projected to one width and brought to unit length, then fused by one of

- `slerp`: the point between them on the great circle (Shoemake, SIGGRAPH 1985), at a learnt share;
- `weighted`: the point between them on the straight line, at a learnt share;
- `concat`: both, one after the other;

and a linear layer on the unit vector gives two classes, as in GenD. Nobody has published weights:
train the projections, the share and the layer (`head_parameters`) on features of two trunks that
are loaded first (`load_trunks`), save `state_dict()` as safetensors, and add the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import ModelError
from detector.models.base import Files, ModelSpec, Normalization
from detector.models.vit import TokenModel, clip_vision, skip_init
from detector.weights import load_state, load_strict

WAYS = ("slerp", "weighted", "concat")
CNNS = {
    "efficientnet_b4": ("tf_efficientnet_b4", 1792),
    "xception": ("legacy_xception", 2048),
}
"""Name in an entry -> timm's, and the width of its feature."""
NORMS = {
    "imagenet": Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "half": Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
}
"""What the CNN was trained with; the picture comes normalized for CLIP."""
CLIP_WIDTH = 1024


class Fusion(nn.Module):
    """float [N, 3, 224, 224], normalized for CLIP -> logits of real and fake, [N, 2].

    Parameters
    ----------
    how : {"slerp", "weighted", "concat"}
    cnn : str
        Key of `CNNS`.
    width : int
        Of the projections.
    shift, stretch : float tensors [3]
        x * stretch + shift is the picture as the CNN takes it.
    """

    def __init__(self, how: str, cnn: str, width: int, shift: Tensor, stretch: Tensor) -> None:
        import timm

        if how not in WAYS or cnn not in CNNS:
            raise ModelError(
                f"Features are fused by {', '.join(WAYS)}, of CLIP and {' or '.join(CNNS)}; not by "
                f"{how!r} with {cnn!r}."
            )
        super().__init__()
        name, channels = CNNS[cnn]
        self.how = how
        self.clip = clip_vision().requires_grad_(False)
        self.cnn = timm.create_model(name, pretrained=False, num_classes=0).requires_grad_(False)
        self.project_clip = nn.Linear(CLIP_WIDTH, width)
        self.project_cnn = nn.Linear(channels, width)
        self.share = nn.Parameter(torch.zeros(()))  # its sigmoid is the CNN's part
        self.linear = nn.Linear(2 * width if how == "concat" else width, 2)
        self.register_buffer("shift", shift.view(3, 1, 1), persistent=False)
        self.register_buffer("stretch", stretch.view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        seen = F.normalize(self.project_clip(self.clip(x).pooler_output))
        texture = F.normalize(self.project_cnn(self.cnn(x * self.stretch + self.shift)))
        return self.linear(F.normalize(self.fuse(seen, texture)))

    def fuse(self, a: Tensor, b: Tensor) -> Tensor:
        """Two features of unit length, [N, width], as one."""
        if self.how == "concat":
            return torch.cat([a, b], 1)
        share = self.share.sigmoid()
        return slerp(a, b, share) if self.how == "slerp" else (1 - share) * a + share * b

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Return what is trained; the two trunks stay as they were."""
        return (p for p in self.parameters() if p.requires_grad)

    def load_trunks(self, clip: Mapping[str, Tensor], cnn: Mapping[str, Tensor]) -> None:
        """Strictly load trunks with transformers' and timm's names.

        Raises
        ------
        WeightsError
            A tensor is missing, left over or of another shape.
        """
        load_strict(self.clip, clip, "CLIP")
        load_strict(self.cnn, cnn, "the CNN")


def slerp(a: Tensor, b: Tensor, share: Tensor | float) -> Tensor:
    """Return the points that part the arcs from `a` to `b`, both of unit length [N, C], at
    `share`."""
    # From the chord and the sum: exact for small angles, where the cosine says nothing.
    angle = 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1))[:, None]
    sine = angle.sin()
    # On a small arc the straight line is the same, and does not divide by nothing.
    flat = sine < 1e-4
    safe = torch.where(flat, torch.ones_like(sine), sine)
    first = torch.where(flat, 1 - share, ((1 - share) * angle).sin() / safe)
    second = torch.where(flat, share + torch.zeros_like(sine), (share * angle).sin() / safe)
    return first * a + second * b


def build(spec: ModelSpec) -> Fusion:
    """Return a network without weights; `spec.options` say how (`how`, `cnn`, `cnn_norm`,
    `width`)."""
    norm = NORMS.get(str(spec.options.get("cnn_norm", "imagenet")))
    if norm is None:
        raise ModelError(f"{spec.id}: cnn_norm is one of {', '.join(NORMS)}.")
    mean, std = torch.tensor(norm.mean), torch.tensor(norm.std)
    clip_mean = torch.tensor(spec.normalization.mean)
    clip_std = torch.tensor(spec.normalization.std)
    return Fusion(
        str(spec.options.get("how", "slerp")),
        str(spec.options.get("cnn", "efficientnet_b4")),
        int(spec.options.get("width", 512)),
        shift=(clip_mean - mean) / std,
        stretch=clip_std / std,
    )


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load a trained fusion: one file with the names of `Fusion`."""
    with skip_init():
        network = build(spec)
    load_strict(network, load_state(files[0], spec), spec.id)
    return TokenModel(spec, network, device, network.clip.encoder.layers[-2])
