"""YuNet (Wu et al. 2023, Machine Intelligence Research) by OpenCV. Weights from
github.com/ShiqiYu/libfacedetection.train (Apache-2.0), downloaded on request."""

import threading
from pathlib import Path

import cv2
import numpy as np

from detector.errors import WeightsError
from detector.sentences import _
from detector.vision.detection import Detection, FaceDetector, from_left_to_right
from detector.weights import auxiliary, resolve

CONFIDENCE, OVERLAP = 0.7, 0.3  # IoU above which detections are of one face
LONGEST = 640
"""px of a frame's longer side that is searched, unless its smallest face would be narrower than"""
NARROWEST = 12  # px, of which the network still finds most faces


class YuNet(FaceDetector):
    """YuNet on the shrunk frame, always on the CPU. Raise WeightsError for weights that were not
    downloaded or can't be read."""

    name = "yunet"

    def __init__(self, device: str = "cpu", weights: Path | None = None) -> None:
        model = auxiliary()[self.name]
        path = weights or resolve(model)[0]
        try:
            self._network = cv2.FaceDetectorYN.create(
                str(path), "", (LONGEST, LONGEST), CONFIDENCE, OVERLAP
            )
        except cv2.error as error:
            raise WeightsError(
                _("{name} can't be read as {title}.").format(name=path.name, title=model.title)
            ) from error
        self._lock = threading.Lock()  # the size of its input is part of its state

    def detect(self, rgb: np.ndarray, min_face: int) -> list[Detection]:
        height, width = rgb.shape[:2]
        scale = min(1.0, max(LONGEST / max(height, width), NARROWEST / min_face))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        with self._lock:
            self._network.setInputSize(size)
            found = self._network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        if found is None:
            return []
        stretch = np.array([width / size[0], height / size[1]])
        faces = []
        for row in found.astype(np.float64):
            # Corner, extent, then eyes, nose and mouth corners, the picture's left ones first.
            corner, extent = row[:2] * stretch, row[2:4] * stretch
            points = row[4:14].reshape(5, 2) * stretch
            if extent[0] >= min_face:
                box = np.concatenate([corner, corner + extent])
                faces.append(Detection.of(box, points, float(row[14])))
        return from_left_to_right(faces)
