"""UCF (Yan et al., "Uncovering Common Features for Generalizable Deepfake Detection", ICCV 2023,
arXiv:2304.13949) as github.com/SCLBD/DeepfakeBench publishes it (CC BY-NC 4.0).

Only the classifier is loaded: of the two encoders the one for forgery features, and of these the
part common to all methods. The other half of the file is for training."""

from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import Rule, TorchFrameModel, load_network
from published import xception

RULES: tuple[Rule, ...] = (
    (r"encoder_f\.last_linear\.", None),
    (r"encoder_f\.adjust_channel\.", "narrow."),
    (r"encoder_f\.", "trunk."),
    (r"block_sha\.conv2d\.", "shared."),
    (r"head_sha\.mlp\.", "head."),
    (r"(encoder_c|con_gan|head_spe|block_spe)\.", None),
)


class Ucf(nn.Module):
    """float [N, 3, 256, 256] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = xception.trunk(0)
        # Its features are taken before the last ReLU, and as maps.
        self.trunk.act4 = self.trunk.global_pool = nn.Identity()
        self.narrow = nn.Sequential(nn.Conv2d(2048, 512, 1), nn.BatchNorm2d(512), nn.ReLU())
        self.shared = nn.Sequential(
            *(nn.Conv2d(512, 256, 1), nn.LeakyReLU()),
            *(nn.Conv2d(256, 256, 1), nn.LeakyReLU()),
            nn.Conv2d(256, 256, 1),
        )
        self.head = nn.Sequential(nn.Linear(256, 512), nn.LeakyReLU(), nn.Linear(512, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.shared(self.narrow(self.trunk(x))).mean((2, 3)))


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load `ucf_best.pth`."""
    network = load_network(Ucf(), spec, files, RULES)
    return TorchFrameModel(spec, network, device, network.shared)
