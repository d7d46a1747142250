"""Which face detectors there are, how each is made, and what was measured of it."""

import pkgutil
from typing import NamedTuple

from detector import weights
from detector.errors import UsageError
from detector.sentences import _
from detector.vision.types import FaceDetector
from detector.weights.entry import AuxiliaryModel, WeightFile

DETECTORS = {
    "mtcnn": "detector.vision.mtcnn:Mtcnn",
    "blazeface": "detector.vision.blazeface:BlazeFace",
    "yunet": "detector.vision.yunet:YuNet",
}
"""Name -> class, imported when it is used: `import detector.vision` brings no torch. Another
detector is one more entry."""

BLAZEFACE = AuxiliaryModel(
    id="blazeface",
    title="BlazeFace",
    files=[
        WeightFile(
            path="blazeface/blazeface.pth",
            sha256="54ecff653feaaaf1f7d44b6aff28fd2fc50e483a4e847563b6dd261369c43ba4",
            size=420224,
            url="https://raw.githubusercontent.com/hollance/BlazeFace-PyTorch/"
            "852bfd8e3d44ed6775761105bdcead4ef389a538/blazeface.pth",
        )
    ],
    license_weights="Apache-2.0",
    source="Bazarevsky et al. 2019, arXiv:1907.05047; github.com/hollance/BlazeFace-PyTorch",
)

YUNET = AuxiliaryModel(
    id="yunet",
    title="YuNet",
    files=[
        WeightFile(
            path="yunet/yunet_n_dynamic.onnx",
            sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
            size=322906,
            url="https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
            "0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_dynamic.onnx",
        )
    ],
    license_weights="Apache-2.0",
    source="Wu et al. 2023, doi:10.1007/s11633-023-1423-y; "
    "github.com/ShiqiYu/libfacedetection.train",
)

DOWNLOADED = {model.id: model for model in (BLAZEFACE, YUNET)}
"""Detectors whose weights are fetched when somebody asks."""


class DetectorFigures(NamedTuple):
    """What a detector did on a frame of each of 90 clips, at 40 px and wider."""

    title: str
    found: int
    """Of `FACES`."""
    alone: int
    """Detections that neither of the others shares."""
    milliseconds: int
    """Of one core of a processor, a frame (median)."""


FACES = 92
"""Faces that two of the three detectors agree on (IoU over 0.4)."""
MEASURED = {
    "mtcnn": DetectorFigures("MTCNN", 90, 0, 29),
    "blazeface": DetectorFigures("BlazeFace", 90, 18, 15),
    "yunet": DetectorFigures("YuNet", 92, 2, 18),
}


def ready(name: str) -> bool:
    """Return whether a detector's weights are on this computer."""
    return name not in DOWNLOADED or weights.available(DOWNLOADED[name])


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Make a face detector by name; raise UsageError, or WeightsError if not fetched."""
    if name not in DETECTORS:
        raise UsageError(
            _("There is no face detector named {name!r}.").format(name=name),
            code="unknown_detector",
            hint=_("Known: {names}.").format(names=", ".join(sorted(DETECTORS))),
        )
    detector: FaceDetector = pkgutil.resolve_name(DETECTORS[name])(device)
    return detector
