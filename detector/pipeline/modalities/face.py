"""Extractor of faces: detected, tracked, assessed and cropped."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from detector import vision
from detector.media import Frame
from detector.models.base import CropRecipe
from detector.pipeline.modalities.base import Extraction, Extractor
from detector.pipeline.options import SeenAt, at
from detector.pipeline.orientation import OrientationCheck, Turn
from detector.pipeline.rounds import LEAST_SCORED, SPARE
from detector.pipeline.scoring import ScoreItem
from detector.pipeline.subjects import SubjectBuilder, people
from detector.pipeline.timing import timed
from detector.pipeline.windows import FrameWindow, Track
from detector.schema.analysis import FrameSegment, Modality, Subject
from detector.schema.subject import letter
from detector.sentences import _

SMALLEST_FACE, SMALLEST_SHARE = 16, 80
"""px, and the frame's longer side by such a face: frames without a face are searched down to the
larger of the two widths (at 16 px a photo of 12 megapixels would take three seconds, an 8K frame
ten), `CLOSER_SEARCHES` times, to distinguish "too small" from "no face"."""
CLOSER = 0.75  # share of the usual width from which that search finds hardly more
CLOSER_SEARCHES = 4


class FaceExtractor(Extractor):
    """Extractor of the faces of one run."""

    modality = Modality.FACE

    def __init__(self, run: Extraction) -> None:
        super().__init__(run)
        self._anchors = {t for w in run.windows if not w.quiet for t in w.anchors}
        self._tracker = vision.Tracker()
        self._finder = vision.FaceSearch(run.detector, run.settings.min_face)
        checked = run.options.media is None and run.settings.rotate is None
        self._orientation = (
            OrientationCheck(run.detector, run.settings.min_face, len(run.planned))
            if checked
            else None
        )
        self._closer_searches = CLOSER_SEARCHES
        self._last_search = -1.0
        self._searched = 0
        self._people: dict[int, SubjectBuilder] = {}
        self._spare: Counter[tuple[int, CropRecipe]] = Counter()
        """frames that a model leaves out, for a person seen in few of the others"""
        self.by_time: dict[float, list[vision.Detection]] = {}
        """faces of each searched frame"""

    def frame(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        """Detect and submit a frame's faces; raise WrongOrientation if they only show turned."""
        for window in self._run.windows:
            window.add(frame, times)
        if index is not None or not self._anchors.isdisjoint(times):
            self._search(frame, times, index)
            self._last_search = max(times)
        for window in self._run.windows:
            if window.quiet:
                self._follow(window, frame, times)
            if window.frames:
                self._cut(window)

    def _search(self, frame: Frame, times: tuple[float, ...], index: int | None) -> None:
        known = self._known.get(at(frame.time))
        with timed(self._run.timings, "faces"):
            faces = self._faces(frame, known)
            numbers = self._tracker.update(frame.time, frame.rgb, faces)
        with self._run.lock:
            self._searched += 1
            self.by_time[frame.time] = faces
            for number, face in zip(numbers, faces, strict=True):
                builder = self._people.setdefault(number, SubjectBuilder())
                builder.anchors.append((frame.time, face))
        if index is None:
            return
        self._times[index] = frame.time
        if self._orientation is not None:
            with timed(self._run.timings, "faces"):
                self._orientation.check(frame.rgb, faces)
        before = [segment for _, segment in known] if known else [None] * len(faces)
        for number, face, segment in zip(numbers, faces, before, strict=True):
            self._record(frame, times, index, number, face, segment)

    def _faces(self, frame: Frame, known: Sequence[object] | None) -> list[vision.Detection]:
        run = self._run
        if known is not None:
            return [face for face, _ in self._known[at(frame.time)] if face is not None]
        faces_at = run.options.faces_at
        if faces_at is not None and (given := faces_at(frame.time)) is not None:
            return given
        faces = self._finder.find(frame.time, frame.rgb)
        smallest = max(SMALLEST_FACE, max(frame.rgb.shape) // SMALLEST_SHARE)
        closer = smallest <= max(SMALLEST_FACE, CLOSER * run.settings.min_face)
        if not faces and closer and self._closer_searches:
            self._closer_searches -= 1
            faces = run.detector.detect(frame.rgb, smallest)
        return faces

    def _record(
        self,
        frame: Frame,
        times: tuple[float, ...],
        index: int,
        number: int,
        face: vision.Detection,
        before: FrameSegment | None,
    ) -> None:
        run = self._run
        if before is not None:
            segment = self._scored_before(before, index)
        else:
            segment = face_segment(frame.rgb, face, frame.time, index, run.settings.min_face)
        with run.lock:
            self._people[number].frames[index] = segment
        if not segment.usable:
            return
        for recipe, models in self._lacking(segment).items():
            order = self._order(recipe, times)
            if order == SPARE:
                if self._spare[number, recipe] == LEAST_SCORED:
                    continue
                order += self._spare[number, recipe]
                self._spare[number, recipe] += 1
            made = self.modality, frame.rgb, segment, recipe, models, run.detector.name
            run.submit(replace(ScoreItem.cut(*made), subject=number, order=order))
        if run.signals:
            run.signals.face(frame, index, number, face)

    def _follow(self, window: FrameWindow, frame: Frame, times: tuple[float, ...]) -> None:
        """Detect the faces of a quiet window, whose first frame is a sampled one."""
        if window.times[0] in times:
            latest = {number: one.anchors[-1] for number, one in self._people.items()}
            here = {number: face for number, (time, face) in latest.items() if time == frame.time}
            window.begin(frame.time, here)
        elif window.tracks and not set(window.anchors).isdisjoint(times):
            with timed(self._run.timings, "faces"):
                smallest = self._run.settings.min_face
                found = self._run.detector.follow(frame.rgb, smallest, window.last)
            window.follow(frame.time, found)
            window.until = max(times)

    def _cut(self, window: FrameWindow) -> None:
        """Crop the buffered frames up to the last detection, and submit complete windows."""
        tracks: dict[int, Track] = {n: builder.anchors for n, builder in self._people.items()}
        until = self._last_search
        if window.quiet:
            tracks, until = dict(window.tracks), window.until
        for number, span, item in window.cut(tracks, self._run.detector.name, until):
            with self._run.lock:
                self._people[number].spans.append(span)
            self._run.submit(item)

    def end(self) -> None:
        if self._orientation is not None and (turn := self._orientation.end()):
            self._offer(*turn)

    def _offer(self, degrees: Turn, frames: int) -> None:
        media = self._run.media
        media.faces_turned = degrees
        media.notes.append(
            _(
                "In 1 moment a face was only found with the picture turned by {degrees}°. Analyze "
                "it turned to have that face judged."
            ).format(degrees=degrees)
            if frames == 1
            else _(
                "In {frames} moments a face was only found with the picture turned by {degrees}°. "
                "Analyze it turned to have those faces judged."
            ).format(frames=frames, degrees=degrees)
        )

    def expected(self) -> int:
        """Return the number of faces to score so far."""
        return sum(f.usable for person in self._people.values() for f in person.frames.values())

    def people(self, *, everyone: bool = False) -> dict[int, SubjectBuilder]:
        """Return people by number, by first appearance, without false detections."""
        return {
            number: person
            for number, person in sorted(self._people.items())
            if person.frames
            and (
                everyone
                or vision.is_face_track([face for _, face in person.anchors], self._searched)
            )
        }

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return the people so far; of a partial run with false detections."""
        found = self.people(everyone=partial).values()
        return people({letter(n): one for n, one in enumerate(found)}, self._run.media.width)

    def id_of(self, subject: Hashable) -> str:
        """See `Extractor.id_of`; empty for a false detection."""
        numbers = list(self.people())
        return letter(numbers.index(subject)) if subject in numbers else ""

    def seen(self) -> SeenAt:
        """Return the faces and scores that a second run can reuse."""
        seen: dict[float, list[tuple[vision.Detection | None, FrameSegment]]]
        seen = {at(time): [] for time in self._times.values()}
        for person in self._people.values():
            faces = dict(person.anchors)
            for index, segment in person.frames.items():
                time = self._times[index]
                seen[at(time)].append((faces[time], segment))
        for at_once in seen.values():  # in the detector's order
            at_once.sort(key=lambda pair: (pair[1].box[0] + pair[1].box[2], pair[1].box[1]))
        return seen


def face_segment(
    rgb: np.ndarray, face: vision.Detection, time: float, index: int, min_face: int
) -> FrameSegment:
    """Return the unscored segment of a face in a frame, uint8 [H, W, 3]."""
    return FrameSegment(
        index=index,
        time=round(time, 4),
        box=face.box,
        landmarks=list(face.landmarks),
        quality=vision.assess(rgb, face, min_face),
    )


EXTRACTOR = FaceExtractor
