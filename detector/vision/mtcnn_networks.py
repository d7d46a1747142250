"""The three networks of MTCNN (Zhang et al. 2016) with the weights of facenet-pytorch (MIT), ready
to run."""

from pathlib import Path
from typing import NamedTuple

from detector import converted, runtime, weights
from detector.runtime import Runner
from detector.weights.entry import AuxiliaryModel, WeightFile

TILE = 48  # px. Side of what P-Net is shown of a level about a face that is followed.

WEIGHTS = AuxiliaryModel(
    id="mtcnn",
    title="MTCNN",
    files=[
        WeightFile(
            path="mtcnn.safetensors",
            sha256="936a5d476bc5148aa0857074dde6770f6cad8201521d656285d4c18b8f501003",
            size=1987800,
        )
    ],
    bundled=True,
    license_weights="MIT",
    source="Zhang et al. 2016, arXiv:1604.02878; github.com/timesler/facenet-pytorch",
)


class Networks(NamedTuple):
    """Each takes pictures as they are: 0..255, [N, S, S, 3], and gives what the original does."""

    propose: Runner
    refine: Runner
    output: Runner


def load(device: str) -> Networks:
    """Return the networks, compiled ones without importing PyTorch. Raise WeightsError."""
    version, layers = WEIGHTS.files[0].sha256, Path(__file__).with_name("mtcnn_layers.py")
    sources = [Path(__file__), layers]
    keys = [converted.key_of(f"{name} {version}", sources) for name in Networks._fields]
    known = [runtime.known(key, shared=True) for key in keys] if device == "cpu" else []
    ready = [found[0] for found in known if found is not None]
    if len(ready) == len(keys):
        return Networks(*ready)
    built = _built(device)
    for key, runner in zip(keys, built, strict=True):
        runtime.remember(key, runner)
    return built


def _built(device: str) -> Networks:
    import torch

    from detector.vision import mtcnn_layers

    (path,) = weights.resolve(WEIGHTS)
    state = weights.load_state(path)

    def compiled(network: torch.nn.Module, name: str, side: int, *free: int) -> Runner:
        own = {
            key.removeprefix(name): value for key, value in state.items() if key.startswith(name)
        }
        weights.load_strict(network, own, WEIGHTS.title)
        example = torch.zeros(2, side, side, 3, device=device)
        return runtime.compile(network.eval().to(device), example, device, free=free, shared=True)

    return Networks(
        compiled(mtcnn_layers.propose(), "propose.", TILE, 0, 1, 2),
        compiled(mtcnn_layers.refine(), "refine.", 24, 0),
        compiled(mtcnn_layers.output(), "output.", 48, 0),
    )
