"""Classifiers of whole pictures that are published as one ONNX file with a single logit.

Sieve (github.com/Phineas1500/sieve-ai-image-detector), fev (huggingface.co/angelhd25) and Detectra
(github.com/ashhart/Detectra), MIT: fine-tunes of Community Forensics' ViT-S/16 (Park and Owens,
CVPR 2025, arXiv:2411.04125), exported for browsers in float16 or float32."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from detector import runtime
from detector.errors import WeightsError
from detector.models.base import Files, Image, Model, ModelSpec
from detector.models.pictures import fit, normalized
from detector.runtime import Runner
from detector.sentences import _


class OnnxPicture(Model):
    """A compiled graph: float32 [N, 3, S, S] -> one logit of P(fake), float32 [N, 1].

    It has no gradients: occlusion alone explains a score."""

    def __init__(self, spec: ModelSpec, run: Runner) -> None:
        super().__init__(spec)
        self.run = run

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Resize by `spec.crop` and normalize by `spec.normalization`."""
        fitted = fit(np.ascontiguousarray(picture), self.spec.crop)
        return torch.from_numpy(normalized(fitted, self.spec))

    def forward(self, batch: Tensor) -> Tensor:
        """Return the graph's raw logits, float32 [N, 1]; all in float32, also of float16 weights.

        Items are passed one at a time: a graph may state a batch of one."""
        found = [self.run(item[None].numpy())[0].reshape(1, 1) for item in batch]
        return torch.from_numpy(np.concatenate(found))


def load(spec: ModelSpec, files: Files, device: str) -> OnnxPicture:
    """Read the graph with OpenVINO, which runs it on the processor whatever the device.

    Raise WeightsError for another file or another output, ModelError without OpenVINO."""
    side = spec.crop.size
    try:
        run = runtime.read(files[0], (1, 3, side, side))
        outputs = run(np.zeros((1, 3, side, side), np.float32))
    except RuntimeError as error:  # OpenVINO's message names its own source files
        text = _("{name} is not an ONNX network that takes pictures of {side} px.")
        raise WeightsError(text.format(name=files[0].name, side=side), code="weights_misfit") from (
            error
        )
    if [output.size for output in outputs] != [1]:
        text = _("{name} has other outputs than one logit.")
        raise WeightsError(text.format(name=files[0].name), code="weights_misfit")
    return OnnxPicture(spec, run)
