"""The flow: media, faces, tracks, crops, models, logits, verdict. One public class, `Analyzer`.

Four stages run side by side, joined by bounded queues, so that memory does not grow with the
clip: a thread decodes; the caller's thread finds, links and cuts faces; a thread scores crops in
batches; a thread reads the signals. Each frame is decoded once, each face found once and each crop
cut once per crop recipe, whatever the number of models.
"""

from detector.pipeline.analyzer import Analyzer, FacesByTime, analyze
from detector.pipeline.coverage import CLOSER, estimate
from detector.pipeline.options import RunOptions
from detector.pipeline.progress import Observer, Progress, Stage

__all__ = [
    "CLOSER",
    "Analyzer",
    "FacesByTime",
    "Observer",
    "Progress",
    "RunOptions",
    "Stage",
    "analyze",
    "estimate",
]
