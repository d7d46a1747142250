"""GenConViT (Wodajo, Atnafu and Akhtar, arXiv:2307.07036), its first network: an autoencoder
reconstructs the face, a ConvNeXt-T reads both face and reconstruction.
github.com/erprogs/GenConViT (GPL-3.0).

The file also holds a Swin transformer that the original builds and never runs. The second network,
a variational autoencoder, samples while it scores, so its scores are not reproducible; it is left
out."""

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.network import Rule, TorchFrameModel, load_network

RULES: tuple[Rule, ...] = (
    (r"(embedder|backbone\.patch_embed)\.", None),
    (r"encoder\.features\.", "encoder."),
    (r"decoder\.features\.", "decoder."),
)
WIDTHS = (16, 32, 64, 128, 256)


class GenConViT(nn.Module):
    """float [N, 3, 224, 224] -> logits of the classes (fake, real), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False):
            down += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            up = [nn.ConvTranspose2d(outputs, inputs, 2, stride=2), nn.ReLU(), *up]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)
        self.backbone = timm.create_model("convnext_tiny", pretrained=False)
        self.fc, self.fc2 = nn.Linear(2000, 500), nn.Linear(500, 2)

    def forward(self, x: Tensor) -> Tensor:
        reconstructed = self.backbone(self.decoder(self.encoder(x)))
        both = torch.cat([reconstructed, self.backbone(x)], 1)
        return self.fc2(F.gelu(self.fc(F.gelu(both))))


class GenConViTModel(TorchFrameModel):
    """GenConViT with the original's sigmoid for each logit."""

    def log_odds(self, logits: Tensor) -> Tensor:
        """Return the logit of the winning class, negated for real."""
        fake, real = logits.unbind(1)
        return torch.where(fake > real, fake, -real)


def load(spec: ModelSpec, files: Files, device: str) -> GenConViTModel:
    """Load `genconvit_ed_inference.pth`."""
    network = load_network(GenConViT(), spec, files, RULES)
    # The backbone runs twice; its last run, the one that is watched, sees the face itself.
    return GenConViTModel(spec, network, device, network.backbone.stages[-1])
