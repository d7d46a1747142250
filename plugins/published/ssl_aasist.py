"""wav2vec 2.0 XLS-R (300 M) fine-tuned together with the graphs of AASIST, on raw audio.

Tak et al.: "Automatic speaker verification spoofing and deepfake detection using wav2vec 2.0 and
data augmentation", Odyssey 2022, arXiv:2202.12233; github.com/TakHemlata/SSL_Anti-spoofing (MIT),
trained on ASVspoof 2019 LA. Its file uses fairseq's names for wav2vec 2.0 (Babu et al.,
arXiv:2111.09296), which transformers computes here; tensors of the pretraining are not loaded. As
in the original, samples are not normalized."""

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Wav2Vec2Config, Wav2Vec2Model

from detector.models.base import Files, ModelSpec
from detector.models.network import Rule, TorchSoundModel, load_network, skip_init
from published.aasist import Graphs, encoder

XLS_R: dict[str, int] = {
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
    "intermediate_size": 4096, "conv_dim": 512,
}  # fmt: skip
"""Sizes of XLS-R with 300 million weights, overridden by `options` of an entry."""
BANDS, TOP, GRAPH, SHARES = 128, 64, 64, (0.5, 0.5, 0.5)
"""Width of the projected features; channels of encoder and first graphs; fractions of nodes
kept."""
POOL = 3  # Max pooling over bands and time
MOMENTS = 201  # Of wav2vec 2.0 in a window of 64,600 samples
CONVOLUTIONS = 7  # Of wav2vec 2.0, before its layers
GROUP_NORM = "feature_extractor.conv_layers.0.layer_norm."  # the one norm of the base kind
FRONT = "ssl_model.model."  # How the file begins the names of wav2vec 2.0
PRETRAINING = ("mask_emb", "quantizer.", "project_q.", "final_proj.")  # Parts that no score needs
IN_LAYER = {
    "self_attn_layer_norm.": "layer_norm.",
    "self_attn.": "attention.",
    "fc1.": "feed_forward.intermediate_dense.",
    "fc2.": "feed_forward.output_dense.",
}
"""fairseq's names within a layer -> those of transformers."""


class SslAasist(Graphs):
    """float [N, 64600] in -1..1, 16 kHz -> logits [N, 2] of spoof and bona fide."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__(TOP, GRAPH, SHARES, BANDS // POOL, MOMENTS // POOL)
        self.front = wav2vec(sizes)
        self.LL = nn.Linear(sizes["hidden_size"], BANDS)
        self.first_bn, self.first_bn1 = nn.BatchNorm2d(1), nn.BatchNorm2d(TOP)
        self.encoder = encoder(TOP, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(TOP, 2 * TOP, 1),
            nn.SELU(),
            nn.BatchNorm2d(2 * TOP),
            nn.Conv2d(2 * TOP, TOP, 1),
        )

    def maps(self, heard: Tensor) -> Tensor:
        """Return [N, C, 42, 67], bands by time, from wav2vec 2.0 features [N, 201, width]."""
        x = F.max_pool2d(self.LL(heard).transpose(1, 2)[:, None], POOL)
        return F.selu(self.first_bn1(self.encoder(F.selu(self.first_bn(x)))))

    def judge(self, heard: Tensor) -> Tensor:
        """Return logits [N, 2] from wav2vec 2.0 features."""
        x = self.maps(heard)
        weights = self.attention(x)
        spectrum = (x * weights.softmax(3)).sum(3).transpose(1, 2)
        time = (x * weights.softmax(2)).sum(2).transpose(1, 2)
        return self.out_layer(self.summed(spectrum, time))

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.front(x).last_hidden_state)


def wav2vec(sizes: Mapping[str, int], *, norm_first: bool = True) -> Wav2Vec2Model:
    """Return wav2vec 2.0: the large kind with pre-norm layers, or the base kind with one norm after
    the first convolution."""
    config = Wav2Vec2Config(
        **{**sizes, "conv_dim": [sizes["conv_dim"]] * CONVOLUTIONS},
        feat_extract_norm="layer" if norm_first else "group",
        conv_bias=norm_first,
        do_stable_layer_norm=norm_first,
        apply_spec_augment=False,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
    )
    return Wav2Vec2Model(config)


def sizes_of(spec: ModelSpec) -> dict[str, int]:
    """Return the sizes of wav2vec 2.0 in an entry."""
    return {name: int(str(spec.options.get(name, usual))) for name, usual in XLS_R.items()}


def rules(layers: int, front: str = FRONT) -> list[Rule]:
    """Return the rules from published names to the network's, for this number of layers."""
    names: dict[str, str] = {"feature_extractor.conv_layers.0.2.weight": GROUP_NORM + "weight"}
    names["feature_extractor.conv_layers.0.2.bias"] = GROUP_NORM + "bias"
    for start in (f"feature_extractor.conv_layers.{n}." for n in range(CONVOLUTIONS)):
        names |= {f"{start}0.": f"{start}conv.", f"{start}2.1.": f"{start}layer_norm."}
    convolved = "encoder.pos_conv_embed.conv."
    names |= {
        "post_extract_proj.": "feature_projection.projection.",
        "layer_norm.": "feature_projection.layer_norm.",
        "encoder.pos_conv.0.bias": f"{convolved}bias",
        "encoder.pos_conv.0.weight_g": f"{convolved}parametrizations.weight.original0",
        "encoder.pos_conv.0.weight_v": f"{convolved}parametrizations.weight.original1",
    }
    for n in range(layers):
        start = f"encoder.layers.{n}."
        names |= {f"{start}{theirs}": f"{start}{ours}" for theirs, ours in IN_LAYER.items()}
    return [
        *((re.escape(front + name), None) for name in PRETRAINING),
        *((re.escape(front + theirs), f"front.{ours}") for theirs, ours in names.items()),
        (re.escape(front), "front."),
    ]


def load(spec: ModelSpec, files: Files, device: str) -> TorchSoundModel:
    """Load the published file: front and graphs in one."""
    sizes = sizes_of(spec)
    with skip_init():
        network = SslAasist(sizes)
    load_network(network, spec, files, rules(sizes["num_hidden_layers"]))
    return TorchSoundModel(spec, network, device)
