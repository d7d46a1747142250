"""AntiDeepfake: wav2vec 2.0 post-trained on 74,000 hours of real and synthetic speech, mean-pooled.

Ge et al., "Post-training for Deepfake Speech Detection", arXiv:2506.21090;
github.com/nii-yamagishilab/AntiDeepfake (code BSD-3-Clause, weights CC BY-NC-SA 4.0). Its files use
fairseq's names, which `ssl_aasist` maps to those of transformers."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec
from detector.models.network import TorchSoundModel, load_network, skip_init
from published import ssl_aasist

FRONT = "m_ssl.model."  # How the file begins the names of wav2vec 2.0


class AntiDeepfake(nn.Module):
    """float [N, n] at 16 kHz -> logits [N, 2] of fake and real."""

    def __init__(self, sizes: Mapping[str, int], *, norm_first: bool) -> None:
        super().__init__()
        self.front = ssl_aasist.wav2vec(sizes, norm_first=norm_first)
        self.proj_fc = nn.Linear(sizes["hidden_size"], 2)

    def forward(self, x: Tensor) -> Tensor:
        heard = self.front(F.layer_norm(x, x.shape[1:])).last_hidden_state
        return self.proj_fc(heard.mean(1))


def load(spec: ModelSpec, files: Files, device: str) -> TorchSoundModel:
    """Load a published file; raise WeightsError."""
    sizes = ssl_aasist.sizes_of(spec)
    with skip_init():
        network = AntiDeepfake(sizes, norm_first=bool(spec.options.get("norm_first", True)))
    rules = ssl_aasist.rules(sizes["num_hidden_layers"], FRONT)
    return TorchSoundModel(spec, load_network(network, spec, files, rules), device)
