"""ClassNSeg: an autoencoder with one half of its code for each class, which also segments.

Nguyen, Fang, Yamagishi and Echizen, "Multi-task Learning for Detecting and Segmenting Manipulated
Facial Images and Videos", BTAS 2019, arXiv:1906.06876. github.com/nii-yamagishilab/ClassNSeg
(BSD-3-Clause), one file for the encoder, one for the decoder."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import MappingModel, RenamedState, Rule
from detector.weights import load_state, load_strict

RULES: tuple[Rule, ...] = (
    # The decoder's other half reconstructs the picture, for training.
    (r"decoder\.", None),
    (r"shared\.", "decoder.shared."),
    (r"segmenter\.", "decoder.segmenter."),
)


class Encoder(nn.Sequential):
    """float [N, 3, 256, 256] -> code [N, 128, 16, 16], a half for each class."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (8, 16, 32, 64):
            layers += _unit(nn.Conv2d(inputs, outputs, 3, 1, 1))
            layers += _unit(nn.Conv2d(outputs, outputs, 3, 2, 1))
            inputs = outputs
        super().__init__(*layers, *_unit(nn.Conv2d(64, 128, 3, 1, 1)))


def _unit(conv: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]


def _double(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        *_unit(nn.ConvTranspose2d(inputs, outputs, 3, 1, 1)),
        *_unit(nn.ConvTranspose2d(outputs, outputs, 3, 2, 1, 1)),
    ]


class ClassNSeg(nn.Module):
    """float [N, 3, 256, 256] -> mean activation of each half of the code, [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        # Code [N, 128, 16, 16] -> which of two classes each pixel is of, [N, 2, 256, 256].
        shared = nn.Sequential(*_double(128, 64), *_double(64, 32))
        segmenter = nn.Sequential(
            *_double(32, 16), *_double(16, 8), nn.ConvTranspose2d(8, 2, 3, 1, 1), nn.Softmax(1)
        )
        self.decoder = nn.Sequential(OrderedDict(shared=shared, segmenter=segmenter))

    def forward(self, x: Tensor) -> Tensor:
        return self.code(x).abs().mean((2, 3, 4))

    def code(self, x: Tensor) -> Tensor:
        """Return the code, [N, class, 64, 16, 16]."""
        return self.encoder(x).unflatten(1, (2, 64))

    def segment(self, x: Tensor) -> Tensor:
        """Return the class of each pixel, decoded from the more active half: [N, 2, 256, 256]."""
        code = self.code(x)
        zero, one = code.abs().mean((2, 3, 4)).unbind(1)
        louder = torch.stack([zero > one, one >= zero], 1)
        return self.decoder((code * louder[:, :, None, None, None]).flatten(1, 2))


class ClassNSegModel(MappingModel):
    """ClassNSeg with its segmentation as the explanation."""

    network: ClassNSeg

    def own_map(self, x: Tensor) -> Tensor:
        """Return the segmentation of the manipulation, [N, 256, 256]."""
        return self.network.segment(x)[:, 1]


def load(spec: ModelSpec, files: Files, device: str) -> ClassNSegModel:
    """Load an encoder and a decoder, in this order."""
    network = ClassNSeg()
    encoder, decoder = (load_state(path, spec) for path in files)
    load_strict(network, RenamedState(encoder | decoder, RULES), spec.id)
    return ClassNSegModel(spec, network, device)
