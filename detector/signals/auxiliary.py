"""Networks that measure and don't judge: published weights, fetched only when a person asks.

They are no detectors, so they are not in the manifest. Each is one file at its authors' address,
kept beside the downloaded models and used only when its sha256 is the one stated here.
"""

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from detector import weights
from detector.sentences import _
from detector.weights.entry import AuxiliaryModel, WeightFile

MESH = AuxiliaryModel(
    id="face-landmarker",
    title="Face landmarker",
    files=[
        WeightFile(
            path="face-landmarker/face_landmarker_v2_with_blendshapes.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            size=3758596,
            url="https://raw.githubusercontent.com/Zejun-Yang/AniPortrait/"
            "7f6593fd971c95b65f603c15ef8ce2c3fc7f5404/src/utils/mp_models/"
            "face_landmarker_v2_with_blendshapes.task",
        )
    ],
    license_weights="Apache-2.0",
    source="Google MediaPipe; Grishchenko et al. 2020, Attention Mesh, arXiv:2006.10962",
)
"""478 points on a face, the eyelids among them."""

IDENTITY = AuxiliaryModel(
    id="mobilefacenet",
    title="MobileFaceNet",
    files=[
        WeightFile(
            path="mobilefacenet/mobilefacenet.pt",
            sha256="90a00ba1d8b0b688af3deb731ed53dca582e6106805d1bc3cfdef55f570493f4",
            size=4135271,
            url="https://raw.githubusercontent.com/foamliu/MobileFaceNet/"
            "a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/mobilefacenet.pt",
        )
    ],
    license_weights="Apache-2.0; trained on MS-Celeb-1M, which its makers have withdrawn",
    source="Chen et al. 2018, MobileFaceNets, arXiv:1804.07573; github.com/foamliu/MobileFaceNet",
)
"""Who a face is, as 128 numbers. They are compared within one clip and never kept."""

IDENTITY_SIDE = 112  # px of an aligned face, as it takes it

AUXILIARY_MODELS = {model.id: model for model in (MESH, IDENTITY)}

T = TypeVar("T")


class LoadedOnce(Generic[T]):
    """A network that is loaded at its first call, once for each folder of weights."""

    def __init__(self, model: AuxiliaryModel, load: Callable[[], T]) -> None:
        self._model, self._lock = model, threading.Lock()
        self._load = lru_cache(maxsize=1)(lambda folder: load())

    def __call__(self) -> T | None:
        """Return the network; None where its weights are not on this computer."""
        if not weights.available(self._model):
            return None
        with self._lock:
            return self._load(weights.cache())


def absent(model: AuxiliaryModel, name: str) -> str:
    """Return why nothing was measured without a network, with the size of its download."""
    size = (model.files[0].size or 0) / 1e6
    return _("Needs {name} ({size} MB), which is not on this computer.").format(
        name=name, size=f"{size:.1f}"
    )
