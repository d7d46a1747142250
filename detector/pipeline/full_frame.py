"""Scores of models that judge whole pictures, beside those of people's faces.

What such a model says of a moment holds for everybody in it. In a file without a face it is all
there is to say: one track then stands for the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from detector.media import Frame
from detector.pipeline.tracks import letter
from detector.schema.analysis import ClipWindow, FaceFrame, Quality, Track

EVERYBODY = -1
"""Instead of a person's number: the whole picture."""


@dataclass
class FullFrameScores:
    """What is known of the whole picture, while a run goes on."""

    looked: dict[int, FaceFrame] = field(default_factory=dict)
    """by moment; the box is the frame"""
    windows: list[ClipWindow] = field(default_factory=list)

    def look(self, frame: Frame, index: int) -> FaceFrame:
        """What stands for the picture at one moment."""
        height, width = frame.rgb.shape[:2]
        side = min(512, max(height, width))  # so that sharpness compares between sizes
        small = cv2.resize(frame.rgb, (side, side), interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        return FaceFrame(
            index=index,
            time=round(frame.time, 4),
            box=(0.0, 0.0, float(width), float(height)),
            quality=Quality(
                width=width,
                sharpness=float(cv2.Laplacian(gray, cv2.CV_64F).var()),
                brightness=float(gray.mean()),
                yaw=0.0,
                confidence=1.0,
            ),
        )

    def onto(self, tracks: Sequence[Track]) -> list[Track]:
        """The tracks with these scores; one for the whole picture where there is nobody."""
        if not tracks:
            return self._alone()
        for track in tracks:
            for face in track.faces:
                if seen := self.looked.get(face.index):
                    face.logits |= seen.logits
            track.windows += [window.model_copy() for window in self.windows]
            track.windows.sort(key=lambda window: (window.model, window.start))
        return list(tracks)

    def _alone(self) -> list[Track]:
        looked = [self.looked[i].model_copy(deep=True) for i in sorted(self.looked)]
        scored = bool(self.windows) or any(look.logits for look in looked)
        if not looked or not scored:
            return []
        sharpest = int(np.argmax([look.quality.sharpness for look in looked]))
        return [
            Track(
                id=letter(0),
                whole=True,
                start=looked[0].time,
                end=looked[-1].time,
                thumbnail_time=looked[sharpest].time,
                faces=looked,
                windows=sorted(self.windows, key=lambda w: (w.model, w.start)),
            )
        ]
