"""Faces: detection, quality, tracking and cropping.

Takes frames (upright uint8 RGB) and returns boxes, quality, tracks and crops. Independent of files,
classifiers and verdicts."""

from detector.vision.crops import box_for as box_for
from detector.vision.crops import cut as cut
from detector.vision.detection import FACES as FACES
from detector.vision.detection import MEASURED as MEASURED
from detector.vision.detection import Detection as Detection
from detector.vision.detection import FaceDetector as FaceDetector
from detector.vision.detection import load_detector as load_detector
from detector.vision.detection import ready as ready
from detector.vision.detection import widest as widest
from detector.vision.quality import assess as assess
from detector.vision.tracking import FaceSearch as FaceSearch
from detector.vision.tracking import Tracker as Tracker
from detector.vision.tracking import between as between
from detector.vision.tracking import interpolate as interpolate
from detector.vision.tracking import is_face_track as is_face_track
