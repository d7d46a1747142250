"""CLIP features: tokens of the bundled trunk, which signals compare."""

from typing import cast

import numpy as np

from detector.models import registry
from detector.models.pictures import normalized
from detector.models.ready import ReadyModel
from detector.runtime import Chain

HEAD = "clip-generated"  # Whose trunk and crop are used


def tokens(pictures: np.ndarray) -> np.ndarray:
    """Return the class token of each trunk block that *CLIP, generated head* reads, for pictures
    uint8 [N, 224, 224, 3]: float [N, blocks, 768]. Raise ModelError without its weights."""
    trunk = cast(Chain, cast(ReadyModel, registry.load_model(HEAD)).run).trunk
    return np.asarray(trunk(normalized(pictures, registry.get_spec(HEAD)))[0])
