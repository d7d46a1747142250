"""Signal: likeness of a clip called fake to lip-sync, among five families of methods.

A linear layer reads the features of *CLIP, generated head*, averaged over a few moments. It was
fitted to fakes alone (`unmask train families`), so other clips get no family. Only lip-sync is
named, the family that was right in 70 % of the clips of sources left out."""

from functools import lru_cache

import numpy as np
from safetensors.numpy import load_file

from detector import weights
from detector.errors import ModelError
from detector.models import registry
from detector.models.pictures import fit
from detector.schema.analysis import Side, Signal
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.patch import ROOM, FacePatch
from detector.signals.reference import FAMILY, SignalSpec
from detector.signals.trunk import HEAD, tokens

FAMILIES = ("face edit", "face swap", "lip-sync", "talking head", "text to video")
"""Outputs of the layer; a talking head may be driven by audio or by another video."""
NAMED = FAMILIES.index("lip-sync")
LIMIT = 0.7  # Probability from which on it is named
READ = slice(2, None, 2)  # Of the blocks that the trunk gives, those that HEAD reads
MOMENTS = 4  # Of a person, about, spread over the frames
TIGHTEST = 0.85  # Of the patch's side: a face of which less is in the frame is passed over


class MethodFamily(Observer):
    """Collects some head crops of a person until the verdict."""

    def __init__(self, frames: int) -> None:
        self._stride = max(1, frames // MOMENTS)
        self._heads: list[np.ndarray] = []

    def on_face(self, face: FacePatch, index: int) -> None:
        side = min(face.patch.shape[:2])
        if index % self._stride or side < TIGHTEST * ROOM * face.side:
            return
        x0, y0, x1, y1 = face.box
        middle = (y0 + y1) / 2, (x0 + x1) / 2
        sizes = zip(middle, face.patch.shape, strict=False)
        top, left = (int(np.clip(m - side / 2, 0, size - side)) for m, size in sizes)
        square = face.patch[top : top + side, left : left + side]
        self._heads.append(fit(square, registry.get_spec(HEAD).crop))

    def finish(self, subject: SubjectContext) -> Signal | None:
        track = subject.track
        if track.label.side is not Side.FAKE or HEAD not in track.models or not self._heads:
            return None
        try:
            share = shares(np.stack(self._heads))[NAMED]
        except ModelError as error:  # damaged weights: the other signals remain
            return subject.absent(SPEC, error.message)
        return subject.signal(SPEC, 100 * share) if share >= LIMIT else None


def shares(heads: np.ndarray) -> np.ndarray:
    """Return the probability of each of `FAMILIES` for heads of one person, uint8 [N, 224, 224,
    3]."""
    from scipy.special import softmax  # most clips are not called fake

    read = tokens(heads)[:, READ].reshape(len(heads), -1)
    features = (read / np.linalg.norm(read, axis=1, keepdims=True)).mean(0)
    return np.asarray(softmax(_layer()["weight"].astype(np.float32) @ features + _layer()["bias"]))


@lru_cache(maxsize=1)
def _layer() -> dict[str, np.ndarray]:
    (path,) = weights.resolve(weights.auxiliary()["method-family"])
    return load_file(path)


SPEC = SignalSpec(
    id=FAMILY,
    title="Looks most like lip-sync",
    unit="%",
    side="high",
    say="{value:.0f} %",
    means="How much the head looks like those of lip-synced clips, rather than like face swaps, "
    "edited faces, talking heads or generated videos.",
    high="Of fakes of sources left out that look so, about nine in ten had their lips synced to "
    "another voice. It does not add to the likelihood that the clip is fake.",
    purpose="Points to a mouth that was drawn anew in other footage.",
)
SIGNAL = SignalMeasure(SPEC, rank=100, observe=MethodFamily)
