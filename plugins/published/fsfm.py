"""FSFM and FS-VFM: a ViT-L/16 pretrained on faces by masked autoencoding, fine-tuned on fakes.

Wang et al.: "FSFM: A Generalizable Face Security Foundation Model via Self-Supervised Facial
Representation Learning", CVPR 2025, arXiv:2412.12032; github.com/wolo-wolo/FSFM-CVPR25
(CC BY-NC 4.0), weights at huggingface.co/Wolowolo/fsfm-3c.

The normalized mean of the patch tokens gives two classes in alphabetical order: fake is first."""

import timm

from detector.models.base import Files, ModelSpec
from detector.models.network import TokenModel, load_network, skip_init


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load a published checkpoint into timm's network: float [N, 3, 224, 224] -> [N, 2]."""
    with skip_init():
        network = timm.create_model(
            "vit_large_patch16_224", pretrained=False, num_classes=2, global_pool="avg"
        )
    load_network(network, spec, files)
    return TokenModel(spec, network, device, network.blocks[-2])
