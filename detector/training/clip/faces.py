"""What the CLIP recipe learns from: how faces are cut for it, and the class of each file."""

from detector.evaluation.labels import Item
from detector.models.base import CropRecipe
from detector.training.cache import CacheSpec, Faces
from detector.vision.alignment import WIDE, WIDE_SIDE

UNITS = WIDE * 112
"""Units of ArcFace's template (112 units wide) that a cut shows, in `WIDE_SIDE` px."""
SPEC = CacheSpec(
    "upright-320", CropRecipe(kind="upright", scale=WIDE, size=WIDE_SIDE),
    seconds=4.0, step=0.04, most=20, every=1, as_original=False,
)  # fmt: skip
TIGHT = 115.0 / UNITS
"""A file that shows less of a cut around the face is tight: it is trained on as a closer view."""

REAL, ALTERED, GENERATED = 0, 1, 2
_GENERATED = (
    "sadtalker", "hallo", "emo", "aniportrait", "echomimic", "avatar", "portrait", "talk", "animat",
    "head", "nerf", "gan", "fomm", "vid2vid", "video model", "t2v", "i2v", "wan", "sora", "veo",
    "kling", "hunyuan", "ovi", "goku", "phantom", "stylegan", "diffusion", "whole",
)  # fmt: skip
_ALTERED = (
    "swap", "faceapp", "lip", "wav2lip", "dub", "edit", "anonym", "deepfakes", "face2face",
    "neuraltextures", "faceshifter", "inswapper", "simswap", "roop", "dinet", "latentsync", "gaze",
    "aging", "makeup", "relight", "fsgan", "deepfacelive", "deepfacelab",
)  # fmt: skip


def class_of(item: Item | Faces) -> int:
    """Return `REAL`, `ALTERED` (a face in real footage) or `GENERATED` (the whole head or picture).

    The label's note decides where it begins with "region" or "whole", else the method's name.
    """
    note, method = item.note.lower(), item.method.lower()
    if item.label == 0:
        return REAL
    if note.startswith("whole"):
        return GENERATED
    if note.startswith("region") or any(word in method for word in _ALTERED):
        return ALTERED
    return GENERATED if any(word in method for word in _GENERATED) else ALTERED
