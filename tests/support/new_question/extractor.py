"""The background as a subject: the upper fifth of the frame."""

from __future__ import annotations

from detector import vision
from detector.media import Frame
from detector.pipeline.modalities.base import Extractor
from detector.pipeline.scoring import ScoreItem
from detector.schema.analysis import FrameSegment, Modality, Quality, Subject


class BackgroundExtractor(Extractor):
    """The backgrounds of one run."""

    modality = Modality("background")

    def frame(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        """Cut the background of a sampled frame."""
        if index is None:
            return
        height, width = frame.rgb.shape[:2]
        segment = FrameSegment(
            index=index,
            time=round(frame.time, 4),
            box=(0.0, 0.0, float(width), height / 5),
            quality=Quality(width=width, sharpness=80.0, brightness=100.0),
        )
        with self._run.lock:
            self._times[index] = segment
        for recipe, models in self._fed.items():
            crop = vision.cut(frame.rgb, segment.box, recipe)
            self._run.submit(ScoreItem(self.modality, models, segment, crop, recipe))

    def expected(self) -> int:
        """Return how many there are to score."""
        return len(self._times)

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return the background, if a frame was read."""
        frames = [frame.model_copy(deep=True) for _, frame in sorted(self._times.items())]
        if not frames:
            return []
        start, end = frames[0].time, frames[-1].time
        return [
            Subject(
                id="background",
                modality=self.modality,
                start=start,
                end=end,
                thumbnail_time=start,
                frames=frames,
            )
        ]


EXTRACTOR = BackgroundExtractor
