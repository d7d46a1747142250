"""Extractor of full frames, for models that judge faces by whole frames."""

from dataclasses import replace

import cv2
import numpy as np

from detector.large_frames import halved
from detector.media import Frame
from detector.pipeline.modalities.base import Extraction, Extractor
from detector.pipeline.options import SeenAt, at
from detector.pipeline.rounds import SPARE
from detector.pipeline.scoring import ScoreItem
from detector.pipeline.subjects import SubjectBuilder, full_frame
from detector.schema.analysis import FrameSegment, Modality, Quality, Subject

SHARPNESS_SIDE = 512
"""px to which larger pictures are reduced, so that their sharpness is comparable"""


class FullFrameExtractor(Extractor):
    """Extractor of the full frames of one run."""

    modality = Modality.FULL_FRAME

    def __init__(self, run: Extraction) -> None:
        super().__init__(run)
        self._subject = SubjectBuilder()

    def frame(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        """Record a sampled frame, and submit the windows that it completes."""
        if index is not None:
            self._record(frame, times, index)
        for window in self._run.windows:
            window.add(frame, times)
            for _, span, item in window.cut({}, self._run.detector.name):
                with self._run.lock:
                    self._subject.spans.append(span)
                self._run.submit(item)

    def _record(self, frame: Frame, times: tuple[float, ...], index: int) -> None:
        before = next((segment for _, segment in self._known.get(at(frame.time), ())), None)
        segment = (
            self._scored_before(before, index)
            if before
            else full_frame_segment(frame.rgb, frame.time, index)
        )
        self._times[index] = frame.time
        with self._run.lock:
            self._subject.frames[index] = segment
        for recipe, models in self._lacking(segment).items():
            order = self._order(recipe, times)
            if order != SPARE:
                made = self.modality, frame.rgb, segment, recipe, models, self._run.detector.name
                self._run.submit(replace(ScoreItem.cut(*made), order=order))

    def expected(self) -> int:
        """Return the number of frames to score so far."""
        return len(self._subject.frames)

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return the full frame, if it was scored."""
        return full_frame(self._subject, self.modality)

    def seen(self) -> SeenAt:
        """Return the scores that a second run can reuse."""
        frames = self._subject.frames.items()
        return {at(self._times[index]): [(None, seen)] for index, seen in frames}


def full_frame_segment(rgb: np.ndarray, time: float, index: int) -> FrameSegment:
    """Return the unscored segment of a full frame, uint8 [H, W, 3]."""
    height, width = rgb.shape[:2]
    side = min(SHARPNESS_SIDE, max(height, width))
    small = cv2.resize(halved(rgb), (side, side), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return FrameSegment(
        index=index,
        time=round(time, 4),
        box=(0.0, 0.0, float(width), float(height)),
        quality=Quality(
            width=width,
            sharpness=float(cv2.Laplacian(gray, cv2.CV_64F).var()),
            brightness=float(gray.mean()),
        ),
    )


EXTRACTOR = FullFrameExtractor
