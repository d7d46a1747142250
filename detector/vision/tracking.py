"""Face tracking: link detections of sampled frames to people by position, motion and color.

Samples are 0.03 s to many seconds apart. Across a cut people are matched by color alone; there is
no face recognition. In doubt a new person begins: splitting one person in two is a smaller error
than merging two."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detector import colors
from detector.models.base import CropRecipe
from detector.schema.analysis import Box, FrameSegment, Point
from detector.vision.crops import cut
from detector.vision.detection import Detection, FaceDetector, iou

SEARCH_SECONDS = 2.0  # Maximum delay until a new face in a shot is detected
SEARCH_SAMPLES = 8  # The same in samples
SAME_PLACE = 0.2  # IoU from which a detection is the face of the last sample


class _CutDetector:
    def __init__(self) -> None:
        self._colors: np.ndarray | None = None

    def __call__(self, rgb: np.ndarray) -> bool:
        """Return True if a frame begins another shot than the frame before."""
        now, before = colors.of(colors.small(rgb)), self._colors
        self._colors = now
        return before is not None and colors.affinity(now, before) < colors.CUT


class FaceSearch:
    """Face detection in the frames of one clip: a full search at intervals and after cuts, else a
    search near the last faces. For one thread, in order of time.

    Most of the cost of a search is P-Net on the whole pyramid, and between two close frames of one
    shot nearly every face stays where it was."""

    def __init__(self, detector: FaceDetector, min_face: int) -> None:
        self._detector, self._min_face = detector, min_face
        self._faces: list[Detection] = []
        self._is_cut = _CutDetector()
        self._searched_at, self._samples = 0.0, 0

    def find(self, time: float, rgb: np.ndarray) -> list[Detection]:
        """Return a frame's faces (upright uint8 RGB), left to right; `time`, s, never decreases."""
        cut = self._is_cut(rgb)
        self._samples += 1
        recent = self._samples < SEARCH_SAMPLES and time - self._searched_at < SEARCH_SECONDS
        if self._faces and recent and not cut:
            faces = self._detector.follow(rgb, self._min_face, self._faces)
            if _all_there(self._faces, faces):
                self._faces = faces
                return faces
        self._searched_at, self._samples = time, 0
        self._faces = self._detector.detect(rgb, self._min_face)
        return self._faces


def _all_there(before: Sequence[Detection], now: Sequence[Detection]) -> bool:
    """Return True if each face of `before` overlaps one of its own in `now`."""
    left = [np.array(face.box) for face in now]
    for face in before:
        overlaps = iou(np.array(face.box), np.array(left)) if left else np.zeros(1)
        best = int(overlaps.argmax())
        if overlaps[best] < SAME_PLACE:
            return False
        del left[best]
    return True


SAME_COLORS = 0.9
"""Color affinity from which a face may be a lost person's. 96 % of pairs of one person at least 1.6
s apart are above it; two people side by side in one shot have 0.70 to 0.87, 99 % of pairs from
different clips less than 0.83."""
OTHER_COLORS = 0.5
"""Affinity below which even a face at the same position is another person: about the median of
pairs from different clips. Light may change within a shot."""
REACH, REACH_PER_SECOND, REACH_SECONDS = 0.7, 1.0, 2.0
"""Maximum distance from the predicted position, in face sides: at once, growth per second, and
seconds of growth."""
REACH_OVER_CUT = 1.0
"""The same across a cut, for example between two alternating cameras."""
GROWTH, GROWTH_OVER_GAP, GROWTH_OVER_CUT = 2.0, 1.5, 3.0
"""Maximum ratio of sizes: in view, after a gap, and across a cut (a close-up)."""
LOST = 1.0
"""s. After a longer absence, if missing in the last sample, a person is matched by color."""
FORGOTTEN, FORGOTTEN_SAMPLES = 10.0, 3
"""s, samples. A person absent for longer than both is dropped; a face that appears then is new."""
MAX_REMEMBERED = 64  # People not in view, so that memory has a bound
GLIDE = 0.5  # s for which a velocity is extrapolated; half of it is its time constant
BRIDGED = 1.0  # s. The longest gap between samples in which a box is interpolated.
SLACK = 1e-3  # s. Times are rounded where they are stored.
SURE = 0.99
"""Confidence that a real face reaches at least once: 520 of 521 clips with a face did within two or
three samples, the three false detections in them (six sightings) did not."""
RARE = 0.5  # Fraction of samples up to which an unconfident track is a false detection

PORTRAIT = CropRecipe(scale=0.9, size=32, border="replicate")
"""Crop for a person's colors: face and hair, with little of the background, which may be replaced
behind a streamer."""
NO_MATCH = 1e6


@dataclass
class _Tracklet:
    number: int
    box: np.ndarray
    colors: np.ndarray
    time: float
    sample: int
    scene: int
    velocity: np.ndarray  # px/s of the center

    @property
    def center(self) -> np.ndarray:
        center: np.ndarray = (self.box[:2] + self.box[2:]) / 2
        return center

    @property
    def side(self) -> float:
        return float(np.sqrt(np.prod(np.maximum(self.box[2:] - self.box[:2], 1.0))))


class Tracker:
    """Multi-object tracker of faces in one clip, for one thread, in order of time. `lost` and
    `forgotten`: see `LOST` and `FORGOTTEN`, s."""

    def __init__(self, lost: float = LOST, forgotten: float = FORGOTTEN) -> None:
        self._lost, self._forgotten = lost, forgotten
        self._people: list[_Tracklet] = []
        self._count = 0
        self._sample = 0
        self._scene = 0
        self._is_cut = _CutDetector()

    def update(self, time: float, rgb: np.ndarray, detections: Sequence[Detection]) -> list[int]:
        """Return the person's number of each detection of a frame: 0, 1, … in order of first
        appearance, from left to right within a frame. `time` (s) never decreases."""
        self._sample += 1
        self._scene += self._is_cut(rgb)
        seen = [
            _Tracklet(
                number=-1,
                box=np.array(detection.box),
                colors=colors.of(cut(rgb, detection.box, PORTRAIT)),
                time=time,
                sample=self._sample,
                scene=self._scene,
                velocity=np.zeros(2),
            )
            for detection in detections
        ]
        self._link([person for person in self._people if self._in_view(person, time)], seen)
        self._link(self._people, seen)
        self._link(self._people, seen, elsewhere=True)
        for person in seen:
            if person.number < 0:
                person.number = self._count
                self._count += 1
                self._people.append(person)
        self._forget(time)
        return [person.number for person in seen]

    def _in_view(self, person: _Tracklet, time: float) -> bool:
        lately = person.sample == self._sample - 1 or time - person.time <= self._lost
        return person.scene == self._scene and lately

    def _link(
        self, known: list[_Tracklet], seen: list[_Tracklet], *, elsewhere: bool = False
    ) -> None:
        """Assign new faces to people missing in this frame; `elsewhere`: by color alone."""
        known = [person for person in known if person.sample < self._sample]
        seen = [face for face in seen if face.number < 0]
        if not known or not seen:
            return
        cost = _cost_elsewhere if elsewhere else self._cost
        costs = np.array([[cost(person, face) for face in seen] for person in known])
        for row, column in _assigned(costs):
            if costs[row, column] < NO_MATCH:
                _move(known[row], seen[column])

    def _cost(self, person: _Tracklet, face: _Tracklet) -> float:
        """Return the cost of assigning `face` to `person`, 0 to about 4, or NO_MATCH."""
        gap = face.time - person.time
        cut_between = person.scene != face.scene
        in_view = self._in_view(person, face.time)
        affinity = colors.affinity(person.colors, face.colors)
        growth = abs(math.log(face.side / person.side))
        reach = REACH_OVER_CUT
        expected = person.center
        if not cut_between:
            reach = REACH + REACH_PER_SECOND * min(gap, REACH_SECONDS)
            expected = expected + person.velocity * min(gap, GLIDE)
        moved = float(np.linalg.norm(face.center - expected)) / ((face.side + person.side) / 2)
        if (
            moved > reach
            or growth > math.log(GROWTH if in_view else GROWTH_OVER_GAP)
            or affinity < (OTHER_COLORS if in_view else SAME_COLORS)
        ):
            return NO_MATCH
        half = (person.box[2:] - person.box[:2]) / 2
        overlap = float(iou(np.hstack([expected - half, expected + half]), face.box[None])[0])
        return moved / reach + (1 - overlap) + growth + 2 * (1 - affinity)

    def _forget(self, time: float) -> None:
        remembered = [
            person
            for person in self._people
            if time - person.time <= self._forgotten
            or self._sample - person.sample <= FORGOTTEN_SAMPLES
        ]
        away = sorted(p.sample for p in remembered if p.sample < self._sample)
        oldest = away[-MAX_REMEMBERED] if len(away) > MAX_REMEMBERED else 0
        self._people = [person for person in remembered if person.sample >= oldest]


def is_face_track(track: Sequence[Detection], samples: int) -> bool:
    """Return True if a track is a face, not a false detection such as an earring: the detector was
    confident once (`SURE`), or it was detected in more than half of the `samples`. All tracks of a
    still picture are faces."""
    sure = any(face.confidence >= SURE for face in track)
    return bool(track) and (sure or samples <= 1 or len(track) > RARE * samples)


def interpolate(track: Sequence[tuple[float, Detection]], time: float) -> Detection | None:
    """Interpolate a person's face at a time between samples, with the lower of the two confidences;
    None outside the track, and where the samples are more than `BRIDGED` apart."""
    after = bisect_left(track, time - SLACK, key=lambda entry: entry[0])
    if after == len(track):
        return None
    end, there = track[after]
    if end <= time + SLACK:
        return there
    if after == 0:
        return None
    start, here = track[after - 1]
    if end - start > BRIDGED:
        return None
    share = (time - start) / (end - start)
    box, points = (
        np.asarray(a) * (1 - share) + np.asarray(b) * share
        for a, b in ((here.box, there.box), (here.landmarks, there.landmarks))
    )
    return Detection.of(box, points, min(here.confidence, there.confidence))


def between(faces: Sequence[FrameSegment], time: float) -> tuple[Box, list[Point]]:
    """Interpolate a person's box and landmarks at a time, s, between analyzed frames in ascending
    order; beyond them, return the nearest. No landmarks are returned if any frame has none."""
    times = [face.time for face in faces]
    count = min(len(face.landmarks) for face in faces)
    numbers = [np.concatenate([face.box, *face.landmarks[:count]]) for face in faces]
    x0, y0, x1, y1, *points = (
        float(np.interp(time, times, column)) for column in np.transpose(numbers)
    )
    return (x0, y0, x1, y1), [*zip(points[::2], points[1::2], strict=True)]


def _assigned(costs: np.ndarray) -> Iterator[tuple[int, int]]:
    if 1 in costs.shape:
        # Without SciPy, whose import takes a third of a second: most clips show one person.
        row, column = divmod(int(costs.argmin()), costs.shape[1])
        yield row, column
        return
    from scipy.optimize import linear_sum_assignment

    yield from zip(*linear_sum_assignment(costs), strict=True)


def _cost_elsewhere(person: _Tracklet, face: _Tracklet) -> float:
    """Return the cost of an assignment by size and color alone, or NO_MATCH."""
    affinity = colors.affinity(person.colors, face.colors)
    growth = abs(math.log(face.side / person.side))
    if affinity < SAME_COLORS or growth > math.log(GROWTH_OVER_CUT):
        return NO_MATCH
    return growth + 2 * (1 - affinity)


def _move(person: _Tracklet, face: _Tracklet) -> None:
    gap = face.time - person.time
    if gap > GLIDE or person.scene != face.scene:
        person.velocity = np.zeros(2)
    elif gap > 0:
        weight = gap / (gap + GLIDE / 2)
        measured = (face.center - person.center) / gap
        person.velocity = (1 - weight) * person.velocity + weight * measured
    mixed = 0.7 * person.colors + 0.3 * face.colors
    person.colors = mixed / np.linalg.norm(mixed)
    person.box, person.time = face.box, face.time
    person.sample, person.scene = face.sample, face.scene
    face.number = person.number
