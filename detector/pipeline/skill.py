"""Skill check of an unmeasured model: whether it distinguishes altered from untouched faces.

The model scores 18 pictures of two public-domain portraits from a moving camera, and a twin of each
with an altered face: another person's, one of 64 px, or a blended copy of itself; a video model
scores as many windows. It has to accuse more twins than untouched pictures at its own operating
point. The result is stored in the data folder; a model without skill gives no answer
(`decision.context`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detector import paths, vision
from detector.decision.context import PUBLISHED_LIMITS
from detector.decision.numbers import logit
from detector.media.stills import recompressed
from detector.models.base import Model, ModelSpec
from detector.schema.analysis import Modality
from detector.schema.ensemble import SkillCheck
from detector.vision import Detection

if TYPE_CHECKING:
    from detector.samples import Alteration, Person

VERSION = 1
"""Raise it when the pictures change."""
STEP = 0.41  # s between two pictures of a person
FRAME = 0.04  # s between two frames of a window, if the model states no step


def due(spec: ModelSpec) -> bool:
    """Return True if a model of faces has an operating point and no calibration."""
    stated = spec.calibration is None and spec.operating_point is not None
    return stated and spec.modality is Modality.FACE and spec.label_order != "unverified"


def stored(spec: ModelSpec) -> SkillCheck | None:
    """Return the stored check of these weights, if there is one."""
    if not due(spec):
        return None
    found = paths.read_json(_file()).get(_key(spec))
    return SkillCheck.model_validate(found) if found else None


def check(model: Model) -> SkillCheck:
    """Check a model, and store the result."""
    spec = model.spec
    point = spec.operating_point or 0.5
    limit = logit(point) + logit(PUBLISHED_LIMITS.suspect)
    count = spec.clip_frames if spec.kind == "video" else 1
    accused = np.zeros(2, int)
    windows = list(_windows(count, spec.clip_step or FRAME))
    for frames, face in windows:
        crops = [vision.cut(rgb, face.box, spec.crop, face.landmarks) for rgb in frames]
        for altered, own in enumerate((crops[:count], crops[count:])):
            item = np.stack(own) if spec.kind == "video" else own[0]
            accused[altered] += int(model.score(item[None])[0] > limit)
    found = SkillCheck(untouched=int(accused[0]), altered=int(accused[1]), pictures=len(windows))
    with paths.locked(_file().with_suffix(".lock")):
        paths.write_json(_file(), paths.read_json(_file()) | {_key(spec): found.model_dump()})
    return found


def _file() -> Path:
    return paths.data() / "skill.json"


def _key(spec: ModelSpec) -> str:
    decides = f"{VERSION} {spec.operating_point} {spec.fake_index} {spec.real_index} {spec.network}"
    return hashlib.sha256(decides.encode()).hexdigest()[:32]


def _windows(count: int, step: float) -> Iterator[tuple[list[np.ndarray], Detection]]:
    """Yield the untouched frames of a window followed by those of its twin, and the face."""
    from detector import samples  # needs the extra `samples`

    people: tuple[Person, Person] = ("collins", "hopper")
    hows: tuple[Alteration, ...] = ("swap", "small", "blend")
    for person, other in (people, people[::-1]):
        for number in range(9):
            times = [STEP * number + step * n for n in range(count)]
            untouched = [samples.portrait_of(person, t, 1.3 if number % 2 else 1.0) for t in times]
            face = _face(untouched[0])
            how = hows[number % 3]
            twin = [samples.altered(rgb, face.box, face.landmarks, how, *_donor(other))
                    for rgb in untouched]  # fmt: skip
            quality = (60, 75, 90)[number // 3]
            yield [recompressed(rgb, quality) for rgb in (*untouched, *twin)], face


@lru_cache(maxsize=2)
def _donor(person: Person) -> tuple[np.ndarray, np.ndarray]:
    from detector import samples

    rgb = samples.portrait_of(person, 0.0, 1.0)
    return rgb, np.array(_face(rgb).landmarks, np.float32)


def _face(rgb: np.ndarray) -> Detection:
    found = vision.widest(vision.load_detector().detect(rgb, 24))
    assert found is not None  # the bundled portraits show a face
    return found
