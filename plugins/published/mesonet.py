"""MesoNet: Meso4 and MesoInception4 with the authors' Keras weights.

Afchar, Nozick, Yamagishi, Echizen: "MesoNet: a Compact Facial Video Forgery Detection Network",
WIFS 2018, arXiv:1809.00888; weights from github.com/DariusAf/MesoNet. The published files are read
as they are (HDF5); no Keras is needed.

The one output is a sigmoid of P(real); here it stays the logit in front of it.
"""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

from detector.errors import ModelError, WeightsError
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel
from detector.sentences import _
from detector.weights import load_state, load_strict

EPSILON = 1e-3  # Keras's default for batch normalization; torch's is 1e-5

# Keras numbers layers in order of creation, per kind, and continues from one network to the
# next in a session: Meso4_DF has conv2d_5 to 8. Only the order matters.
_LAYER = re.compile(r"(conv2d|batch_normalization|dense)_(\d+)")


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding="same", dilation=dilation), nn.ReLU()
    )


def _end(channels: int, pool: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=EPSILON), nn.MaxPool2d(pool))


class Inception(nn.Module):
    """Four parallel branches: 1 x 1, and 3 x 3 with dilation 1, 2 and 3 after a 1 x 1. `conv` makes
    a convolution of these channels, kernel and dilation."""

    def __init__(
        self,
        inputs: int,
        outputs: tuple[int, int, int, int],
        conv: Callable[[int, int, int, int], nn.Module] = _conv,
    ) -> None:
        super().__init__()
        first, *rest = outputs
        self.branches = nn.ModuleList([conv(inputs, first, 1, 1)])
        for dilation, n in enumerate(rest, start=1):
            self.branches.append(nn.Sequential(conv(inputs, n, 1, 1), conv(n, n, 3, dilation)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class MesoNet(nn.Module):
    """float [N, 3, 256, 256] in 0..1 -> logits of P(real), [N, 1].

    Layers are created in the order of Keras's numbers, by which weights are assigned."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        start: list[nn.Module]
        if variant == "meso4":
            start = [_conv(3, 8, 3), _end(8, 2), _conv(8, 8, 5), _end(8, 2), _conv(8, 16, 5)]
        elif variant == "mesoinception4":
            start = [
                *(Inception(3, (1, 4, 4, 2)), _end(11, 2)),
                *(Inception(11, (2, 4, 4, 2)), _end(12, 2)),
                _conv(12, 16, 5),
            ]
        else:
            text = _("MesoNet has no variant {variant}, only meso4 and mesoinception4.")
            raise ModelError(text.format(variant=repr(variant)))
        self.features = nn.Sequential(*start, _end(16, 2), _conv(16, 16, 5), _end(16, 4))
        # Dropout of the original rests while scoring.
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(16 * 8 * 8, 16), nn.LeakyReLU(0.1), nn.Linear(16, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def read_keras(path: Path) -> tuple[MesoNet, dict[str, Tensor]]:
    """Return a Keras file's network and named tensors; raise WeightsError."""
    state: dict[str, Tensor] = {}
    try:
        with h5py.File(path) as file:
            layers = sorted(
                (match[1], int(match[2]), key) for key in file if (match := _LAYER.fullmatch(key))
            )
            network = _network(sum(kind == "conv2d" for kind, _number, _key in layers))
            for kind, module in _KINDS.items():
                own = [n for n, m in network.named_modules() if isinstance(m, module)]
                theirs = [key for other, _number, key in layers if other == kind]
                if len(own) != len(theirs):
                    raise WeightsError(
                        _(
                            "The weight file {path} holds {theirs} {kind} layers, "
                            "the network has {own}."
                        ).format(path=path, theirs=len(theirs), kind=kind, own=len(own)),
                        code="weights_misfit",
                    )
                for name, key in zip(own, theirs, strict=True):
                    arrays = {k.split(":")[0]: v[()] for k, v in file[key][key].items()}
                    tensors = _from_keras({k: torch.from_numpy(v) for k, v in arrays.items()})
                    state |= {f"{name}.{k}": v.contiguous() for k, v in tensors.items()}
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(
            _("The weight file {path} can't be read: {error}").format(path=path, error=error)
        ) from error
    return network, state


def _network(convolutions: int) -> MesoNet:
    return MesoNet("mesoinception4" if convolutions == 16 else "meso4")


def _from_keras(keras: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert a layer's tensors to torch's names and layout."""
    if "gamma" in keras:
        return {
            "weight": keras["gamma"],
            "bias": keras["beta"],
            "running_mean": keras["moving_mean"],
            "running_var": keras["moving_variance"],
            "num_batches_tracked": torch.tensor(0),  # training only; Keras has none
        }
    kernel = keras["kernel"]
    if kernel.dim() == 4:  # height, width, in, out -> out, in, height, width
        return {"weight": kernel.permute(3, 2, 0, 1), "bias": keras["bias"]}
    if len(kernel) == 8 * 8 * 16:
        # Keras flattens height, width, channel; torch channel, height, width.
        kernel = kernel.reshape(8, 8, 16, -1).permute(2, 0, 1, 3).flatten(0, 2)
    return {"weight": kernel.T, "bias": keras["bias"]}


_KINDS = {"conv2d": nn.Conv2d, "batch_normalization": nn.BatchNorm2d, "dense": nn.Linear}


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load Meso4 or MesoInception4 from the authors' .h5 file or from our training."""
    path = files[0]
    if path.suffix == ".h5":
        network, state = read_keras(path)
        load_strict(network, state, spec.id)
    else:
        state = load_state(path, spec)
        network = _network(sum(t.dim() == 4 for t in state.values()))
        load_strict(network, state, f"{spec.id} ({path.name})")
    # The convolution at 32 x 32, before the last pooling.
    return TorchFrameModel(spec, network, device, network.features[-2])
