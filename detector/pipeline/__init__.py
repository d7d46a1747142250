"""Analysis pipeline of a file: decode, detect and track faces, crop, score, decide (`Analyzer`).

Four stages run concurrently, joined by bounded queues, so that memory does not grow with the clip:
a thread decodes; the caller's thread detects, tracks and crops faces; a thread scores crops in
batches; a thread computes the signals. Each frame is decoded once, each face detected once and each
crop cut once per crop recipe, whatever the number of models.
"""

from detector.decision.next_steps import CLOSER as CLOSER
from detector.pipeline.analyzer import Analyzer as Analyzer
from detector.pipeline.analyzer import FacesByTime as FacesByTime
from detector.pipeline.analyzer import analyze as analyze
from detector.pipeline.options import Observer as Observer
from detector.pipeline.options import Progress as Progress
from detector.pipeline.options import RunOptions as RunOptions
from detector.pipeline.planning import estimate as estimate
from detector.pipeline.remote import RemoteAnalyzer as RemoteAnalyzer
from detector.pipeline.remote import join_remote as join_remote
from detector.pipeline.remote import open_remote as open_remote
